-- The index of the history search: which words stand in which messages. Nothing here is filled by the migration: nodes index what
-- there is in the background, and a search reads what is not indexed yet.
-- Every statement runs on MariaDB 10.11 and MySQL 8.4.

-- The messages of each room up to this number are in the index. Apart from `room`, whose rows every post locks.
CREATE TABLE IF NOT EXISTS search_progress (
  room_id INT UNSIGNED NOT NULL,
  number INT UNSIGNED NOT NULL,
  PRIMARY KEY (room_id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- A segment is what was indexed in one go, or several merged into one of the next level.
CREATE TABLE IF NOT EXISTS search_segment (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT,
  level TINYINT UNSIGNED NOT NULL,
  messages INT UNSIGNED NOT NULL,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- term: 32 bits for a word or an author. postings: the messages (room, number) that have it, ascending, see search-postings.ts.
-- What there is of a term is the union of its rows, whatever their level and segment.
CREATE TABLE IF NOT EXISTS search_posting (
  level TINYINT UNSIGNED NOT NULL,
  term INT UNSIGNED NOT NULL,
  segment INT UNSIGNED NOT NULL,
  room_from INT UNSIGNED NOT NULL,
  number_from INT UNSIGNED NOT NULL,
  room_to INT UNSIGNED NOT NULL,
  hits INT UNSIGNED NOT NULL,
  postings VARBINARY(4096) NOT NULL,
  PRIMARY KEY (level, term, segment, room_from, number_from)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

-- One row, locked by whoever works on the index; it also keeps the merge under way: the segments of merge_level up to merge_up_to
-- become merge_target, done below merge_term.
CREATE TABLE IF NOT EXISTS search_state (
  id TINYINT UNSIGNED NOT NULL,
  merge_level TINYINT UNSIGNED NULL,
  merge_up_to INT UNSIGNED NOT NULL DEFAULT 0,
  merge_target INT UNSIGNED NOT NULL DEFAULT 0,
  merge_term BIGINT UNSIGNED NOT NULL DEFAULT 0,
  PRIMARY KEY (id)
) ENGINE=InnoDB DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;

INSERT INTO search_state (id) VALUES (1) ON DUPLICATE KEY UPDATE id = search_state.id;
