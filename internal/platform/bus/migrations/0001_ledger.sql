-- One row per writing transaction: its events and the hashes they add.
CREATE TABLE ledger_groups (
  first INTEGER PRIMARY KEY,
  count BIGINT NOT NULL,
  first_hash BIGINT NOT NULL,
  hashes BLOB NOT NULL,
  events BLOB NOT NULL,
  at BIGINT NOT NULL,
  node TEXT NOT NULL
);
CREATE UNIQUE INDEX ledger_groups_hash ON ledger_groups (first_hash);
CREATE TABLE ledger_head (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  size BIGINT NOT NULL,
  edge BLOB NOT NULL
);
CREATE TABLE ledger_checkpoints (
  size BIGINT PRIMARY KEY,
  at BIGINT NOT NULL,
  note TEXT NOT NULL,
  witnesses BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE bus_positions (
  subscriber TEXT PRIMARY KEY,
  next BIGINT NOT NULL
);
-- Keyed tags of rows in tables that neither the ledger nor a seal binds whole.
CREATE TABLE row_tags (
  tbl TEXT NOT NULL,
  row TEXT NOT NULL,
  tag BLOB NOT NULL,
  PRIMARY KEY (tbl, row)
) WITHOUT ROWID;
