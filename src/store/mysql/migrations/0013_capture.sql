-- What a node's own stream says of its lives: 1 once NODE_STOP is recorded, by the node itself or by its successor.
-- Nothing of that life is recorded after it.
-- Valid on MariaDB 10.11 and MySQL 8.4.

ALTER TABLE incarnation ADD COLUMN stopped TINYINT UNSIGNED NOT NULL DEFAULT 0;
