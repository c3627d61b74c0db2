package boxes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

func readerOf(b []byte) io.ReaderAt { return bytes.NewReader(b) }

// Rename gives a file of the inbox its final name, and looks into one that waited
// for it.
func (s *Service) Rename(ctx context.Context, partner, from, to string) error {
	if err := channel.CheckBoxName(to); err != nil {
		return err
	}
	f, err := s.Find(ctx, partner, channel.BoxInbox, from)
	if err != nil {
		return err
	}
	if f.State == Held {
		return errHeld
	}
	f.from = from
	if err := s.rename(ctx, &f, to); err != nil {
		return s.refused(ctx, f, err)
	}
	return nil
}

func (s *Service) rename(ctx context.Context, f *File, to string) error {
	old := f.State
	f.Name = to
	kind := "box.file.renamed"
	if f.State == Named && !isPassing(to) {
		r, err := s.open(*f, Via{})
		if err != nil {
			return err
		}
		err = s.judge(ctx, f, r)
		_ = r.Close(ctx)
		if err != nil {
			return err
		}
		if f.State == Held {
			kind = "box.file.held"
		}
	}
	head, err := s.sealHead(f)
	if err != nil {
		return err
	}
	named := s.named(f.Partner, channel.BoxInbox, to)
	var taken, gone bool
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		taken, gone = false, false
		var n int64
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM boxes_files WHERE named = $1 AND state <> 'gone'`, named).Scan(&n); err != nil {
			return err
		}
		if taken = n > 0; taken {
			return nil
		}
		n, err := s.tags.Exec(ctx, tx, tagged, f.ID[:], `UPDATE boxes_files SET named = $1, head = $2, state = $3, told = 0 WHERE id = $4 AND state = $5`,
			named, head, string(f.State), f.ID[:], string(old))
		if err != nil {
			return err
		}
		if gone = n == 0; gone {
			return nil
		}
		return s.publish(ctx, tx, kind, *f, "partner")
	})
	switch {
	case err != nil:
		return fmt.Errorf("rename file of a box: %w", err)
	case taken:
		return channel.ErrFileExists
	case gone:
		return channel.ErrNoFile
	}
	if f.State == Held {
		s.notice(ctx, *f, heldSuffix, f.rule, f.reason)
	}
	return nil
}

// Remove takes a file away. A partner may remove what it sent and what it has
// picked up; by is "partner" or an account.
func (s *Service) Remove(ctx context.Context, partner, folder, name, by string) error {
	f, err := s.Find(ctx, partner, folder, name)
	if err != nil {
		return err
	}
	if by == "partner" {
		switch {
		case f.State == Held:
			return errHeld
		case folder == channel.BoxResults && f.Picked.IsZero():
			return channel.Refuse("read the whole file before you remove it")
		case folder == channel.BoxReceipts:
			return channel.Refuse("receipts stay")
		}
	}
	now := s.Now()
	var gone bool
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.tags.Exec(ctx, tx, tagged, f.ID[:], `UPDATE boxes_files SET state = 'gone', gone_at = $1, gone_by = $2 WHERE id = $3 AND state <> 'gone'`, micro(now), by, f.ID[:])
		if err != nil {
			return err
		}
		if gone = n == 0; gone {
			return nil
		}
		f.Gone = now
		if f.State == Held {
			if err := s.dropNotice(ctx, tx, partner, name+heldSuffix, now); err != nil {
				return err
			}
		}
		return s.publish(ctx, tx, "box.file.removed", f, by)
	})
	if err != nil {
		return fmt.Errorf("remove file of a box: %w", err)
	}
	if gone {
		return channel.ErrNoFile
	}
	if folder == channel.BoxInbox {
		s.counted(partner, -1, -f.Size)
	}
	return nil
}

// Release lets a held file go on into the inbox, for a person of the laboratory.
func (s *Service) Release(ctx context.Context, partner, name, by string) error {
	f, err := s.Find(ctx, partner, channel.BoxInbox, name)
	if err != nil {
		return err
	}
	now := s.Now()
	var none bool
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.tags.Exec(ctx, tx, tagged, f.ID[:], `UPDATE boxes_files SET state = 'there' WHERE id = $1 AND state = 'held'`, f.ID[:])
		if err != nil {
			return err
		}
		if none = n == 0; none {
			return nil
		}
		if err := s.dropNotice(ctx, tx, partner, name+heldSuffix, now); err != nil {
			return err
		}
		return s.publish(ctx, tx, "box.file.released", f, by)
	})
	if err == nil && none {
		err = channel.ErrNoFile
	}
	if err != nil {
		return fmt.Errorf("release file of a box: %w", err)
	}
	return nil
}

// Viewed records that a person of the laboratory reads a file, before it is shown.
func (s *Service) Viewed(ctx context.Context, partner, folder, name, by string) error {
	f, err := s.Find(ctx, partner, folder, name)
	if err != nil {
		return err
	}
	if err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error { return s.publish(ctx, tx, "box.file.viewed", f, by) }); err != nil {
		return fmt.Errorf("record view: %w", err)
	}
	return nil
}

func (s *Service) publish(ctx context.Context, tx *store.Tx, kind string, f File, by string) error {
	_, err := bus.Publish(ctx, tx, ledger.Event{
		Kind: kind, At: micro(s.Now()), IDs: ledger.Pairs{{K: "file", V: f.ID.String()}, {K: "partner", V: f.Partner}},
		Codes: ledger.Pairs{{K: "by", V: ledger.Code(by)}, {K: "sha256", V: fmt.Sprintf("%x", f.SHA256)}},
	})
	return err
}

// RemovePicked takes away results that were picked up before the time.
func (s *Service) RemovePicked(ctx context.Context, partner string, before time.Time) error {
	var names []string
	err := s.DB.Query(ctx, `SELECT `+fileColumns+` FROM boxes_files WHERE partner = $1 AND folder = $2 AND state <> 'gone' AND picked_at > 0 AND picked_at < $3 ORDER BY id LIMIT $4`,
		[]any{partner, channel.BoxResults, micro(before), erase}, func(row store.Scanner) error {
			f, err := s.scan(row)
			names = append(names, f.Name)
			return err
		})
	if err != nil {
		return fmt.Errorf("look for files that were picked up: %w", err)
	}
	for _, name := range names {
		if err := s.Remove(ctx, partner, channel.BoxResults, name, "hub"); err != nil && !errors.Is(err, channel.ErrNoFile) {
			return err
		}
	}
	return nil
}

// erase is how many files one round forgets.
const erase = 200

// Erase forgets the content of files that are gone since before the time, and
// says how many it forgot.
func (s *Service) Erase(ctx context.Context, before int64) (int, error) {
	var ids []event.ID
	err := s.DB.Query(ctx, `SELECT id FROM boxes_files WHERE state = 'gone' AND (body IS NOT NULL OR filekey IS NOT NULL) AND gone_at < $1 ORDER BY gone_at LIMIT $2`,
		[]any{before, erase}, func(row store.Scanner) error {
			var b []byte
			if err := row.Scan(&b); err != nil {
				return err
			}
			id, err := event.IDFromBytes(b)
			ids = append(ids, id)
			return err
		})
	if err != nil {
		return 0, fmt.Errorf("look for files to forget: %w", err)
	}
	for _, id := range ids {
		// First the key: without it the bytes on disk say nothing.
		if err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, `UPDATE boxes_files SET body = NULL, filekey = NULL WHERE id = $1`, id[:])
			return err
		}); err != nil {
			return 0, fmt.Errorf("forget file: %w", err)
		}
		if err := os.Remove(s.path(id)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return 0, fmt.Errorf("forget file: %w", err)
		}
	}
	return len(ids), nil
}
