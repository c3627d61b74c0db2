package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Lift is what came of a request to lift a stop.
type Lift struct {
	Lifted bool
	// Waits: another person must confirm, as more than one result would go.
	Waits bool
	// Frees is how many deliveries would go, or began to: 2 means more than one.
	Frees int64
}

// standingStop is a row as lifting, confirming and tending look at it.
type standingStop struct {
	id             event.ID
	kind           StopKind
	scope          Scope
	target, liftBy string
	liftAccount    string
	expires        int64
	every          int64
	lifted         bool
}

func readStop(ctx context.Context, tx *store.Tx, id event.ID) (*standingStop, error) {
	st := &standingStop{id: id}
	var kind int64
	var scope string
	var lifted *int64
	err := tx.QueryRow(ctx, "SELECT kind, scope, target, lift_by, lift_account, expires_at, impact_every, lifted_at FROM results_stops WHERE id = $1", id[:]).
		Scan(&kind, &scope, &st.target, &st.liftBy, &st.liftAccount, &st.expires, &st.every, &lifted)
	if errors.Is(err, store.ErrNoRows) {
		return nil, fmt.Errorf("stop %s: %w", id, ErrNotFound)
	}
	if err != nil {
		return nil, fmt.Errorf("read stop: %w", err)
	}
	st.kind, st.scope, st.lifted = StopKind(kind), Scope(scope), lifted != nil
	return st, nil
}

func (st *standingStop) of(kind StopKind) error {
	if st.kind != kind {
		return fmt.Errorf("stop %s is a %s stop; neither kind lifts the other: %w", st.id, st.kind, ErrConflict)
	}
	if st.lifted {
		return fmt.Errorf("stop %s is lifted already: %w", st.id, ErrConflict)
	}
	return nil
}

// frees counts, up to two, the open deliveries a stop keeps.
func (st *standingStop) frees(ctx context.Context, tx *store.Tx) (n int64, err error) {
	var query string
	arg := any(st.target)
	switch st.scope {
	case ScopePartner:
		query = "SELECT count(*) FROM (SELECT seq FROM results_deliveries WHERE partner = $1 AND state < 3 LIMIT 2) AS kept"
	case ScopeRoute:
		query = "SELECT count(*) FROM (SELECT seq FROM results_deliveries WHERE route = $1 AND state < 3 LIMIT 2) AS kept"
	default:
		query, arg = `SELECT count(*) FROM (SELECT c.seq FROM results_stop_covers c JOIN results_deliveries d ON d.seq = c.seq
			WHERE c.stop = $1 AND d.state < 3 LIMIT 2) AS kept`, st.id[:]
	}
	if err := tx.QueryRow(ctx, query, arg).Scan(&n); err != nil {
		return 0, fmt.Errorf("count what a stop keeps: %w", err)
	}
	return n, nil
}

// lift lifts a stop or asks for it; see LiftStop and ConfirmLift.
func (s *Service) lift(ctx context.Context, id event.ID, kind StopKind, by Named, who asker, confirm bool) (out Lift, err error) {
	if err := by.check(); err != nil {
		return out, err
	}
	var scope Scope
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		out = Lift{}
		st, err := readStop(ctx, tx, id)
		if err == nil {
			err = st.of(kind)
		}
		if err != nil {
			return err
		}
		scope = st.scope
		if out.Frees, err = st.frees(ctx, tx); err != nil {
			return err
		}
		if confirm && st.liftBy != "" {
			if err := s.twoHands(ctx, tx, who, asker{st.liftBy, st.liftAccount}); err != nil {
				return fmt.Errorf("stop %s: %w", id, err)
			}
		}
		now := s.now().UnixMicro()
		switch {
		case confirm && st.liftBy == "":
			return fmt.Errorf("nobody has asked to lift stop %s: %w", id, ErrConflict)
		case confirm && who.is(asker{st.liftBy, st.liftAccount}):
			return fmt.Errorf("stop %s: who asked to lift it cannot confirm it: %w", id, ErrConflict)
		case !confirm && out.Frees > 1:
			out.Waits = true
			if _, err := bus.Publish(ctx, tx, stopEvent(KindLiftAsked, now, st, by)); err != nil {
				return err
			}
			_, err = s.tags.Exec(ctx, tx, taggedStops, id[:], "UPDATE results_stops SET lift_by = $1, lift_account = $2, lift_reason = $3, lift_at = $4 WHERE id = $5",
				by.Person, who.account, ledger.Code(by.Reason), now, id[:])
			return err
		}
		out.Lifted = true
		return s.endStop(ctx, tx, st, now, by)
	})
	if err != nil || !out.Lifted {
		return out, err
	}
	if err := s.readStanding(ctx); err != nil {
		return out, err
	}
	if scope.gate() {
		s.reloadAll()
		return out, nil
	}
	return out, s.free(ctx)
}

