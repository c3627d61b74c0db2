-- What a person has shown us to be there though nothing can look: that a
-- recovery share is kept. value names the set of shares.
CREATE TABLE setup_shown (
  what TEXT PRIMARY KEY,
  value TEXT NOT NULL,
  shown_at BIGINT NOT NULL,
  shown_by TEXT NOT NULL,
  leaf BIGINT NOT NULL
);
