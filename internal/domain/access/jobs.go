package access

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	tickEvery = time.Minute
	// sessionsFor is how long a session that is over stays listed.
	sessionsFor = 90 * 24 * time.Hour
	// perTick bounds what one look does; the rest is the next one's.
	perTick = 200
)

// Run writes down, once a minute until ctx ends, what dates have done: people
// and roles that ended, sessions and break-glass access that are over; it reads
// administrators' acts from the ledger and removes sessions of 90 days ago. Dates
// act without it: it makes lists and the record say so. It may run on several
// nodes.
func (s *Service) Run(ctx context.Context) error {
	t := time.NewTicker(tickEvery)
	defer t.Stop()
	for {
		if err := s.Tick(ctx); err != nil && ctx.Err() == nil {
			s.slog.Warn("what dates did to people and sessions could not be written down; it is tried again", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

// Tick is one look of Run. Done twice, it does nothing more.
func (s *Service) Tick(ctx context.Context) error {
	return errors.Join(s.endPeople(ctx), s.endGrants(ctx), s.endGlass(ctx), s.endOverSessions(ctx), s.forgetSessions(ctx), s.GatherActs(ctx), s.sendMails(ctx))
}

// ids reads the ids that a query finds.
func (s *Service) ids(ctx context.Context, query string, args ...any) ([]event.ID, error) {
	var out []event.ID
	err := s.db.Query(ctx, query, args, func(row store.Scanner) error {
		var b []byte
		if err := row.Scan(&b); err != nil {
			return err
		}
		id, err := event.IDFromBytes(b)
		out = append(out, id)
		return err
	})
	return out, err
}

// endPeople ends whose end date has passed. The last administrator has none:
// ChangePerson refuses it.
func (s *Service) endPeople(ctx context.Context) error {
	ids, err := s.ids(ctx, "SELECT id FROM access_people WHERE state < 2 AND ends_at > 0 AND ends_at <= $1 ORDER BY ends_at LIMIT $2", micro(s.now()), int64(perTick))
	if err != nil {
		return fmt.Errorf("end people: %w", err)
	}
	for _, id := range ids {
		err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
			p, err := personBy(ctx, tx, "WHERE id = $1", id[:])
			if err != nil || p.State == Ended || p.Ends.IsZero() || p.Ends.After(s.now()) {
				return err
			}
			return s.end(ctx, tx, byJob, p, "the end date")
		})
		if err != nil {
			return fmt.Errorf("end people: %w", err)
		}
	}
	return nil
}

func (s *Service) endGrants(ctx context.Context) error {
	ids, err := s.ids(ctx, "SELECT id FROM access_grants WHERE ended_at = 0 AND until_at > 0 AND until_at <= $1 ORDER BY until_at LIMIT $2", micro(s.now()), int64(perTick))
	if err != nil {
		return fmt.Errorf("end roles: %w", err)
	}
	for _, id := range ids {
		err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
			g, err := scanGrant(tx.QueryRow(ctx, grantColumns+"WHERE id = $1", id[:]))
			if err != nil || !g.EndedAt.IsZero() || g.Until.After(s.now()) {
				return err
			}
			return s.take(ctx, tx, byJob, g)
		})
		if err != nil {
			return fmt.Errorf("end roles: %w", err)
		}
	}
	return nil
}

func (s *Service) endGlass(ctx context.Context) error {
	ids, err := s.ids(ctx, `SELECT id FROM access_glass WHERE closed_at = 0 AND (until_at <= $1 OR session IN (SELECT id FROM access_sessions WHERE ended_at > 0)) ORDER BY until_at LIMIT $2`, micro(s.now()), int64(perTick))
	if err != nil {
		return fmt.Errorf("close break-glass access: %w", err)
	}
	for _, id := range ids {
		err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error { return s.closeGlass(ctx, tx, byJob, id) })
		if err != nil && !errors.Is(err, ErrEnded) {
			return fmt.Errorf("close break-glass access: %w", err)
		}
	}
	return nil
}

// endOverSessions writes down that sessions were not used for too long or are
// too old. Which those are hangs on the roles, so each open one is looked at.
func (s *Service) endOverSessions(ctx context.Context) error {
	now := s.now()
	var open []Session
	err := s.db.Query(ctx, sessionColumns+"WHERE s.ended_at = 0 ORDER BY s.made_at", nil, func(row store.Scanner) error {
		x, err := scanSession(row)
		open = append(open, x)
		return err
	})
	if err != nil {
		return fmt.Errorf("end sessions: %w", err)
	}
	roles, done := map[event.ID]Limit{}, 0
	for _, x := range open {
		if done >= perTick {
			break
		}
		key := x.Person
		l, ok := roles[key]
		if !ok {
			grants, err := grantsOf(ctx, s.db, x.Person, false)
			if err != nil {
				return fmt.Errorf("end sessions: %w", err)
			}
			l = limitOf(plain(grants), false, now)
			roles[key] = l
		}
		if x.Bench != "" {
			l.Idle, l.Absolute = min(l.Idle, benchLimit.Idle), min(l.Absolute, benchLimit.Absolute)
		}
		// Nodes write use down once a minute, so what looks idle by less may be in use.
		why := ""
		switch {
		case now.Sub(x.Made) >= l.Absolute:
			why = "its time was over"
		case now.Sub(x.Seen) >= l.Idle+2*seenEvery && now.Sub(s.cache.seen(x.ID)) >= l.Idle:
			why = "nobody used it"
		default:
			continue
		}
		done++
		err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := s.endSessions(ctx, tx, byJob, why, "id = $1", x.ID[:])
			return err
		})
		if err != nil {
			return fmt.Errorf("end sessions: %w", err)
		}
	}
	return nil
}

// forgetSessions removes what is over for long. The ledger keeps that it was.
func (s *Service) forgetSessions(ctx context.Context) error {
	ids, err := s.ids(ctx, "SELECT id FROM access_sessions WHERE ended_at > 0 AND made_at < $1 ORDER BY made_at LIMIT $2", micro(s.now().Add(-sessionsFor)), int64(perTick))
	if err != nil || len(ids) == 0 {
		return wrap("forget sessions", err)
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for _, id := range ids {
			if _, err := s.tags.Exec(ctx, tx, taggedSessions, id[:], "DELETE FROM access_sessions WHERE id = $1", id[:]); err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "DELETE FROM access_seen WHERE session = $1", id[:]); err != nil {
				return err
			}
		}
		return nil
	})
	return wrap("forget sessions", err)
}
