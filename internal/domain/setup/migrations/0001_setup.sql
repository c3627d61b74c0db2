-- One row for each draft. source is sealed; text_hash is the SHA-256 of what is
-- in it. of_revision is the revision whose contents the draft is, 0 for a text
-- of its own. writers is a JSON list of those who wrote the text. version grows
-- with each edit. state: 0 open, 1 applied, 2 discarded; revision is what it
-- became. Times are microseconds, 0 for none.
CREATE TABLE setup_drafts (
  number INTEGER PRIMARY KEY,
  title TEXT NOT NULL,
  base BIGINT NOT NULL,
  of_revision BIGINT NOT NULL,
  text_hash BLOB NOT NULL,
  writers TEXT NOT NULL,
  version BIGINT NOT NULL,
  made_at BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  state BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL,
  source BLOB NOT NULL
);
CREATE INDEX setup_drafts_open ON setup_drafts (number) WHERE state = 0;
CREATE INDEX setup_drafts_revision ON setup_drafts (revision) WHERE revision > 0;
-- What somebody applied without a second person, for another role to review.
-- verdict: 0 not looked at, 1 in order, 2 not in order.
CREATE TABLE setup_alone (
  id BLOB PRIMARY KEY,
  draft BIGINT NOT NULL,
  revision BIGINT NOT NULL,
  by_whom TEXT NOT NULL,
  by_id BLOB NOT NULL,
  statement TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  verdict BIGINT NOT NULL,
  reviewed_by TEXT NOT NULL,
  reviewed_id BLOB NOT NULL,
  reviewed_at BIGINT NOT NULL,
  note TEXT NOT NULL,
  leaf BIGINT NOT NULL
);
