-- What was put aside is settled once somebody has answered for it. The row stays: of another body under a known event id there is no other copy.
-- Valid on MariaDB 10.11 and MySQL 8.4.

ALTER TABLE compliance_quarantine ADD COLUMN accepted_ms BIGINT UNSIGNED NULL COMMENT 'null: still open';
ALTER TABLE compliance_quarantine ADD COLUMN accepted_by VARCHAR(255) CHARACTER SET utf8mb4 NULL;
ALTER TABLE compliance_quarantine ADD COLUMN accepted_why VARCHAR(1000) CHARACTER SET utf8mb4 NULL;
ALTER TABLE compliance_quarantine ADD KEY compliance_quarantine_open (accepted_ms);
