-- The role words that SCIM gave somebody last, whether a rule knows them or not: a
-- message that adds one, or takes one, starts from these.
CREATE TABLE access_words (
  person BLOB PRIMARY KEY,
  words TEXT NOT NULL,
  at BIGINT NOT NULL
);
