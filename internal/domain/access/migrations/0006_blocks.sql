-- A role that another system's rule gave and a person here took away by hand. The
-- rule does not give it again until a person lifts the block: lifted_at 0 says that
-- it stands.
CREATE TABLE access_blocks (
  id BLOB PRIMARY KEY,
  person BLOB NOT NULL,
  origin TEXT NOT NULL,
  role TEXT NOT NULL,
  partners TEXT NOT NULL,
  sites TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  lifted_at BIGINT NOT NULL,
  lifted_by TEXT NOT NULL
);
CREATE INDEX access_blocks_person ON access_blocks (person);
-- When the OpenID provider last said who somebody is: the roles it gave count for
-- some days from then.
CREATE TABLE access_provided (
  person BLOB PRIMARY KEY,
  at BIGINT NOT NULL
);
