-- The small authority that the pages' certificate comes from, where the
-- configuration names none: root and key, sealed. One row.
CREATE TABLE hub_pages (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  made_at BIGINT NOT NULL,
  authority BLOB NOT NULL
);
