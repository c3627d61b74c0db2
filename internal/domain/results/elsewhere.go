package results

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// Elsewhere tells the node that delivers about work that this one made: new
// deliveries of the partner, or a change a person made to open ones. It must
// not block. What it does not get across is found by looking, within a second.
type Elsewhere func(partner string, changed bool)

// SetElsewhere says how other nodes are told.
func (s *Service) SetElsewhere(f Elsewhere) { s.elsewhere.Store(&f) }

// tellNode is called for a partner who has no courier here.
func (s *Service) tellNode(partner string, changed bool) {
	if f := s.elsewhere.Load(); f != nil {
		(*f)(partner, changed)
	}
}

// Told is the other end: another node made work for the partner, or changed
// its open deliveries. An empty partner means any.
func (s *Service) Told(partner string, changed bool) {
	s.mu.Lock()
	var cs []*courier
	for key, c := range s.couriers {
		if partner == "" || partner == key {
			cs = append(cs, c)
		}
	}
	s.mu.Unlock()
	for _, c := range cs {
		if changed {
			c.changed()
		} else {
			c.wake()
		}
	}
}

// wake makes the partner's courier look for work, wherever it is.
func (s *Service) wake(partner string) {
	s.mu.Lock()
	c := s.couriers[partner]
	s.mu.Unlock()
	if c != nil {
		c.wake()
	} else {
		s.tellNode(partner, false)
	}
}

// noteChange counts, in the transaction of a person's act, for watchChanges.
func noteChange(ctx context.Context, tx *store.Tx, partner string) error {
	_, err := tx.Exec(ctx, `INSERT INTO results_changes (partner, n) VALUES ($1, 1)
		ON CONFLICT (partner) DO UPDATE SET n = results_changes.n + 1`, partner)
	if err != nil {
		return fmt.Errorf("count the change: %w", err)
	}
	return nil
}

// changes reads how often people changed deliveries, by partner.
func (s *Service) changes(ctx context.Context) (map[string]int64, error) {
	out := map[string]int64{}
	err := s.db.Query(ctx, "SELECT partner, n FROM results_changes", nil, func(row store.Scanner) error {
		var partner string
		var n int64
		err := row.Scan(&partner, &n)
		out[partner] = n
		return err
	})
	return out, err
}

// watchChanges makes couriers read anew what a person changed by way of another
// node, should the word of it have got lost. known was read before any courier
// began.
func (s *Service) watchChanges(ctx context.Context, known map[string]int64) {
	if s.db.Engine() == store.SQLite {
		return // one process
	}
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, err := s.changes(ctx)
		if err != nil {
			if ctx.Err() == nil {
				s.slog.Error("it could not be seen whether a person changed deliveries on another node", "error", err)
			}
			continue
		}
		for partner, n := range now {
			if known[partner] != n {
				s.Told(partner, true)
			}
		}
		known = now
	}
}

// Trim forgets in memory what is too old to count. Retention does that on the
// node where it runs; the others call this a few times a day.
func (s *Service) Trim(ctx context.Context) error {
	_, _, err := s.trimControls(ctx, s.now())
	return err
}

// SetHearing tells whether words of other nodes come through now.
func (s *Service) SetHearing(yes bool) { s.hearing.Store(yes) }

// outdated says that what was read of a delivery must be looked at again before
// it is sent: another node may have changed it, and would not be heard.
func (s *Service) outdated() bool {
	return s.db.Engine() != store.SQLite && !s.hearing.Load()
}
