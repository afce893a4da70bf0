-- Rooms with their whole life: who may create them and administer all of them, add-ins, and what changed when.
-- Valid on MariaDB 10.11 and MySQL 8.4.

ALTER TABLE principal
  ADD COLUMN may_create TINYINT UNSIGNED NULL COMMENT 'own policy for creating rooms: NULL takes the global one',
  ADD COLUMN administrator TINYINT UNSIGNED NOT NULL DEFAULT 0;

INSERT INTO setting (name, value) VALUES ('create-rooms', '1')
  ON DUPLICATE KEY UPDATE name = setting.name;

-- Lync's length of names.
ALTER TABLE room MODIFY name VARCHAR(256) COLLATE utf8mb4_unicode_520_ci NOT NULL;

ALTER TABLE category
  MODIFY name VARCHAR(256) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  ADD COLUMN version INT UNSIGNED NOT NULL DEFAULT 1;

CREATE TABLE IF NOT EXISTS add_in (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  name VARCHAR(50) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  url VARCHAR(255) NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY add_in_name (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

ALTER TABLE room ADD COLUMN add_in_id INT UNSIGNED NULL, ADD KEY room_add_in (add_in_id);

-- Who is in a room that is deleted.
ALTER TABLE dialog_room ADD KEY dialog_room_room (room_id);

-- 'changes' is locked by whoever changes anything here: changes happen one after the other, and their numbers in the order of
-- their commits. 'administration' counts the recorded events of stream "administration".
CREATE TABLE IF NOT EXISTS counter (
  name VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  value BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT INTO counter (name) VALUES ('changes'), ('administration')
  ON DUPLICATE KEY UPDATE name = counter.name;

-- Taken over by 'changes'.
DELETE FROM setting WHERE name = 'naming';

-- What the nodes have to look at again; kept for a day. id is 0 for 'everybody'.
CREATE TABLE IF NOT EXISTS change_log (
  version BIGINT UNSIGNED NOT NULL,
  kind ENUM('room', 'category', 'user', 'everybody') NOT NULL,
  id INT UNSIGNED NOT NULL,
  at_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (version, kind, id),
  KEY change_log_at (at_ms)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Rooms that are gone, for as long as something of them is left to remove.
CREATE TABLE IF NOT EXISTS deleted_room (
  room_id INT UNSIGNED NOT NULL,
  deleted_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (room_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
