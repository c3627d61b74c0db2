package access

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// tokenPrefix tells a token of ours from others, also to those who look for
// secrets in source code.
const tokenPrefix = "lw_"

// KindRefused is the event of tokens and certificates that open nothing.
const KindRefused = "service.refused"

// program is a service account as a token or certificate opens it. It does not
// change; nil in the cache's map is never kept.
type program struct {
	id      event.ID // of the token or the account
	service event.ID
	account string
	name    string
	only    []authz.Permission
	grants  []authz.Grant
	until   time.Time
	used    *used
}

func (s *Service) byToken(r *http.Request, header string) (*authz.Subject, error) {
	scheme, token, _ := strings.Cut(header, " ")
	token, ours := strings.CutPrefix(strings.TrimSpace(token), tokenPrefix)
	hash := hashOf(token)
	if !strings.EqualFold(scheme, "Bearer") || !ours || hash == nil {
		s.refuse(r, "no token of ours")
		return nil, nil
	}
	return s.byProgram(r, [32]byte(hash), "token", func(ctx context.Context) (*program, error) { return s.readToken(ctx, hash) })
}

func (s *Service) byCertificate(r *http.Request) (*authz.Subject, error) {
	c, now := r.TLS.PeerCertificates[0], s.now()
	if now.Before(c.NotBefore) || !now.Before(c.NotAfter) {
		s.refuse(r, "certificate has ended")
		return nil, nil
	}
	key := keyOf(c) // the handshake has proved that the caller holds it
	return s.byProgram(r, sha256.Sum256([]byte("certificate "+key)), "certificate", func(ctx context.Context) (*program, error) { return s.readKey(ctx, key) })
}

// byProgram answers from what is kept, or reads.
func (s *Service) byProgram(r *http.Request, at [32]byte, how string, read func(context.Context) (*program, error)) (*authz.Subject, error) {
	now := s.now()
	if err := s.current(r.Context(), now); err != nil {
		return nil, err
	}
	c := &s.cache
	c.mu.RLock()
	p, gen := c.programs[at], c.gen
	c.mu.RUnlock()
	if p == nil {
		var err error
		if p, err = read(r.Context()); err != nil {
			return nil, err
		}
		if p != nil {
			c.mu.Lock()
			if c.gen == gen && len(c.programs) < maxKept {
				if c.filled.IsZero() {
					c.filled = now
				}
				c.programs[at] = p
			}
			c.mu.Unlock()
		}
	}
	if p == nil || !p.until.IsZero() && !now.Before(p.until) {
		s.refuse(r, how)
		return nil, nil
	}
	s.touchProgram(r, p, now)
	return &authz.Subject{
		Person: p.service, Account: p.account, Name: p.name, Grants: p.grants, Only: p.only,
		Level: authz.LevelPasskey, Session: p.id,
	}, nil
}

func (s *Service) readToken(ctx context.Context, hash []byte) (*program, error) {
	t, err := scanToken(s.db.QueryRow(ctx, tokenColumns+"WHERE t.hash = $1 AND t.revoked_at = 0", hash))
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read token: %w", err)
	}
	if err := s.genuine(ctx, s.db, taggedTokens, t.ID[:]); err != nil {
		return nil, err
	}
	a, err := scanService(s.db.QueryRow(ctx, serviceColumns+"WHERE s.id = $1 AND s.ended_at = 0", t.Service[:]))
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read service account: %w", err)
	}
	if err := s.genuine(ctx, s.db, taggedServices, a.ID[:]); err != nil {
		return nil, err
	}
	if waits, err := s.Waits(ctx, t.ID, "", t.Permissions); err != nil || waits {
		return nil, err
	}
	return s.programOf(a, t.ID, t.Permissions, t.Partners, t.Until, t.Used), nil
}

func (s *Service) readKey(ctx context.Context, key string) (*program, error) {
	a, err := scanService(s.db.QueryRow(ctx, serviceColumns+"WHERE s.key = $1 AND s.key <> '' AND s.ended_at = 0", key))
	if errors.Is(err, store.ErrNoRows) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read service account: %w", err)
	}
	if err := s.genuine(ctx, s.db, taggedServices, a.ID[:]); err != nil {
		return nil, err
	}
	if waits, err := s.Waits(ctx, a.ID, a.Key, a.Permissions); err != nil || waits {
		return nil, err
	}
	return s.programOf(a, a.ID, a.Permissions, a.Partners, time.Time{}, a.KeyUsed), nil
}

func (s *Service) programOf(a ServiceAccount, id event.ID, only []authz.Permission, partners []string, until, lastUsed time.Time) *program {
	p := &program{id: id, service: a.ID, account: a.Account, name: a.Name, only: []authz.Permission{}, grants: []authz.Grant{{Role: authz.Service, Partners: partners}}, until: until}
	p.only = append(p.only, only...) // never nil: nil would narrow nothing
	p.used = s.cache.usedOf(id, lastUsed, s.now())
	return p
}

func (s *Service) touchProgram(r *http.Request, p *program, now time.Time) {
	at, written := now.UnixMicro(), p.used.written.Load()
	p.used.at.Store(at)
	if at-written < seenEvery.Microseconds() || !p.used.written.CompareAndSwap(written, at) {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Second)
	defer cancel()
	network := cut(DeviceOf(r).Network, 60)
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, `INSERT INTO access_used (what, used_at, network) VALUES ($1, $2, $3)
			ON CONFLICT (what) DO UPDATE SET used_at = excluded.used_at, network = excluded.network`, p.id[:], at, network)
		return err
	})
	if err != nil {
		s.slog.Debug("when a token was used could not be written", "error", err)
	}
}

// refusals counts tokens and certificates that opened nothing since the last
// event about them.
type refusals struct {
	told time.Time
	n    int64
}

// maxRefusals bounds the networks of which refusals are counted.
const maxRefusals = 1000

// refuse records a refused token or certificate, never its value: at most one
// event a minute of one network, with how many there were, so that guessing does
// not fill the ledger.
func (s *Service) refuse(r *http.Request, how string) {
	now, network := s.now(), networkOf(DeviceOf(r).Network)
	c := &s.cache
	c.mu.Lock()
	x := c.refused[network]
	if x == nil {
		if len(c.refused) >= maxRefusals {
			clear(c.refused)
		}
		x = &refusals{}
		c.refused[network] = x
	}
	x.n++
	n := x.n
	tell := x.told.IsZero() || now.Sub(x.told) >= time.Minute || now.Before(x.told)
	if tell {
		x.told, x.n = now, 0
	}
	c.mu.Unlock()
	if !tell {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Second)
	defer cancel()
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		_, err := s.fact(ctx, tx, KindRefused, "-", nil, ledger.Pairs{{K: "how", V: ledger.Code(how)}, {K: "network", V: ledger.Code(network)}}, ledger.Number{K: "times", N: n})
		return err
	})
	if err != nil {
		s.slog.Warn("refused tokens could not be written down", "error", err, "times", n)
	}
}

// Fingerprint is a key's hash as people compare it.
func Fingerprint(key string) string {
	b, err := hex.DecodeString(key)
	if err != nil || len(b) != sha256.Size {
		return ""
	}
	var out []string
	for i := 0; i < 16; i += 2 {
		out = append(out, key[2*i:2*i+4])
	}
	return strings.Join(out, " ")
}
