package record_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

var start = time.Date(2026, 11, 3, 8, 0, 0, 0, time.UTC)

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

// archive is the laboratory's messages about patients.
type archive struct {
	of   map[string][]record.Message
	some bool // not all can be found yet
}

func (a *archive) OfPatient(_ context.Context, id, authority string, before int64, limit int) ([]record.Message, int64, bool, error) {
	all := a.of[id+"/"+authority]
	all = all[min(int(before), len(all)):]
	if len(all) > limit {
		return all[:limit], before + int64(limit), !a.some, nil
	}
	return all, 0, !a.some, nil
}

type rig struct {
	t   *testing.T
	r   *record.Record
	db  *store.DB
	log *bus.Log
	a   *archive
	at  time.Time
}

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, db: open(store.Options{}), at: start, a: &archive{of: map[string][]record.Message{}}}
	check(t, r.db.Migrate(t.Context(), bus.Migrations(), record.Migrations()))
	var err error
	r.log, err = bus.New("n1")
	check(t, err)
	r.log.Attach(r.db)
	r.r = record.New(r.db, keys{}, r.log, r.a, func() time.Time { return r.at }, slog.New(slog.DiscardHandler))
	return r
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// happen writes events in one transaction, a second apart from those before.
func (r *rig) happen(events ...ledger.Event) {
	r.t.Helper()
	r.at = r.at.Add(time.Second)
	check(r.t, r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		for _, e := range events {
			e.At = r.at.UnixMicro()
			if _, err := bus.Publish(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	}))
}

func viewed(message, by string) ledger.Event {
	return ledger.Event{Kind: "result.viewed", IDs: ledger.Pairs{{K: "message", V: message}, {K: "by", V: by}}, Codes: ledger.Pairs{{K: "reason", V: "asked-by-the-ward"}}}
}

func received(message string) ledger.Event {
	return ledger.Event{Kind: "result.received", IDs: ledger.Pairs{{K: "message", V: message}, {K: "source", V: "lis"}}}
}

// follow reads the ledger to its end.
func (r *rig) follow() {
	r.t.Helper()
	for more := true; more; {
		var err error
		more, err = r.r.Step(r.t.Context())
		check(r.t, err)
	}
}

// kinds lists what a query finds, the newest first.
func (r *rig) kinds(q record.Query) []string {
	r.t.Helper()
	r.follow()
	lines, next, err := r.r.List(r.t.Context(), record.By{Account: "sofia"}, q, record.Cursor{}, 100)
	check(r.t, err)
	if next != (record.Cursor{}) {
		r.t.Fatal("more than a page")
	}
	out := []string{}
	for _, l := range lines {
		if l.Damaged {
			r.t.Errorf("leaf %d is damaged", l.Leaf)
		}
		if l.Kind != "record.read" {
			out = append(out, l.Kind)
		}
	}
	return out
}

func (r *rig) problems() (out []string) {
	r.t.Helper()
	check(r.t, r.r.Audit(r.t.Context(), func(table, row, what string) { out = append(out, table+" "+row+": "+what) }))
	return out
}

func (r *rig) exec(query string, args ...any) {
	r.t.Helper()
	check(r.t, r.db.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	}))
}

func uuid() string { return event.NewID().String() }
