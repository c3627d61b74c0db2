package access

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// Passive is the header with which a page that draws itself again says that no
// person did that: such a request keeps no session from being idle.
const Passive = "Labwarden-Live"

// Identify says who sends a request, for web.Server: by a token or client
// certificate (the API only), or by the session cookie. Nobody known is nil. An
// error says that it could not be found out (503); then nobody gets in.
func (s *Service) Identify(r *http.Request) (*authz.Subject, error) {
	who, err := s.identify(r)
	if err != nil {
		return nil, errors.Join(&web.Error{Kind: web.KindUnavailable}, err)
	}
	return who, nil
}

func (s *Service) identify(r *http.Request) (*authz.Subject, error) {
	api := strings.HasPrefix(r.URL.Path, "/api/") || strings.HasPrefix(r.URL.Path, "/scim/")
	if h := r.Header.Get("Authorization"); h != "" {
		if !api {
			return nil, nil // tokens open no pages, and the cookie beside one counts for nothing
		}
		return s.byToken(r, h)
	}
	if token := SessionToken(r); token != "" {
		who, err := s.bySession(r, token)
		if who != nil || err != nil {
			return who, err
		}
	}
	if api && r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return s.byCertificate(r)
	}
	return nil, nil
}

func (s *Service) bySession(r *http.Request, token string) (*authz.Subject, error) {
	if len(token) != 43 {
		return nil, nil
	}
	hash, now := sha256.Sum256([]byte(token)), s.now()
	if err := s.current(r.Context(), now); err != nil {
		return nil, err
	}
	k, gen := s.cache.session(hash)
	if k == nil {
		var err error
		if k, err = s.readSession(r.Context(), hash[:], now); err != nil || k == nil {
			return nil, err
		}
		s.cache.keep(hash, k, gen, now)
	}
	if k.state != Active || !within(k.starts, k.ends, now) {
		return nil, nil
	}
	limit := limitOf(k.grants, k.bench != "", now)
	if age := now.Sub(k.made); age >= limit.Absolute || age < -time.Minute {
		return nil, nil
	}
	if now.Sub(moment(k.used.at.Load())) >= limit.Idle {
		// Perhaps it was used on another node meanwhile.
		var seen int64
		err := s.db.QueryRow(r.Context(), "SELECT seen_at FROM access_seen WHERE session = $1", k.id[:]).Scan(&seen)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return nil, fmt.Errorf("read when a session was used: %w", err)
		}
		if s.cache.usedOf(k.id, moment(seen), now); now.Sub(moment(k.used.at.Load())) >= limit.Idle {
			return nil, nil
		}
	}
	if k.bench != "" && !atBench(r, k.benchHash) {
		return nil, nil
	}
	if agent := k.used.agent.Load(); agent == nil || *agent != r.UserAgent() {
		if deviceName(r.UserAgent()) != k.device {
			return nil, s.moved(r, k)
		}
		text := r.UserAgent()
		k.used.agent.Store(&text)
	}
	if r.URL.Path != "/live" && r.Header.Get(Passive) == "" {
		s.touch(r, k, now)
	}
	who := &authz.Subject{
		Person: k.person, Account: k.account, Name: k.name, Grants: k.grants, Delegations: k.delegations,
		Level: k.level, FreshAt: k.fresh, Session: k.id, Bench: k.bench != "",
	}
	if k.glass != (event.ID{}) && within(k.glassFrom, k.glassEnd, now) {
		who.Glass, who.Glassed = k.glass, k.glassed
	}
	return who, nil
}

// atBench: a bench's session is of that device alone.
func atBench(r *http.Request, want []byte) bool {
	have := hashOf(BenchToken(r))
	return have != nil && bytes.Equal(have, want)
}

