-- One row for each problem that somebody reported. page is the shape of an
-- address (/results/{id}), reference the mark of an error page. body is sealed:
-- what they wrote, what was answered, and the state it belongs to, so that an
-- older one put back is found. Times are microseconds, 0 for none.
CREATE TABLE setup_problems (
  number BIGINT PRIMARY KEY,
  made_by TEXT NOT NULL,
  made_id BLOB NOT NULL,
  made_at BIGINT NOT NULL,
  page TEXT NOT NULL,
  reference TEXT NOT NULL,
  state BIGINT NOT NULL,
  taken_by TEXT NOT NULL,
  taken_at BIGINT NOT NULL,
  answered_by TEXT NOT NULL,
  answered_at BIGINT NOT NULL,
  leaf BIGINT NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX setup_problems_open ON setup_problems (number) WHERE state < 2;
CREATE INDEX setup_problems_mine ON setup_problems (made_id, number);
