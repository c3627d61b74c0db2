-- Who was ended by another system (SCIM) that said so. That system may bring them
-- back; whoever has no row here and is ended was ended by a person or a date, and
-- only a person lets them in again.
CREATE TABLE access_gone (
  person BLOB PRIMARY KEY,
  origin TEXT NOT NULL,
  at BIGINT NOT NULL
);
-- Which subject of an OpenID provider is somebody who did not come from it. An
-- ended link stays as a row; of those that stand, one subject has one, and one
-- person.
CREATE TABLE access_outside (
  id BLOB PRIMARY KEY,
  person BLOB NOT NULL,
  issuer TEXT NOT NULL,
  subject TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL
);
CREATE UNIQUE INDEX access_outside_subject ON access_outside (issuer, subject) WHERE ended_at = 0;
CREATE UNIQUE INDEX access_outside_person ON access_outside (person) WHERE ended_at = 0;
-- Notices that go out by mail too: about a change of how somebody signs in. address
-- is the person's as it was then. next_at is when it is tried, 0 when it is over.
CREATE TABLE access_mails (
  notice BLOB PRIMARY KEY,
  address TEXT NOT NULL,
  tries BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  sent_at BIGINT NOT NULL
);
CREATE INDEX access_mails_open ON access_mails (next_at) WHERE next_at > 0;
