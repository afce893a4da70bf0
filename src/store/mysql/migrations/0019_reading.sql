-- When a reading is on record: before its answer leaves, or at first on the disk of the node only (`buffered`).
-- Valid on MariaDB 10.11 and MySQL 8.4.

ALTER TABLE category ADD COLUMN reading ENUM('strict', 'buffered') NOT NULL DEFAULT 'strict';

-- Written in the transaction that records what the spool of this life holds, so that each of it is recorded once.
ALTER TABLE incarnation ADD COLUMN spooled BIGINT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'highest number of its spool on record';
