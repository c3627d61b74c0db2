-- One row that the readiness check writes to find out whether writing works.
CREATE TABLE watch_probe (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  at BIGINT NOT NULL
);
