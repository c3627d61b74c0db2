package access

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// BenchCookie pairs a shared device.
const BenchCookie = "__Host-lw-bench"

// benchFor is how long a browser keeps the pairing.
const benchFor = 365 * 24 * time.Hour

// Kinds of events about benches.
const (
	KindPaired   = "bench.paired"
	KindUnpaired = "bench.ended"
)

// Bench is a shared device at which people follow each other: a session there
// ends after two minutes without use, the next person's sign-in ends the one
// before, and what is done carries the person. Roles that run the laboratory's
// systems do not work at it.
type Bench struct {
	ID         event.ID
	Name, Site string
	Made       time.Time
	MadeBy     string
}

// PairBench makes the browser that asks a bench. The token goes into its cookie
// (SetBenchCookie). The session it was asked in ends: it is none of a bench, and
// would stay open on a device that others use. Needs benches.manage.
func (s *Service) PairBench(ctx context.Context, who *authz.Subject, name, site string) (b Bench, token string, err error) {
	if err := who.May(authz.BenchesManage, authz.Object{}, s.now()); err != nil {
		return b, "", err
	}
	if name, err = cleanName(name); err != nil {
		return b, "", err
	}
	if len(site) > 80 {
		return b, "", invalid("site", "Write the site by its key in the configuration.")
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		var hash []byte
		token, hash = secret()
		b = Bench{event.NewID(), name, site, s.now(), who.Account}
		_, err := tx.Exec(ctx, "INSERT INTO access_benches (id, hash, name, site, made_at, made_by, ended_at, ended_by) VALUES ($1, $2, $3, $4, $5, $6, 0, '')",
			b.ID[:], hash, name, site, micro(b.Made), b.MadeBy)
		if err != nil {
			return err
		}
		if err := s.tags.Put(ctx, tx, taggedBenches, b.ID[:]); err != nil {
			return err
		}
		if who.Session != (event.ID{}) {
			if _, err := s.endSessions(ctx, tx, who.Account, "its device became a shared bench", "id = $1", who.Session[:]); err != nil {
				return err
			}
		}
		_, err = s.fact(ctx, tx, KindPaired, who.Account, ledger.Pairs{idPair("bench", b.ID)}, nil)
		return err
	})
	return b, token, wrap("pair bench", err)
}

// SetBenchCookie gives the browser its pairing.
func SetBenchCookie(w http.ResponseWriter, token string) {
	http.SetCookie(w, &http.Cookie{Name: BenchCookie, Value: token, Path: "/", MaxAge: int(benchFor / time.Second), Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// BenchToken is the pairing a request came with; empty for none.
func BenchToken(r *http.Request) string { return cookieValue(r, BenchCookie) }

// BenchOf says at which bench a request is made: for the sign-in page, which is
// quicker there. ErrNotFound where it is none.
func (s *Service) BenchOf(r *http.Request) (Bench, error) {
	token := BenchToken(r)
	if token == "" {
		return Bench{}, ErrNotFound
	}
	return s.benchBy(r.Context(), s.db, token)
}

func (s *Service) benchBy(ctx context.Context, q store.Queryer, token string) (b Bench, err error) {
	hash := hashOf(token)
	if hash == nil {
		return b, ErrNotFound
	}
	var id []byte
	var made int64
	err = q.QueryRow(ctx, "SELECT id, name, site, made_at, made_by FROM access_benches WHERE hash = $1 AND ended_at = 0", hash).Scan(&id, &b.Name, &b.Site, &made, &b.MadeBy)
	if errors.Is(err, store.ErrNoRows) {
		return b, ErrNotFound
	}
	if err != nil {
		return b, fmt.Errorf("read bench: %w", err)
	}
	if err := s.genuine(ctx, q, taggedBenches, id); err != nil {
		return b, err
	}
	b.Made = moment(made)
	b.ID, err = event.IDFromBytes(id)
	return b, err
}

// Benches lists those paired, by name.
func (s *Service) Benches(ctx context.Context) ([]Bench, error) {
	var out []Bench
	err := s.db.Query(ctx, "SELECT id, name, site, made_at, made_by FROM access_benches WHERE ended_at = 0 ORDER BY name, id", nil, func(row store.Scanner) error {
		var b Bench
		var id []byte
		var made int64
		err := row.Scan(&id, &b.Name, &b.Site, &made, &b.MadeBy)
		if err == nil {
			b.Made = moment(made)
			b.ID, err = event.IDFromBytes(id)
		}
		out = append(out, b)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list benches: %w", err)
	}
	return out, nil
}

func (s *Service) benchNames(ctx context.Context) (map[string]string, error) {
	all, err := s.Benches(ctx)
	names := map[string]string{}
	for _, b := range all {
		names[b.ID.String()] = b.Name
	}
	return names, err
}

// EndBench ends a pairing and the session at it. Needs benches.manage.
func (s *Service) EndBench(ctx context.Context, who *authz.Subject, id event.ID) error {
	if err := who.May(authz.BenchesManage, authz.Object{}, s.now()); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.tags.Exec(ctx, tx, taggedBenches, id[:], "UPDATE access_benches SET ended_at = $1, ended_by = $2 WHERE id = $3 AND ended_at = 0", micro(s.now()), who.Account, id[:])
		if err != nil {
			return err
		}
		if n == 0 {
			return ErrNotFound
		}
		if _, err := s.endSessions(ctx, tx, who.Account, "the bench was ended", "bench = $1", id.String()); err != nil {
			return err
		}
		_, err = s.fact(ctx, tx, KindUnpaired, who.Account, ledger.Pairs{idPair("bench", id)}, nil)
		return err
	})
	return wrap("end bench", err)
}
