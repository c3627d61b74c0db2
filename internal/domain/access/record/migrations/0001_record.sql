-- Which leaves of the ledger are about what people did, to find them by. Derived
-- from the ledger alone, see package record: compared with it by the audit, made
-- anew when the rules change. who: an account, or person:ID where the event
-- names only that. message: the message an event is about, "" for none.
CREATE TABLE record_events (
  leaf INTEGER PRIMARY KEY,
  at BIGINT NOT NULL,
  kind TEXT NOT NULL,
  class BIGINT NOT NULL,
  who TEXT NOT NULL,
  message TEXT NOT NULL
);
CREATE INDEX record_events_at ON record_events (at, leaf);
CREATE INDEX record_events_class ON record_events (class, at, leaf);
CREATE INDEX record_events_who ON record_events (who, at, leaf);
CREATE INDEX record_events_message ON record_events (message, at, leaf) WHERE message <> '';
-- How far the ledger was read, and by which rules.
CREATE TABLE record_position (
  id BIGINT PRIMARY KEY CHECK (id = 1),
  next BIGINT NOT NULL,
  rules BIGINT NOT NULL
);
