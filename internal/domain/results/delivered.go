package results

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// EachDelivered calls each for every completed delivery with the bytes as they
// were sent. Whoever calls it sees patient data.
func (s *Service) EachDelivered(ctx context.Context, each func(seq int64, sent []byte) error) error {
	type row struct {
		seq                 int64
		id, sealed, receipt []byte
	}
	for last := int64(-1); ; {
		var batch []row
		err := s.db.Query(ctx, `SELECT d.seq, d.receipt, m.id, m.body FROM results_deliveries d JOIN results_messages m ON m.leaf = d.message
			WHERE d.seq > $1 AND d.state = 3 ORDER BY d.seq LIMIT 200`, []any{last}, func(r store.Scanner) error {
			var x row
			err := r.Scan(&x.seq, &x.receipt, &x.id, &x.sealed)
			batch = append(batch, x)
			return err
		})
		if err != nil {
			return fmt.Errorf("list deliveries: %w", err)
		}
		for _, x := range batch {
			id, err := event.IDFromBytes(x.id)
			if err != nil {
				return err
			}
			e, err := s.evidence(x.seq, x.receipt)
			if err != nil {
				return err
			}
			sent := e.Sent
			if sent == nil {
				if _, sent, err = s.seal.open("results_messages", id, x.sealed); err != nil {
					return err
				}
			}
			if err := each(x.seq, sent); err != nil {
				return err
			}
			last = x.seq
		}
		if len(batch) == 0 {
			return nil
		}
	}
}

// QuarantinedSum is the SHA-256 of what is kept of a quarantined message.
func (s *Service) QuarantinedSum(ctx context.Context, id event.ID) ([32]byte, error) {
	var sealed []byte
	err := s.db.QueryRow(ctx, "SELECT body FROM results_quarantine WHERE id = $1", id[:]).Scan(&sealed)
	if errors.Is(err, store.ErrNoRows) {
		return [32]byte{}, fmt.Errorf("quarantined message %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return [32]byte{}, fmt.Errorf("read quarantine: %w", err)
	}
	_, body, err := s.seal.open("results_quarantine", id, sealed)
	return sha256.Sum256(body), err
}
