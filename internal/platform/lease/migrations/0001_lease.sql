-- Who does what only one node may do. until is in the database's time.
CREATE TABLE lease_holder (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  epoch BIGINT NOT NULL,
  node TEXT NOT NULL,
  instance TEXT NOT NULL,
  since BIGINT NOT NULL,
  until BIGINT NOT NULL
);
