package accounts_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

var start = time.Date(2026, 11, 3, 8, 0, 0, 0, time.UTC)

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

// office is our own people and what they hold.
type office struct {
	mu      sync.Mutex
	people  []accounts.Person
	held    []accounts.Holding
	removed []string
	fail    error
}

func (o *office) Staff(context.Context) ([]accounts.Person, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.people), nil
}

func (o *office) Held(context.Context) ([]accounts.Holding, error) { return o.held, nil }

func (o *office) Remove(_ context.Context, kind, id string, by accounts.By, reason string) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.fail != nil {
		return o.fail
	}
	o.removed = append(o.removed, kind+" "+id+" by "+by.Account+": "+reason)
	return nil
}

type rig struct {
	t   *testing.T
	s   *accounts.Service
	db  *store.DB
	log *bus.Log
	o   *office
	at  time.Time
}

func (r *rig) now() time.Time { return r.at }

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, db: open(store.Options{}), at: start, o: &office{}}
	check(t, r.db.Migrate(t.Context(), bus.Migrations(), accounts.Migrations()))
	var err error
	r.log, err = bus.New("n1")
	check(t, err)
	r.log.Attach(r.db)
	for _, p := range []struct {
		account, name, mail string
		active              bool
	}{
		{"jdoe", "Jane Doe", "jane.doe@lab.example", true},
		{"mmuster", "Märta Muster", "maerta.muster@lab.example", true},
		{"gone", "Gordon One", "gordon.one@lab.example", false},
		{"anna", "Anna Admin", "anna@lab.example", true},
		{"sofia", "Sofia Officer", "sofia@lab.example", true},
	} {
		r.o.people = append(r.o.people, accounts.Person{ID: event.NewID(), Account: p.account, Name: p.name, Mail: p.mail, Active: p.active})
	}
	r.s = accounts.New(r.db, keys{}, r.log, r.o, r.o, r.now, slog.New(slog.DiscardHandler))
	return r
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) by(account string) accounts.By {
	for _, p := range r.o.people {
		if p.Account == account {
			return accounts.By{Person: p.ID, Account: p.Account, Name: p.Name}
		}
	}
	r.t.Fatalf("no %s", account)
	return accounts.By{}
}

func (r *rig) system(key string) {
	r.t.Helper()
	check(r.t, r.s.AddSystem(r.t.Context(), accounts.System{Key: key, Name: "Windows domain", Kind: "directory", Owner: "anna", EveryDays: 100}, r.by("anna")))
}

func (r *rig) take(key, list string) accounts.Import {
	r.t.Helper()
	p, err := r.s.Offer(r.t.Context(), key, []byte(list), r.at, r.by("anna"))
	check(r.t, err)
	if len(p.Problems) > 0 {
		r.t.Fatalf("problems: %v", p.Problems)
	}
	i, err := r.s.Take(r.t.Context(), p.Import.ID, true, r.by("anna"))
	check(r.t, err)
	return i
}

func (r *rig) account(key, name string) accounts.Account {
	r.t.Helper()
	all, err := r.s.Accounts(r.t.Context(), key)
	check(r.t, err)
	for _, a := range all {
		if a.Entry.Account == name {
			return a
		}
	}
	r.t.Fatalf("no account %s", name)
	return accounts.Account{}
}

// found is the open findings as "account kind".
func (r *rig) found(key string) []string {
	r.t.Helper()
	all, err := r.s.Findings(r.t.Context(), key, false)
	check(r.t, err)
	names := map[event.ID]string{}
	list, err := r.s.Accounts(r.t.Context(), key)
	check(r.t, err)
	for _, a := range list {
		names[a.ID] = a.Entry.Account
	}
	out := []string{}
	for _, f := range all {
		out = append(out, names[f.Account]+" "+f.Kind)
	}
	slices.Sort(out)
	return out
}

func (r *rig) expect(key string, want ...string) {
	r.t.Helper()
	slices.Sort(want)
	if got := r.found(key); !slices.Equal(got, want) && len(got)+len(want) > 0 {
		r.t.Fatalf("findings\n got %q\nwant %q", got, want)
	}
}

// facts are the kinds of events in the ledger.
func (r *rig) facts() []string {
	r.t.Helper()
	head, err := r.log.Head(r.t.Context())
	check(r.t, err)
	var out []string
	check(r.t, r.log.Walk(r.t.Context(), 0, head.Size, func(_ int64, events [][]byte) error {
		for _, e := range events {
			out = append(out, ledger.KindOf(e))
		}
		return nil
	}))
	return out
}

func (r *rig) sound() {
	r.t.Helper()
	check(r.t, r.s.Audit(r.t.Context(), func(table, row, what string) { r.t.Errorf("%s %s: %s", table, row, what) }))
}

func wantField(t *testing.T, err error, field string) {
	t.Helper()
	var f *accounts.FieldError
	if !errors.As(err, &f) || f.Field != field {
		t.Fatalf("want something about %q, got %v", field, err)
	}
	if strings.TrimSpace(f.Message) == "" {
		t.Fatal("it does not say what to do")
	}
}
