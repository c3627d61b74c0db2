package results

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Stopped is a stop as it is listed. Its free text is not here; see ViewStop.
type Stopped struct {
	ID                   event.ID
	Kind                 StopKind
	Scope                Scope
	Target               string
	Reason, Basis, Owner string
	PlacedBy             string
	PlacedAt, ExpiresAt  time.Time
	Expired              bool
	ImpactAt             time.Time // when somebody must look at its effect on patients
	ImpactDue            bool
	LiftAskedBy          string // waits for another person
	liftAccount          string // of whom; see asker
	LiftAskedAt          time.Time
	LiftedAt             time.Time
	LiftedBy             string
	Keeps                int64     // open deliveries it keeps, up to CountLimit
	Oldest               time.Time // when the first of them came in; zero when it keeps none
}

// StopFilter chooses stops.
type StopFilter struct {
	Over time.Duration // standing for longer than this
	All  bool          // also lifted ones
}

// Stops lists stops, those whose time is over first, then the oldest first;
// lifted ones last.
func (s *Service) Stops(ctx context.Context, f StopFilter, limit int) ([]Stopped, error) {
	now := s.now()
	where := "placed_at <= $1"
	if !f.All {
		where += " AND lifted_at IS NULL"
	}
	var out []Stopped
	err := s.db.Query(ctx, `SELECT id, kind, scope, target, reason, basis, owner, placed_by, placed_at, expires_at, impact_at,
		lift_by, lift_account, COALESCE(lift_at, 0), COALESCE(lifted_at, 0), lifted_by FROM results_stops WHERE `+where+`
		ORDER BY CASE WHEN lifted_at IS NOT NULL THEN 2 WHEN expires_at <= $2 THEN 0 ELSE 1 END, placed_at LIMIT $3`,
		[]any{now.Add(-f.Over).UnixMicro(), now.UnixMicro(), int64(limit)}, func(row store.Scanner) error {
			var x Stopped
			var id []byte
			var kind, placed, expires, impact, asked, lifted int64
			var scope string
			err := row.Scan(&id, &kind, &scope, &x.Target, &x.Reason, &x.Basis, &x.Owner, &x.PlacedBy, &placed, &expires, &impact,
				&x.LiftAskedBy, &x.liftAccount, &asked, &lifted, &x.LiftedBy)
			if err != nil {
				return err
			}
			x.ID, err = event.IDFromBytes(id)
			x.Kind, x.Scope = StopKind(kind), Scope(scope)
			x.PlacedAt, x.ExpiresAt, x.ImpactAt = time.UnixMicro(placed).UTC(), time.UnixMicro(expires).UTC(), time.UnixMicro(impact).UTC()
			if asked != 0 {
				x.LiftAskedAt = time.UnixMicro(asked).UTC()
			}
			if lifted != 0 {
				x.LiftedAt = time.UnixMicro(lifted).UTC()
			} else {
				x.Expired, x.ImpactDue = !now.Before(x.ExpiresAt), !now.Before(x.ImpactAt)
			}
			out = append(out, x)
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list stops: %w", err)
	}
	for i := range out {
		if out[i].LiftedAt.IsZero() {
			if err := s.keeps(ctx, &out[i]); err != nil {
				return nil, err
			}
		}
	}
	return out, nil
}

// keeps counts what a stop keeps and since when.
func (s *Service) keeps(ctx context.Context, x *Stopped) error {
	var from string
	arg := any(x.Target)
	switch x.Scope {
	case ScopePartner:
		from = "SELECT d.seq, d.message FROM results_deliveries d WHERE d.partner = $1 AND d.state < 3 ORDER BY d.seq LIMIT $2"
	case ScopeRoute:
		from = "SELECT d.seq, d.message FROM results_deliveries d WHERE d.route = $1 AND d.state < 3 ORDER BY d.seq LIMIT $2"
	default:
		from, arg = `SELECT d.seq, d.message FROM results_stop_covers c JOIN results_deliveries d ON d.seq = c.seq
			WHERE c.stop = $1 AND d.state < 3 ORDER BY d.seq LIMIT $2`, x.ID[:]
	}
	var first, at int64
	err := s.db.QueryRow(ctx, "SELECT count(*), COALESCE(min(message), -1) FROM ("+from+") AS kept", arg, int64(CountLimit)).Scan(&x.Keeps, &first)
	if err == nil && first >= 0 {
		err = s.db.QueryRow(ctx, "SELECT received_at FROM results_messages WHERE leaf = $1", first).Scan(&at)
		x.Oldest = time.UnixMicro(at).UTC()
	}
	if err != nil {
		return fmt.Errorf("count what a stop keeps: %w", err)
	}
	return nil
}

// StopCount is how many stops stand.
type StopCount struct{ Standing, Expired, ImpactDue, OverADay, LiftAsked int64 }

// CountStops counts the standing stops.
func (s *Service) CountStops(ctx context.Context) (StopCount, error) {
	var c StopCount
	now := s.now()
	err := s.db.QueryRow(ctx, `SELECT count(*), COALESCE(sum(CASE WHEN expires_at <= $1 THEN 1 ELSE 0 END), 0),
		COALESCE(sum(CASE WHEN impact_at <= $1 THEN 1 ELSE 0 END), 0), COALESCE(sum(CASE WHEN placed_at <= $2 THEN 1 ELSE 0 END), 0),
		COALESCE(sum(CASE WHEN lift_by <> '' THEN 1 ELSE 0 END), 0) FROM results_stops WHERE lifted_at IS NULL`,
		now.UnixMicro(), now.Add(-24*time.Hour).UnixMicro()).Scan(&c.Standing, &c.Expired, &c.ImpactDue, &c.OverADay, &c.LiftAsked)
	if err != nil {
		return c, fmt.Errorf("count stops: %w", err)
	}
	return c, nil
}

// withGates names the stop before the way of each open delivery.
func (s *Service) withGates(ctx context.Context, page []Summary) error {
	st, err := s.standing(ctx)
	if err != nil || len(st.stops) == 0 {
		return err
	}
	for i := range page {
		for n := range page[i].Deliveries {
			d := &page[i].Deliveries[n]
			if d.State >= Done {
				continue
			}
			if g := st.gates(d.Partner, d.Route); len(g) > 0 {
				d.Gated = g[0].kind.String() + " stop " + g[0].id.String()
			}
		}
	}
	return nil
}
