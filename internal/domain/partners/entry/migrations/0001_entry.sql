-- Passwords that the hub drew for partners that cannot sign in with a key. hash is
-- SHA-256 of 160 random bits, so that it needs no slow hash; seed is the sealed
-- seed of the one-time codes, step the last one that was used.
CREATE TABLE entry_logins (
  partner TEXT PRIMARY KEY,
  hash BLOB NOT NULL,
  seed BLOB NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  step BIGINT NOT NULL
);
-- What the hub proves itself with at the partners' door, sealed.
CREATE TABLE entry_keys (
  kind TEXT PRIMARY KEY,
  private BLOB NOT NULL,
  made_at BIGINT NOT NULL
);
