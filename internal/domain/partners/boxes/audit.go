package boxes

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/spool"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Audit names the rows that somebody without the key changed, added or removed,
// and the files that are missing or were changed. Of a large file it looks at the
// list of its chunks; AuditContents opens them.
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

// auditPiece is how much of a file is read between two rests.
const auditPiece = 4 << 20

// AuditContents reads every large file from its first byte to its last and names
// those whose chunks do not open or are not what was sealed. rest, unless nil, is
// called after each piece: with the bytes that were read and those there are.
func (s *Service) AuditContents(ctx context.Context, found func(table, row, what string), rest func(done, total int64) error) error {
	var ids []event.ID
	var done, total int64
	err := s.DB.Query(ctx, `SELECT id, size FROM boxes_files WHERE filekey IS NOT NULL ORDER BY id`, nil, func(row store.Scanner) error {
		var raw []byte
		var size int64
		if err := row.Scan(&raw, &size); err != nil {
			return err
		}
		id, err := event.IDFromBytes(raw)
		if err != nil {
			return nil // Audit names it
		}
		ids, total = append(ids, id), total+max(size, 0)
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for files to read: %w", err)
	}
	buf := make([]byte, auditPiece)
	for _, id := range ids {
		read := func(n int) error {
			done += int64(n)
			if rest == nil {
				return ctx.Err()
			}
			return rest(done, total)
		}
		what, err := s.unsound(ctx, id, buf, read)
		if err != nil {
			return fmt.Errorf("read files of boxes: %w", err)
		}
		if what != "" {
			found(tagged.Table, fmt.Sprintf("%x", id[:]), what)
		}
	}
	return nil
}

// unsound reads one file and says what is wrong with its content; empty for
// nothing. read is told of each piece and may end it all.
func (s *Service) unsound(ctx context.Context, id event.ID, buf []byte, read func(n int) error) (string, error) {
	f, err := s.byID(ctx, id)
	if err != nil || f.filekey == nil {
		return "", ctx.Err() // Audit names a row that cannot be read; or it was forgotten meanwhile
	}
	r, err := s.open(f, Via{})
	if err != nil {
		return "", ctx.Err() // Audit names it
	}
	defer func() { _ = r.Close(ctx) }()
	sum := sha256.New()
	for at := int64(0); at < f.Size; {
		n, err := r.ReadAt(buf[:min(int64(len(buf)), f.Size-at)], at)
		_, _ = sum.Write(buf[:n]) // a hash takes everything
		if at += int64(n); err != nil && at < f.Size {
			s.Log.Error("a file of a box cannot be read", "file", id.String(), "err", err)
			return fmt.Sprintf("its content is damaged from byte %d on", at-at%spool.ChunkSize), ctx.Err()
		}
		if err := read(n); err != nil {
			return "", err
		}
	}
	if [sha256.Size]byte(sum.Sum(nil)) != f.SHA256 {
		return "its content has another hash than it arrived with", nil
	}
	return "", nil
}

func (s *Service) byID(ctx context.Context, id event.ID) (f File, err error) {
	err = s.DB.Query(ctx, `SELECT `+fileColumns+`, body, filekey, mark FROM boxes_files WHERE id = $1`, []any{id[:]}, func(row store.Scanner) (err error) {
		var body, key, mark []byte
		f, err = s.scan(row, &body, &key, &mark)
		f.body, f.filekey, f.mark = body, key, mark
		return err
	})
	return f, err
}

// wrong says what is wrong with a file; empty for nothing.
func (s *Service) wrong(ctx context.Context, id event.ID, named []byte, state State) string {
	f, err := s.byID(ctx, id)
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
		if now, err := s.byID(ctx, id); err == nil && now.filekey == nil {
			return "" // it was forgotten meanwhile
		}
		return "its content is missing from the folder of boxes"
	}
	if err != nil {
		return "its content does not open"
	}
	_ = r.Close(ctx)
	return ""
}
