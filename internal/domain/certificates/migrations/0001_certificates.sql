-- The laboratory's own authorities. form: x509 (an intermediate; the root's key
-- is not here) or ssh. state: 0 requested (without a chain), 1 in use, 2 former.
-- chain: certificates in DER, one after the other, intermediate first; for ssh
-- the public key in wire form. secret: the private key, sealed. Times are
-- microseconds, 0 for none.
CREATE TABLE certificates_authorities (
  id BLOB PRIMARY KEY,
  form TEXT NOT NULL,
  state BIGINT NOT NULL,
  chain BLOB,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  ends_at BIGINT NOT NULL,
  leaf BIGINT NOT NULL,
  secret BLOB NOT NULL
);
CREATE UNIQUE INDEX certificates_authorities_used ON certificates_authorities (form) WHERE state = 1;
-- What was issued. serial: 16 bytes, of an SSH certificate 8. via says by what:
-- token, renewal, hub or person. One that is not here, or does not fit its tag,
-- is not believed.
CREATE TABLE certificates_issued (
  serial BLOB PRIMARY KEY,
  form TEXT NOT NULL,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  names TEXT NOT NULL,
  certificate BLOB NOT NULL,
  begins_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  via TEXT NOT NULL,
  days BIGINT NOT NULL,
  renewed_at BIGINT NOT NULL,
  revoked_at BIGINT NOT NULL,
  revoked_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  leaf BIGINT NOT NULL
);
CREATE INDEX certificates_issued_ends ON certificates_issued (ends_at);
CREATE INDEX certificates_issued_leaf ON certificates_issued (leaf);
-- One-time tokens; hash is of 256 random bits. used_at: when one was used or
-- withdrawn (without a serial).
CREATE TABLE certificates_tokens (
  id BLOB PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  name TEXT NOT NULL,
  names TEXT NOT NULL,
  days BIGINT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  ends_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  serial BLOB,
  leaf BIGINT NOT NULL
);
-- Certificates of others that a person has looked at and pinned for one channel
-- ("partner riverside", "source lis").
CREATE TABLE certificates_pins (
  id BLOB PRIMARY KEY,
  channel TEXT NOT NULL,
  certificate BLOB NOT NULL,
  ends_at BIGINT NOT NULL,
  owner TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  removed_at BIGINT NOT NULL,
  removed_by TEXT NOT NULL,
  leaf BIGINT NOT NULL
);
CREATE INDEX certificates_pins_leaf ON certificates_pins (leaf);
