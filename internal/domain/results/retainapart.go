package results

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// apartBytes is how much the bodies in quarantine take.
func (s *Service) apartBytes(ctx context.Context) (n int64, err error) {
	err = s.db.QueryRow(ctx, "SELECT CAST(COALESCE(sum(length(body)), 0) AS BIGINT) FROM results_quarantine").Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("measure quarantine: %w", err)
	}
	return n, nil
}

// apartCandidate is a quarantined message that age or size asks to go.
type apartCandidate struct {
	leaf, size int64
	id         event.ID
	message    []byte // what it has become; nil for refused
	why        string
	keys       []searchKey
}

// retainApart erases the bytes of quarantined messages that a person has decided
// about, the oldest first. An open one is never erased. One that became a
// message is kept by that message, so its copy here needs no legal minimum; a
// refused one is kept as long as the law keeps such a report. A legal hold on
// the message or on the patient keeps both.
func (s *Service) retainApart(ctx context.Context, p Retention, now time.Time, over *int64, r *Retained) error {
	for at := int64(-1); ; {
		var batch []apartCandidate
		n := 0
		err := s.db.Query(ctx, `SELECT leaf, id, source, received_at, decided_at, message, body FROM results_quarantine
			WHERE leaf > $1 AND state <> 0 AND body IS NOT NULL ORDER BY leaf LIMIT $2`, []any{at, int64(eraseBatch)}, func(row store.Scanner) error {
			var c apartCandidate
			var id, sealed []byte
			var source string
			var received int64
			var decided *int64
			if err := row.Scan(&c.leaf, &id, &source, &received, &decided, &c.message, &sealed); err != nil {
				return err
			}
			n++
			at, c.size = c.leaf, int64(len(sealed))
			switch {
			case decided == nil:
				return nil // damaged: the audit names it
			case p.MaxApart > 0 && now.Sub(time.UnixMicro(*decided)) > p.MaxApart:
				c.why = "age"
			case *over > 0:
				c.why = "size"
			default:
				return nil
			}
			var err error
			if c.id, err = event.IDFromBytes(id); err != nil {
				return nil //nolint:nilerr // damaged: the audit names it
			}
			_, body, err := s.seal.open("results_quarantine", c.id, sealed)
			if err != nil {
				if temporary(err) {
					return err
				}
				r.Unreadable++
				return nil
			}
			if c.message == nil && now.Sub(time.UnixMicro(received)) < p.minimum(body) {
				r.LegalMinimum++
				return nil
			}
			c.keys = s.keysOfBody(body, s.settings.Load().Sources[source].AccessionFields)
			batch = append(batch, c)
			return nil
		})
		if err != nil {
			return fmt.Errorf("read quarantine to erase: %w", err)
		}
		if err := s.eraseApart(ctx, batch, over, r); err != nil {
			return fmt.Errorf("erase quarantine: %w", err)
		}
		if n < eraseBatch {
			return nil
		}
	}
}

func (s *Service) eraseApart(ctx context.Context, batch []apartCandidate, over *int64, r *Retained) error {
	if len(batch) == 0 {
		return nil
	}
	var done Retained
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		done = Retained{}
		held, err := patientsHeld(ctx, tx)
		if err != nil {
			return err
		}
		for i := range batch {
			c := &batch[i]
			if c.why == "size" && *over-done.Bytes <= 0 {
				continue
			}
			var hold int64
			err := tx.QueryRow(ctx, `SELECT count(*) FROM results_holds h JOIN results_messages m ON m.leaf = h.message
				WHERE m.id = $1 AND h.lifted_at IS NULL`, c.message).Scan(&hold)
			if err != nil {
				return err
			}
			for _, k := range c.keys {
				if held[k] {
					hold++
				}
			}
			if hold > 0 {
				done.OnHold++
				continue
			}
			n, err := tx.Exec(ctx, "UPDATE results_quarantine SET body = NULL WHERE leaf = $1 AND state <> 0 AND body IS NOT NULL", c.leaf)
			if err != nil {
				return err
			}
			if n == 0 {
				continue
			}
			done.Erased++
			done.Apart++
			done.Bytes += c.size
			_, err = bus.Publish(ctx, tx, ledger.Event{
				Kind: KindErased, At: s.now().UnixMicro(),
				IDs: ledger.Pairs{{K: "quarantine", V: c.id.String()}}, Codes: ledger.Pairs{{K: "policy", V: c.why}},
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.Erased += done.Erased
	r.Apart += done.Apart
	r.Bytes += done.Bytes
	r.OnHold += done.OnHold
	*over -= done.Bytes
	return nil
}
