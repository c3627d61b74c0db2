package access_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

var start = time.Date(2026, 5, 4, 6, 52, 0, 0, time.UTC)

// keys tags rows as a vault would.
type keys struct{}

func (keys) Index(domain string, parts ...[]byte) (out [16]byte) {
	h := sha256.New()
	for _, p := range append([][]byte{[]byte(domain)}, parts...) {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	copy(out[:], h.Sum(nil))
	return out
}

func (k keys) IndexVersions(domain string, parts ...[]byte) [][16]byte {
	return [][16]byte{k.Index(domain, parts...)}
}

// clock is a clock that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// bell keeps what was raised.
type bell struct {
	mu  sync.Mutex
	got []alarm.Alarm
}

func (b *bell) Raise(_ context.Context, a alarm.Alarm) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, a)
}

func (b *bell) Over(context.Context, alarm.Key) {}

// hush forgets the alarms of a kind.
func (b *bell) hush(kind string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = slices.DeleteFunc(b.got, func(a alarm.Alarm) bool { return a.Kind == kind })
}

func (b *bell) kinds() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for _, a := range b.got {
		out = append(out, a.Kind)
	}
	return strings.Join(out, " ")
}

type rig struct {
	t     *testing.T
	db    *store.DB
	log   *bus.Log
	s     *access.Service
	clock *clock
	bell  *bell
	admin access.Person
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func refused(t testing.TB, err error, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Fatalf("%v, want %v", err, want)
	}
}

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{t: start}, bell: &bell{}}
	r.db = open(store.Options{})
	check(t, r.db.Migrate(t.Context(), bus.Migrations(), access.Migrations(), approval.Migrations()))
	var err error
	r.log, err = bus.New("test")
	check(t, err)
	r.log.Attach(r.db)
	r.s = r.node()
	return r
}

// node is another node on the same database.
func (r *rig) node() *access.Service {
	return access.New(access.Deps{DB: r.db, Ledger: r.log, Keys: keys{}, Now: r.clock.now, Log: slog.New(slog.DiscardHandler), Raise: r.bell})
}

// each runs a test on both engines, with a first administrator.
func each(t *testing.T, run func(t *testing.T, r *rig)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		l, err := r.s.FirstAdminLink(t.Context())
		check(t, err)
		r.admin = r.use(l.Token, access.NewPerson{Account: "Okafor", Name: "Ngozi Okafor"})
		run(t, r)
	})
}

// use uses a link up.
func (r *rig) use(token string, first access.NewPerson) (p access.Person) {
	r.t.Helper()
	check(r.t, r.tryUse(token, first, &p))
	return p
}

func (r *rig) tryUse(token string, first access.NewPerson, p *access.Person) error {
	return r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		got, _, err := r.s.UseLink(ctx, tx, token, first)
		*p = got
		return err
	})
}

// as is a subject of the person as Identify would make it, fresh at the highest
// level.
func (r *rig) as(p access.Person) *authz.Subject {
	r.t.Helper()
	p, err := r.s.Person(r.t.Context(), p.ID)
	check(r.t, err)
	who := &authz.Subject{Person: p.ID, Account: p.Account, Name: p.Name, Level: authz.LevelPasskey, FreshAt: r.clock.now()}
	for _, g := range p.Grants {
		who.Grants = append(who.Grants, g.Grant)
	}
	return who
}

// join invites somebody with a role and has them come in.
func (r *rig) join(account string, grants ...authz.Grant) access.Person {
	r.t.Helper()
	_, l, err := r.s.Invite(r.t.Context(), r.as(r.admin), access.NewPerson{Account: account, Name: strings.ToUpper(account[:1]) + account[1:], Grants: grants})
	check(r.t, err)
	p := r.use(l.Token, access.NewPerson{})
	r.confirm(p)
	return p
}

// confirm has somebody of weight confirmed at the console: in a laboratory with one
// administrator everybody comes in by the same hand.
func (r *rig) confirm(p access.Person) {
	r.t.Helper()
	if w, err := r.s.Weighs(r.t.Context(), p.ID); err != nil || w {
		check(r.t, err)
		check(r.t, r.s.ConfirmAtConsole(r.t.Context(), p.Account, "ngozi"))
		r.bell.hush("access.confirmed")
	}
}

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// signIn opens a session and returns its token.
func (r *rig) signIn(p access.Person, level authz.Level) access.Started {
	r.t.Helper()
	t, err := r.s.Start(r.t.Context(), access.Start{Person: p.ID, Level: level, Method: "passkey", Device: access.Device{Name: "Firefox on Linux", Network: "192.0.2.7"}})
	check(r.t, err)
	return t
}

func request(path string, tokens ...string) *http.Request {
	q := httptest.NewRequest(http.MethodGet, path, nil)
	q.RemoteAddr = "192.0.2.7:40000"
	q.Header.Set("User-Agent", firefox)
	for i, token := range tokens {
		q.AddCookie(&http.Cookie{Name: []string{access.Cookie, access.BenchCookie}[i], Value: token})
	}
	return q
}

// who is whoever the tokens belong to, at a node.
func (r *rig) who(s *access.Service, tokens ...string) *authz.Subject {
	r.t.Helper()
	who, err := s.Identify(request("/", tokens...))
	check(r.t, err)
	return who
}

func (r *rig) kinds() string {
	r.t.Helper()
	var out []string
	head, err := r.log.Head(r.t.Context())
	check(r.t, err)
	check(r.t, r.log.Walk(r.t.Context(), 0, head.Size, func(_ int64, events [][]byte) error {
		for _, e := range events {
			out = append(out, ledger.KindOf(e))
		}
		return nil
	}))
	return strings.Join(out, " ")
}

func (r *rig) exec(query string, args ...any) {
	r.t.Helper()
	check(r.t, r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	}))
}

func dumper(out *[]string) func(store.Scanner) error {
	return func(row store.Scanner) error {
		v := make([]any, 4)
		if err := row.Scan(&v[0], &v[1], &v[2], &v[3]); err != nil {
			return err
		}
		*out = append(*out, fmt.Sprintf("%s", v))
		return nil
	}
}
