-- Groups: who is in which one directly, as given. `affiliation` is derived from this table and from nothing else.
-- Valid on MariaDB 10.11 and MySQL 8.4.

CREATE TABLE IF NOT EXISTS membership (
  group_id INT UNSIGNED NOT NULL,
  member_kind ENUM('user', 'group') NOT NULL,
  member_id INT UNSIGNED NOT NULL,
  source ENUM('manual', 'directory') NOT NULL,
  PRIMARY KEY (group_id, member_kind, member_id, source),
  KEY membership_member (member_kind, member_id, group_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT INTO membership (group_id, member_kind, member_id, source)
  SELECT a.group_id, 'user', a.user_id, 'manual' FROM affiliation a
  ON DUPLICATE KEY UPDATE source = membership.source;

-- Groups that the directory had when it was read last.
CREATE TABLE IF NOT EXISTS directory_group (
  group_id INT UNSIGNED NOT NULL,
  dn VARCHAR(1024) NOT NULL,
  PRIMARY KEY (group_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Locked by whoever changes memberships: what is derived from them is then nobody else's meanwhile.
INSERT INTO setting (name, value) VALUES ('memberships', '')
  ON DUPLICATE KEY UPDATE name = setting.name;

-- Whose turn it is to read the directory; milliseconds of the database's clock.
CREATE TABLE IF NOT EXISTS directory_turn (
  name VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  holder VARCHAR(255) NOT NULL DEFAULT '',
  epoch BIGINT UNSIGNED NOT NULL DEFAULT 0,
  expires_ms BIGINT UNSIGNED NOT NULL DEFAULT 0,
  due_ms BIGINT UNSIGNED NOT NULL DEFAULT 0,
  succeeded_ms BIGINT UNSIGNED NOT NULL DEFAULT 0,
  trouble VARCHAR(500) NOT NULL DEFAULT '' COMMENT 'why the last reading changed nothing; empty when it was good',
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT INTO directory_turn (name) VALUES ('ldap')
  ON DUPLICATE KEY UPDATE name = directory_turn.name;
