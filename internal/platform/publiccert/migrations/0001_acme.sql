-- What the ACME client keeps: accounts, keys, certificates, open challenges, each
-- under a path. The content is sealed.
CREATE TABLE acme_items (
  path TEXT PRIMARY KEY,
  changed_at BIGINT NOT NULL,
  content BLOB NOT NULL
);
-- Who of several nodes asks the authority now. Not bound: it changes with each
-- try, and one that is forged is believed for no longer than a real one.
CREATE TABLE acme_locks (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  until BIGINT NOT NULL
);
