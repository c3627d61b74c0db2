package resultsfhir

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/bus/bustest"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func (l *lab) exec(query string, args ...any) {
	l.t.Helper()
	err := l.db.Do(l.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, err := tx.Exec(ctx, query, args...)
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) strings(query string, args ...any) (out []string) {
	l.t.Helper()
	err := l.db.Query(l.t.Context(), query, args, func(sc store.Scanner) error {
		var id []byte
		var k, v int64
		if err := sc.Scan(&id, &k, &v); err != nil {
			return err
		}
		x, err := event.IDFromBytes(id)
		out = append(out, kind(k).String()+"/"+x.String())
		return err
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return out
}

// Nothing of one partner is there for the other: by no id, no search, no link, no
// include, no export, whatever of its own token it uses.
func TestPartnersDoNotSeeEachOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		// The same patient and order numbers at both: they must not meet either.
		l.deliver(l.message("NORTH", "P1", "1", "F", "90"), l.message("SOUTH", "P1", "1", "F", "5555"), l.message("NORTH", "P1", "1", "C", "91"))
		north, south := l.as("north"), l.as("south")
		theirs := l.strings("SELECT rid, kind, version FROM results_fhir_rows WHERE partner = 'north'")
		if len(theirs) < 6 {
			t.Fatalf("rows: %v", theirs)
		}
		tried := 0
		for _, ref := range theirs {
			name, id, _ := strings.Cut(ref, "/")
			for _, path := range []string{ref, ref + "/_history", ref + "/_history/1", ref + "/_history/2"} {
				tried++
				if w := south.get("/fhir/" + path); w.Code != http.StatusNotFound || strings.Contains(w.Body.String(), "DOE") {
					t.Errorf("%s: %d", path, w.Code)
				}
			}
			for k := kind(1); k < kinds; k++ {
				for _, p := range params {
					if !p.of(k) || p.form == formSpecial || p.form == formDate || p.form == formInstant {
						continue
					}
					tried++
					if b := south.bundle("/fhir/" + k.String() + "?" + p.name + "=" + id); len(b.Entry) != 0 {
						t.Errorf("%s?%s=%s of %s: %v", k, p.name, id, name, b.ids("match"))
					}
				}
			}
		}
		for k := kind(1); k < kinds; k++ {
			a, b := north.bundle("/fhir/"+k.String()).ids("match"), south.bundle("/fhir/"+k.String()).ids("match")
			for _, x := range a {
				for _, y := range b {
					if x == y {
						t.Errorf("both have %s", x)
					}
				}
			}
			for _, e := range south.bundle("/fhir/" + k.String() + "?identifier=P1,FI1,PL1").Entry {
				if s := string(e.Resource); strings.Contains(s, `"value":90,`) || strings.Contains(s, `"value":91,`) {
					t.Errorf("a value of the other: %s", s)
				}
			}
		}
		w := north.get("/fhir/$export", "Prefer", "respond-async")
		where := strings.TrimPrefix(w.Header().Get("Content-Location"), "https://lab.example")
		if w := south.get(where); w.Code != http.StatusNotFound {
			t.Errorf("another's export: %d", w.Code)
		}
		if w := south.do(http.MethodDelete, where, ""); w.Code != http.StatusNotFound {
			t.Errorf("ending another's export: %d", w.Code)
		}
		t.Logf("%d requests for what is another's", tried)
	})
}

// What is held, stopped, quarantined or not for a partner is not there; released,
// it is.
func TestWhatIsHeldIsNotThere(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		by := results.By{Who: "anna", Reason: "check"}
		l.take(l.message("NORTH", "P1", "1", "F", "90"))
		var held int64
		if err := l.db.QueryRow(t.Context(), "SELECT max(seq) FROM results_deliveries").Scan(&held); err != nil {
			t.Fatal(err)
		}
		if err := l.results.Hold(t.Context(), held, by); err != nil {
			t.Fatal(err)
		}
		_, err := l.results.PlaceStop(t.Context(), results.Stop{Kind: results.TransportStop, Scope: results.ScopePartner, Target: "south", Text: "check"}, results.Named{By: by, Person: "Anna"})
		if err != nil {
			t.Fatal(err)
		}
		l.run()
		l.take(l.message("SOUTH", "P2", "2", "F", "91"))
		l.take("MSH|^~\\&|LIS|LAB|EHR|NORTH|20260304||ORU^R01|Q1|P|2.5.1\rPID|1\r") // nothing to report: it needs a person
		l.deliver(l.message("NORTH", "P3", "3", "F", "92"))
		for partner, want := range map[string]int{"north": 1, "south": 0} {
			if b := l.as(partner).bundle("/fhir/DiagnosticReport"); len(b.Entry) != want {
				t.Errorf("%s sees %v", partner, b.ids("match"))
			}
		}
		if err := l.results.Release(t.Context(), held, by); err != nil {
			t.Fatal(err)
		}
		l.until("the released one", func() bool { return l.placed() == 2 })
		if b := l.as("north").bundle("/fhir/DiagnosticReport"); len(b.Entry) != 2 {
			t.Errorf("released: %v", b.ids("match"))
		}
	})
}

