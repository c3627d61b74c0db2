-- Files of sources that stay where they are after they were taken. id is the
-- blind index of source and name, look of size and time, body of the content:
-- names may be patients'. refused: 1 where something of it was not taken.
CREATE TABLE results_taken (
  id BLOB PRIMARY KEY,
  source TEXT NOT NULL,
  look BLOB NOT NULL,
  body BLOB NOT NULL,
  refused BIGINT NOT NULL,
  at BIGINT NOT NULL
) WITHOUT ROWID;
