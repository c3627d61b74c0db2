package signin

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

var day = time.Date(2026, 5, 4, 6, 52, 7, 0, time.UTC)

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

// people are who exists.
type people struct {
	mu sync.Mutex
	m  map[string]PersonInfo
}

func (p *people) ByAccount(_ context.Context, account string) (PersonInfo, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	x, ok := p.m[fold(account)]
	return x, ok, nil
}

func (p *people) ByID(_ context.Context, id event.ID) (PersonInfo, bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, x := range p.m {
		if x.ID == id {
			return x, true, nil
		}
	}
	return PersonInfo{}, false, nil
}

func (p *people) set(x PersonInfo) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.m[fold(x.Account)] = x
}

type rig struct {
	*Service
	t      *testing.T
	db     *store.DB
	log    *bus.Log
	clock  *clock
	people *people
	vault  *vault.Vault
	open   storetest.Opener
	costs  HasherOptions
}

const publicURL = "https://labwarden.millbrook.example"

// cheap hashes cost nearly nothing: what is tested is everything around them.
var cheap = HasherOptions{Costs: Costs{Memory: 64, Time: 1, Rounds: 10}, Slots: 4, Queue: 2000}

func each(t *testing.T, run func(t *testing.T, r *rig)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, open storetest.Opener) { run(t, newRig(t, open, cheap)) })
}

func newRig(t *testing.T, open storetest.Opener, costs HasherOptions) *rig {
	t.Helper()
	r := &rig{t: t, open: open, clock: &clock{t: day}, people: &people{m: map[string]PersonInfo{}}, costs: costs}
	dir := t.TempDir()
	r.must(vault.CreateKeyFile(filepath.Join(dir, "key"), rand.Reader))
	var err error
	r.vault, _, err = vault.Create(t.Context(), vault.NewFileBook(filepath.Join(dir, "book")), rand.Reader,
		vault.CreateOptions{Lab: "millbrook", Seals: []vault.Seal{vault.KeyFile(filepath.Join(dir, "key"))}, Now: day})
	r.must(err)
	r.start()
	return r
}

// start opens the store, again after a restart.
func (r *rig) start() {
	r.t.Helper()
	if r.db != nil {
		r.must(r.db.Close())
	}
	r.db = r.open(store.Options{})
	r.must(r.db.Migrate(r.t.Context(), bus.Migrations(), Migrations()))
	var err error
	r.log, err = bus.New("test")
	r.must(err)
	r.log.Attach(r.db)
	r.Service = New(Options{DB: r.db, Vault: r.vault, People: r.people, Hasher: NewHasher(r.costs), Now: r.clock.now, Log: slog.New(slog.DiscardHandler)})
	r.Apply(Settings{PublicURL: publicURL, Lab: "Millbrook"})
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

const okPassword = "gravel teacup orbit lantern"

// person makes one with a password and nothing else.
func (r *rig) person(account string) PersonInfo {
	r.t.Helper()
	p := PersonInfo{ID: event.NewID(), Account: account, Name: "Adaeze Okafor", Active: true}
	r.people.set(p)
	m, err := r.FirstPassword(r.t.Context(), p, okPassword)
	r.must(err)
	r.must(r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error { return r.Keep(ctx, tx, p.ID, m, Ask{}) }))
	return p
}

func (r *rig) fresh(level authz.Level) Proof { return Proof{Level: level, FreshAt: r.clock.now()} }

// app enrols an authenticator app and returns its seed.
func (r *rig) app(p PersonInfo) string {
	r.t.Helper()
	shown, err := r.BeginTOTP(r.t.Context(), p.ID, r.fresh(authz.LevelPasskey))
	r.must(err)
	seed := strings.ReplaceAll(shown.Key, " ", "")
	r.must(r.ConfirmTOTP(r.t.Context(), p.ID, r.fresh(authz.LevelPasskey), shown.Token, r.code(seed)))
	r.clock.forward(30 * time.Second)
	return seed
}

func (r *rig) code(seed string) string {
	r.t.Helper()
	code, err := totp.GenerateCode(seed, r.clock.now())
	r.must(err)
	return code
}

var desk = Ask{From: netip.MustParseAddr("192.0.2.7")}

// half signs in with the right password and returns the pending step.
func (r *rig) half(p PersonInfo) string {
	r.t.Helper()
	step, err := r.Password(r.t.Context(), desk, p.Account, okPassword)
	r.must(err)
	if step.Pending == "" || step.Level != authz.LevelNone || step.Person != (event.ID{}) {
		r.t.Fatalf("%+v", step)
	}
	return step.Pending
}

func reason(err error) Reason {
	var x *Refused
	if errors.As(err, &x) {
		return x.Reason
	}
	if err != nil {
		return Reason("error: " + err.Error())
	}
	return ""
}

func (r *rig) want(err error, why Reason) {
	r.t.Helper()
	if got := reason(err); got != why {
		r.t.Fatalf("got %q, want %q", got, why)
	}
}

// facts counts the ledger's events by kind.
func (r *rig) facts() map[string]int {
	r.t.Helper()
	out := map[string]int{}
	for _, e := range r.events() {
		out[e.Kind]++
	}
	return out
}

func (r *rig) events() (out []ledger.Event) {
	r.t.Helper()
	head, err := r.log.Head(r.t.Context())
	r.must(err)
	r.must(r.log.Walk(r.t.Context(), 0, head.Size, func(_ int64, events [][]byte) error {
		for _, raw := range events {
			e, err := ledger.ParseEvent(raw)
			if err != nil {
				return err
			}
			out = append(out, e)
		}
		return nil
	}))
	return out
}

// together runs f n times at once and counts the outcomes.
func together(n int, f func(i int) Reason) map[Reason]int {
	var mu sync.Mutex
	var wg sync.WaitGroup
	out := map[Reason]int{}
	for i := range n {
		wg.Go(func() {
			why := f(i)
			mu.Lock()
			defer mu.Unlock()
			out[why]++
		})
	}
	wg.Wait()
	return out
}
