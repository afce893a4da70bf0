-- What the adapter delivered has a stream of its own: it grows with every run, and the archive's own is read as a whole.
-- Valid on MariaDB 10.11 and MySQL 8.4.

INSERT INTO counter (name, value) VALUES ('delivery', 0) ON DUPLICATE KEY UPDATE counter.value = counter.value;
