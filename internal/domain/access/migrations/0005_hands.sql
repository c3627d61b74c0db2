-- By whose hand somebody came in anew, and who has confirmed since that it is them.
-- doubt_at: somebody let them in again or made them a link, and nobody has confirmed
-- them since (0: no doubt). sure_at: somebody else, or the console, confirmed them
-- (0: nobody has).
CREATE TABLE access_hands (
  person BLOB PRIMARY KEY,
  doubt_at BIGINT NOT NULL,
  doubt_by TEXT NOT NULL,
  sure_at BIGINT NOT NULL,
  sure_by TEXT NOT NULL
);
