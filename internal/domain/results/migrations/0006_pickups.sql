-- What was placed for a partner to fetch, where somebody can tell when it was
-- fetched: the delivery, the name it waits under, and when and how its pick-up
-- was noticed. how: gone (it has left the folder), read (the whole of it was
-- read from the partner's box).
CREATE TABLE results_pickups (
  seq INTEGER PRIMARY KEY,
  partner TEXT NOT NULL,
  name TEXT NOT NULL,
  placed_at BIGINT NOT NULL,
  picked_at BIGINT,
  how TEXT NOT NULL DEFAULT ''
);
CREATE INDEX results_pickups_waiting ON results_pickups (partner, seq) WHERE picked_at IS NULL;
