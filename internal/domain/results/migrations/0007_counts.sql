-- How a comparison with what a partner has was made, and of which time; a row of
-- results_counts without one is a list of one day. way: list, pickup, search.
CREATE TABLE results_count_ways (
  id BLOB PRIMARY KEY,
  way TEXT NOT NULL,
  since BIGINT NOT NULL,
  until BIGINT NOT NULL
) WITHOUT ROWID;
