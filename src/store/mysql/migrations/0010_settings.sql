-- Settings that are changed while the nodes run: a row of `setting` under the name that parlance.yaml has for it, in place of what
-- the file says. Valid on MariaDB 10.11 and MySQL 8.4.

-- Addresses of web pages are longer than anything before.
ALTER TABLE setting MODIFY value VARCHAR(1024) NOT NULL;

ALTER TABLE change_log MODIFY kind ENUM('room', 'category', 'user', 'everybody', 'messages', 'settings') NOT NULL;
