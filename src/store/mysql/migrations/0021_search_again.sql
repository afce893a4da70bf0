-- What a word is has changed for signs such as № and for some letters without capitals of their own: the index of the history search is
-- made again. Nodes do that in the background; a search reads what is not indexed yet.
-- Valid on MariaDB 10.11 and MySQL 8.4.

TRUNCATE TABLE search_progress;
TRUNCATE TABLE search_posting;
TRUNCATE TABLE search_segment;
UPDATE search_state SET merge_level = NULL, merge_up_to = 0, merge_target = 0, merge_term = 0;
