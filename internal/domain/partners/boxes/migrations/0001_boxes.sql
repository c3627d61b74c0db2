-- Files of the partners' boxes. What a file is called its sender chose, and may
-- name a patient in it: name and kind are sealed in head, and named, a keyed hash
-- of partner, folder and name, finds it. body is the sealed content of a small
-- file; a large one lies in the spool folder under the file's id, its key sealed
-- in filekey, mark its seal (platform/spool).
-- delivery is the delivery's number, 0 for none; told says that a pick-up was passed
-- on to it.
-- state: there, named (whole, waits for its final name), held (the content gate
-- kept it for a person), gone.
CREATE TABLE boxes_files (
  id BLOB PRIMARY KEY,
  partner TEXT NOT NULL,
  folder TEXT NOT NULL,
  named BLOB NOT NULL,
  head BLOB NOT NULL,
  size BIGINT NOT NULL,
  sha256 BLOB NOT NULL,
  made_at BIGINT NOT NULL,
  made_by TEXT NOT NULL,
  state TEXT NOT NULL,
  delivery BIGINT NOT NULL,
  body BLOB,
  filekey BLOB,
  mark BLOB,
  picked_at BIGINT NOT NULL,
  picked_by TEXT NOT NULL,
  told BIGINT NOT NULL,
  gone_at BIGINT NOT NULL,
  gone_by TEXT NOT NULL
);
CREATE UNIQUE INDEX boxes_files_named ON boxes_files (named) WHERE state <> 'gone';
CREATE UNIQUE INDEX boxes_files_delivery ON boxes_files (delivery) WHERE delivery > 0;
CREATE INDEX boxes_files_there ON boxes_files (partner, folder, id) WHERE state <> 'gone';
CREATE INDEX boxes_files_told ON boxes_files (id) WHERE picked_at > 0 AND told = 0;
CREATE INDEX boxes_files_gone ON boxes_files (gone_at) WHERE state = 'gone' AND (body IS NOT NULL OR filekey IS NOT NULL);
