-- Public keys that results are encrypted to, partner by partner. state: 0
-- proposed, 1 compared, 2 in use, 3 retired, 4 revoked. Times are microseconds, 0
-- for none. ends_at: the key's own end. from_at: in use from then; until_at: not
-- to be used any more from then, while another one is. Every column is bound by a
-- tag; material is public.
CREATE TABLE partners_keys (
  id BLOB PRIMARY KEY,
  partner TEXT NOT NULL,
  kind TEXT NOT NULL,
  fingerprint TEXT NOT NULL,
  material BLOB NOT NULL,
  name TEXT NOT NULL,
  strength TEXT NOT NULL,
  weak TEXT NOT NULL,
  ends_at BIGINT NOT NULL,
  state BIGINT NOT NULL,
  added_at BIGINT NOT NULL,
  added_by TEXT NOT NULL,
  compared_at BIGINT NOT NULL,
  compared_by TEXT NOT NULL,
  compared_with TEXT NOT NULL,
  compared_how TEXT NOT NULL,
  compared_number TEXT NOT NULL,
  from_at BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  used_at BIGINT NOT NULL,
  used_by TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL,
  reason TEXT NOT NULL,
  leaf BIGINT NOT NULL
);
CREATE INDEX partners_keys_partner ON partners_keys (partner, state);
CREATE INDEX partners_keys_fingerprint ON partners_keys (fingerprint);
