-- Messages of rooms that are older than the permanent archive: it says nothing of them, and is not asked for them.
-- Valid on MariaDB 10.11 and MySQL 8.4.

ALTER TABLE room ADD COLUMN before_archive INT UNSIGNED NOT NULL DEFAULT 0 COMMENT 'last message before the archive began';
