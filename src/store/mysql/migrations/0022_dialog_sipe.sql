-- What a client cannot do is known of its dialog wherever it lives on. Valid on MariaDB 10.11 and MySQL 8.4.

ALTER TABLE dialog ADD COLUMN sipe TINYINT UNSIGNED NOT NULL DEFAULT 0 COMMENT '1: opened by a client that calls itself Sipe';
