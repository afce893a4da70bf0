-- Whether a room is being filled by an import is asked by whoever compares the chat with the archive.
-- Valid on MariaDB 10.11 and MySQL 8.4.

ALTER TABLE import_item ADD KEY import_item_target (target_id);
