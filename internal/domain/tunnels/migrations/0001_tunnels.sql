-- One row for each tunnel. number chooses its addresses. reach, offers and pins
-- are JSON lists. secrets holds our private and the preshared key, sealed. token
-- is the SHA-256 (hex) of the one-time token that may still be used, empty for
-- none; far_public the far end's WireGuard key in hex.
-- Times are microseconds, 0 for never.
CREATE TABLE tunnels_tunnels (
  name TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  standard BIGINT NOT NULL,
  number BIGINT NOT NULL UNIQUE,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  reach TEXT NOT NULL,
  offers TEXT NOT NULL,
  pins TEXT NOT NULL,
  far_public TEXT NOT NULL,
  far_host TEXT NOT NULL,
  joined_at BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  keys_at BIGINT NOT NULL,
  token TEXT NOT NULL,
  token_until BIGINT NOT NULL,
  secrets BLOB NOT NULL
);
-- By which far ends know this hub: pinned, so it does not change. One row.
CREATE TABLE tunnels_identity (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  made_at BIGINT NOT NULL,
  certificate BLOB NOT NULL,
  key BLOB NOT NULL
);
