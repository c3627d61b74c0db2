package boxes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Audit names the rows that somebody without the key changed, added or removed,
// and the files that are missing or were changed. The chunks of a large file are
// opened when it is read; here its list of them is.
func (s *Service) Audit(ctx context.Context, found func(table, row, what string)) error {
	in := func(row, what string) { found(tagged.Table, row, what) }
	if err := s.tags.Audit(ctx, s.DB, tagged, in); err != nil {
		return err
	}
	return s.DB.Query(ctx, `SELECT id, named, state FROM boxes_files`, nil, func(row store.Scanner) error {
		var raw, named []byte
		var state string
		if err := row.Scan(&raw, &named, &state); err != nil {
			return err
		}
		id, err := event.IDFromBytes(raw)
		if err != nil {
			in(fmt.Sprintf("%x", raw), "the row has no identifier")
			return nil
		}
		if what := s.wrong(ctx, id, named, State(state)); what != "" {
			in(fmt.Sprintf("%x", raw), what)
		}
		return nil
	})
}

// wrong says what is wrong with a file; empty for nothing.
func (s *Service) wrong(ctx context.Context, id event.ID, named []byte, state State) string {
	var f File
	err := s.DB.Query(ctx, `SELECT `+fileColumns+`, body, filekey, mark FROM boxes_files WHERE id = $1`, []any{id[:]}, func(row store.Scanner) (err error) {
		var body, key, mark []byte
		f, err = s.scan(row, &body, &key, &mark)
		f.body, f.filekey, f.mark = body, key, mark
		return err
	})
	if err != nil {
		return "its name does not open, or the row cannot be read"
	}
	if !bytes.Equal(named, s.named(f.Partner, f.Folder, f.Name)) {
		return "it is found by another name than it has"
	}
	if f.Size == 0 && f.filekey != nil {
		return "it has a key and no content"
	}
	if state == Gone && f.body == nil && f.filekey == nil || f.Size == 0 && f.body == nil {
		return ""
	}
	if f.body != nil && f.filekey != nil {
		return "it has two contents"
	}
	if f.body == nil && f.filekey == nil {
		return "its content is missing"
	}
	r, err := s.open(f, Via{})
	if errors.Is(err, os.ErrNotExist) {
		return "its content is missing from the folder of boxes"
	}
	if err != nil {
		return "its content does not open"
	}
	_ = r.Close(ctx)
	return ""
}
