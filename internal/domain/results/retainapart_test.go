package results

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

var anyPeer = channel.Peer{Name: "lis"}

// apartOf puts a message in quarantine: its control id was used before.
func (l *lab) apartOf(control, patient, order, code string) event.ID {
	l.t.Helper()
	l.taken(kindOfReport(control, patient, order, code))
	v := l.take(l.t.Context(), "lis", anyPeer, append(kindOfReport(control, patient, order, code), []byte("NTE|1||other\r")...))
	if v.outcome != Quarantined {
		l.t.Fatalf("%v", v.outcome)
	}
	return v.id
}

func TestQuarantineIsErasedWhenNothingProtectsIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		ctx, l := t.Context(), newLab(t, open)
		must(t, l.CheckClock(ctx))
		open1 := l.apartOf("OPEN", "1", "1", "CH")
		released := l.apartOf("REL", "2", "2", "SP")
		refused := l.apartOf("REF", "3", "3", "CH")
		path := l.apartOf("PATH", "4", "4", "SP")
		heldPatient := l.apartOf("HELDP", "5", "5", "CH")
		heldMessage := l.apartOf("HELDM", "6", "6", "CH")
		var became event.ID
		var err error
		_, err = l.ReleaseApart(ctx, released, why)
		must(t, err)
		became, err = l.ReleaseApart(ctx, heldMessage, why)
		must(t, err)
		for _, id := range []event.ID{refused, path, heldPatient} {
			must(t, l.RefuseApart(ctx, id, why))
		}
		_, err = l.HoldPatient(ctx, "5", "Hollowfen", why)
		must(t, err)
		_, err = l.HoldMessage(ctx, became, why)
		must(t, err)
		gone := func(when string, want ...event.ID) {
			t.Helper()
			for _, id := range []event.ID{open1, released, refused, path, heldPatient, heldMessage} {
				n := l.count("SELECT count(*) FROM results_quarantine WHERE id = $1 AND body IS NULL", id[:])
				expect := int64(0)
				for _, w := range want {
					if w == id {
						expect = 1
					}
				}
				if n != expect {
					t.Errorf("%s: %s erased is %d, want %d", when, id, n, expect)
				}
			}
		}
		p := Retention{MaxApart: year, Reports: 2 * year, Immunohaematology: 5 * year, Pathology: 10 * year}
		_, err = l.Retain(ctx, p)
		must(t, err)
		gone("at once")
		l.clock.add(year + 24*3600e9)
		r, err := l.Retain(ctx, p)
		must(t, err)
		gone("after a year", released) // its message keeps what the law asks for
		if r.Apart != 1 || r.LegalMinimum != 3 || r.OnHold != 1 {
			t.Errorf("%+v", r)
		}
		l.clock.add(year)
		r, err = l.Retain(ctx, p)
		must(t, err)
		gone("after two years", released, refused)
		if r.Apart != 1 || r.OnHold != 2 {
			t.Errorf("%+v", r)
		}
		// By size: everything that was decided about and nothing protects.
		l.clock.add(9 * year)
		_, err = l.Retain(ctx, Retention{MaxBytes: 1, Reports: 2 * year, Immunohaematology: 5 * year, Pathology: 10 * year})
		must(t, err)
		gone("by size", released, refused, path)
		if n := len(l.events(KindErased)); n < 3 {
			t.Errorf("%d events", n)
		}
		if _, err := l.ShowApart(ctx, refused, why); !errors.Is(err, ErrErased) {
			t.Errorf("%v", err)
		}
		a, err := l.Audit(ctx, nil)
		must(t, err)
		for _, f := range a.Findings {
			t.Errorf("%v", f)
		}
		// Erased without an entry in the ledger is damage.
		l.exec("UPDATE results_quarantine SET body = NULL WHERE id = $1", open1[:])
		if a, err := l.Audit(ctx, nil); err != nil || len(a.Findings) != 1 || a.Findings[0].Table != "results_quarantine" {
			t.Errorf("%v %v", err, a.Findings)
		}
	})
}

// The hub is killed between the transaction that erases a message and the one
// that takes its search entries out: it is not found, and after the next start
// nothing of it is left.
func TestErasedMessageIsNotFoundAfterACrash(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		ctx, l := t.Context(), newLab(t, open)
		must(t, l.CheckClock(ctx))
		m := l.taken(kindOfReport("OLD", "1", "1", "CH"))
		l.delivered()
		_, err := l.IndexNow(ctx)
		must(t, err)
		if got := l.found(Query{PatientID: "1"}); len(got) != 1 {
			t.Fatalf("%v", got)
		}
		var sealed, id []byte
		must(t, l.db.QueryRow(ctx, "SELECT body, id FROM results_messages WHERE leaf = $1", m.Leaf).Scan(&sealed, &id))
		// The first transaction, and no second one.
		must(t, l.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			return l.erase(ctx, tx, &candidate{leaf: m.Leaf, size: int64(len(sealed)), id: m.ID, sealed: sealed, source: "lis", why: "age"}, nil, &Retained{})
		}))
		for _, q := range []Query{{PatientID: "1"}, {Order: "P1"}, {Order: "F1"}} {
			if got := l.found(q); len(got) != 0 {
				t.Errorf("found by %+v: %v", q, got)
			}
		}
		l.restart()
		run, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- l.RunIndex(run) }()
		eventually(t, func() bool { return l.count("SELECT count(*) FROM results_search_runs WHERE dirty <> 0") == 0 })
		stop()
		must(t, <-done)
		if n := l.count("SELECT count(*) FROM results_search"); n != 0 {
			t.Errorf("%d blocks of entries are left", n)
		}
		if !bytes.Equal(id, m.ID[:]) {
			t.Error("another message")
		}
	})
}

// eventually polls until ok, at most 20 s.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatal("waited too long")
		case <-tick.C:
		}
	}
}
