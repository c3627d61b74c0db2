package portal

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// sessionFor is how long a session lasts at most: a working day.
const sessionFor = 12 * time.Hour

// Start is a sign-in that was proved.
type Start struct {
	Person event.ID
	Level  authz.Level
	Method string // "passkey", "password-totp"
	Device string
	// Door is by which way the person came; a session is good there alone.
	Door string
	// Before is the token the request came with: that session ends here.
	Before string
	Ask    signin.Ask
}

// Session is who is at the other end.
type Session struct {
	ID      event.ID
	Person  Person
	Level   authz.Level
	Made    time.Time
	Current bool
	Device  string // Place of the sign-in
}

// Place is what a session is bound to beside its token: the browser and the door.
func Place(device, door string) string {
	if door == "" {
		return device
	}
	return device + " @ " + door
}

// Start opens a session under a token that nobody had before (session fixation).
// One factor alone opens none.
func (s *Service) Start(ctx context.Context, in Start) (token string, err error) {
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		token, err = s.start(ctx, tx, in)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("start a session: %w", err)
	}
	return token, nil
}

func (s *Service) start(ctx context.Context, tx *store.Tx, in Start) (string, error) {
	if in.Level < authz.LevelTwo {
		return "", wrong("", "Your sign-in is not finished. Type the code of your letter again and set up a passkey or an authenticator app; ask the laboratory for another letter if it has ended.")
	}
	p, err := s.person(ctx, tx, "WHERE id = $1", in.Person[:])
	if err != nil {
		return "", err
	}
	if !p.Active() {
		return "", ErrNotFound
	}
	if hash := hashOf(in.Before); hash != nil {
		if err := s.endSessions(ctx, tx, "somebody signed in anew", "hash = $1", hash); err != nil {
			return "", err
		}
	}
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	token, id, now := base64.RawURLEncoding.EncodeToString(b[:]), event.NewID(), s.Now()
	_, err = s.tags.Exec(ctx, tx, taggedSessions, id[:], `INSERT INTO partners_portal_sessions (id, hash, person, level, method, device, made_at, ended_at, ended_why)
		VALUES ($1, $2, $3, $4, $5, $6, $7, 0, '')`, id[:], hashOf(token), p.ID[:], int64(in.Level), in.Method, Place(in.Device, in.Door), micro(now))
	if err != nil {
		return "", err
	}
	if err := tx.Queue(ctx, "INSERT INTO partners_portal_seen (session, seen_at) VALUES ($1, $2)", id[:], micro(now)); err != nil {
		return "", err
	}
	return token, s.fact(ctx, tx, KindSession, ledger.Pairs{pair("person", p.ID), pair("session", id)}, ledger.Pairs{code("method", in.Method)}, ledger.Number{K: "level", N: int64(in.Level)})
}

func (s *Service) endSessions(ctx context.Context, tx *store.Tx, why, where string, args ...any) error {
	var ids, people [][]byte
	err := tx.Query(ctx, "SELECT id, person FROM partners_portal_sessions WHERE ended_at = 0 AND "+where, args, func(row store.Scanner) error {
		var id, person []byte
		err := row.Scan(&id, &person)
		ids, people = append(ids, id), append(people, person)
		return err
	})
	if err != nil {
		return err
	}
	for i := range ids {
		if _, err := s.tags.Exec(ctx, tx, taggedSessions, ids[i], "UPDATE partners_portal_sessions SET ended_at = $1, ended_why = $2 WHERE id = $3", micro(s.Now()), why, ids[i]); err != nil {
			return err
		}
		if err := tx.Queue(ctx, "DELETE FROM partners_portal_seen WHERE session = $1", ids[i]); err != nil {
			return err
		}
		id, e1 := event.IDFromBytes(ids[i])
		person, e2 := event.IDFromBytes(people[i])
		if err := errors.Join(e1, e2); err != nil {
			return err
		}
		if err := s.fact(ctx, tx, KindSignedOut, ledger.Pairs{pair("person", person), pair("session", id)}, ledger.Pairs{code("why", why)}); err != nil {
			return err
		}
	}
	return nil
}

// EndOthers ends the sessions of a person but one: how they sign in was changed there.
func (s *Service) EndOthers(ctx context.Context, person, but event.ID) error {
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return s.endSessions(ctx, tx, "how they sign in was changed", "person = $1 AND id <> $2", person[:], but[:])
	})
	if err != nil {
		return fmt.Errorf("end other sessions: %w", err)
	}
	return nil
}

// SignOut ends the session of a token.
func (s *Service) SignOut(ctx context.Context, token string) error {
	hash := hashOf(token)
	if hash == nil {
		return nil
	}
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return s.endSessions(ctx, tx, "signed out", "hash = $1", hash)
	})
	if err != nil {
		return fmt.Errorf("sign out: %w", err)
	}
	return nil
}

// seen remembers when each session was written down as used, so that not every
// click writes.
type seen struct {
	mu sync.Mutex
	at map[event.ID]time.Time
}

func newSeen() *seen { return &seen{at: map[event.ID]time.Time{}} }

const (
	seenEvery = time.Minute
	maxSeen   = 10_000
)

// due says whether a use is to be written.
func (x *seen) due(id event.ID, now time.Time) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if d := now.Sub(x.at[id]); d >= 0 && d < seenEvery {
		return false
	}
	if len(x.at) >= maxSeen {
		clear(x.at)
	}
	x.at[id] = now
	return true
}

// Known finds whose session a token opens, nil for nobody's. The session, its person
// and where they belong are read and held against their tags each time: whoever is
// ended is out with the next click.
func (s *Service) Known(ctx context.Context, token string) (*Session, error) {
	hash := hashOf(token)
	if hash == nil {
		return nil, nil
	}
	var id, person []byte
	var level, made, used int64
	x := &Session{}
	err := s.DB.QueryRow(ctx, `SELECT s.id, s.person, s.level, s.device, s.made_at, COALESCE(n.seen_at, s.made_at) FROM partners_portal_sessions s
		LEFT JOIN partners_portal_seen n ON n.session = s.id WHERE s.hash = $1 AND s.ended_at = 0`, hash).Scan(&id, &person, &level, &x.Device, &made, &used)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read a session: %w", err)
	}
	if err := s.genuine(ctx, s.DB, taggedSessions, id); err != nil {
		return nil, err
	}
	now := s.Now()
	x.Level, x.Made = authz.Level(level), moment(made)
	if age := now.Sub(x.Made); age >= sessionFor || age < -time.Minute || now.Sub(moment(used)) >= s.Settings().Idle {
		return nil, nil
	}
	if x.ID, err = event.IDFromBytes(id); err != nil {
		return nil, err
	}
	x.Person, err = s.person(ctx, s.DB, "WHERE id = $1", person)
	if errors.Is(err, ErrNotFound) || err == nil && !x.Person.Active() {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if s.seen.due(x.ID, now) {
		err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			return tx.Queue(ctx, "UPDATE partners_portal_seen SET seen_at = $1 WHERE session = $2", micro(now), x.ID[:])
		})
		if err != nil {
			s.Log.Warn("when a session of the portal was used could not be written", "error", err)
		}
	}
	return x, nil
}
