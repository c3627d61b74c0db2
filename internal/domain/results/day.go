package results

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Day is what became of the messages received since a moment.
type Day struct {
	Received int64
	// Of their deliveries: answered by the partner's own reply, placed without a
	// reply, recorded only (shadow), still open, and ended by a person.
	Acknowledged, Placed, Shadowed, Open, Refused int64
	Superseded                                    int64 // by a correction that was sent alone
}

// Since counts the messages received since t and their deliveries. It reads
// only rows of that time.
func (s *Service) Since(ctx context.Context, t time.Time) (Day, error) {
	var d Day
	first, err := s.leafAt(ctx, t)
	if err != nil {
		return d, err
	}
	if err := s.db.QueryRow(ctx, "SELECT count(*) FROM results_messages WHERE leaf >= $1", first).Scan(&d.Received); err != nil {
		return d, fmt.Errorf("count results: %w", err)
	}
	err = s.db.Query(ctx, `SELECT state, COALESCE(level, 0), count(*) FROM results_deliveries WHERE seq >= $1
		GROUP BY state, COALESCE(level, 0)`, []any{first * maxPlans}, func(row store.Scanner) error {
		var state, level, n int64
		if err := row.Scan(&state, &level, &n); err != nil {
			return err
		}
		switch {
		case State(state) == Shadowed:
			d.Shadowed += n
		case State(state) == RefusedByPerson:
			d.Refused += n
		case State(state) == Superseded:
			d.Superseded += n
		case State(state) < Done:
			d.Open += n
		case channel.Level(level) >= channel.Committed:
			d.Acknowledged += n
		default:
			d.Placed += n
		}
		return nil
	})
	if err != nil {
		return d, fmt.Errorf("count deliveries: %w", err)
	}
	return d, nil
}

// leafAt finds the first message received at t or later. Leaves ascend with
// time, but for the moments that two commits may lie apart.
func (s *Service) leafAt(ctx context.Context, t time.Time) (int64, error) {
	var high int64
	err := s.db.QueryRow(ctx, "SELECT leaf FROM results_messages ORDER BY leaf DESC LIMIT 1").Scan(&high)
	if errors.Is(err, store.ErrNoRows) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("find the first result of a time: %w", err)
	}
	low, high := int64(0), high+1 // the answer is in [low, high]
	for low < high {
		mid := low + (high-low)/2
		var leaf, at int64
		if err := s.db.QueryRow(ctx, "SELECT leaf, received_at FROM results_messages WHERE leaf >= $1 ORDER BY leaf LIMIT 1", mid).Scan(&leaf, &at); err != nil {
			if errors.Is(err, store.ErrNoRows) { // the newest was erased meanwhile
				high = mid
				continue
			}
			return 0, fmt.Errorf("find the first result of a time: %w", err)
		}
		if at >= t.UnixMicro() {
			high = mid
		} else {
			low = leaf + 1
		}
	}
	return low, nil
}

// OpenQuarantine counts what waits in quarantine for a person.
func (s *Service) OpenQuarantine(ctx context.Context) (int64, error) {
	var n int64
	if err := s.db.QueryRow(ctx, "SELECT count(*) FROM results_quarantine WHERE state = 0").Scan(&n); err != nil {
		return 0, fmt.Errorf("count quarantine: %w", err)
	}
	return n, nil
}
