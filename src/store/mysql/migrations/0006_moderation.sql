-- Messages that were removed or replaced. Their old texts stand in the archive only.
-- Valid on MariaDB 10.11 and MySQL 8.4.

-- Messages up to this number are gone, without a row each in moderated_message.
ALTER TABLE room ADD COLUMN cleared_to INT UNSIGNED NOT NULL DEFAULT 0;

-- A removed message has no row in `message` any more, a replaced one has its new text there; both keep their number. version is
-- that of the change in `counter`: whoever keeps something of messages elsewhere follows it.
CREATE TABLE IF NOT EXISTS moderated_message (
  room_id INT UNSIGNED NOT NULL,
  number INT UNSIGNED NOT NULL,
  removed TINYINT UNSIGNED NOT NULL,
  version BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (room_id, number),
  KEY moderated_message_version (room_id, version)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

ALTER TABLE change_log MODIFY kind ENUM('room', 'category', 'user', 'everybody', 'messages') NOT NULL;
