-- What the old path sent to a partner, as its copy came in. control and moment
-- are blind indexes of MSH-10 and of order number with MSH-7; tag of the body.
-- state: 0 waits for ours, 1 compared, 2 delivered by the old path alone. body
-- (sealed) goes with the comparison.
CREATE TABLE results_copies (
  id BLOB PRIMARY KEY,
  feed TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  size BIGINT NOT NULL,
  control BLOB,
  moment BLOB,
  tag BLOB NOT NULL,
  state BIGINT NOT NULL,
  body BLOB
) WITHOUT ROWID;
CREATE UNIQUE INDEX results_copies_tag ON results_copies (feed, tag);
CREATE INDEX results_copies_control ON results_copies (feed, control) WHERE state <> 1;
CREATE INDEX results_copies_moment ON results_copies (feed, moment) WHERE state <> 1;
CREATE INDEX results_copies_waiting ON results_copies (feed, received_at) WHERE state = 0;
-- How far each copy's counterpart has been taken from the deliveries, and since when.
CREATE TABLE results_feeds (
  feed TEXT PRIMARY KEY,
  seq BIGINT NOT NULL,
  began_at BIGINT NOT NULL
) WITHOUT ROWID;
-- One row for each message that either path delivered. config is the hash of the
-- route's settings; day counts days since 1970 in the laboratory's time. state: 0
-- waits for the old path's, 1 equal, 2 differs, 3 delivered by us alone, 4 by the
-- old path alone, 5 by neither. held: we would not have delivered it. unexplained
-- counts differences. detail (sealed) holds their values.
CREATE TABLE results_compares (
  id BLOB PRIMARY KEY,
  feed TEXT NOT NULL,
  route TEXT NOT NULL,
  partner TEXT NOT NULL,
  config TEXT NOT NULL,
  delivery BIGINT,
  copy BLOB,
  control BLOB,
  moment BLOB,
  began_at BIGINT NOT NULL,
  compared_at BIGINT,
  day BIGINT NOT NULL,
  state BIGINT NOT NULL,
  held BIGINT NOT NULL,
  unexplained BIGINT NOT NULL,
  detail BLOB
) WITHOUT ROWID;
CREATE UNIQUE INDEX results_compares_delivery ON results_compares (delivery) WHERE delivery IS NOT NULL;
CREATE INDEX results_compares_control ON results_compares (feed, control) WHERE state IN (0, 3, 5);
CREATE INDEX results_compares_moment ON results_compares (feed, moment) WHERE state IN (0, 3, 5);
CREATE INDEX results_compares_waiting ON results_compares (feed, began_at) WHERE state = 0;
CREATE INDEX results_compares_day ON results_compares (route, config, day, state);
CREATE INDEX results_compares_unexplained ON results_compares (route, id) WHERE unexplained > 0;
CREATE TABLE results_gaps (
  compare BLOB NOT NULL,
  n BIGINT NOT NULL,
  class BIGINT NOT NULL,
  path TEXT NOT NULL,
  kind TEXT NOT NULL,
  explained BLOB,
  PRIMARY KEY (compare, n)
) WITHOUT ROWID;
CREATE INDEX results_gaps_open ON results_gaps (kind, class) WHERE explained IS NULL;
-- Why a kind of difference is as it should be. compare: only this one message.
CREATE TABLE results_explanations (
  id BLOB PRIMARY KEY,
  partner TEXT NOT NULL,
  class BIGINT NOT NULL,
  kind TEXT NOT NULL,
  compare BLOB,
  who TEXT NOT NULL,
  reason TEXT NOT NULL,
  at BIGINT NOT NULL
) WITHOUT ROWID;
CREATE UNIQUE INDEX results_explanations_kind ON results_explanations (partner, class, kind) WHERE compare IS NULL;
-- The laboratory director's approvals that a route may carry.
CREATE TABLE results_approvals (
  id BLOB PRIMARY KEY,
  route TEXT NOT NULL,
  config TEXT NOT NULL,
  no_old_path BIGINT NOT NULL,
  director TEXT NOT NULL,
  who TEXT NOT NULL,
  reason TEXT NOT NULL,
  at BIGINT NOT NULL,
  ended_at BIGINT,
  leaf BIGINT NOT NULL
) WITHOUT ROWID;
CREATE INDEX results_approvals_route ON results_approvals (route, config) WHERE ended_at IS NULL;
