package access

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of events about sessions.
const (
	KindSignedIn  = "session.started"
	KindSteppedUp = "session.raised"
	KindSignedOut = "session.ended"
)

// Cookie is the session's. The prefix has the browser refuse it without Secure,
// with a Domain, or of another path (RFC 6265bis 4.1.3.2).
const Cookie = "__Host-lw"

// Start is a sign-in that was proved.
type Start struct {
	Person event.ID
	Level  authz.Level
	// Method is a word for how: "passkey", "password-totp", "oidc", "link".
	Method string
	Device Device
	// Bench is the bench's token (BenchToken) where the sign-in is at one, else empty.
	Bench string
	// Before is the session token the request came with (SessionToken): whatever
	// session that was ends here, and is never continued.
	Before string
	// Stale: it was proved elsewhere, and who knows when (single sign-on); an act that
	// wants a fresh proof asks for one.
	Stale bool
}

// Session is one as it is listed.
type Session struct {
	ID, Person     event.ID
	Account, Name  string
	Level          authz.Level
	Method         string
	Bench          string // the bench's name
	Device         Device
	Made, FreshAt  time.Time
	Seen           time.Time
	Ended          time.Time
	EndedBy, Why   string
	Current        bool
	IdleAt, OverAt time.Time // when it ends by itself
}

// Started is a session just opened or raised, with its secret.
type Started struct {
	ID    event.ID
	Token string
}

// SetCookie gives the browser the session.
func (t Started) SetCookie(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: Cookie, Value: t.Token, Path: "/", Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// ClearCookie takes the session from the browser.
func ClearCookie(w http.ResponseWriter) {
	http.SetCookie(w, &http.Cookie{Name: Cookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// SessionToken is the token a request came with; empty for none.
func SessionToken(r *http.Request) string { return cookieValue(r, Cookie) }

func cookieValue(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

// Start opens a session. Its token is always fresh: one that somebody had
// before the sign-in opens nothing (session fixation).
func (s *Service) Start(ctx context.Context, in Start) (t Started, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		t, err = s.StartIn(ctx, tx, in)
		return err
	})
	return t, wrap("start session", err)
}

// StartIn is Start within the caller's transaction.
func (s *Service) StartIn(ctx context.Context, tx *store.Tx, in Start) (t Started, err error) {
	now := s.now()
	fresh := now
	if in.Stale {
		fresh = time.Time{}
	}
	p, err := personBy(ctx, tx, "WHERE id = $1", in.Person[:])
	if err != nil {
		return t, err
	}
	if !p.In(now) {
		return t, &Refusal{Kind: KindConflict, Text: "This account may not sign in now."}
	}
	if in.Level < authz.LevelPassword {
		return t, errors.New("start session: nothing was proved")
	}
	if hash := hashOf(in.Before); hash != nil {
		if _, err := s.endSessions(ctx, tx, p.Account, "somebody signed in anew", "hash = $1", hash); err != nil {
			return t, err
		}
	}
	bench := ""
	if in.Bench != "" {
		b, err := s.benchBy(ctx, tx, in.Bench)
		if err != nil {
			return t, err
		}
		bench = b.ID.String()
		if _, err := s.endSessions(ctx, tx, p.Account, "somebody else took the bench", "bench = $1", bench); err != nil {
			return t, err
		}
	}
	token, hash := secret()
	t = Started{event.NewID(), token}
	if err := s.strange(ctx, tx, p, t.ID, in.Device); err != nil {
		return t, err
	}
	_, err = tx.Exec(ctx, `INSERT INTO access_sessions (id, hash, person, level, method, bench, device, network, made_at, fresh_at, ended_at, ended_by, ended_why)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, '', '')`,
		t.ID[:], hash, p.ID[:], int64(in.Level), in.Method, bench, cut(in.Device.Name, 80), cut(in.Device.Network, 60), micro(now), micro(fresh))
	if err != nil {
		return t, err
	}
	if err := s.tags.Put(ctx, tx, taggedSessions, t.ID[:]); err != nil {
		return t, err
	}
	if err := tx.Queue(ctx, "INSERT INTO access_seen (session, seen_at, network) VALUES ($1, $2, $3)", t.ID[:], micro(now), cut(in.Device.Network, 60)); err != nil {
		return t, err
	}
	codes := ledger.Pairs{{K: "method", V: ledger.Code(in.Method)}, {K: "network", V: ledger.Code(in.Device.Network)}}
	ids := ledger.Pairs{idPair("person", p.ID), idPair("session", t.ID)}
	if bench != "" {
		ids = append(ids, ledger.Pair{K: "bench", V: bench})
	}
	if _, err = s.fact(ctx, tx, KindSignedIn, p.Account, ids, codes, ledger.Number{K: "level", N: int64(in.Level)}); err != nil {
		return t, err
	}
	return t, s.changed(ctx, tx)
}

func cut(text string, n int) string {
	if len(text) > n {
		return text[:n]
	}
	return text
}

// StepUp notes that who has proved their identity again in their session, and
// gives the session another token: the one before opens nothing any more. A
// weaker way than the session's own is ErrWeaker.
func (s *Service) StepUp(ctx context.Context, who *authz.Subject, level authz.Level, method string) (t Started, err error) {
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		t, err = s.StepUpIn(ctx, tx, who, level, method)
		return err
	})
	return t, wrap("step up", err)
}

// StepUpIn is StepUp within the caller's transaction.
func (s *Service) StepUpIn(ctx context.Context, tx *store.Tx, who *authz.Subject, level authz.Level, method string) (t Started, err error) {
	if level < who.Level {
		return t, ErrWeaker
	}
	token, hash := secret()
	t = Started{who.Session, token}
	n, err := s.tags.Exec(ctx, tx, taggedSessions, t.ID[:], "UPDATE access_sessions SET hash = $1, level = $2, method = $3, fresh_at = $4 WHERE id = $5 AND person = $6 AND ended_at = 0",
		hash, int64(level), method, micro(s.now()), t.ID[:], who.Person[:])
	if err != nil {
		return t, err
	}
	if n != 1 {
		return t, ErrEnded
	}
	_, err = s.fact(ctx, tx, KindSteppedUp, who.Account, ledger.Pairs{idPair("person", who.Person), idPair("session", t.ID)}, ledger.Pairs{{K: "method", V: ledger.Code(method)}}, ledger.Number{K: "level", N: int64(level)})
	if err != nil {
		return t, err
	}
	return t, s.changed(ctx, tx)
}

// endSessions ends the open sessions that a condition names, in tx, and says how
// many.
func (s *Service) endSessions(ctx context.Context, tx *store.Tx, by, why, where string, args ...any) (int64, error) {
	type one struct{ id, person []byte }
	var open []one
	err := tx.Query(ctx, "SELECT id, person FROM access_sessions WHERE ended_at = 0 AND "+where, args, func(row store.Scanner) error {
		var x one
		err := row.Scan(&x.id, &x.person)
		open = append(open, x)
		return err
	})
	if err != nil {
		return 0, err
	}
	for _, x := range open {
		_, err := s.tags.Exec(ctx, tx, taggedSessions, x.id, "UPDATE access_sessions SET ended_at = $1, ended_by = $2, ended_why = $3 WHERE id = $4", micro(s.now()), by, why, x.id)
		if err != nil {
			return 0, err
		}
		id, err := event.IDFromBytes(x.id)
		if err != nil {
			return 0, err
		}
		person, err := event.IDFromBytes(x.person)
		if err != nil {
			return 0, err
		}
		if _, err := s.fact(ctx, tx, KindSignedOut, by, ledger.Pairs{idPair("person", person), idPair("session", id)}, ledger.Pairs{{K: "why", V: ledger.Code(why)}}); err != nil {
			return 0, err
		}
	}
	return int64(len(open)), nil
}

// SignOut ends the session that who works in.
func (s *Service) SignOut(ctx context.Context, who *authz.Subject) error {
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := s.endSessions(ctx, tx, who.Account, "signed out", "id = $1", who.Session[:])
		return err
	})
	return wrap("sign out", err)
}

