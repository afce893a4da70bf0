-- A check of a part of the archive says nothing of the rest: what one has found stands until another has looked there and found it right.
-- Valid on MariaDB 10.11 and MySQL 8.4.

ALTER TABLE archive_verification ADD COLUMN outside TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT '1: against checkpoints kept elsewhere';
ALTER TABLE archive_verification ADD COLUMN cleared_ms BIGINT UNSIGNED NULL COMMENT 'a later check found that place right';
ALTER TABLE archive_verification ADD KEY archive_verification_open (verdict, cleared_ms);

UPDATE archive_verification AS bad
  JOIN archive_verification AS good ON good.id > bad.id AND good.verdict <> 'tampered' AND good.from_seq <= COALESCE(bad.first_bad, 0)
  SET bad.cleared_ms = good.at_ms
  WHERE bad.verdict = 'tampered';
