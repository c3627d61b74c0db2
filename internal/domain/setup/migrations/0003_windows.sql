-- One row for each maintenance window. Lists are JSON. before is what stood when
-- it began, told who was told and what came of it, found what was left at its
-- end. Times are microseconds, 0 for none.
CREATE TABLE setup_windows (
  id BLOB PRIMARY KEY,
  partners TEXT NOT NULL,
  sources TEXT NOT NULL,
  reason TEXT NOT NULL,
  opened_by TEXT NOT NULL,
  opened_id BLOB NOT NULL,
  made_at BIGINT NOT NULL,
  from_at BIGINT NOT NULL,
  until_at BIGINT NOT NULL,
  tell BIGINT NOT NULL,
  began_at BIGINT NOT NULL,
  before TEXT NOT NULL,
  told TEXT NOT NULL,
  ended_at BIGINT NOT NULL,
  ended_by TEXT NOT NULL,
  rechecked_at BIGINT NOT NULL,
  found TEXT NOT NULL,
  leaf BIGINT NOT NULL
);
CREATE INDEX setup_windows_open ON setup_windows (from_at) WHERE rechecked_at = 0;
