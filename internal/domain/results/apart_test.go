package results

import (
	"bytes"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// keptApart presents a body that must be refused and returns its number.
func (l *lab) keptApart(body []byte) event.ID {
	l.t.Helper()
	l.present(body)
	a, err := l.Quarantine(l.t.Context(), false, 1)
	if err != nil || len(a) != 1 {
		l.t.Fatalf("quarantine %+v, %v", a, err)
	}
	return a[0].ID
}

func TestReleasedConflictBecomesAMessageOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		first, other := oru("C1", "4711", "100"), oru("C1", "4711", "101")
		aa := l.present(first)
		q := l.keptApart(other)
		var wg sync.WaitGroup
		ids := make([]event.ID, 20)
		for i := range ids {
			wg.Go(func() {
				var err error
				if ids[i], err = l.ReleaseApart(t.Context(), q, why); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for _, id := range ids {
			if id != ids[0] {
				t.Fatal("twenty clicks made different messages")
			}
		}
		if n := l.count("SELECT count(*) FROM results_messages"); n != 2 {
			t.Fatalf("%d messages, want 2", n)
		}
		m, body, err := l.Message(t.Context(), ids[0])
		must(t, err)
		if !bytes.Equal(body, other) || len(m.Deliveries) != 2 || m.Deliveries[0].State != Waiting {
			t.Fatalf("released message %+v", m)
		}
		ev := l.events(KindApartReleased)
		if len(ev) != 1 || ev[0].IDs.Get("quarantine") != q.String() || ev[0].IDs.Get("message") != ids[0].String() || ev[0].IDs.Get("by") != "a.person" {
			t.Fatalf("events %+v", ev)
		}
		// The sender, told AE before, presents the released one again; and the
		// first is still answered as ever.
		l.clock.add(time.Minute)
		again := l.present(other)
		if a := ack(t, again); a.Code != "AA" || !bytes.Equal(again, l.present(other)) {
			t.Fatalf("released, presented again: %+v", a)
		}
		if !bytes.Equal(aa, l.present(first)) {
			t.Fatal("the first message is no longer answered as before")
		}
		if n := l.count("SELECT count(*) FROM results_messages"); n != 2 {
			t.Fatalf("%d messages, want 2", n)
		}
		wantErr(t, l.RefuseApart(t.Context(), q, why), ErrConflict)
		l.audited()
	})
}

func TestReleasedMessageWaitsInItsLanes(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.taken(oru("C1", "4711", "100"))
		held := to(t, l.taken(oru("C2", "4711", "101")), "north")
		must(t, l.Hold(t.Context(), held.Seq, why))
		q := l.keptApart(oru("C1", "4711", "102"))
		l.run()
		_, err := l.ReleaseApart(t.Context(), q, why)
		must(t, err)
		pass(5 * time.Second)
		if got := l.boxes["north"].list(); !slices.Equal(got, []string{"C1"}) {
			t.Fatalf("north got %v", got)
		}
		if got := l.boxes["south"].list(); !slices.Equal(got, []string{"C1", "C2", "C1"}) {
			t.Fatalf("south got %v", got)
		}
	})
}

func TestRefusedFromQuarantineIsNeverTaken(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.present(oru("C1", "4711", "100"))
		q := l.keptApart(oru("C1", "4711", "101"))
		wantErr(t, l.RefuseApart(t.Context(), q, By{Reason: "x"}), ErrInvalid)
		must(t, l.RefuseApart(t.Context(), q, why))
		must(t, l.RefuseApart(t.Context(), q, why))
		_, err := l.ReleaseApart(t.Context(), q, why)
		wantErr(t, err, ErrConflict)
		_, err = l.ReplayApart(t.Context(), q, why)
		wantErr(t, err, ErrConflict)
		if n := len(l.events(KindApartRefused)); n != 1 || l.count("SELECT count(*) FROM results_messages") != 1 {
			t.Fatalf("%d events", n)
		}
		wantErr(t, l.RefuseApart(t.Context(), someID, why), ErrNotFound)
	})
}

