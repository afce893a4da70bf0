-- Who made a room, and who changed it last. Of rooms that are older, what is not known is empty.
-- Valid on MariaDB 10.11 and MySQL 8.4.

-- Apart from `room`, whose rows every post locks and every look reads.
CREATE TABLE IF NOT EXISTS room_audit (
  room_id INT UNSIGNED NOT NULL,
  created_by VARCHAR(600) NOT NULL DEFAULT '',
  updated_by VARCHAR(600) NOT NULL,
  updated_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (room_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
