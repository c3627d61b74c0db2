-- Other systems that have accounts. mapping: which column of its lists is what,
-- as JSON. admin_groups: groups that mean privileged, as JSON. as_of: the day of
-- the last list taken, 0 for none; import: that list.
CREATE TABLE accounts_systems (
  key TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  kind TEXT NOT NULL,
  owner TEXT NOT NULL,
  mapping TEXT NOT NULL,
  admin_groups TEXT NOT NULL,
  every_days BIGINT NOT NULL,
  as_of BIGINT NOT NULL,
  import TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  changed_by TEXT NOT NULL
);
-- The accounts of these systems as the last list has them. enabled, mfa and
-- privileged: 0 not known, 1 yes, 2 no. last_used: 0 not known, -1 never. kind: 0
-- nobody's, 1 a person's, 2 shared, 3 a program's, 4 a vendor's. gone_at: the
-- list that no longer had it.
CREATE TABLE accounts_accounts (
  id BLOB PRIMARY KEY,
  system TEXT NOT NULL,
  fold TEXT NOT NULL,
  name TEXT NOT NULL,
  display TEXT NOT NULL,
  mail TEXT NOT NULL,
  enabled BIGINT NOT NULL,
  mfa BIGINT NOT NULL,
  privileged BIGINT NOT NULL,
  last_used BIGINT NOT NULL,
  member_of TEXT NOT NULL,
  kind BIGINT NOT NULL,
  person TEXT NOT NULL,
  owner TEXT NOT NULL,
  vendor TEXT NOT NULL,
  reason TEXT NOT NULL,
  matched_how TEXT NOT NULL,
  matched_by TEXT NOT NULL,
  matched_at BIGINT NOT NULL,
  first_at BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  gone_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX accounts_accounts_name ON accounts_accounts (system, fold);
-- Lists. state: 0 offered, 1 being taken, 2 taken, 3 discarded. body is there
-- only until it is taken or discarded.
CREATE TABLE accounts_imports (
  id BLOB PRIMARY KEY,
  system TEXT NOT NULL,
  state BIGINT NOT NULL,
  at BIGINT NOT NULL,
  by_whom TEXT NOT NULL,
  as_of BIGINT NOT NULL,
  hash TEXT NOT NULL,
  body BLOB,
  mapping TEXT NOT NULL,
  listed BIGINT NOT NULL,
  added BIGINT NOT NULL,
  changed BIGINT NOT NULL,
  gone BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL
);
CREATE INDEX accounts_imports_open ON accounts_imports (state, at) WHERE state < 2;
CREATE INDEX accounts_imports_system ON accounts_imports (system, at);
-- What is wrong with an account. state: 0 open, 1 ended by a list or a change, 2
-- closed with a reason until until_at. over_at: since when a finding that was
-- closed with a reason no longer stands at all.
CREATE TABLE accounts_findings (
  id BLOB PRIMARY KEY,
  account BLOB NOT NULL,
  system TEXT NOT NULL,
  kind TEXT NOT NULL,
  state BIGINT NOT NULL,
  owner TEXT NOT NULL,
  due_at BIGINT NOT NULL,
  opened_at BIGINT NOT NULL,
  closed_at BIGINT NOT NULL,
  closed_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  until_at BIGINT NOT NULL,
  over_at BIGINT NOT NULL
);
CREATE INDEX accounts_findings_system ON accounts_findings (system, state);
CREATE INDEX accounts_findings_account ON accounts_findings (account);
-- Business associates and vendors. associate, phi: 0 not known, 1 yes, 2 no.
CREATE TABLE accounts_vendors (
  id BLOB PRIMARY KEY,
  name TEXT NOT NULL,
  purpose TEXT NOT NULL,
  associate BIGINT NOT NULL,
  phi BIGINT NOT NULL,
  agreement TEXT NOT NULL,
  agreed_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  channels TEXT NOT NULL,
  contact TEXT NOT NULL,
  mail TEXT NOT NULL,
  phone TEXT NOT NULL,
  owner TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  changed_by TEXT NOT NULL
);
-- The quarterly review. state: 0 being opened, 1 open, 2 signed. hash is of its
-- lines as they were signed, leaf the fact of the signature.
CREATE TABLE accounts_reviews (
  id BLOB PRIMARY KEY,
  quarter TEXT NOT NULL UNIQUE,
  state BIGINT NOT NULL,
  opened_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  signed_at BIGINT NOT NULL,
  signed_by TEXT NOT NULL,
  remark TEXT NOT NULL,
  hash TEXT NOT NULL,
  lines BIGINT NOT NULL,
  leaf BIGINT NOT NULL
);
-- One line for each thing somebody has. decision: 0 none, 1 keep, 2 remove. The
-- done columns are about a removal: they change after the signature.
CREATE TABLE accounts_lines (
  id BLOB PRIMARY KEY,
  review BLOB NOT NULL,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  about TEXT NOT NULL,
  person TEXT NOT NULL,
  title TEXT NOT NULL,
  detail TEXT NOT NULL,
  decision BIGINT NOT NULL,
  decided_by TEXT NOT NULL,
  decided_at BIGINT NOT NULL,
  reason TEXT NOT NULL,
  done_at BIGINT NOT NULL,
  done_by TEXT NOT NULL,
  outcome TEXT NOT NULL
);
CREATE UNIQUE INDEX accounts_lines_subject ON accounts_lines (review, kind, subject);
CREATE INDEX accounts_lines_tasks ON accounts_lines (review) WHERE decision = 2 AND done_at = 0;
