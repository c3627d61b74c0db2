package results

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// node is another hub on the same database, with a memory of its own.
func (l *lab) node() *lab {
	l.t.Helper()
	n := *l
	n.db = l.open(store.Options{})
	n.attach()
	return &n
}

func TestControlIdsAreKnownAfterARestart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		written := l.present(oru("C1", "4711", "100"))
		_, err := l.IndexNow(t.Context())
		must(t, err)
		inTable := l.present(oru("C2", "4711", "101"))
		l.restart()
		l.clock.add(time.Minute)
		for body, want := range map[string][]byte{string(oru("C1", "4711", "100")): written, string(oru("C2", "4711", "101")): inTable} {
			if got := l.present([]byte(body)); !bytes.Equal(got, want) {
				t.Errorf("answer %q, at first %q", got, want)
			}
		}
		for _, id := range []string{"C1", "C2"} {
			if a := ack(t, l.present(oru(id, "4711", "999"))); a.Code != "AE" {
				t.Errorf("%s with another body: %+v", id, a)
			}
		}
		if n := l.count("SELECT count(*) FROM results_messages"); n != 2 {
			t.Errorf("%d messages", n)
		}
	})
}

func TestControlIdsThatAnotherNodeTook(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		other := l.node()
		for i := range 20 {
			one, two := l, other
			if i%3 == 0 {
				one, two = other, l
			}
			id := countOf("C%d", i)
			first := one.present(oru(id, "4711", id))
			if again := two.present(oru(id, "4711", id)); !bytes.Equal(first, again) {
				t.Fatalf("%s on the other node: %q, at first %q", id, again, first)
			}
			if a := ack(t, two.present(oru(id, "4711", "other"+id))); a.Code != "AE" {
				t.Fatalf("%s with another body on the other node: %+v", id, a)
			}
			if i%5 == 0 {
				_, err := two.IndexNow(t.Context())
				must(t, err)
			}
		}
		_, err := l.IndexNow(t.Context())
		must(t, err)
		_, err = other.IndexNow(t.Context())
		must(t, err)
		l.indexIsWhole()
		if n := l.count("SELECT count(*) FROM results_messages"); n != 20 {
			t.Errorf("%d messages", n)
		}
		if n := l.count("SELECT sum(messages) FROM results_controls"); n != 20 {
			t.Errorf("%d control ids kept", n)
		}
	})
}

func TestARolledBackMessageHoldsNoControlID(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.exec("ALTER TABLE results_deliveries RENAME TO away")
		if a := ack(t, l.present(oru("C1", "4711", "100"))); a.Code != "AR" {
			t.Fatalf("%+v", a)
		}
		l.exec("ALTER TABLE away RENAME TO results_deliveries")
		// Another body: were C1 remembered, it would be kept apart.
		if a := ack(t, l.present(oru("C1", "4711", "200"))); a.Code != "AA" {
			t.Fatalf("%+v", a)
		}
		_, err := l.IndexNow(t.Context())
		must(t, err)
		l.indexIsWhole()
		if len(l.recent.holder) != 1 {
			t.Errorf("%d control ids in memory", len(l.recent.holder))
		}
	})
}

func TestOldControlIdsAreForgotten(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		for i := range 5 {
			l.taken(oru(countOf("C%d", i), "4711", "100"))
		}
		begin := l.now().UnixMicro()
		var marks []controlMark
		for i := range int64(3000) {
			marks = append(marks, controlMark{leaf: 100 + i, at: begin + i, key: controlKey(1 + i)})
		}
		for len(marks) > 0 { // in batches of odd sizes, as they come
			n := min(len(marks), 700)
			must(t, l.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
				return writeControls(ctx, tx, marks[:n], marks[n-1].leaf)
			}))
			marks = marks[n:]
		}
		if rows, n := l.count("SELECT count(*) FROM results_controls"), l.count("SELECT sum(messages) FROM results_controls"); rows != 3 || n != 3000 {
			t.Fatalf("%d rows of %d control ids", rows, n)
		}
		if n, err := l.forgetControls(t.Context(), l.now()); err != nil || n != 0 {
			t.Fatalf("forgot %d at once, %v", n, err)
		}
		l.clock.add(window + 2*time.Hour)
		l.taken(oru("NEW", "4711", "100"))
		n, err := l.forgetControls(t.Context(), l.now())
		must(t, err)
		if rows := l.count("SELECT count(*) FROM results_controls"); n != 2048 || rows != 1 || len(l.recent.holder) != 1 {
			t.Errorf("forgot %d, %d rows stay, %d in memory; want 2048, the newest row, 1", n, rows, len(l.recent.holder))
		}
		if a := ack(t, l.present(oru("C1", "4711", "other"))); a.Code != "AA" {
			t.Errorf("a control id used again after its time: %+v", a)
		}
	})
}

func TestTheIndexerFallsBehind(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.recent.marks = make([]controlMark, maxRecent-3, maxRecent)
		l.recent.entries = nil
		for i := range 10 {
			l.taken(oru(countOf("C%d", i), "4711", countOf("%d", i)))
		}
		if n := len(l.recent.marks); n != 6 {
			t.Fatalf("%d messages in memory, want those after the overflow", n)
		}
		_, err := l.IndexNow(t.Context())
		must(t, err)
		l.indexIsWhole()
	})
}
