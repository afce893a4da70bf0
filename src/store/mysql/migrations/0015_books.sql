-- How it is found that nothing of the record is missing.
-- Valid on MariaDB 10.11 and MySQL 8.4.

-- When a life of a node last recorded that it lives, by the database's clock.
ALTER TABLE incarnation ADD COLUMN heartbeat_ms BIGINT UNSIGNED NULL;

-- How far the messages of a room have been compared with the archive.
CREATE TABLE IF NOT EXISTS compliance_compared (
  -- Bytes: a collation would take "a" and "a " for one stream.
  stream    VARBINARY(120)   NOT NULL,
  event_seq BIGINT UNSIGNED  NOT NULL,
  number    INT UNSIGNED     NOT NULL,
  messages  BIGINT UNSIGNED  NOT NULL,
  -- Chain over what was said, message by message; the same for chat and archive.
  digest    BINARY(32)       NOT NULL,
  -- 1: the stream has ended, and its end is in the archive.
  closed    TINYINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (stream)
) ENGINE=InnoDB;

-- Where chat and archive do not say the same, as the last comparison found it.
CREATE TABLE IF NOT EXISTS compliance_difference (
  what     VARCHAR(32)     CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  stream   VARBINARY(120)  NOT NULL,
  first    BIGINT UNSIGNED NOT NULL,
  last     BIGINT UNSIGNED NOT NULL,
  since_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (what, stream, first)
) ENGINE=InnoDB;

-- One row for each comparison; times by the database's clock.
CREATE TABLE IF NOT EXISTS compliance_reconciliation (
  id          BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  at_ms       BIGINT UNSIGNED NOT NULL,
  took_ms     BIGINT UNSIGNED NOT NULL,
  whole       TINYINT UNSIGNED NOT NULL,
  streams     INT UNSIGNED    NOT NULL,
  committed   BIGINT UNSIGNED NOT NULL,
  sealed      BIGINT UNSIGNED NOT NULL,
  pending     BIGINT UNSIGNED NOT NULL,
  rooms       INT UNSIGNED    NOT NULL,
  messages    BIGINT UNSIGNED NOT NULL,
  differences INT UNSIGNED    NOT NULL,
  -- Why it is not complete; NULL when it is.
  postponed   VARCHAR(255)    CHARACTER SET utf8mb4 NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB;

-- What was sealed on a day, as it was signed.
CREATE TABLE IF NOT EXISTS compliance_statement (
  day      CHAR(10)        CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  from_seq BIGINT UNSIGNED NOT NULL,
  to_seq   BIGINT UNSIGNED NOT NULL,
  made_ms  BIGINT UNSIGNED NOT NULL,
  body     MEDIUMTEXT      CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
  note     TEXT            CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  PRIMARY KEY (day)
) ENGINE=InnoDB;
