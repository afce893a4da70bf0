-- Messages of rooms whose category keeps no history: for live delivery only, and never in `message`, so that nothing shows them later.
-- Valid on MariaDB 10.11 and MySQL 8.4.

-- Removed by the sweep a minute after they were posted, once no dialog waits for a node that died. `number` is the room's own.
CREATE TABLE IF NOT EXISTS passing_message (
  room_id INT UNSIGNED NOT NULL,
  number INT UNSIGNED NOT NULL,
  author_id INT UNSIGNED NOT NULL,
  at_ms BIGINT UNSIGNED NOT NULL,
  alert TINYINT UNSIGNED NOT NULL,
  text MEDIUMTEXT NOT NULL,
  rtf MEDIUMTEXT NULL,
  PRIMARY KEY (room_id, number),
  KEY passing_message_at (at_ms)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Numbers of a room, both included, that were never kept: nobody has them to read. Consecutive ones share a row.
CREATE TABLE IF NOT EXISTS unkept_span (
  room_id INT UNSIGNED NOT NULL,
  from_number INT UNSIGNED NOT NULL,
  to_number INT UNSIGNED NOT NULL,
  last_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (room_id, from_number)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
