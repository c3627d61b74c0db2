-- Receipts and refusals are files of the folder receipts. For a file of the inbox
-- told says that its receipt stands there; the index finds those of which none does.
CREATE INDEX boxes_files_owed ON boxes_files (partner, id) WHERE told = 0 AND folder = 'inbox' AND state <> 'named';
