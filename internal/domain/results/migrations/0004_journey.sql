-- Where in the ledger something was done about a message besides taking it in
-- and delivering it: held, released, sent again, looked at. leaf is the entry,
-- message the leaf of the message. The audit holds both against the ledger.
CREATE TABLE results_acts (
  leaf INTEGER PRIMARY KEY,
  message BIGINT NOT NULL
);
CREATE INDEX results_acts_message ON results_acts (message, leaf);
-- Tries of a delivery that failed: n counts them, class and code say how. The
-- first five and the last fifteen stay.
CREATE TABLE results_tries (
  seq BIGINT NOT NULL,
  n BIGINT NOT NULL,
  at BIGINT NOT NULL,
  class TEXT NOT NULL,
  code TEXT NOT NULL,
  PRIMARY KEY (seq, n)
) WITHOUT ROWID;
CREATE INDEX results_calls_message ON results_calls (message);
CREATE INDEX results_holds_message ON results_holds (message) WHERE message IS NOT NULL;
CREATE INDEX results_quarantine_message ON results_quarantine (message) WHERE message IS NOT NULL;