// endStop writes that a stop is lifted. What it held is let go by free.
func (s *Service) endStop(ctx context.Context, tx *store.Tx, st *standingStop, now int64, by Named) error {
	ev := stopEvent(KindStopLifted, now, st, by)
	if st.liftBy != "" {
		ev.IDs = append(ev.IDs, ledger.Pair{K: "asked_by", V: ledger.Code(st.liftBy)}, ledger.Pair{K: "asked_account", V: ledger.Code(st.liftAccount)})
	}
	if _, err := bus.Publish(ctx, tx, ev); err != nil {
		return err
	}
	_, err := s.tags.Exec(ctx, tx, taggedStops, st.id[:], `UPDATE results_stops SET lifted_at = $1, lifted_by = $2, spread_at = NULL,
		lift_reason = CASE WHEN lift_reason = '' THEN $3 ELSE lift_reason END WHERE id = $4`, now, by.Person, ledger.Code(by.Reason), st.id[:])
	if err != nil {
		return fmt.Errorf("lift stop: %w", err)
	}
	return nil
}

func stopEvent(kind string, at int64, st *standingStop, by Named) ledger.Event {
	return ledger.Event{
		Kind: kind, At: at,
		IDs:   append(ledger.Pairs{{K: "stop", V: st.id.String()}}, by.ids()...),
		Codes: ledger.Pairs{{K: "reason", V: ledger.Code(by.Reason)}, {K: "kind", V: st.kind.String()}},
	}
}

// ReviewStop writes down that somebody looked at what a stop does to patients;
// the next look is due after the stop's own time.
func (s *Service) ReviewStop(ctx context.Context, id event.ID, by Named) error {
	return s.tendOne(ctx, id, KindStopReviewed, by, func(ctx context.Context, tx *store.Tx, st *standingStop, now int64) error {
		_, err := s.tags.Exec(ctx, tx, taggedStops, id[:], "UPDATE results_stops SET impact_at = $1, impact_told = 0 WHERE id = $2", now+st.every, id[:])
		return err
	})
}

// ExtendStop gives a stop more time, at most 72 hours from now, before it goes to
// its owner.
func (s *Service) ExtendStop(ctx context.Context, id event.ID, by Named, d time.Duration) error {
	if d < time.Minute || d > MaxStopExtended {
		return fmt.Errorf("%w: a stop is extended by at least a minute and at most 72 hours", ErrInvalid)
	}
	return s.tendOne(ctx, id, KindStopExtended, by, func(ctx context.Context, tx *store.Tx, _ *standingStop, now int64) error {
		_, err := s.tags.Exec(ctx, tx, taggedStops, id[:], "UPDATE results_stops SET expires_at = $1, expired_at = NULL WHERE id = $2", now+d.Microseconds(), id[:])
		return err
	})
}

func (s *Service) tendOne(ctx context.Context, id event.ID, kind string, by Named, change func(context.Context, *store.Tx, *standingStop, int64) error) error {
	if err := by.check(); err != nil {
		return err
	}
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		st, err := readStop(ctx, tx, id)
		if err != nil {
			return err
		}
		if st.lifted {
			return fmt.Errorf("stop %s is lifted: %w", id, ErrConflict)
		}
		now := s.now().UnixMicro()
		if _, err := bus.Publish(ctx, tx, stopEvent(kind, now, st, by)); err != nil {
			return err
		}
		return change(ctx, tx, st, now)
	})
}

// stopsOver are the stops that hold a delivery.
func stopsOver(ctx context.Context, tx *store.Tx, seq int64) ([]*standingStop, error) {
	var ids []event.ID
	if err := tx.Query(ctx, "SELECT stop FROM results_stop_covers WHERE seq = $1 ORDER BY stop", []any{seq}, idRow(&ids)); err != nil {
		return nil, fmt.Errorf("read what holds delivery %d: %w", seq, err)
	}
	out := make([]*standingStop, 0, len(ids))
	for _, id := range ids {
		st, err := readStop(ctx, tx, id)
		if err != nil {
			return nil, err
		}
		out = append(out, st)
	}
	return out, nil
}

// endHolds takes every stop off a delivery that ends without being sent, and
// lifts those that were for it alone.
func (s *Service) endHolds(ctx context.Context, tx *store.Tx, seq, now int64, by Named) error {
	over, err := stopsOver(ctx, tx, seq)
	if err != nil {
		return err
	}
	for _, st := range over {
		if st.scope == ScopeDelivery && !st.lifted {
			if err := s.endStop(ctx, tx, st, now, by); err != nil {
				return err
			}
		}
	}
	_, err = s.tags.Exec(ctx, tx, taggedCovers, seq, "DELETE FROM results_stop_covers WHERE seq = $1", seq)
	return err
}
