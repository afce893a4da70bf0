-- The permanent archive: one Merkle log over all events. What is in it is never changed; content may go, the leaf stays.
-- Rows come by archive_intake (filled in the transaction that empties the outbox) and leave it when they are sealed.
-- Valid on MariaDB 10.11 and MySQL 8.4.

CREATE TABLE IF NOT EXISTS archive_intake (
  event_id   BINARY(16)      NOT NULL,
  stream     VARCHAR(120)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  stream_seq BIGINT UNSIGNED NOT NULL,
  kind       VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  at_ms      BIGINT UNSIGNED NOT NULL,
  room_id    INT UNSIGNED    NOT NULL,
  body       MEDIUMBLOB      NOT NULL,
  -- The database's clock. Who waits long waits for a number of its stream that is missing.
  arrived_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (event_id)
) ENGINE = InnoDB;

-- How far each stream is sealed: its number in archive_leaf, the last sealed number of the stream, and that leaf's hash.
CREATE TABLE IF NOT EXISTS archive_stream (
  id         INT UNSIGNED    NOT NULL,
  -- Bytes: a collation would take "a" and "a " for one stream.
  name       VARBINARY(120)  NOT NULL,
  last_seq   BIGINT UNSIGNED NOT NULL,
  last_leaf  BINARY(32)      NOT NULL,
  PRIMARY KEY (id),
  UNIQUE KEY archive_stream_name (name)
) ENGINE = InnoDB;

-- One row per event, for ever. seq is dense from 0: the leaf index of RFC 6962. leaf is JSON (docs/compliance.md).
CREATE TABLE IF NOT EXISTS archive_leaf (
  seq        BIGINT UNSIGNED NOT NULL,
  event_id   BINARY(16)      NOT NULL,
  stream_id  INT UNSIGNED    NOT NULL,
  stream_seq BIGINT UNSIGNED NOT NULL,
  leaf_hash  BINARY(32)      NOT NULL,
  leaf       VARBINARY(4096) NOT NULL,
  PRIMARY KEY (seq),
  UNIQUE KEY archive_leaf_event (event_id),
  UNIQUE KEY archive_leaf_stream (stream_id, stream_seq)
) ENGINE = InnoDB;

-- What was said, and the salts of the leaf's commitments, 32 bytes each. May go; the leaf then still proves when, where, by whom.
CREATE TABLE IF NOT EXISTS archive_content (
  seq   BIGINT UNSIGNED NOT NULL,
  salts VARBINARY(512)  NOT NULL,
  body  MEDIUMBLOB      NOT NULL,
  PRIMARY KEY (seq)
) ENGINE = InnoDB;

-- Hashes of complete subtrees of 256^level leaves: a proof reads some hundred rows, not the log.
CREATE TABLE IF NOT EXISTS archive_node (
  level TINYINT UNSIGNED NOT NULL,
  idx   BIGINT UNSIGNED  NOT NULL,
  hash  BINARY(32)       NOT NULL,
  PRIMARY KEY (level, idx)
) ENGINE = InnoDB;

-- Signed notes: the log had `size` leaves and this root.
CREATE TABLE IF NOT EXISTS archive_checkpoint (
  size  BIGINT UNSIGNED NOT NULL,
  at_ms BIGINT UNSIGNED NOT NULL,
  root  BINARY(32)      NOT NULL,
  note  TEXT            CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  PRIMARY KEY (size)
) ENGINE = InnoDB;

-- What `parlance compliance verify` found, and when.
CREATE TABLE IF NOT EXISTS archive_verification (
  id        BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  at_ms     BIGINT UNSIGNED NOT NULL,
  from_seq  BIGINT UNSIGNED NOT NULL,
  size      BIGINT UNSIGNED NOT NULL,
  root      BINARY(32)      NULL,
  verdict   VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  first_bad BIGINT UNSIGNED NULL,
  field     VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NULL,
  PRIMARY KEY (id)
) ENGINE = InnoDB;

-- Numbers of the archive's own stream.
INSERT INTO counter (name, value) VALUES ('archive', 0) ON DUPLICATE KEY UPDATE counter.value = counter.value;
