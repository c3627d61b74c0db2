package results

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Errors a caller can act on.
var (
	ErrNotFound = errors.New("not found")
	ErrConflict = errors.New("not possible in its present state")
	ErrInvalid  = errors.New("invalid")
)

// By names who acts and why. The reason is one word for the ledger (letters,
// digits and dashes; other characters become dashes): it must not name a patient.
type By struct {
	Who, Reason string
	// Glass is the break-glass access under which it is done, zero for none. What is
	// seen and done under one names it, so that whoever reviews it finds all of it.
	Glass event.ID
}

// ids are the pairs that name who did it, and under which break-glass access.
func (b By) ids() ledger.Pairs {
	return b.under(ledger.Pairs{{K: "by", V: ledger.Code(b.Who)}})
}

func (b By) under(p ledger.Pairs) ledger.Pairs {
	if b.Glass == (event.ID{}) {
		return p
	}
	return append(p, ledger.Pair{K: "glass", V: b.Glass.String()})
}

func (b By) check() error {
	if strings.TrimSpace(b.Who) == "" || strings.TrimSpace(b.Reason) == "" {
		return fmt.Errorf("%w: name who does this and why", ErrInvalid)
	}
	return nil
}

// Hold is a clinical stop of one waiting delivery, for a day, in the caller's own
// name; see PlaceStop. What shares its lanes waits too.
func (s *Service) Hold(ctx context.Context, seq int64, by By) error {
	_, err := s.PlaceStop(ctx, Stop{Kind: ClinicalStop, Scope: ScopeDelivery, Target: numbered(seq)}, Named{by, by.Who})
	return err
}

// Release lifts the stop of one held delivery, or lets one that needed a person
// be tried again. A stop that covers more than this delivery is not lifted by it.
func (s *Service) Release(ctx context.Context, seq int64, by By) error {
	return s.act(ctx, seq, by, KindReleased, Waiting, Held, NeedsPerson)
}

// ReleaseHeld is Release for a held delivery alone: a clinical act.
func (s *Service) ReleaseHeld(ctx context.Context, seq int64, by By) error {
	return s.act(ctx, seq, by, KindReleased, Waiting, Held)
}

// TryAgain is Release for a delivery alone that needed a person: nobody holds it.
func (s *Service) TryAgain(ctx context.Context, seq int64, by By) error {
	return s.act(ctx, seq, by, KindReleased, Waiting, NeedsPerson)
}

// ReleaseAlone is Release; among is how many the caller lets go at once. Held
// ones are let go one at a time: letting many go takes two people, who lift the
// stop that holds them.
func (s *Service) ReleaseAlone(ctx context.Context, seq int64, among int, by By) error {
	if among > 1 {
		var state int64
		err := s.db.QueryRow(ctx, "SELECT state FROM results_deliveries WHERE seq = $1", seq).Scan(&state)
		if err == nil && State(state) == Held {
			return fmt.Errorf("delivery %d is held: held results are released one at a time, or by lifting the stop that holds them, which takes two people: %w", seq, ErrConflict)
		}
	}
	return s.Release(ctx, seq, by)
}

// Refuse ends an open delivery without sending it: the results behind it move up.
func (s *Service) Refuse(ctx context.Context, seq int64, by By) error {
	return s.act(ctx, seq, by, KindRefused, RefusedByPerson, Held, NeedsPerson)
}

func (s *Service) act(ctx context.Context, seq int64, by By, kind string, to State, from ...State) error {
	if err := by.check(); err != nil {
		return err
	}
	var partner string
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		d := &delivery{seq: seq}
		var id []byte
		var state int64
		err := tx.QueryRow(ctx, `SELECT d.partner, d.state, m.id FROM results_deliveries d
			JOIN results_messages m ON m.leaf = d.message WHERE d.seq = $1`, seq).Scan(&d.partner, &state, &id)
		if errors.Is(err, store.ErrNoRows) {
			return fmt.Errorf("delivery %d: %w", seq, ErrNotFound)
		}
		if err != nil {
			return fmt.Errorf("read delivery: %w", err)
		}
		allowed := false
		for _, f := range from {
			allowed = allowed || State(state) == f
		}
		if !allowed {
			return fmt.Errorf("delivery %d is %s: %w", seq, State(state), ErrConflict)
		}
		if d.id, err = event.IDFromBytes(id); err != nil {
			return err
		}
		partner = d.partner
		now := s.now().UnixMicro()
		over, err := stopsOver(ctx, tx, seq)
		if err != nil {
			return err
		}
		for _, st := range over {
			if to == Waiting && st.scope != ScopeDelivery && !st.lifted {
				return fmt.Errorf("delivery %d stands under the %s stop %s as well; that one must be lifted: %w", seq, st.kind, st.id, ErrConflict)
			}
		}
		if err := s.endHolds(ctx, tx, seq, now, Named{by, by.Who}); err != nil {
			return err
		}
		if _, err := s.publishAct(ctx, tx, actedBy(kind, now, d, by)); err != nil {
			return err
		}
		if err := noteChange(ctx, tx, partner); err != nil {
			return err
		}
		return s.tags.Change(ctx, tx, taggedTries, seq, func() error {
			_, err := tx.Exec(ctx, `UPDATE results_deliveries SET state = $1, changed_at = $2, next_at = NULL, first_at = NULL, reason = $3
				WHERE seq = $4`, int64(to), now, ledger.Code(by.Reason), seq)
			return err
		})
	})
	if err == nil {
		s.reload(partner)
	}
	return err
}

func (s *Service) reload(partner string) {
	s.mu.Lock()
	c := s.couriers[partner]
	s.mu.Unlock()
	if c != nil {
		c.changed()
	} else {
		s.tellNode(partner, true)
	}
}
