-- People. A row is never removed and an account never given again. state:
-- 0 invited, 1 active, 2 ended. Times are microseconds, 0 for none. revision
-- counts the changes of the row. external is the subject at the identity provider
-- or the id the other system knows them by.
CREATE TABLE access_people (
  id BLOB PRIMARY KEY,
  account TEXT NOT NULL,
  name TEXT NOT NULL,
  mail TEXT NOT NULL,
  state BIGINT NOT NULL,
  starts_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  origin TEXT NOT NULL,
  external TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  changed_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  revision BIGINT NOT NULL
);
CREATE UNIQUE INDEX access_people_account ON access_people (account);
CREATE INDEX access_people_external ON access_people (origin, external);
-- Roles of people. An ended one stays.
CREATE TABLE access_grants (
  id BLOB PRIMARY KEY,
  person BLOB NOT NULL,
  role TEXT NOT NULL,
  partners TEXT NOT NULL,
  sites TEXT NOT NULL,
  from_at BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  given_at BIGINT NOT NULL,
  given_by TEXT NOT NULL,
  origin TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL
);
CREATE INDEX access_grants_person ON access_grants (person);
CREATE INDEX access_grants_live ON access_grants (role) WHERE ended_at = 0;
-- Clinical acts the laboratory director gave to people. A revoked one stays.
CREATE TABLE access_delegations (
  id BLOB PRIMARY KEY,
  person BLOB NOT NULL,
  permission TEXT NOT NULL,
  from_at BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  note TEXT NOT NULL,
  given_at BIGINT NOT NULL,
  given_by TEXT NOT NULL,
  giver BLOB NOT NULL,
  revoked_at BIGINT NOT NULL,
  revoked_by TEXT NOT NULL
);
CREATE INDEX access_delegations_person ON access_delegations (person);
-- One-time links: SHA-256 of a 256-bit random token. kind: invite, first, recover.
-- person is empty (one zero byte) for the first administrator's.
CREATE TABLE access_links (
  id BLOB PRIMARY KEY,
  hash BLOB NOT NULL,
  kind TEXT NOT NULL,
  person BLOB NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  until_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL
);
CREATE UNIQUE INDEX access_links_hash ON access_links (hash);
CREATE INDEX access_links_person ON access_links (person);
-- Sessions: SHA-256 of the cookie's 256-bit random token. level is authz.Level.
-- bench is the id of the shared bench it was opened at, as text, empty for none.
CREATE TABLE access_sessions (
  id BLOB PRIMARY KEY,
  hash BLOB NOT NULL,
  person BLOB NOT NULL,
  level BIGINT NOT NULL,
  method TEXT NOT NULL,
  bench TEXT NOT NULL,
  device TEXT NOT NULL,
  network TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  fresh_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL,
  ended_why TEXT NOT NULL
);
CREATE UNIQUE INDEX access_sessions_hash ON access_sessions (hash);
CREATE INDEX access_sessions_person ON access_sessions (person, made_at);
CREATE INDEX access_sessions_made ON access_sessions (made_at);
-- When a session was seen last. Written once a minute while somebody works, so
-- it carries no tag: changed, it can keep a session that is idle, never one that
-- was ended or is older than its role allows.
CREATE TABLE access_seen (
  session BLOB PRIMARY KEY,
  seen_at BIGINT NOT NULL,
  network TEXT NOT NULL
);
-- Shared benches: a paired device at which technologists follow each other.
CREATE TABLE access_benches (
  id BLOB PRIMARY KEY,
  hash BLOB NOT NULL,
  name TEXT NOT NULL,
  site TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL
);
CREATE UNIQUE INDEX access_benches_hash ON access_benches (hash);
-- "Was that you?": a session from a device or network that is new for the person.
-- answer: empty, yes, no.
CREATE TABLE access_notices (
  id BLOB PRIMARY KEY,
  person BLOB NOT NULL,
  session BLOB NOT NULL,
  what TEXT NOT NULL,
  device TEXT NOT NULL,
  network TEXT NOT NULL,
  at BIGINT NOT NULL,
  answer TEXT NOT NULL,
  answered_at BIGINT NOT NULL
);
CREATE INDEX access_notices_open ON access_notices (person) WHERE answer = '';
-- Counts every change that a session check must hear of: nodes look here at least
-- every half second and read the rest again when it has grown. It says nothing
-- itself, so it carries no tag.
CREATE TABLE access_epoch (
  id INTEGER PRIMARY KEY,
  n BIGINT NOT NULL
);
INSERT INTO access_epoch (id, n) VALUES (1, 0);
