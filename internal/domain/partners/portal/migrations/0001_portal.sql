-- People of practices. They are no accounts of the laboratory: how they prove who
-- they are stands in the tables of sign-in under their id, in a realm of its own.
-- account is what is typed with a password. Times are microseconds, 0 for none.
CREATE TABLE partners_portal_people (
  id BLOB PRIMARY KEY,
  account TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  provider TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  entered_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL
);
-- At which practice a person looks at results: kind is member, manager or cover.
-- A cover ends by itself at until_at.
CREATE TABLE partners_portal_members (
  id BLOB PRIMARY KEY,
  person BLOB NOT NULL,
  partner TEXT NOT NULL,
  kind TEXT NOT NULL,
  from_at BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL
);
CREATE INDEX partners_portal_members_person ON partners_portal_members (person);
CREATE INDEX partners_portal_members_partner ON partners_portal_members (partner);
-- Letters. number stands before the code on the letter; code is a keyed index of
-- what is behind it, ticket the SHA-256 of what a browser holds that has typed it.
CREATE TABLE partners_portal_letters (
  id BLOB PRIMARY KEY,
  number TEXT NOT NULL UNIQUE,
  code BLOB NOT NULL,
  person BLOB NOT NULL,
  partner TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  until_at BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  ticket BLOB NOT NULL,
  ticket_until BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL
);
CREATE INDEX partners_portal_letters_person ON partners_portal_letters (person);
-- Sessions: hash is the SHA-256 of 256 random bits in the browser's cookie.
CREATE TABLE partners_portal_sessions (
  id BLOB PRIMARY KEY,
  hash BLOB NOT NULL UNIQUE,
  person BLOB NOT NULL,
  level BIGINT NOT NULL,
  method TEXT NOT NULL,
  device TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_why TEXT NOT NULL
);
CREATE INDEX partners_portal_sessions_person ON partners_portal_sessions (person) WHERE ended_at = 0;
-- When a session was used last. Not bound: written once a minute for each session;
-- changed, it keeps an idle session until its absolute end, which is bound.
CREATE TABLE partners_portal_seen (
  session BLOB PRIMARY KEY,
  seen_at BIGINT NOT NULL
);
-- A result in a practice's portal. delivery and message are of domain results,
-- which keeps the body. label is what a list shows of it, sealed. observations are
-- keyed indexes of what it reports on; superseded is the item that holds all of them
-- again, later. withheld names the rule that keeps it back. fresh: nobody has opened
-- or fetched it since it came or was asked for again.
CREATE TABLE partners_portal_items (
  id BLOB PRIMARY KEY,
  delivery BIGINT NOT NULL UNIQUE,
  message BLOB NOT NULL,
  partner TEXT NOT NULL,
  placed_at BIGINT NOT NULL,
  label BLOB NOT NULL,
  observations BLOB NOT NULL,
  superseded BLOB,
  urgent BIGINT NOT NULL,
  withheld TEXT NOT NULL,
  released_at BIGINT NOT NULL,
  released_by TEXT NOT NULL,
  only_for TEXT NOT NULL,
  hidden_at BIGINT NOT NULL,
  fresh BIGINT NOT NULL,
  opened_at BIGINT NOT NULL,
  opened_by BLOB,
  fetched_at BIGINT NOT NULL
);
CREATE INDEX partners_portal_items_list ON partners_portal_items (partner, placed_at);
CREATE INDEX partners_portal_items_fresh ON partners_portal_items (partner, placed_at) WHERE fresh = 1;
-- Which items of a practice are about an order: a keyed index of its number and
-- service.
CREATE TABLE partners_portal_orders (
  item BLOB NOT NULL,
  partner TEXT NOT NULL,
  order_key BLOB NOT NULL,
  PRIMARY KEY (item, order_key)
);
CREATE INDEX partners_portal_orders_key ON partners_portal_orders (partner, order_key);
-- Who looked at what: how is page, pdf, document, file or list.
CREATE TABLE partners_portal_openings (
  id BLOB PRIMARY KEY,
  item BLOB NOT NULL,
  partner TEXT NOT NULL,
  person BLOB NOT NULL,
  how TEXT NOT NULL,
  at BIGINT NOT NULL
);
CREATE INDEX partners_portal_openings_item ON partners_portal_openings (item);
CREATE INDEX partners_portal_openings_partner ON partners_portal_openings (partner, at);
-- What a practice tells the laboratory. kind is missing (we did not get it) or wrong
-- (wrong patient, or not ours). item is empty for a period. fate is returned or
-- destroyed. again: how many were made new.
CREATE TABLE partners_portal_asks (
  id BLOB PRIMARY KEY,
  kind TEXT NOT NULL,
  partner TEXT NOT NULL,
  item BLOB,
  person BLOB NOT NULL,
  from_at BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  again BIGINT NOT NULL,
  fate TEXT NOT NULL,
  at BIGINT NOT NULL,
  done_at BIGINT NOT NULL,
  done_by TEXT NOT NULL,
  outcome TEXT NOT NULL
);
CREATE INDEX partners_portal_asks_open ON partners_portal_asks (at) WHERE done_at = 0;
CREATE INDEX partners_portal_asks_item ON partners_portal_asks (item);
-- Patients who asked the laboratory for their own results: about is sealed.
CREATE TABLE partners_portal_copies (
  id BLOB PRIMARY KEY,
  about BLOB NOT NULL,
  asked_at BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  extended_at BIGINT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  done_at BIGINT NOT NULL,
  done_by TEXT NOT NULL,
  outcome TEXT NOT NULL
);
CREATE INDEX partners_portal_copies_open ON partners_portal_copies (due_at) WHERE done_at = 0;
