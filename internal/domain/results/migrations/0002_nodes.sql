-- How often a person changed open deliveries of a partner: the node that
-- delivers sees by it that another node was asked to.
CREATE TABLE results_changes (
  partner TEXT PRIMARY KEY,
  n BIGINT NOT NULL
);
