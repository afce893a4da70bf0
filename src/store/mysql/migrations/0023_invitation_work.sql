-- Invitations to be written or taken back behind a change: written in the change's transaction, gone when they are. A process that ends
-- in between leaves them to the nodes.
-- Valid on MariaDB 10.11 and MySQL 8.4.

-- due_ms: by the database's clock; until then somebody is at it. work: JSON.
CREATE TABLE IF NOT EXISTS invitation_work (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT,
  due_ms BIGINT UNSIGNED NOT NULL,
  work MEDIUMTEXT CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
  PRIMARY KEY (id),
  KEY invitation_work_due (due_ms)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
