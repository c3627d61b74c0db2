-- What a connection of each way (a partner's destination, its box, a source, the
-- pages) negotiated last, and when, for the posture page. One row a way; it is
-- written when something else was negotiated, and once an hour otherwise.
CREATE TABLE hub_sightings (
  way TEXT PRIMARY KEY,
  secured TEXT NOT NULL,
  seen_at BIGINT NOT NULL
);
