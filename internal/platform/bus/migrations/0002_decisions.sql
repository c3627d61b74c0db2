-- Witnesses whose memory the ledger does not fit and about which a person has
-- decided: until such a witness confirms again, its findings are no alarm.
CREATE TABLE ledger_decisions (
  witness TEXT PRIMARY KEY,
  verdict TEXT NOT NULL,
  decided_at BIGINT NOT NULL,
  by_whom TEXT NOT NULL,
  leaf BIGINT NOT NULL
);
