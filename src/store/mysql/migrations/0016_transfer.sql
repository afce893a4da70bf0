-- Imports that are under way: how far each has come, and what became of the categories and rooms of its files. Both go with its end.
-- Every statement runs on MariaDB 10.11 and MySQL 8.4.

-- source: SHA-256 over the manifest and what was asked for. place: the part and line that are done with, as JSON; it is written in
-- the transaction of what it tells of.
CREATE TABLE IF NOT EXISTS import_run (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  source CHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  begun_ms BIGINT UNSIGNED NOT NULL,
  place TEXT NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY import_run_source (source)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- name: the GUID or address in the files. target_id 0: left out. opens: a room that is enabled when its messages are there.
CREATE TABLE IF NOT EXISTS import_item (
  run_id INT UNSIGNED NOT NULL,
  kind ENUM('category', 'room') NOT NULL,
  name VARCHAR(320) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  target_id INT UNSIGNED NOT NULL,
  opens TINYINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (run_id, kind, name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