// readSession reads a session and its person; nil where there is none that is
// open. Each row is held against its tag.
func (s *Service) readSession(ctx context.Context, hash []byte, now time.Time) (*known, error) {
	k := &known{}
	var id, person []byte
	var level, made, fresh, seen int64
	err := s.db.QueryRow(ctx, `SELECT s.id, s.person, s.level, s.bench, s.device, s.made_at, s.fresh_at, COALESCE(x.seen_at, s.made_at)
		FROM access_sessions s LEFT JOIN access_seen x ON x.session = s.id WHERE s.hash = $1 AND s.ended_at = 0`, hash).
		Scan(&id, &person, &level, &k.bench, &k.device, &made, &fresh, &seen)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	k.level, k.made, k.fresh = authz.Level(level), moment(made), moment(fresh)
	if k.id, err = event.IDFromBytes(id); err != nil {
		return nil, fmt.Errorf("read session: %w", err)
	}
	if err := s.genuine(ctx, s.db, taggedSessions, id); err != nil {
		return nil, err
	}
	p, delegations, err := s.readSubject(ctx, person)
	if err != nil {
		return nil, err
	}
	k.person, k.account, k.name, k.state, k.starts, k.ends, k.delegations = p.ID, p.Account, p.Name, p.State, p.Starts, p.Ends, delegations
	for _, g := range p.Grants {
		if info, ok := authz.RoleOf(g.Role); ok && (k.bench == "" || !info.Strong) {
			k.grants = append(k.grants, g.Grant)
		}
	}
	if k.bench != "" {
		if k.benchHash, err = s.benchHash(ctx, k.bench); err != nil || k.benchHash == nil {
			return nil, err
		}
	}
	if err := s.readGlass(ctx, k, now); err != nil {
		return nil, err
	}
	k.used = s.cache.usedOf(k.id, moment(seen), now)
	return k, nil
}

// readSubject reads a person, their roles and delegations, each row held against
// its tag.
func (s *Service) readSubject(ctx context.Context, id []byte) (Person, []authz.Delegation, error) {
	p, err := personBy(ctx, s.db, "WHERE id = $1", id)
	if err != nil {
		return p, nil, err
	}
	if err := s.genuine(ctx, s.db, taggedPeople, id); err != nil {
		return p, nil, err
	}
	for _, g := range p.Grants {
		if err := s.genuine(ctx, s.db, taggedGrants, g.ID[:]); err != nil {
			return p, nil, err
		}
	}
	if err := s.countUntil(ctx, &p); err != nil {
		return p, nil, err
	}
	out, err := s.delegated(ctx, p.ID)
	return p, out, err
}

func (s *Service) benchHash(ctx context.Context, bench string) (hash []byte, err error) {
	id, err := event.ParseID(bench)
	if err != nil {
		return nil, fmt.Errorf("read bench: %w", err)
	}
	err = s.db.QueryRow(ctx, "SELECT hash FROM access_benches WHERE id = $1 AND ended_at = 0", id[:]).Scan(&hash)
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read bench: %w", err)
	}
	return hash, s.genuine(ctx, s.db, taggedBenches, id[:])
}

// touch notes that a session is in use: in memory at once, in the database once
// a minute.
func (s *Service) touch(r *http.Request, k *known, now time.Time) {
	at, written := now.UnixMicro(), k.used.written.Load()
	k.used.at.Store(at)
	if at-written < seenEvery.Microseconds() || !k.used.written.CompareAndSwap(written, at) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Second)
	defer cancel()
	network := cut(DeviceOf(r).Network, 60)
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO access_seen (session, seen_at, network) VALUES ($1, $2, $3)
			ON CONFLICT (session) DO UPDATE SET seen_at = excluded.seen_at, network = excluded.network`, k.id[:], at, network)
		return err
	})
	if err != nil { // the session may end early on another node; nothing else hangs on it
		s.slog.Debug("when a session was used could not be written", "error", err)
	}
}

// moved ends a session whose cookie comes from another kind of device than it
// was opened on: a browser does not change its system, a copied cookie does. The
// person is asked whether it was them.
func (s *Service) moved(r *http.Request, k *known) error {
	d := DeviceOf(r)
	err := s.write(r.Context(), func(ctx context.Context, tx *store.Tx) error {
		n, err := s.endSessions(ctx, tx, byJob, "its cookie came from another kind of device", "id = $1", k.id[:])
		if err != nil || n == 0 {
			return err
		}
		return s.notice(ctx, tx, k.person, k.id, Moved, d)
	})
	if err != nil {
		return fmt.Errorf("end a session that moved: %w", err)
	}
	return nil
}