func TestReplayAfterTheCauseIsMended(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		bad := l.standard()
		bad.Routes = nil
		l.Apply(bad)
		body := oru("C1", "4711", "100")
		q := l.keptApart(body)
		_, err := l.ReleaseApart(t.Context(), q, why)
		wantErr(t, err, ErrConflict)
		var still *StillRefused
		if _, err := l.ReplayApart(t.Context(), q, why); !errors.As(err, &still) || still.Cause != CauseNoRoute || still.Reason == "" {
			t.Fatalf("error %v", err)
		}
		rule := l.standard()
		rule.Routes[0].When = func(Look) (bool, error) { return false, errors.New("no") }
		l.Apply(rule)
		if _, err := l.ReplayApart(t.Context(), q, why); !errors.As(err, &still) || still.Cause != CauseRule {
			t.Fatalf("error %v", err)
		}
		if a, _ := l.Quarantine(t.Context(), false, 9); len(a) != 1 || a[0].Cause != CauseRule || a[0].State != "open" {
			t.Fatalf("it must stay, under its present cause: %+v", a)
		}
		l.Apply(l.standard())
		id, err := l.ReplayApart(t.Context(), q, why)
		must(t, err)
		again, err := l.ReplayApart(t.Context(), q, why)
		must(t, err)
		if id != again || l.count("SELECT count(*) FROM results_messages") != 1 {
			t.Fatal("replayed twice")
		}
		if ev := l.events(KindApartReplayed); len(ev) != 1 || ev[0].IDs.Get("quarantine") != q.String() || ev[0].IDs.Get("message") != id.String() {
			t.Fatalf("events %+v", ev)
		}
		if a := ack(t, l.present(body)); a.Code != "AA" || l.count("SELECT count(*) FROM results_messages") != 1 {
			t.Fatalf("the sender's repeat of a replayed message: %+v", a)
		}
	})
}

func TestReplayOfWhatTheSenderRepeatedMakesNoSecondCopy(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		bad := l.standard()
		bad.Routes = nil
		l.Apply(bad)
		body, other := oru("C1", "4711", "100"), oru("C2", "4711", "101")
		q, q2 := l.keptApart(body), l.keptApart(other)
		l.Apply(l.standard())
		m := l.taken(body)
		id, err := l.ReplayApart(t.Context(), q, why)
		must(t, err)
		if id != m.ID || l.count("SELECT count(*) FROM results_messages") != 1 {
			t.Fatal("two copies of one result")
		}
		// Another body has taken the control id meanwhile: a person must release.
		l.taken(oru("C2", "4711", "999"))
		var still *StillRefused
		if _, err := l.ReplayApart(t.Context(), q2, why); !errors.As(err, &still) || still.Cause != CauseConflict {
			t.Fatalf("error %v", err)
		}
		_, err = l.ReleaseApart(t.Context(), q2, why)
		must(t, err)
	})
}

func TestBulkReplayByCause(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		bad := l.standard()
		bad.Routes = nil
		l.Apply(bad)
		const n = 230
		for i := range n {
			l.present(oru(countOf("C%d", i), "1", countOf("%d", i)))
		}
		l.present([]byte("no message"))
		l.present(oru("", "1", "1"))
		set := l.standard()
		set.Routes[0].When = func(m Look) (bool, error) { return string(m.Header().ControlID) != "C7", nil }
		l.Apply(set)
		calls := 0
		r, err := l.ReplayAll(t.Context(), CauseNoRoute, why, func(p Replayed) {
			if calls++; p.Done != int64(calls) || p.Of != n {
				t.Errorf("progress %+v at call %d", p, calls)
			}
		})
		must(t, err)
		if calls != n || r.Taken != n-1 || r.Still[CauseNoRoute] != 1 {
			t.Fatalf("%+v", r)
		}
		if a, _ := l.Quarantine(t.Context(), false, 9); len(a) != 3 {
			t.Fatalf("left open %+v", a)
		}
		r, err = l.ReplayAll(t.Context(), CauseNoRoute, why, nil)
		must(t, err)
		if r.Of != 1 || r.Taken != 0 || l.count("SELECT count(*) FROM results_messages") != n-1 {
			t.Fatalf("again %+v", r)
		}
	})
}

func TestShowingAQuarantinedBodyIsWrittenDown(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		q := l.keptApart([]byte("no message at all"))
		_, err := l.ShowApart(t.Context(), q, By{})
		wantErr(t, err, ErrInvalid)
		b, err := l.ShowApart(t.Context(), q, why)
		must(t, err)
		if string(b) != "no message at all" {
			t.Fatalf("%q", b)
		}
		if ev := l.events(KindApartShown); len(ev) != 1 || ev[0].IDs.Get("by") != "a.person" {
			t.Fatalf("%+v", ev)
		}
		begin := append(oru("BIG", "4711", "100"), bytes.Repeat([]byte("x"), 2<<20)...)
		l.Intake("lis").Oversize(t.Context(), begin, 1<<30, [32]byte{1})
		a, _ := l.Quarantine(t.Context(), false, 1)
		_, err = l.ReplayApart(t.Context(), a[0].ID, why)
		wantErr(t, err, ErrConflict)
	})
}
