-- First leg of the compliance archive. Rows move from compliance_outbox (written in the chat's own transaction) to
-- compliance_handover, wait there for the adapter and are deleted when it has them.
-- Valid on MariaDB 10.11 and MySQL 8.4.

CREATE TABLE IF NOT EXISTS compliance_handover (
  event_id   BINARY(16)      NOT NULL,
  stream     VARCHAR(120)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  stream_seq BIGINT UNSIGNED NOT NULL,
  kind       VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  at_ms      BIGINT UNSIGNED NOT NULL,
  room_id    INT UNSIGNED    NOT NULL,
  body       MEDIUMBLOB      NOT NULL,
  PRIMARY KEY (event_id)
) ENGINE = InnoDB;

-- What can be neither delivered nor thrown away: an event the format cannot take, or a second body under a known event id.
CREATE TABLE IF NOT EXISTS compliance_quarantine (
  event_id       BINARY(16)      NOT NULL,
  body_sha256    BINARY(32)      NOT NULL,
  stream         VARCHAR(120)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  stream_seq     BIGINT UNSIGNED NOT NULL,
  kind           VARCHAR(16)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  at_ms          BIGINT UNSIGNED NOT NULL,
  room_id        INT UNSIGNED    NOT NULL,
  body           MEDIUMBLOB      NOT NULL,
  reason         VARCHAR(255)    CHARACTER SET utf8mb4 NOT NULL,
  quarantined_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (event_id, body_sha256)
) ENGINE = InnoDB;

-- The batch the adapter has in hand. Its rows are fixed here before the first byte of a file is written, so that a
-- repetition after a crash gives the same files. At most one row per adapter; it goes in the transaction that deletes the rows.
CREATE TABLE IF NOT EXISTS compliance_run (
  adapter         VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  run_id          VARCHAR(128)    CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  config_hash     CHAR(64)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- 16 bytes each, ascending.
  event_ids       MEDIUMBLOB      NOT NULL,
  attempts        INT UNSIGNED    NOT NULL DEFAULT 0,
  next_attempt_ms BIGINT UNSIGNED NOT NULL DEFAULT 0,
  last_error      VARCHAR(255)    CHARACTER SET utf8mb4 NULL,
  PRIMARY KEY (adapter)
) ENGINE = InnoDB;

-- Who runs the adapter. Every write of a holder checks the epoch: a holder that slept past its lease changes nothing.
CREATE TABLE IF NOT EXISTS compliance_lease (
  adapter    VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  holder     VARCHAR(64)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  epoch      BIGINT UNSIGNED NOT NULL,
  -- Both in the database's clock; the second is the last run that left nothing to do.
  expires_ms BIGINT UNSIGNED NOT NULL,
  last_run_ms BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (adapter)
) ENGINE = InnoDB;
