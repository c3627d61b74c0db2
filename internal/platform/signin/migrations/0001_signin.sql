-- The ways in which people prove who they are. person is the id that domain
-- access gives. Times are microseconds, 0 for none. What is sealed is bound by
-- its seal, everything else by a tag.
--
-- phc: salted hash with its parameters, sealed. long: 1 when the password may
-- stand alone (15 characters and more), 0 when it needs a second factor.
CREATE TABLE signin_passwords (
  person BLOB PRIMARY KEY,
  phc BLOB NOT NULL,
  long BIGINT NOT NULL,
  changed_at BIGINT NOT NULL
);
-- last_step: the greatest time step whose code was used; none up to it is taken
-- again.
CREATE TABLE signin_totp (
  person BLOB PRIMARY KEY,
  seed BLOB NOT NULL,
  made_at BIGINT NOT NULL,
  last_step BIGINT NOT NULL
);
-- handle: what the authenticator calls the person, random, the same for all of
-- theirs. record: public key and flags as JSON; counter: the authenticator's. cloned: 1
-- when the counter went back: refused from then on.
CREATE TABLE signin_passkeys (
  id BLOB PRIMARY KEY,
  person BLOB NOT NULL,
  credential BLOB NOT NULL UNIQUE,
  handle BLOB NOT NULL,
  record TEXT NOT NULL,
  counter BIGINT NOT NULL,
  name TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  cloned BIGINT NOT NULL
);
CREATE INDEX signin_passkeys_person ON signin_passkeys (person);
CREATE TABLE signin_recovery (
  id BLOB PRIMARY KEY,
  person BLOB NOT NULL,
  phc BLOB NOT NULL,
  made_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL
);
CREATE INDEX signin_recovery_person ON signin_recovery (person);
-- Counts of wrong tries. id is a blind index of the account, person or network,
-- so that what somebody typed by mistake is not kept. Not bound: written with
-- each try; changed, it lets somebody try more often or makes them wait, and the
-- refusals themselves stand in the ledger.
CREATE TABLE signin_attempts (
  id BLOB PRIMARY KEY,
  failures BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  turned BIGINT NOT NULL
);
CREATE INDEX signin_attempts_last ON signin_attempts (last_at);
-- What was begun and not yet finished: second steps, challenges, enrolments. id is
-- the SHA-256 of the token. Not tagged: body is sealed for this id and names its
-- end itself; a changed row is refused, a removed one costs a new beginning.
CREATE TABLE signin_pending (
  id BLOB PRIMARY KEY,
  body BLOB NOT NULL,
  network BLOB NOT NULL,
  expires_at BIGINT NOT NULL
);
CREATE INDEX signin_pending_expires ON signin_pending (expires_at);
CREATE INDEX signin_pending_network ON signin_pending (network, expires_at);
