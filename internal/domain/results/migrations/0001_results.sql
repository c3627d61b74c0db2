-- A message as it came in. The row number is its leaf in the ledger. control is
-- the blind index of (peer, MSH-3, MSH-4, MSH-10), 0 for one that was released
-- beside the message that has the control id.
CREATE TABLE results_messages (
  leaf INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  source TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  size BIGINT NOT NULL,
  flags BIGINT NOT NULL,
  control BIGINT NOT NULL,
  body BLOB
);
CREATE UNIQUE INDEX results_messages_id ON results_messages (id);
-- Which control ids were taken lately: the messages' leaves and control keys in
-- their order, many in a row; at is the latest of their times. Derived from the
-- messages; what is newer than the last row stands in them alone.
CREATE TABLE results_controls (
  first BIGINT PRIMARY KEY,
  last BIGINT NOT NULL,
  messages BIGINT NOT NULL,
  at BIGINT NOT NULL,
  keys BLOB NOT NULL
) WITHOUT ROWID;
-- One row for each message and partner. seq = leaf * 256 + n, so it ascends in
-- commit order. state: 0 waiting, 1 held, 2 needs a person, 3 done,
-- 4 shadow (never sent), 5 refused by a person.
CREATE TABLE results_deliveries (
  seq INTEGER PRIMARY KEY,
  message BIGINT NOT NULL,
  partner TEXT NOT NULL,
  route TEXT NOT NULL,
  state BIGINT NOT NULL,
  lanes BLOB NOT NULL,
  attempts BIGINT NOT NULL DEFAULT 0,
  first_at BIGINT,
  next_at BIGINT,
  changed_at BIGINT NOT NULL,
  reason TEXT NOT NULL DEFAULT '',
  level BIGINT,
  code TEXT,
  done_leaf BIGINT,
  receipt BLOB,
  again BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX results_deliveries_open ON results_deliveries (partner, seq) WHERE state < 3;
CREATE INDEX results_deliveries_stopped ON results_deliveries (partner, seq) WHERE state IN (1, 2);
CREATE INDEX results_deliveries_again ON results_deliveries (message) WHERE again = 1;
-- What was not taken. state: 0 open, 1 released, 2 refused, 3 replayed. message
-- is what a released or replayed one has become.
CREATE TABLE results_quarantine (
  leaf INTEGER PRIMARY KEY,
  id BLOB NOT NULL,
  source TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  times BIGINT NOT NULL,
  cause TEXT NOT NULL,
  detail TEXT NOT NULL,
  size BIGINT NOT NULL,
  kept BIGINT NOT NULL,
  tag BLOB NOT NULL,
  state BIGINT NOT NULL,
  decided_at BIGINT,
  decided_by TEXT NOT NULL DEFAULT '',
  message BLOB,
  body BLOB
);
CREATE UNIQUE INDEX results_quarantine_open ON results_quarantine (source, tag) WHERE state = 0;
CREATE UNIQUE INDEX results_quarantine_id ON results_quarantine (id);
CREATE INDEX results_quarantine_waiting ON results_quarantine (leaf) WHERE state = 0;
CREATE INDEX results_quarantine_tag ON results_quarantine (tag);
-- Search: derived from the messages, can be rebuilt. A run covers the messages
-- whose leaves are first to last; the greatest last is how far the index is. Its
-- entries stand in 2^bits blocks by the first bits of the blind index. bytes is
-- the size of the run's stored bodies; dirty: some were erased, their entries
-- are still to go.
CREATE TABLE results_search_runs (
  first BIGINT PRIMARY KEY,
  last BIGINT NOT NULL,
  messages BIGINT NOT NULL,
  bytes BIGINT NOT NULL,
  bits BIGINT NOT NULL,
  dirty BIGINT NOT NULL DEFAULT 0
) WITHOUT ROWID;
CREATE TABLE results_search (
  run BIGINT NOT NULL,
  block BIGINT NOT NULL,
  data BLOB NOT NULL,
  PRIMARY KEY (run, block)
) WITHOUT ROWID;
-- The time by which things are erased (see clock.go).
CREATE TABLE results_clock (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  believed BIGINT NOT NULL
);
-- Legal holds: on a message (its leaf) or on a patient (blind index).
CREATE TABLE results_holds (
  id BLOB PRIMARY KEY,
  message BIGINT,
  patient BIGINT,
  owner TEXT NOT NULL,
  reason TEXT NOT NULL,
  placed_at BIGINT NOT NULL,
  lifted_at BIGINT
) WITHOUT ROWID;
-- What was read in from bypass logs: id is the bypass's name of a message or of
-- a session, message the one it is here.
CREATE TABLE results_bypassed (
  id BLOB PRIMARY KEY,
  message BLOB NOT NULL,
  outcome BIGINT NOT NULL,
  taken_at BIGINT NOT NULL
) WITHOUT ROWID;
