-- Ways into the API that carry patient data, or bring people in, and who said yes to
-- them. what is the token's id, or for a client certificate the account's; key is
-- the certificate's, empty for a token.
CREATE TABLE access_allowed (
  what BLOB PRIMARY KEY,
  key TEXT NOT NULL,
  at BIGINT NOT NULL,
  by_whom TEXT NOT NULL
);
