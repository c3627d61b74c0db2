package boxes

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/receipt"
	"github.com/labwarden/labwarden/internal/platform/spool"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Reader is an open file. It is safe for concurrent use.
type Reader struct {
	io.ReaderAt
	File File

	s      *Service
	disk   *os.File
	via    Via
	mu     sync.Mutex
	have   spool.Spans
	picked bool
}

// Open opens a file for a partner's client. Without a protocol it is the
// laboratory itself: nothing is picked up then.
func (s *Service) Open(ctx context.Context, partner, folder, name string, via Via) (*Reader, error) {
	f, err := s.Find(ctx, partner, folder, name)
	if err != nil {
		return nil, err
	}
	if f.State == Held && via.Protocol != "" {
		return nil, errHeld
	}
	return s.open(f, via)
}

func (s *Service) open(f File, via Via) (*Reader, error) {
	r := &Reader{File: f, s: s, via: via}
	if f.body != nil || f.Size == 0 {
		plain := []byte{}
		if f.body != nil {
			var err error
			if plain, err = s.Vault.Unseal(Purpose, s.where("body", f.ID), nil, f.body); err != nil {
				return nil, fmt.Errorf("open file of a box: %w", err)
			}
		}
		if int64(len(plain)) != f.Size || sha256.Sum256(plain) != f.SHA256 {
			return nil, errDamaged
		}
		r.ReaderAt = bytes.NewReader(plain)
		return r, nil
	}
	plain, err := s.Vault.Unseal(Purpose, s.where("filekey", f.ID), nil, f.filekey)
	if err != nil || len(plain) != len(spool.Key{}) || len(f.mark) != len(spool.Seal{}) {
		return nil, fmt.Errorf("open key of a file: %w", errDamaged)
	}
	if r.disk, err = os.Open(s.path(f.ID)); err != nil {
		return nil, fmt.Errorf("open file of a box: %w", err)
	}
	key := spool.Key(plain)
	in, err := spool.Open(r.disk, spool.ID(f.ID), &key, f.Size, spool.Seal(f.mark))
	if err != nil {
		_ = r.disk.Close()
		return nil, fmt.Errorf("open file of a box: %w", err)
	}
	r.ReaderAt = in
	return r, nil
}

func (s *Service) path(id event.ID) string { return filepath.Join(s.Spool, id.String()) }

// ReadAt implements io.ReaderAt and keeps count of what was read.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	n, err := r.ReaderAt.ReadAt(p, off)
	if n > 0 && r.via.Protocol != "" {
		r.mu.Lock()
		r.have = r.have.Add(spool.Span{From: off, To: off + int64(n)})
		r.mu.Unlock()
	}
	return n, err
}

// Size is the file's.
func (r *Reader) Size() int64 { return r.File.Size }

// Close closes it; a file of results that was read whole is picked up now.
func (r *Reader) Close(ctx context.Context) error {
	r.mu.Lock()
	whole := r.via.Protocol != "" && !r.picked && r.have.Covers(spool.Span{To: r.File.Size})
	r.picked = r.picked || whole
	r.mu.Unlock()
	var err error
	if whole {
		err = r.s.picked(ctx, r.File, r.via)
	}
	if r.disk != nil {
		_ = r.disk.Close()
	}
	return err
}

// picked records that the partner read the whole of a file of results, and makes
// the receipt of it.
func (s *Service) picked(ctx context.Context, f File, via Via) error {
	if f.Folder != channel.BoxResults {
		return nil
	}
	now, how := s.Now(), via.Protocol
	paper, err := s.receiptOf(&f, receipt.Fetched, now, via)
	if err != nil {
		return err
	}
	var first bool
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.tags.Exec(ctx, tx, tagged, f.ID[:], `UPDATE boxes_files SET picked_at = $1, picked_by = $2 WHERE id = $3 AND picked_at = 0`, micro(now), how, f.ID[:])
		if err != nil {
			return err
		}
		if first = n == 1; !first {
			return nil
		}
		if err := s.putReceipt(ctx, tx, paper); err != nil {
			return err
		}
		_, err = bus.Publish(ctx, tx, ledger.Event{
			Kind: "box.file.picked", At: micro(now), IDs: ledger.Pairs{{K: "file", V: f.ID.String()}, {K: "partner", V: f.Partner}},
			Codes: ledger.Pairs{{K: "by", V: ledger.Code(how)}, {K: "sha256", V: fmt.Sprintf("%x", f.SHA256)}},
		})
		return err
	})
	if err != nil {
		return fmt.Errorf("record pick-up: %w", err)
	}
	if first && f.Delivery != 0 {
		if err := s.tell(ctx, f.ID, f.Delivery, now); err != nil {
			s.Log.Warn("a pick-up is told later", "err", err) // TellPicked does
		}
	}
	return nil
}

// tell passes a pick-up on to its delivery.
func (s *Service) tell(ctx context.Context, id event.ID, delivery int64, at time.Time) error {
	if s.Delivered == nil {
		return nil
	}
	if err := s.Delivered.PickedUp(ctx, delivery, at); err != nil {
		return fmt.Errorf("tell of pick-up: %w", err)
	}
	if err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := s.tags.Exec(ctx, tx, tagged, id[:], `UPDATE boxes_files SET told = 1 WHERE id = $1`, id[:])
		return err
	}); err != nil {
		return fmt.Errorf("note that a pick-up was told: %w", err)
	}
	return nil
}

// TellPicked passes on the pick-ups that could not be passed on when they
// happened: the delivery was not written down yet, or the process ended.
func (s *Service) TellPicked(ctx context.Context) error {
	type waiting struct {
		id       event.ID
		delivery int64
		at       time.Time
	}
	var all []waiting
	err := s.DB.Query(ctx, `SELECT id, delivery, picked_at FROM boxes_files WHERE picked_at > 0 AND told = 0 ORDER BY id LIMIT 500`, nil, func(row store.Scanner) error {
		var raw []byte
		var delivery, at int64
		if err := row.Scan(&raw, &delivery, &at); err != nil {
			return err
		}
		id, err := event.IDFromBytes(raw)
		all = append(all, waiting{id, delivery, timeOf(at)})
		return err
	})
	if err != nil {
		return fmt.Errorf("look for pick-ups to tell: %w", err)
	}
	var errs []error
	for _, w := range all {
		if w.delivery != 0 {
			errs = append(errs, s.tell(ctx, w.id, w.delivery, w.at))
		}
	}
	return errors.Join(errs...)
}
