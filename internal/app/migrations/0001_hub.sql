-- The wrapped keys of the vault, and the applied configuration revisions.
CREATE TABLE hub_book (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  book BLOB NOT NULL
);
CREATE TABLE hub_revisions (
  number INTEGER PRIMARY KEY,
  revision TEXT NOT NULL,
  applied_at BIGINT NOT NULL,
  applied_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  approved_by TEXT NOT NULL,
  leaf BIGINT NOT NULL,
  source BLOB NOT NULL
);
CREATE TABLE hub_secrets (
  name TEXT PRIMARY KEY,
  set_at BIGINT NOT NULL,
  set_by TEXT NOT NULL,
  value BLOB NOT NULL
);
-- A person's decision to let a channel keep its state for a while past an end.
CREATE TABLE hub_extensions (
  channel TEXT PRIMARY KEY,
  until BIGINT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  leaf BIGINT NOT NULL
);