// EndSession ends one session: one's own with own.security, anybody's with
// sessions.end.
func (s *Service) EndSession(ctx context.Context, who *authz.Subject, id event.ID) error {
	var person []byte
	err := s.db.QueryRow(ctx, "SELECT person FROM access_sessions WHERE id = $1", id[:]).Scan(&person)
	if errors.Is(err, store.ErrNoRows) {
		return ErrNotFound
	}
	if err != nil {
		return wrap("end session", err)
	}
	needs := authz.SessionsEnd
	if string(person) == string(who.Person[:]) {
		needs = authz.OwnSecurity
	}
	if err := who.May(needs, authz.Object{}, s.now()); err != nil {
		return err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.endSessions(ctx, tx, who.Account, "ended by hand", "id = $1", id[:])
		if err == nil && n == 0 {
			err = ErrEnded
		}
		return err
	})
	return wrap("end session", err)
}

// EndOthers ends every session of who but the one they work in, and says how
// many.
func (s *Service) EndOthers(ctx context.Context, who *authz.Subject) (n int64, err error) {
	if err := who.May(authz.OwnSecurity, authz.Object{}, s.now()); err != nil {
		return 0, err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err = s.endSessions(ctx, tx, who.Account, "ended by hand", "person = $1 AND id <> $2", who.Person[:], who.Session[:])
		return err
	})
	return n, wrap("end sessions", err)
}

// EndSessionsOf ends all sessions of a person in tx: a password was changed, a
// passkey taken away. keep stays open; zero keeps none.
func (s *Service) EndSessionsOf(ctx context.Context, tx *store.Tx, by, why string, person, keep event.ID) error {
	if _, err := s.endSessions(ctx, tx, by, why, "person = $1 AND id <> $2", person[:], keep[:]); err != nil {
		return err
	}
	return s.changed(ctx, tx)
}
