package alarm_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/bus"
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

// inbox is a way that keeps what it was given, or fails.
type inbox struct {
	mu   sync.Mutex
	got  []alarm.Message
	fail error
}

func (b *inbox) Send(_ context.Context, m alarm.Message) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return "", b.fail
	}
	b.got = append(b.got, m)
	return "250 taken", nil
}

func (b *inbox) broken(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.fail = err
}

// words are what the messages say about their alarm: "raised raised over".
func (b *inbox) words() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	out := make([]string, len(b.got))
	for i, m := range b.got {
		out[i] = m.What
	}
	return strings.Join(out, " ")
}

// rig is a desk on a store with two people on call.
type rig struct {
	t             *testing.T
	db            *store.DB
	log           *bus.Log
	desk          *alarm.Desk
	clock         *clock
	first, second *inbox
}

func (r *rig) plan() alarm.Plan {
	return alarm.Plan{Lab: "Millbrook", Repeat: time.Hour, AcceptedFor: 24 * time.Hour, People: []alarm.Person{
		{Name: "Okafor", Wait: 10 * time.Minute, Ways: []alarm.Way{{Name: "mail", Sender: r.first}}},
		{Name: "Lindqvist", Wait: 15 * time.Minute, Ways: []alarm.Way{{Name: "mail", Sender: r.second}}},
	}}
}

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, clock: &clock{t: start}, first: &inbox{}, second: &inbox{}}
	r.open(open)
	return r
}

func (r *rig) open(open storetest.Opener) {
	r.t.Helper()
	r.db = open(store.Options{})
	check(r.t, r.db.Migrate(r.t.Context(), bus.Migrations(), alarm.Migrations()))
	var err error
	r.log, err = bus.New("test")
	check(r.t, err)
	r.log.Attach(r.db)
	r.desk, err = alarm.New(r.t.Context(), r.db, keys{}, r.clock.now, slog.New(slog.DiscardHandler))
	check(r.t, err)
	r.desk.SetPlan(r.plan())
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// after moves the clock and lets the desk work.
func (r *rig) after(d time.Duration) {
	r.clock.forward(d)
	r.desk.Tick(r.t.Context())
}

// facts are the kinds of the ledger's events.
func (r *rig) facts() string {
	r.t.Helper()
	var out []string
	head, err := r.log.Head(r.t.Context())
	check(r.t, err)
	check(r.t, r.log.Walk(r.t.Context(), 0, head.Size, func(_ int64, events [][]byte) error {
		for _, e := range events {
			_, kind, _ := strings.Cut(string(e), `"kind":"`)
			kind, _, _ = strings.Cut(kind, `"`)
			out = append(out, kind)
		}
		return nil
	}))
	return strings.Join(out, " ")
}

func (r *rig) want(first, second string) {
	r.t.Helper()
	if a, b := r.first.words(), r.second.words(); a != first || b != second {
		r.t.Fatalf("told %q and %q, want %q and %q", a, b, first, second)
	}
}

var silent = alarm.Alarm{
	Key: alarm.Key{Kind: "partner.silent", About: "riverside"}, Severity: alarm.Urgent,
	Sentence: "Nothing gets through to Riverside.", Advice: "Call them.",
}
