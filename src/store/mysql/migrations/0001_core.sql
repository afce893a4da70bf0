-- The chat side: who there is, which rooms, who may what, what was said, who is connected.
-- Every statement runs on MariaDB 10.11 and MySQL 8.4. A statement ends with ";" at the end of a line.

-- Users, groups and domains. A domain's uri is the bare domain name; every user of that domain belongs to it.
CREATE TABLE IF NOT EXISTS principal (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  uri VARCHAR(600) NOT NULL,
  kind ENUM('user', 'group', 'domain') NOT NULL,
  display_name VARCHAR(255) NOT NULL,
  email VARCHAR(320) NULL,
  enabled TINYINT UNSIGNED NULL COMMENT 'own policy: NULL takes the global one',
  PRIMARY KEY (id),
  UNIQUE KEY principal_uri (uri)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Direct and indirect memberships alike: whoever writes here has resolved groups in groups.
CREATE TABLE IF NOT EXISTS affiliation (
  user_id INT UNSIGNED NOT NULL,
  group_id INT UNSIGNED NOT NULL,
  PRIMARY KEY (user_id, group_id),
  KEY affiliation_group (group_id, user_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS setting (
  name VARCHAR(64) NOT NULL,
  value VARCHAR(255) NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- 'naming' is locked by whoever gives a name, so that rooms and categories never share one.
INSERT INTO setting (name, value) VALUES ('enable-persistent-chat', '0'), ('naming', '')
  ON DUPLICATE KEY UPDATE name = setting.name;

CREATE TABLE IF NOT EXISTS category (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  guid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name VARCHAR(255) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  description VARCHAR(1024) NOT NULL DEFAULT '',
  invitations TINYINT UNSIGNED NOT NULL DEFAULT 0,
  file_upload TINYINT UNSIGNED NOT NULL DEFAULT 0,
  chat_history TINYINT UNSIGNED NOT NULL DEFAULT 1,
  PRIMARY KEY (id),
  UNIQUE KEY category_guid (guid),
  UNIQUE KEY category_name (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS category_scope (
  category_id INT UNSIGNED NOT NULL,
  principal_id INT UNSIGNED NOT NULL,
  scope ENUM('allowed', 'denied', 'creator') NOT NULL,
  PRIMARY KEY (category_id, principal_id, scope),
  KEY category_scope_principal (principal_id, scope, category_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- last_number counts messages, last_event the recorded events of stream room:<id>; both under the row's lock.
CREATE TABLE IF NOT EXISTS room (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  domain VARCHAR(255) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  guid CHAR(36) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name VARCHAR(255) COLLATE utf8mb4_unicode_520_ci NOT NULL,
  description VARCHAR(1024) COLLATE utf8mb4_unicode_520_ci NOT NULL DEFAULT '',
  category_id INT UNSIGNED NOT NULL,
  privacy ENUM('open', 'closed', 'secret') NOT NULL DEFAULT 'closed',
  type ENUM('normal', 'auditorium') NOT NULL DEFAULT 'normal',
  invitations TINYINT UNSIGNED NOT NULL DEFAULT 1 COMMENT '1 as the category, 0 never',
  disabled TINYINT UNSIGNED NOT NULL DEFAULT 0,
  last_number INT UNSIGNED NOT NULL DEFAULT 0,
  last_event BIGINT UNSIGNED NOT NULL DEFAULT 0,
  access_version INT UNSIGNED NOT NULL DEFAULT 1,
  created_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY room_guid (guid, domain),
  UNIQUE KEY room_name (name, domain),
  KEY room_category (category_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS room_role (
  room_id INT UNSIGNED NOT NULL,
  principal_id INT UNSIGNED NOT NULL,
  role ENUM('member', 'manager', 'presenter') NOT NULL,
  PRIMARY KEY (room_id, principal_id, role),
  KEY room_role_principal (principal_id, role, room_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS message (
  room_id INT UNSIGNED NOT NULL,
  number INT UNSIGNED NOT NULL,
  author_id INT UNSIGNED NOT NULL,
  at_ms BIGINT UNSIGNED NOT NULL,
  alert TINYINT UNSIGNED NOT NULL,
  text MEDIUMTEXT NOT NULL,
  rtf MEDIUMTEXT NULL,
  PRIMARY KEY (room_id, number)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- What a client may send again: one message per (dialog, envelope, item), on whichever node. Kept a day beyond the dialog.
CREATE TABLE IF NOT EXISTS post_key (
  token BINARY(16) NOT NULL,
  envid BIGINT UNSIGNED NOT NULL,
  seqid INT UNSIGNED NOT NULL,
  room_id INT UNSIGNED NOT NULL,
  number INT UNSIGNED NOT NULL,
  PRIMARY KEY (token, envid, seqid)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- endpoint: first 16 bytes of SHA-256 of the epid, or of the remote target of a client that has none.
CREATE TABLE IF NOT EXISTS dialog (
  token BINARY(16) NOT NULL,
  user_id INT UNSIGNED NOT NULL,
  endpoint BINARY(16) NOT NULL,
  epid VARCHAR(255) NOT NULL,
  home VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  epoch INT UNSIGNED NOT NULL,
  issued_by VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  call_id VARCHAR(512) NOT NULL,
  local_uri VARCHAR(1024) NOT NULL,
  local_tag VARCHAR(255) NOT NULL,
  remote_uri VARCHAR(1024) NOT NULL,
  remote_tag VARCHAR(255) NOT NULL,
  remote_target VARCHAR(2048) NOT NULL,
  local_address VARCHAR(320) NOT NULL,
  edge VARCHAR(255) NOT NULL,
  edge_start VARCHAR(255) NOT NULL,
  conid BIGINT NOT NULL,
  source VARCHAR(255) NOT NULL,
  transport ENUM('tcp', 'tls', 'udp', 'ws', 'wss') NOT NULL,
  away_since_ms BIGINT UNSIGNED NULL,
  PRIMARY KEY (token),
  KEY dialog_home (home, token),
  KEY dialog_endpoint (user_id, endpoint)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Read and written only under the lock of the dialog's row.
CREATE TABLE IF NOT EXISTS dialog_room (
  token BINARY(16) NOT NULL,
  room_id INT UNSIGNED NOT NULL,
  mask INT UNSIGNED NOT NULL,
  since INT UNSIGNED NOT NULL,
  PRIMARY KEY (token, room_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

CREATE TABLE IF NOT EXISTS remembered_room (
  user_id INT UNSIGNED NOT NULL,
  endpoint BINARY(16) NOT NULL,
  room_id INT UNSIGNED NOT NULL,
  until_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (user_id, endpoint, room_id),
  KEY remembered_room_until (until_ms)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Dialogs that are over, for as long as their post keys stay.
CREATE TABLE IF NOT EXISTS ended_dialog (
  token BINARY(16) NOT NULL,
  until_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (token),
  KEY ended_dialog_until (until_ms)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Lives of nodes. flushes is written by every journal transaction: it fences out a life that has a successor, and tells
-- after a lost connection whether the last transaction was committed. read_events counts the events of stream read:<incarnation>.
CREATE TABLE IF NOT EXISTS incarnation (
  incarnation VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  node VARCHAR(80) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  epoch INT UNSIGNED NOT NULL,
  successor VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NULL,
  flushes BIGINT UNSIGNED NOT NULL DEFAULT 0,
  read_events BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (incarnation),
  UNIQUE KEY incarnation_epoch (node, epoch)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Apart from `incarnation`, so that renewing a lease never waits for a running flush. The row goes when a successor takes over.
CREATE TABLE IF NOT EXISTS node_lease (
  incarnation VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  expires_at DATETIME(3) NOT NULL,
  PRIMARY KEY (incarnation)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- How far each node has delivered each room it serves; read by the node that takes over.
CREATE TABLE IF NOT EXISTS delivery_progress (
  incarnation VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  room_id INT UNSIGNED NOT NULL,
  number INT UNSIGNED NOT NULL,
  PRIMARY KEY (incarnation, room_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- Written in the transaction of what it records; emptied by the archive. `body` is the canonical JSON, byte for byte.
CREATE TABLE IF NOT EXISTS compliance_outbox (
  event_id BINARY(16) NOT NULL,
  stream VARCHAR(120) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  stream_seq BIGINT UNSIGNED NOT NULL,
  kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  at_ms BIGINT UNSIGNED NOT NULL,
  room_id INT UNSIGNED NOT NULL,
  body MEDIUMBLOB NOT NULL,
  PRIMARY KEY (event_id),
  UNIQUE KEY compliance_outbox_stream (stream, stream_seq)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
