-- What must be acknowledged in time. subject is a delivery, or for what was not
-- taken the leaf of its quarantine row * 256. what: 1 critical, 2 not taken,
-- 3 a correction that may wait behind its original.
CREATE TABLE results_call_timers (
  subject BIGINT NOT NULL,
  what BIGINT NOT NULL,
  source TEXT NOT NULL,
  partner TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  PRIMARY KEY (subject, what)
) WITHOUT ROWID;
-- Phone tasks. message is the result, or the quarantined message where what is
-- 2. state: 0 open, 1 taken, 2 closed. due_at: when the next thing must have
-- happened; NULL once somebody was reached.
CREATE TABLE results_calls (
  id BLOB PRIMARY KEY,
  subject BIGINT NOT NULL,
  what BIGINT NOT NULL,
  message BLOB NOT NULL,
  source TEXT NOT NULL,
  partner TEXT NOT NULL,
  stopped TEXT NOT NULL,
  came_at BIGINT NOT NULL,
  opened_at BIGINT NOT NULL,
  state BIGINT NOT NULL,
  owner TEXT NOT NULL DEFAULT '',
  due_at BIGINT,
  closed_at BIGINT,
  steps BIGINT NOT NULL DEFAULT 1
) WITHOUT ROWID;
CREATE INDEX results_calls_open ON results_calls (opened_at) WHERE state < 2;
CREATE INDEX results_calls_subject ON results_calls (subject) WHERE state < 2;
-- What was done about a phone task, in order. body: sealed, whom and free text.
CREATE TABLE results_call_steps (
  id BLOB PRIMARY KEY,
  task BLOB NOT NULL,
  n BIGINT NOT NULL,
  leaf BIGINT NOT NULL,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  who TEXT NOT NULL,
  account TEXT NOT NULL,
  reason TEXT NOT NULL,
  outcome TEXT NOT NULL DEFAULT '',
  read_back BIGINT NOT NULL DEFAULT 0,
  next_at BIGINT,
  body BLOB
) WITHOUT ROWID;
CREATE UNIQUE INDEX results_call_steps_order ON results_call_steps (task, n);
-- Deliveries that a correction, sent alone, has replaced. They are never sent.
CREATE TABLE results_superseded (
  seq BIGINT PRIMARY KEY,
  replaced_by BIGINT NOT NULL,
  message BLOB NOT NULL
) WITHOUT ROWID;
-- Stops. kind: 1 transport, 2 clinical. target names what the scope says, keys
-- are the lanes of a patient or an order (8 bytes each), made from the message
-- that was named. spread_at: up to which delivery what waited was held; -1 none
-- yet, NULL all. body: sealed free text. lift_*: a request that another person
-- must confirm.
CREATE TABLE results_stops (
  id BLOB PRIMARY KEY,
  kind BIGINT NOT NULL,
  scope TEXT NOT NULL,
  target TEXT NOT NULL,
  keys BLOB,
  reason TEXT NOT NULL,
  basis TEXT NOT NULL,
  owner TEXT NOT NULL,
  placed_at BIGINT NOT NULL,
  placed_by TEXT NOT NULL,
  placed_account TEXT NOT NULL,
  spread_at BIGINT,
  expires_at BIGINT NOT NULL,
  expired_at BIGINT,
  impact_every BIGINT NOT NULL,
  impact_at BIGINT NOT NULL,
  impact_told BIGINT NOT NULL DEFAULT 0,
  lift_by TEXT NOT NULL DEFAULT '',
  lift_account TEXT NOT NULL DEFAULT '',
  lift_reason TEXT NOT NULL DEFAULT '',
  lift_at BIGINT,
  lifted_at BIGINT,
  lifted_by TEXT NOT NULL DEFAULT '',
  body BLOB
) WITHOUT ROWID;
CREATE INDEX results_stops_standing ON results_stops (placed_at) WHERE lifted_at IS NULL;
-- Which deliveries stand held under which stop.
CREATE TABLE results_stop_covers (
  seq BIGINT NOT NULL,
  stop BLOB NOT NULL,
  PRIMARY KEY (seq, stop)
) WITHOUT ROWID;
CREATE INDEX results_stop_covers_stop ON results_stop_covers (stop, seq);
-- A partner's own lists of what it has, one row for each list; body: sealed, the
-- control ids that did not match. found are the deliveries a list names.
CREATE TABLE results_counts (
  id BLOB PRIMARY KEY,
  partner TEXT NOT NULL,
  day TEXT NOT NULL,
  added_at BIGINT NOT NULL,
  added_by TEXT NOT NULL,
  added_account TEXT NOT NULL,
  listed BIGINT NOT NULL,
  matched BIGINT NOT NULL,
  missing BIGINT NOT NULL,
  extra BIGINT NOT NULL,
  body BLOB
) WITHOUT ROWID;
CREATE INDEX results_counts_day ON results_counts (partner, day, added_at);
CREATE TABLE results_found (
  seq BIGINT PRIMARY KEY,
  count_id BLOB NOT NULL,
  at BIGINT NOT NULL
) WITHOUT ROWID;
