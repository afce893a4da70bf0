-- Who is there, and what is the matter. A process that ends in order takes its row away; one that is killed leaves it, and is missed.

CREATE TABLE IF NOT EXISTS process (
  name VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  kind VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  -- The database's clock, like all times here but those of alerts.
  seen_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (name)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row: the process that looks after what is everybody's.
CREATE TABLE IF NOT EXISTS pool_watch (
  id TINYINT UNSIGNED NOT NULL,
  holder VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  expires_ms BIGINT UNSIGNED NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT INTO pool_watch (id, holder, expires_ms) VALUES (1, '', 0) ON DUPLICATE KEY UPDATE id = pool_watch.id;

CREATE TABLE IF NOT EXISTS alert (
  owner VARCHAR(96) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  name VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  subject VARCHAR(160) NOT NULL,
  detail VARCHAR(500) NOT NULL,
  since_ms BIGINT UNSIGNED NOT NULL,
  seen_ms BIGINT UNSIGNED NOT NULL,
  told_ms BIGINT UNSIGNED NULL,
  PRIMARY KEY (owner, name, subject)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
