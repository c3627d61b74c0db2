package boxes

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/receipt"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of what lies in the folder of receipts.
const (
	KindReceipt = "receipt"
	KindNotice  = "notice" // why a file was refused, or is held
)

const (
	// receiptsRound is how many receipts one transaction writes: each asks the
	// database eight times, and a transaction has a second. One that takes longer is
	// tried with fewer.
	receiptsRound = 20
	// receiptsLate is how long after a file went away a receipt is still written.
	receiptsLate = 24 * time.Hour
)

// Receipts writes the receipts that are owed for files of the partner's inbox.
// An upload does not wait for its receipt: whoever looks into the folder calls
// this first, and AllReceipts comes by each minute.
func (s *Service) Receipts(ctx context.Context, partner string) error {
	for round := receiptsRound; ; {
		n, err := s.someReceipts(ctx, partner, round)
		switch {
		case errors.Is(err, store.ErrTooLong) && round > 1:
			round = max(1, round/4)
		case err != nil:
			return fmt.Errorf("write receipts: %w", err)
		case n < round:
			return nil
		}
	}
}

// AllReceipts is Receipts for every partner.
func (s *Service) AllReceipts(ctx context.Context) error {
	var all []string
	err := s.DB.Query(ctx, `SELECT DISTINCT partner FROM boxes_files WHERE told = 0 AND folder = 'inbox' AND state <> 'named'`, nil, func(row store.Scanner) error {
		var p string
		err := row.Scan(&p)
		all = append(all, p)
		return err
	})
	if err != nil {
		return fmt.Errorf("look for receipts to write: %w", err)
	}
	var errs []error
	for _, p := range all {
		errs = append(errs, s.Receipts(ctx, p))
	}
	return errors.Join(errs...)
}

func (s *Service) someReceipts(ctx context.Context, partner string, round int) (int, error) {
	var owed []File
	err := s.DB.Query(ctx, `SELECT `+fileColumns+` FROM boxes_files WHERE told = 0 AND folder = 'inbox' AND state <> 'named' AND partner = $1 ORDER BY id LIMIT $2`,
		[]any{partner, round}, func(row store.Scanner) error {
			f, err := s.scan(row)
			owed = append(owed, f)
			return err
		})
	if err != nil || len(owed) == 0 {
		return 0, err
	}
	made := make([]*paper, len(owed))
	for i := range owed {
		if isPassing(owed[i].Name) || owed[i].State == Gone && owed[i].Gone.Before(s.Now().Add(-receiptsLate)) {
			continue // it went away under the name it had on its way, or before there were receipts
		}
		if made[i], err = s.receiptOf(&owed[i], receipt.Taken, owed[i].Made, owed[i].Via); err != nil {
			return 0, err
		}
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for i, f := range owed {
			// Not one that was renamed meanwhile: its receipt is about another name.
			n, err := s.tags.Exec(ctx, tx, tagged, f.ID[:], `UPDATE boxes_files SET told = 1 WHERE id = $1 AND told = 0 AND named = $2`, f.ID[:], s.named(partner, channel.BoxInbox, f.Name))
			if err != nil {
				return err
			}
			if n == 0 || made[i] == nil {
				continue
			}
			if err := s.putReceipt(ctx, tx, made[i]); err != nil {
				return err
			}
			if err := s.dropNotice(ctx, tx, partner, f.Name+refusedSuffix, f.Made); err != nil {
				return err
			}
		}
		return nil
	})
	return len(owed), err
}

// paper is a file of the folder of receipts that is not yet in the database.
type paper struct {
	File
	named, head []byte
}

// paper makes one; its name is the partner's file's with an ending.
func (s *Service) paper(partner, name, kind string, via Via, text []byte) (*paper, error) {
	p := &paper{File: File{
		ID: event.NewID(), Partner: partner, Folder: channel.BoxReceipts, Name: name, Kind: kind, Made: s.Now(), MadeBy: "hub", Via: via,
		Size: int64(len(text)), SHA256: sha256.Sum256(text), State: There,
	}}
	var err error
	if p.body, err = s.Vault.Seal(Purpose, s.where("body", p.ID), nil, text); err != nil {
		return nil, fmt.Errorf("seal receipt: %w", err)
	}
	if p.head, err = s.sealHead(&p.File); err != nil {
		return nil, err
	}
	p.named = s.named(partner, channel.BoxReceipts, name)
	return p, nil
}

