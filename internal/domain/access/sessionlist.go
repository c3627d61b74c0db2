package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const sessionColumns = `SELECT s.id, s.person, p.account, p.name, s.level, s.method, s.bench, s.device, s.network, s.made_at, s.fresh_at, s.ended_at, s.ended_by, s.ended_why,
	COALESCE(x.seen_at, s.made_at) FROM access_sessions s JOIN access_people p ON p.id = s.person LEFT JOIN access_seen x ON x.session = s.id `

func scanSession(row store.Scanner) (Session, error) {
	var x Session
	var id, person []byte
	var level, made, fresh, ended, seen int64
	err := row.Scan(&id, &person, &x.Account, &x.Name, &level, &x.Method, &x.Bench, &x.Device.Name, &x.Device.Network, &made, &fresh, &ended, &x.EndedBy, &x.Why, &seen)
	if err != nil {
		return x, err
	}
	x.Level, x.Made, x.FreshAt, x.Ended, x.Seen = authz.Level(level), moment(made), moment(fresh), moment(ended), moment(seen)
	if x.ID, err = event.IDFromBytes(id); err == nil {
		x.Person, err = event.IDFromBytes(person)
	}
	return x, err
}

// OwnSessions lists the sessions of who that are open, the newest first; the one
// they work in says so.
func (s *Service) OwnSessions(ctx context.Context, who *authz.Subject) ([]Session, error) {
	if err := who.May(authz.OwnSecurity, authz.Object{}, s.now()); err != nil {
		return nil, err
	}
	return s.sessions(ctx, who, "WHERE s.ended_at = 0 AND s.person = $1 AND s.made_at > $2", who.Person[:], micro(s.now().Add(-longest)))
}

// Sessions lists everybody's open sessions, the newest first. Needs
// sessions.end.
func (s *Service) Sessions(ctx context.Context, who *authz.Subject) ([]Session, error) {
	if err := who.May(authz.SessionsEnd, authz.Object{}, s.now()); err != nil {
		return nil, err
	}
	return s.sessions(ctx, who, "WHERE s.ended_at = 0 AND s.made_at > $1", micro(s.now().Add(-longest)))
}

// PastSessions lists the last sessions of a person that are over, the newest
// first: one's own, or with people.see anybody's.
func (s *Service) PastSessions(ctx context.Context, who *authz.Subject, person event.ID, limit int) ([]Session, error) {
	needs := authz.PeopleSee
	if person == who.Person {
		needs = authz.OwnSecurity
	}
	if err := who.May(needs, authz.Object{}, s.now()); err != nil {
		return nil, err
	}
	var out []Session
	err := s.db.Query(ctx, sessionColumns+"WHERE s.person = $1 ORDER BY s.made_at DESC, s.id DESC LIMIT $2", []any{person[:], int64(limit)}, func(row store.Scanner) error {
		x, err := scanSession(row)
		out = append(out, x)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	return out, nil
}

// sessions reads open ones and leaves out those that are over by their age.
func (s *Service) sessions(ctx context.Context, who *authz.Subject, where string, args ...any) ([]Session, error) {
	var all []Session
	err := s.db.Query(ctx, sessionColumns+where+" ORDER BY s.made_at DESC, s.id DESC", args, func(row store.Scanner) error {
		x, err := scanSession(row)
		all = append(all, x)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list sessions: %w", err)
	}
	names, err := s.benchNames(ctx)
	if err != nil {
		return nil, err
	}
	now, roles := s.now(), map[event.ID][]authz.Grant{}
	for i := range all {
		x := &all[i]
		grants, ok := roles[x.Person]
		if !ok {
			have, err := grantsOf(ctx, s.db, x.Person, false)
			if err != nil {
				return nil, fmt.Errorf("list sessions: %w", err)
			}
			grants = plain(have)
			roles[x.Person] = grants
		}
		l := limitOf(grants, x.Bench != "", now)
		if seen := s.cache.seen(x.ID); seen.After(x.Seen) {
			x.Seen = seen
		}
		x.IdleAt, x.OverAt, x.Current = x.Seen.Add(l.Idle), x.Made.Add(l.Absolute), x.ID == who.Session
		if x.Bench != "" {
			x.Bench = names[x.Bench]
		}
	}
	return slices.DeleteFunc(all, func(x Session) bool { return over(x, now) }), nil
}

func over(x Session, now time.Time) bool { return !now.Before(x.IdleAt) || !now.Before(x.OverAt) }

func plain(grants []Grant) []authz.Grant {
	out := make([]authz.Grant, len(grants))
	for i := range grants {
		out[i] = grants[i].Grant
	}
	return out
}
