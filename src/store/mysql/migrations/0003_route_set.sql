-- The proxies between a client and Kamailio that want to see what we send in its dialog (RFC 3261 §12.1.1); empty without any.
-- Valid on MariaDB 10.11 and MySQL 8.4.

ALTER TABLE dialog ADD COLUMN route_set VARCHAR(1024) NOT NULL DEFAULT '';
