-- What the node that holds the lease knows of the ledger's witnesses, for the
-- others: why views are closed (empty: open), sealed. It counts for
-- that epoch only.
CREATE TABLE hub_views (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  epoch BIGINT NOT NULL,
  closed BLOB NOT NULL
);
