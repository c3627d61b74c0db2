-- Which site of the laboratory a source belongs to, from which entry of the
-- ledger on: that of the configuration which said so. A message is of the site
-- its source had at the message's own entry. Rows are only added: moving a source
-- changes nothing about what came before.
CREATE TABLE results_sites (
  since BIGINT NOT NULL,
  source TEXT NOT NULL,
  site TEXT NOT NULL,
  PRIMARY KEY (source, since)
) WITHOUT ROWID;
