-- One row for each alarm. state: 0 open, 1 accepted, 2 over by itself, 3 closed
-- by a person. Times are microseconds, 0 for none. quiet_at: the condition is
-- gone since then. step: how many people were told; next_at: when the next one
-- is, or when an acceptance ends.
CREATE TABLE alarm_alarms (
  number INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  about TEXT NOT NULL,
  severity BIGINT NOT NULL,
  grade BIGINT NOT NULL,
  sentence TEXT NOT NULL,
  advice TEXT NOT NULL,
  owner TEXT NOT NULL,
  once BIGINT NOT NULL,
  state BIGINT NOT NULL,
  since BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  times BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  quiet_at BIGINT NOT NULL,
  by_whom TEXT NOT NULL,
  reason TEXT NOT NULL,
  flaps BIGINT NOT NULL,
  step BIGINT NOT NULL,
  next_at BIGINT NOT NULL
);
CREATE INDEX alarm_alarms_live ON alarm_alarms (number) WHERE state < 2;
CREATE INDEX alarm_alarms_key ON alarm_alarms (kind, about, number);
-- What is told to whom. done_at is 0 until a way has taken it or it has become
-- needless; outcome is the last answer or error.
CREATE TABLE alarm_notices (
  id BLOB PRIMARY KEY,
  alarm BIGINT NOT NULL,
  what TEXT NOT NULL,
  person TEXT NOT NULL,
  way TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  tries BIGINT NOT NULL,
  next_at BIGINT NOT NULL,
  done_at BIGINT NOT NULL,
  sent BIGINT NOT NULL,
  outcome TEXT NOT NULL
);
CREATE INDEX alarm_notices_open ON alarm_notices (made_at) WHERE done_at = 0;
CREATE INDEX alarm_notices_alarm ON alarm_notices (alarm);
