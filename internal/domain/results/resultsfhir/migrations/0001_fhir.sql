-- One version of one resource that a partner may read. seq ascends in the order
-- in which versions were placed, and at with it. rid is the resource's id, random;
-- patient that of the patient it is about. until is the seq of the version that
-- replaced it, the greatest number there is while none did. message is the leaf
-- of the message it came with. body (sealed) holds the resource and again all
-- the columns but until: that is what binds them.
CREATE TABLE results_fhir_rows (
  seq INTEGER PRIMARY KEY,
  rid BLOB NOT NULL,
  version BIGINT NOT NULL,
  partner TEXT NOT NULL,
  kind BIGINT NOT NULL,
  patient BLOB,
  at BIGINT NOT NULL,
  until BIGINT NOT NULL,
  message BIGINT NOT NULL,
  body BLOB NOT NULL
);
CREATE INDEX results_fhir_rows_rid ON results_fhir_rows (rid, seq);
CREATE INDEX results_fhir_rows_kind ON results_fhir_rows (partner, kind, seq);
CREATE INDEX results_fhir_rows_patient ON results_fhir_rows (patient, kind, seq) WHERE patient IS NOT NULL;
CREATE INDEX results_fhir_rows_message ON results_fhir_rows (message);
-- By what a row is found: blind indexes with the partner in them. Derived from
-- the rows.
CREATE TABLE results_fhir_tokens (
  token BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  PRIMARY KEY (token, seq)
) WITHOUT ROWID;
-- What was placed: the delivery, its message's leaf and id, and which rows it
-- made. picked_at: when a report of it was first fetched.
CREATE TABLE results_fhir_placed (
  delivery INTEGER PRIMARY KEY,
  partner TEXT NOT NULL,
  message BIGINT NOT NULL,
  message_id BLOB NOT NULL,
  first_seq BIGINT NOT NULL,
  last_seq BIGINT NOT NULL,
  placed_at BIGINT NOT NULL,
  picked_at BIGINT
);
CREATE INDEX results_fhir_placed_message ON results_fhir_placed (message);
-- Access tokens (their SHA-256) and the ids of client assertions that were used.
CREATE TABLE results_fhir_grants (
  hash BLOB PRIMARY KEY,
  partner TEXT NOT NULL,
  client TEXT NOT NULL,
  scopes TEXT NOT NULL,
  ends_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX results_fhir_grants_end ON results_fhir_grants (ends_at);
CREATE TABLE results_fhir_used (
  hash BLOB PRIMARY KEY,
  ends_at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX results_fhir_used_end ON results_fhir_used (ends_at);
-- Exports. body (sealed): what was asked and the list of the parts. state: 0
-- being listed, 1 complete, 2 failed.
CREATE TABLE results_fhir_exports (
  id BLOB PRIMARY KEY,
  partner TEXT NOT NULL,
  client TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  snap BIGINT NOT NULL,
  state BIGINT NOT NULL,
  body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX results_fhir_exports_partner ON results_fhir_exports (partner, id);
-- Subscriptions. body (sealed): criteria, endpoint and its header. state: 0
-- requested, 1 active, 2 error, 3 off. seq: up to which row it was told.
CREATE TABLE results_fhir_subscriptions (
  id BLOB PRIMARY KEY,
  partner TEXT NOT NULL,
  client TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  version BIGINT NOT NULL,
  state BIGINT NOT NULL,
  seq BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  fault TEXT NOT NULL,
  body BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX results_fhir_subscriptions_partner ON results_fhir_subscriptions (partner, id);
CREATE INDEX results_fhir_subscriptions_open ON results_fhir_subscriptions (next_at) WHERE state < 2;
