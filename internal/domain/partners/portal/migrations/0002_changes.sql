-- Changes of how somebody of a practice signs in, a row for each practice they belong
-- to: its managers are told, and the laboratory where there is no other manager. what
-- is added, changed, removed or letter; way is what was changed. answer is empty until
-- somebody answered: known, unexpected (then the laboratory has it), settled.
CREATE TABLE partners_portal_changes (
  id BLOB PRIMARY KEY,
  person BLOB NOT NULL,
  partner TEXT NOT NULL,
  what TEXT NOT NULL,
  way TEXT NOT NULL,
  device TEXT NOT NULL,
  at BIGINT NOT NULL,
  answer TEXT NOT NULL,
  answered_at BIGINT NOT NULL,
  answered_by TEXT NOT NULL
);
CREATE INDEX partners_portal_changes_partner ON partners_portal_changes (partner, at);
CREATE INDEX partners_portal_changes_person ON partners_portal_changes (person, at);
CREATE INDEX partners_portal_changes_open ON partners_portal_changes (at) WHERE answer = '' OR answer = 'unexpected';
