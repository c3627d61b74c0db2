-- Break-glass access of one session. until_at is its latest end; closed_at 0 while
-- it may be open. opened_leaf and closed_leaf are its events in the ledger: what
-- was done lies between. verdict: empty until somebody else has reviewed it, then
-- fine or not-fine.
CREATE TABLE access_glass (
  id BLOB PRIMARY KEY,
  person BLOB NOT NULL,
  account TEXT NOT NULL,
  session BLOB NOT NULL,
  reason TEXT NOT NULL,
  permissions TEXT NOT NULL,
  opened_at BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  opened_leaf BIGINT NOT NULL,
  closed_at BIGINT NOT NULL,
  closed_by TEXT NOT NULL,
  closed_leaf BIGINT NOT NULL,
  reviewed_at BIGINT NOT NULL,
  reviewed_by TEXT NOT NULL,
  verdict TEXT NOT NULL,
  note TEXT NOT NULL
);
CREATE INDEX access_glass_session ON access_glass (session);
CREATE INDEX access_glass_open ON access_glass (opened_at) WHERE verdict = '';
-- Service accounts: programs. key is the SHA-256 (hex) of the public key of their
-- client certificate, empty for none.
CREATE TABLE access_services (
  id BLOB PRIMARY KEY,
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  permissions TEXT NOT NULL,
  partners TEXT NOT NULL,
  key TEXT NOT NULL,
  key_until BIGINT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL
);
CREATE UNIQUE INDEX access_services_account ON access_services (account);
CREATE INDEX access_services_key ON access_services (key) WHERE key <> '';
-- Their tokens: SHA-256 of 256 random bits.
CREATE TABLE access_tokens (
  id BLOB PRIMARY KEY,
  hash BLOB NOT NULL,
  service BLOB NOT NULL,
  name TEXT NOT NULL,
  permissions TEXT NOT NULL,
  partners TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  until_at BIGINT NOT NULL,
  revoked_at BIGINT NOT NULL,
  revoked_by TEXT NOT NULL
);
CREATE UNIQUE INDEX access_tokens_hash ON access_tokens (hash);
CREATE INDEX access_tokens_service ON access_tokens (service);
-- When a token or certificate was used last, written once a minute: nothing hangs
-- on it, so it carries no tag. what is the token's or the service's id.
CREATE TABLE access_used (
  what BLOB PRIMARY KEY,
  used_at BIGINT NOT NULL,
  network TEXT NOT NULL
);
-- What administrators did, read from the ledger, and who reviewed it. The row
-- number is the event's leaf.
CREATE TABLE access_acts (
  leaf INTEGER PRIMARY KEY,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  account TEXT NOT NULL,
  about TEXT NOT NULL,
  reviewed_at BIGINT NOT NULL,
  reviewed_by TEXT NOT NULL,
  verdict TEXT NOT NULL,
  note TEXT NOT NULL
);
CREATE INDEX access_acts_open ON access_acts (leaf) WHERE verdict = '';
-- Up to which leaf acts were read.
CREATE TABLE access_position (
  name TEXT PRIMARY KEY,
  leaf BIGINT NOT NULL
);
-- Which roles the groups of another system give: origin is oidc or scim.
CREATE TABLE access_rules (
  id BLOB PRIMARY KEY,
  origin TEXT NOT NULL,
  word TEXT NOT NULL,
  role TEXT NOT NULL,
  partners TEXT NOT NULL,
  sites TEXT NOT NULL,
  days BIGINT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL
);