// Whoever looks stands in the record, and where that cannot be written there is
// nothing to see. A report that was fetched is picked up, once.
func TestLooksAreRecorded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		l.deliver(l.message("NORTH", "P1", "1", "F", "90"), l.message("NORTH", "P1", "2", "F", "90"))
		c := l.as("north")
		before := l.looks(results.KindViewed)
		if n := len(c.bundle("/fhir/Observation").ids("match")); n != 4 {
			t.Fatalf("%d observations", n)
		}
		if got := l.looks(results.KindViewed) - before; got != 2 {
			t.Errorf("%d looks for two messages", got)
		}
		if l.picked.count() != 0 {
			t.Error("picked up without its report")
		}
		b := c.bundle("/fhir/DiagnosticReport?_count=1")
		if l.picked.count() != 1 {
			t.Errorf("%d picked up", l.picked.count())
		}
		c.get("/fhir/" + b.ids("match")[0])
		c.bundle("/fhir/DiagnosticReport")
		c.bundle("/fhir/DiagnosticReport")
		if l.picked.count() != 2 {
			t.Errorf("%d picked up", l.picked.count())
		}
		// What gives nothing is no look.
		before = l.looks(results.KindViewed)
		c.bundle("/fhir/DiagnosticReport?identifier=nothing")
		c.bundle("/fhir/Organization")
		c.get("/fhir/"+b.ids("match")[0], "If-None-Match", `W/"1"`)
		if got := l.looks(results.KindViewed) - before; got != 0 {
			t.Errorf("%d looks at nothing", got)
		}
		l.results.SetViewsClosed("the ledger is in doubt")
		if w := c.get("/fhir/DiagnosticReport"); w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "DOE") {
			t.Errorf("while views are closed: %d", w.Code)
		}
		l.results.SetViewsClosed("")
		l.db.SetHook(broken{l.log})
		if w := c.get("/fhir/DiagnosticReport"); w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "DOE") {
			t.Errorf("while the ledger cannot be written: %d %s", w.Code, w.Body)
		}
		l.log.Attach(l.db)
	})
}

// looks counts events of a kind by the client.
func (l *lab) looks(kind string) int {
	l.t.Helper()
	head, err := l.log.Head(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	n := 0
	err = l.log.Walk(l.t.Context(), 0, head.Size, func(_ int64, events [][]byte) error {
		for _, raw := range events {
			e, err := ledger.ParseEvent(raw)
			if err != nil {
				return err
			}
			if e.Kind == kind && e.IDs.Get("by") == "fhir.north-client" {
				n++
			}
		}
		return nil
	})
	if err != nil {
		l.t.Fatal(err)
	}
	return n
}

// Every column of every table, damaged: each is found.
func TestEveryColumnIsBound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		l.notifyAt(t, http.StatusOK)
		l.deliver(l.message("NORTH", "P1", "1", "F", "90"), l.message("NORTH", "P1", "1", "C", "91"), l.message("SOUTH", "P1", "3", "F", "92"))
		for _, p := range []string{"north", "south"} {
			c := l.as(p)
			c.bundle("/fhir/DiagnosticReport")
			if w := c.get("/fhir/$export", "Prefer", "respond-async"); w.Code != http.StatusAccepted {
				t.Fatalf("export: %d %s", w.Code, w.Body)
			}
			if w := c.do(http.MethodPost, "/fhir/Subscription", l.subscription("DiagnosticReport")); w.Code != http.StatusCreated {
				t.Fatalf("subscription: %d %s", w.Code, w.Body)
			}
		}
		l.fhir.work.Wait()
		l.db.SetHook(nil) // the thief writes no ledger
		bustest.EveryColumn(t, l.db, "results_fhir_", nil, l.fhir.Audit)
	})
}

// What retention erases here goes with the message, and a superseded result does
// not come back as the newest.
func TestErasedWithTheMessage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		l.deliver(l.message("NORTH", "P1", "1", "F", "90"), l.message("NORTH", "P2", "2", "F", "90"))
		l.deliver(l.message("NORTH", "P1", "1", "C", "91"))
		c := l.as("north")
		leaves := []int64{}
		if err := l.db.Query(t.Context(), "SELECT DISTINCT message FROM results_fhir_placed ORDER BY message", nil, func(sc store.Scanner) error {
			var n int64
			err := sc.Scan(&n)
			leaves = append(leaves, n)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		erase := func(leaf int64) {
			t.Helper()
			if err := l.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error { return l.fhir.EraseMessage(ctx, tx, leaf) }); err != nil {
				t.Fatal(err)
			}
		}
		erase(leaves[0]) // the original: its version goes, the correction stays
		if r := c.one("/fhir/DiagnosticReport?identifier=FI1"); r["status"] != "corrected" {
			t.Errorf("after the original went: %v", r)
		}
		erase(leaves[2]) // the correction: nothing of it is left
		if b := c.bundle("/fhir/DiagnosticReport?identifier=FI1"); len(b.Entry) != 0 {
			t.Errorf("after the correction went: %v", b.ids("match"))
		}
		if b := c.bundle("/fhir/Patient"); len(b.Entry) != 1 {
			t.Errorf("patients left: %v", b.ids("match"))
		}
		if err := l.fhir.Audit(t.Context(), func(table, row, what string) { t.Errorf("%s %s: %s", table, row, what) }); err != nil {
			t.Error(err)
		}
		l.clock.add(time.Hour)
		if err := l.fhir.Sweep(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