// receiptOf signs what happened to a file.
func (s *Service) receiptOf(f *File, what string, at time.Time, via Via) (*paper, error) {
	b, err := receipt.Make(receipt.Statement{
		ID: f.ID.String(), Partner: f.Partner, Event: what, Protocol: via.Protocol, At: at,
		File:        receipt.File{Name: f.Name, Size: f.Size, SHA256: fmt.Sprintf("%x", f.SHA256)},
		EncryptedTo: f.SealedTo,
		Peer:        receipt.Peer{Proof: via.Proof, Fingerprint: via.Fingerprint, Secured: via.Secured},
	}, s.Now(), s.Vault.NoteSigner())
	if err != nil {
		return nil, fmt.Errorf("sign receipt of a file: %w", err)
	}
	return s.paper(f.Partner, f.Name+receipt.Suffix, KindReceipt, Via{}, b)
}

// putReceipt files it. An older receipt of that name, about an earlier file,
// makes room.
func (s *Service) putReceipt(ctx context.Context, tx *store.Tx, p *paper) error {
	old, err := s.scan(tx.QueryRow(ctx, `SELECT `+fileColumns+` FROM boxes_files WHERE named = $1 AND state <> 'gone'`, p.named))
	switch {
	case errors.Is(err, store.ErrNoRows):
	case err != nil:
		return err
	default:
		if err := s.makeRoom(ctx, tx, old); err != nil {
			return err
		}
	}
	return s.row(ctx, tx, &p.File, p.named, p.head)
}

// makeRoom gives an older receipt a name with its time, or its id where that is
// taken too. Its content stays what was signed.
func (s *Service) makeRoom(ctx context.Context, tx *store.Tx, old File) error {
	stem := strings.TrimSuffix(old.Name, receipt.Suffix)
	for _, with := range []string{old.Made.Format("20060102T150405.000Z"), old.ID.String()} {
		old.Name = stem + "." + with + receipt.Suffix
		named := s.named(old.Partner, old.Folder, old.Name)
		var n int64
		if err := tx.QueryRow(ctx, `SELECT COUNT(*) FROM boxes_files WHERE named = $1 AND state <> 'gone'`, named).Scan(&n); err != nil {
			return err
		}
		if n > 0 {
			continue
		}
		head, err := s.sealHead(&old)
		if err != nil {
			return err
		}
		_, err = s.tags.Exec(ctx, tx, tagged, old.ID[:], `UPDATE boxes_files SET named = $1, head = $2 WHERE id = $3`, named, head, old.ID[:])
		return err
	}
	return errDamaged // two rows of one id
}

// RemoveReceipts takes away receipts and notices that were made before the time.
func (s *Service) RemoveReceipts(ctx context.Context, partner string, before time.Time) error {
	var old [][]byte
	err := s.DB.Query(ctx, `SELECT id, made_at FROM boxes_files WHERE partner = $1 AND folder = $2 AND state <> 'gone' ORDER BY id LIMIT $3`,
		[]any{partner, channel.BoxReceipts, erase}, func(row store.Scanner) error {
			var id []byte
			var made int64
			if err := row.Scan(&id, &made); err != nil {
				return err
			}
			if made < micro(before) {
				old = append(old, id)
			}
			return nil
		})
	now := s.Now()
	for some := range slices.Chunk(old, receiptsRound) {
		if err != nil {
			break
		}
		err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			for _, id := range some {
				if err := s.drop(ctx, tx, id, now); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err != nil {
		return fmt.Errorf("remove old receipts: %w", err)
	}
	return nil
}

// drop takes a receipt or a notice away.
func (s *Service) drop(ctx context.Context, tx *store.Tx, id []byte, now time.Time) error {
	_, err := s.tags.Exec(ctx, tx, tagged, id, `UPDATE boxes_files SET state = 'gone', gone_at = $1, gone_by = 'hub' WHERE id = $2 AND state <> 'gone'`, micro(now), id)
	return err
}
