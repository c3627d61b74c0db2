-- One row for each request. state: 0 open, 1 approved, 2 refused, 3 expired,
-- 4 voided, 5 used. barred is a JSON list of those who may not approve besides
-- the author. Times are microseconds, 0 for none. hash is of the object as it
-- was when somebody asked. leaf is the newest event about it in the ledger.
CREATE TABLE approval_requests (
  id BLOB PRIMARY KEY,
  kind TEXT NOT NULL,
  object TEXT NOT NULL,
  hash BLOB NOT NULL,
  author TEXT NOT NULL,
  author_id BLOB NOT NULL,
  barred TEXT NOT NULL,
  reason TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  state BIGINT NOT NULL,
  by_whom TEXT NOT NULL,
  by_id BLOB NOT NULL,
  decided_at BIGINT NOT NULL,
  why TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  leaf BIGINT NOT NULL
);
-- At most one request for an object lives.
CREATE UNIQUE INDEX approval_requests_live ON approval_requests (kind, object) WHERE state < 2;
CREATE INDEX approval_requests_object ON approval_requests (kind, object, id);
