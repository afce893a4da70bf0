-- What belongs to one user: preferences, invitations, what was read, and the parts of the presence document that concern rooms.
-- Valid on MariaDB 10.11 and MySQL 8.4.

CREATE TABLE IF NOT EXISTS preference (
  user_id INT UNSIGNED NOT NULL,
  label VARCHAR(255) NOT NULL,
  version INT UNSIGNED NOT NULL,
  content MEDIUMBLOB NOT NULL,
  PRIMARY KEY (user_id, label)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One per user and room, for as long as the user is a member. number is dense per user; created_ms is the database's clock.
CREATE TABLE IF NOT EXISTS invitation (
  user_id INT UNSIGNED NOT NULL,
  number INT UNSIGNED NOT NULL,
  room_id INT UNSIGNED NOT NULL,
  created_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (user_id, number),
  UNIQUE KEY invitation_room (room_id, user_id),
  KEY invitation_created (created_ms)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The highest number given to a user; locked by whoever gives the next.
CREATE TABLE IF NOT EXISTS last_invitation (
  user_id INT UNSIGNED NOT NULL,
  number INT UNSIGNED NOT NULL,
  PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- The last message a user has read in a room. Not written while a dialog is in the room and hears it live.
CREATE TABLE IF NOT EXISTS read_mark (
  user_id INT UNSIGNED NOT NULL,
  room_id INT UNSIGNED NOT NULL,
  number INT UNSIGNED NOT NULL,
  PRIMARY KEY (user_id, room_id),
  KEY read_mark_room (room_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Instances of presence categories ([MS-PRES]). content NULL: removed; the version stays, so that none is given twice.
CREATE TABLE IF NOT EXISTS publication (
  user_id INT UNSIGNED NOT NULL,
  category VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  instance INT UNSIGNED NOT NULL,
  container INT UNSIGNED NOT NULL,
  version INT UNSIGNED NOT NULL,
  expire_type VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  published_ms BIGINT UNSIGNED NOT NULL,
  revision INT UNSIGNED NOT NULL COMMENT 'of the user, when it was last changed',
  content MEDIUMTEXT NULL,
  PRIMARY KEY (user_id, category, instance, container)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Rises with every change of a user's publications; locked by whoever changes them.
CREATE TABLE IF NOT EXISTS publication_revision (
  user_id INT UNSIGNED NOT NULL,
  revision INT UNSIGNED NOT NULL,
  PRIMARY KEY (user_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
