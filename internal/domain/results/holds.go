package results

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Facts about legal holds.
const (
	KindHoldPlaced = "legal_hold.placed"
	KindHoldLifted = "legal_hold.lifted"
)

// HoldMessage puts one message under a legal hold: retention never erases it
// until every hold on it is lifted. Delivery is not touched.
func (s *Service) HoldMessage(ctx context.Context, message event.ID, by By) (event.ID, error) {
	m, err := s.summary(ctx, message)
	if err != nil {
		return event.ID{}, err
	}
	return s.placeHold(ctx, &m.Leaf, nil, by)
}

// HoldPatient puts all results of a patient, also those to come, under a legal
// hold. Without an authority it holds every patient who has the identifier from
// anybody. Only the blind index is stored.
func (s *Service) HoldPatient(ctx context.Context, id, authority string, by By) (event.ID, error) {
	id, authority = strings.TrimSpace(id), lowerASCII(strings.TrimSpace(authority))
	if id == "" {
		return event.ID{}, fmt.Errorf("%w: name the patient's identifier", ErrInvalid)
	}
	parts := [][]byte{[]byte(id)}
	if authority != "" {
		parts = append(parts, []byte(authority))
	}
	k := int64(currentIndex(s.vault)(domainPatient, parts...)[0])
	return s.placeHold(ctx, nil, &k, by)
}

func (s *Service) placeHold(ctx context.Context, message, patient *int64, by By) (event.ID, error) {
	if err := by.check(); err != nil {
		return event.ID{}, err
	}
	id, now := event.NewID(), s.now().UnixMicro()
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := bus.Publish(ctx, tx, holdEvent(KindHoldPlaced, now, id, by)); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, "INSERT INTO results_holds (id, message, patient, owner, reason, placed_at) VALUES ($1, $2, $3, $4, $5, $6)",
			id[:], message, patient, ledger.Code(by.Who), ledger.Code(by.Reason), now)
		if err != nil {
			return err
		}
		return s.tags.Put(ctx, tx, taggedHolds, id[:])
	})
	if err != nil {
		return event.ID{}, fmt.Errorf("place legal hold: %w", err)
	}
	return id, nil
}

// LiftHold ends a legal hold. Lifted again it stays lifted, without error.
func (s *Service) LiftHold(ctx context.Context, hold event.ID, by By) error {
	if err := by.check(); err != nil {
		return err
	}
	now := s.now().UnixMicro()
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var lifted *int64
		err := tx.QueryRow(ctx, "SELECT lifted_at FROM results_holds WHERE id = $1", hold[:]).Scan(&lifted)
		if errors.Is(err, store.ErrNoRows) {
			return fmt.Errorf("legal hold %s: %w", hold, ErrNotFound)
		}
		if err != nil || lifted != nil {
			return err
		}
		if _, err := bus.Publish(ctx, tx, holdEvent(KindHoldLifted, now, hold, by)); err != nil {
			return err
		}
		return s.tags.Change(ctx, tx, taggedHolds, hold[:], func() error {
			_, err := tx.Exec(ctx, "UPDATE results_holds SET lifted_at = $1 WHERE id = $2", now, hold[:])
			return err
		})
	})
}

func holdEvent(kind string, at int64, id event.ID, by By) ledger.Event {
	return ledger.Event{
		Kind: kind, At: at,
		IDs:   append(ledger.Pairs{{K: "hold", V: id.String()}}, by.ids()...),
		Codes: ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}},
	}
}

// patientsHeld reads the patients under hold. It is read again in each erasing
// transaction: a hold counts from the moment it is placed.
func patientsHeld(ctx context.Context, q store.Queryer) (map[searchKey]bool, error) {
	out := map[searchKey]bool{}
	err := q.Query(ctx, "SELECT patient FROM results_holds WHERE patient IS NOT NULL AND lifted_at IS NULL", nil, func(row store.Scanner) error {
		var k int64
		err := row.Scan(&k)
		out[searchKey(k)] = true
		return err
	})
	return out, err
}
