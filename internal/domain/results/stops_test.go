package results

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func (l *lab) place(st Stop, by Named) event.ID {
	l.t.Helper()
	if st.Text == "" {
		st.Text = "the calibrator was wrong"
	}
	id, err := l.PlaceStop(l.t.Context(), st, by)
	must(l.t, err)
	return id
}

func (l *lab) north() []string { return l.boxes["north"].list() }

func TestNeitherKindOfStopLiftsTheOther(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		clinical := l.place(Stop{Kind: ClinicalStop, Scope: ScopePartner, Target: "north"}, ann)
		transport := l.place(Stop{Kind: TransportStop, Scope: ScopePartner, Target: "north", Basis: "171.203"}, bea)
		m := l.taken(oru("C1", "4711", "100"))
		l.run()
		pass(time.Minute)
		d := to(t, m, "north")
		if d = l.delivery(d.Seq); d.State != Waiting || d.Attempts != 0 || d.Gated != "clinical stop "+clinical.String() {
			t.Errorf("%+v", d)
		}
		if got := l.boxes["south"].list(); len(got) != 1 {
			t.Errorf("another partner got %v", got)
		}
		_, err := l.LiftStop(t.Context(), transport, ClinicalStop, ann)
		wantErr(t, err, ErrConflict)
		x, err := l.LiftStop(t.Context(), transport, TransportStop, ann)
		must(t, err)
		if !x.Lifted {
			t.Fatalf("%+v", x)
		}
		pass(time.Minute)
		if got := l.north(); len(got) != 0 {
			t.Fatalf("the clinical stop stands and %v went", got)
		}
		_, err = l.LiftStop(t.Context(), clinical, ClinicalStop, ann)
		must(t, err)
		pass(time.Minute)
		if got := l.north(); !slices.Equal(got, []string{"C1"}) {
			t.Fatalf("got %v", got)
		}
		l.audited()
	})
}

func TestBulkReleaseTakesTwoPeople(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		first := l.taken(oru("C1", "4711", "100"))
		l.taken(oru("C2", "4711", "101"))
		l.taken(oru("C3", "9999", "102"))
		id := l.place(Stop{Kind: ClinicalStop, Scope: ScopePatient, Target: first.ID.String()}, ann)
		l.run()
		pass(time.Minute)
		if got := l.north(); !slices.Equal(got, []string{"C3"}) {
			t.Fatalf("got %v", got)
		}
		_, err := l.ConfirmLift(t.Context(), id, ClinicalStop, bea)
		wantErr(t, err, ErrConflict) // nobody asked
		x, err := l.LiftStop(t.Context(), id, ClinicalStop, ann)
		must(t, err)
		if x.Lifted || !x.Waits {
			t.Fatalf("%+v", x)
		}
		renamed := ann
		renamed.Person = "Bea Example"
		_, err = l.ConfirmLift(t.Context(), id, ClinicalStop, renamed)
		wantErr(t, err, ErrConflict)
		pass(time.Minute)
		if got := l.north(); len(got) != 1 {
			t.Fatalf("one person let %v go", got)
		}
		x, err = l.ConfirmLift(t.Context(), id, ClinicalStop, bea)
		must(t, err)
		pass(time.Minute)
		if got := l.north(); !x.Lifted || !slices.Equal(got, []string{"C3", "C1", "C2"}) {
			t.Fatalf("%+v, got %v", x, got)
		}
		e := l.events(KindStopLifted)
		if len(e) != 1 || e[0].IDs.Get("asked_by") != "Ann-Example" || e[0].IDs.Get("by") != "Bea-Example" {
			t.Errorf("%+v", e)
		}
		wantErr(t, second(l.LiftStop(t.Context(), id, ClinicalStop, ann)), ErrConflict) // lifted already
		l.halt()
		got, err := l.Audit(t.Context(), nil)
		must(t, err)
		if len(got.Findings) != 0 {
			t.Errorf("%v", got.Findings)
		}
	})
}

func TestHeldResultsAreReleasedOneAtATime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		m := l.taken(oru("C1", "4711", "100"))
		d := to(t, m, "north")
		must(t, l.Hold(t.Context(), d.Seq, why))
		wantErr(t, l.ReleaseAlone(t.Context(), d.Seq, 2, why), ErrConflict)
		must(t, l.ReleaseAlone(t.Context(), d.Seq, 1, why))
		if d = l.delivery(d.Seq); d.State != Waiting {
			t.Errorf("%+v", d)
		}
		if n := l.count("SELECT count(*) FROM results_stops WHERE lifted_at IS NULL"); n != 0 {
			t.Errorf("%d stops stand", n)
		}
	})
}

// TestStandingStopsHoldOnArrival: what a stop covers is held from its first
// moment, also after a restart; what it does not cover is not.
func TestStandingStopsHoldOnArrival(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		first := l.taken(oru("C1", "4711", "100"))
		other := l.taken(oru("C2", "9999", "200"))
		patient := l.place(Stop{Kind: ClinicalStop, Scope: ScopePatient, Target: first.ID.String()}, ann)
		order := l.place(Stop{Kind: ClinicalStop, Scope: ScopeOrder, Target: other.ID.String()}, ann)
		test := l.place(Stop{Kind: ClinicalStop, Scope: ScopeTest, Target: "2823-3"}, ann)
		state := func(m Summary) State { return l.delivery(m.Deliveries[0].Seq).State }
		if state(first) != Held || state(other) != Held {
			t.Errorf("what waited: %v, %v", state(first), state(other))
		}
		l.restart()
		for _, c := range []struct {
			body []byte
			want State
		}{
			{oru("C3", "4711", "300"), Held},
			{oru("C4", "8888", "200"), Held},
			{critical("C5", "7777", "500"), Held},
			{oru("C6", "9999", "600"), Waiting},
			{critical("C7", "4711", "200"), Held},
		} {
			m := l.taken(c.body)
			if got := state(m); got != c.want {
				t.Errorf("%s: %v, want %v", m.ID, got, c.want)
			}
		}
		// The last one stands under all three: it goes when the last is lifted.
		last := l.count("SELECT max(seq) FROM results_deliveries")
		wantErr(t, l.Release(t.Context(), last, why), ErrConflict)
		for i, id := range []event.ID{patient, order, test} {
			if got := l.delivery(last).State; got != Held {
				t.Errorf("after %d lifts it is %v", i, got)
			}
			_, err := l.LiftStop(t.Context(), id, ClinicalStop, ann)
			must(t, err)
			x, err := l.ConfirmLift(t.Context(), id, ClinicalStop, bea)
			must(t, err)
			if !x.Lifted {
				t.Errorf("%+v", x)
			}
		}
		if got := l.delivery(last).State; got != Waiting {
			t.Errorf("in the end it is %v", got)
		}
		if n := l.count("SELECT count(*) FROM results_stop_covers"); n != 0 {
			t.Errorf("%d covers are left", n)
		}
		got, err := l.Audit(t.Context(), nil)
		must(t, err)
		if len(got.Findings) != 0 {
			t.Errorf("%v", got.Findings)
		}
	})
}

// TestStopIsFinishedAfterACrash: the stop is there, what it holds and lets go
// was not written down yet.
func TestStopIsFinishedAfterACrash(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		first := l.taken(oru("C1", "4711", "100"))
		l.taken(oru("C2", "4711", "101"))
		id := l.place(Stop{Kind: ClinicalStop, Scope: ScopePatient, Target: first.ID.String()}, ann)
		// As if the process had died before it held anything.
		l.exec("DELETE FROM results_stop_covers")
		l.exec("UPDATE results_deliveries SET state = 0")
		l.exec("UPDATE results_stops SET spread_at = -1")
		l.restart()
		l.run()
		pass(time.Minute)
		if got := l.north(); len(got) != 0 {
			t.Fatalf("a stop stood and %v went", got)
		}
		must(t, l.tendStops(t.Context()))
		if n := l.count("SELECT count(*) FROM results_deliveries WHERE state = 1"); n != 4 {
			t.Errorf("%d held", n)
		}
		// As if it had died after the lift and before anything was let go.
		l.exec("UPDATE results_stops SET lifted_at = 1, lifted_by = 'x', lift_reason = 'y'")
		l.halt()
		l.restart()
		l.run()
		must(t, l.tendStops(t.Context()))
		pass(time.Minute)
		if got := l.north(); !slices.Equal(got, []string{"C1", "C2"}) {
			t.Fatalf("%s lifted; got %v", id, got)
		}
	})
}

// TestNothingGoesPastAStop: what slipped in unmarked while a stop was placed is
// caught before it is sent.
func TestNothingGoesPastAStop(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		first := l.taken(critical("C1", "4711", "100"))
		for _, st := range []Stop{
			{Kind: ClinicalStop, Scope: ScopeMessage, Target: first.ID.String()},
			{Kind: ClinicalStop, Scope: ScopeTest, Target: "2823-3"},
			{Kind: TransportStop, Scope: ScopeRoute, Target: "all"},
		} {
			l.place(st, ann)
		}
		l.exec("DELETE FROM results_stop_covers")
		l.exec("UPDATE results_deliveries SET state = 0")
		l.run()
		pass(time.Minute)
		if got := l.north(); len(got) != 0 {
			t.Fatalf("got %v", got)
		}
	})
}

func TestExpiryGoesToAPersonAndReleasesNothing(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		m := l.taken(oru("C1", "4711", "100"))
		id := l.place(Stop{Kind: ClinicalStop, Scope: ScopeMessage, Target: m.ID.String(), Owner: "Dr Lab", For: 2 * time.Hour, Impact: time.Hour}, ann)
		tend := func(d time.Duration) Stopped {
			t.Helper()
			l.clock.add(d)
			must(t, l.tendStops(t.Context()))
			must(t, l.tendStops(t.Context()))
			list, err := l.Stops(t.Context(), StopFilter{}, 10)
			must(t, err)
			if len(list) != 1 {
				t.Fatalf("%+v", list)
			}
			return list[0]
		}
		if x := tend(59 * time.Minute); x.ImpactDue || x.Expired || x.Keeps != 2 || x.Oldest.IsZero() {
			t.Errorf("%+v", x)
		}
		if x := tend(time.Minute); !x.ImpactDue || x.Expired || len(l.events(KindStopImpact)) != 1 {
			t.Errorf("%+v", x)
		}
		must(t, l.ReviewStop(t.Context(), id, bea))
		if x := tend(time.Minute); x.ImpactDue {
			t.Errorf("%+v", x)
		}
		if x := tend(time.Hour); !x.Expired || x.Owner != "Dr Lab" {
			t.Errorf("%+v", x)
		}
		if e := l.events(KindStopExpired); len(e) != 1 || e[0].IDs.Get("owner") != "Dr-Lab" {
			t.Errorf("%+v", e)
		}
		if d := l.delivery(m.Deliveries[0].Seq); d.State != Held {
			t.Errorf("a date let it go: %+v", d)
		}
		wantErr(t, l.ExtendStop(t.Context(), id, ann, 73*time.Hour), ErrInvalid)
		must(t, l.ExtendStop(t.Context(), id, ann, 72*time.Hour))
		if x := tend(30 * time.Hour); x.Expired {
			t.Errorf("%+v", x)
		}
		over, err := l.Stops(t.Context(), StopFilter{Over: 24 * time.Hour}, 10)
		must(t, err)
		none, err := l.Stops(t.Context(), StopFilter{Over: 48 * time.Hour}, 10)
		must(t, err)
		if len(over) != 1 || len(none) != 0 {
			t.Errorf("%d over a day, %d over two", len(over), len(none))
		}
		n, err := l.CountStops(t.Context())
		must(t, err)
		if n.Standing != 1 || n.OverADay != 1 || n.Expired != 0 {
			t.Errorf("%+v", n)
		}
	})
}

func TestStopsThatAreRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		m := l.taken(oru("C1", "4711", "100"))
		for _, c := range []struct {
			st   Stop
			want error
		}{
			{Stop{Kind: TransportStop, Scope: ScopeMessage, Target: m.ID.String(), Text: "x"}, ErrInvalid},
			{Stop{Kind: TransportStop, Scope: ScopeTest, Target: "1", Text: "x"}, ErrInvalid},
			{Stop{Kind: 3, Scope: ScopePartner, Target: "north", Text: "x"}, ErrInvalid},
			{Stop{Kind: ClinicalStop, Scope: "everything", Target: "x", Text: "x"}, ErrInvalid},
			{Stop{Kind: ClinicalStop, Scope: ScopePartner, Target: "north"}, ErrInvalid}, // other, without words
			{Stop{Kind: ClinicalStop, Scope: ScopePartner, Target: "north", Basis: "171.999"}, ErrInvalid},
			{Stop{Kind: ClinicalStop, Scope: ScopePartner, Target: "north", Text: "x", For: 8 * 24 * time.Hour}, ErrInvalid},
			{Stop{Kind: ClinicalStop, Scope: ScopePartner, Target: "gone", Text: "x"}, ErrNotFound},
			{Stop{Kind: ClinicalStop, Scope: ScopeRoute, Target: "gone", Text: "x"}, ErrNotFound},
			{Stop{Kind: ClinicalStop, Scope: ScopeMessage, Target: someID.String(), Text: "x"}, ErrNotFound},
			{Stop{Kind: ClinicalStop, Scope: ScopePatient, Target: "4711", Text: "x"}, ErrInvalid},
			{Stop{Kind: ClinicalStop, Scope: ScopeDelivery, Target: "99999999"}, ErrNotFound},
		} {
			_, err := l.PlaceStop(t.Context(), c.st, ann)
			wantErr(t, err, c.want)
		}
		_, err := l.PlaceStop(t.Context(), Stop{Kind: ClinicalStop, Scope: ScopePartner, Target: "north", Text: "x"}, Named{why, ""})
		wantErr(t, err, ErrInvalid)
		if n := l.count("SELECT count(*) FROM results_stops"); n != 0 {
			t.Errorf("%d stops", n)
		}
	})
}

func TestMismatchIsAClinicalStopOfItsOwn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		set := l.standard()
		set.Routes[0].Owner = func(p string, _ Look) (string, error) {
			if p == "north" {
				return "the account is not this partner's", nil
			}
			return "", nil
		}
		l.Apply(set)
		m := l.taken(oru("C1", "4711", "100"))
		d := to(t, m, "north")
		list, err := l.Stops(t.Context(), StopFilter{}, 10)
		must(t, err)
		if d.State != Held || len(list) != 1 || list[0].Kind != ClinicalStop || list[0].Scope != ScopeDelivery || list[0].PlacedBy != "labwarden" || list[0].Keeps != 1 {
			t.Fatalf("%+v, %+v", d, list)
		}
		must(t, l.Release(t.Context(), d.Seq, why))
		if n, _ := l.CountStops(t.Context()); n.Standing != 0 || l.delivery(d.Seq).State != Waiting {
			t.Errorf("%+v", n)
		}
		got, err := l.Audit(t.Context(), nil)
		must(t, err)
		if len(got.Findings) != 0 {
			t.Errorf("%v", got.Findings)
		}
	})
}

func TestPartnersListIsHeldAgainstWhatWasDelivered(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a := l.taken(oru("C1", "1", "1"))
		l.taken(oru("C2", "2", "2"))
		l.run()
		pass(5 * time.Second)
		day := time.Now().UTC().Format(time.DateOnly)
		_, err := l.AddCount(context.Background(), "gone", day, time.UTC, nil, ann)
		wantErr(t, err, ErrNotFound)
		_, err = l.AddCount(context.Background(), "north", "today", time.UTC, nil, ann)
		wantErr(t, err, ErrInvalid)
		c, err := l.AddCount(context.Background(), "north", day, time.UTC, []byte("C1\r\nEXTRA-NINE\nC1\n\n"), ann)
		must(t, err)
		if c.Listed != 3 || c.Matched != 1 || c.Missing != 1 || c.Extra != 2 || !slices.Contains(c.ExtraIDs, "EXTRA-NINE") || len(c.MissingDeliveries) != 1 {
			t.Fatalf("%+v", c)
		}
		m, err := l.Show(t.Context(), a.ID)
		must(t, err)
		if to(t, m, "north").FoundAt.IsZero() || !to(t, m, "south").FoundAt.IsZero() {
			t.Errorf("%+v", m.Deliveries)
		}
		next, err := l.AddCount(context.Background(), "north", "2031-01-01", time.UTC, []byte("C1\n"), ann)
		must(t, err)
		if next.Matched != 0 || next.Extra != 1 {
			t.Errorf("another day: %+v", next)
		}
		list, err := l.PartnerCounts(t.Context(), "north", 10)
		must(t, err)
		if len(list) != 2 || len(l.events(KindCounted)) != 2 {
			t.Errorf("%+v", list)
		}
		if b, _ := l.events(KindCounted)[0].Encode(); strings.Contains(string(b), "NINE") {
			t.Errorf("%s", b)
		}
	})
}

// TestStopsThatCannotBeRead: without one look at the stops nothing is taken or
// sent; after it the last look counts.
func TestStopsThatCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.taken(oru("C1", "4711", "100"))
		l.restart()
		l.exec("ALTER TABLE results_stops RENAME TO results_stops_away")
		l.run()
		if b := ack(t, l.present(oru("C2", "4711", "101"))); b.Code != "AR" {
			t.Errorf("answered %s", b.Code)
		}
		pass(time.Minute)
		if got := l.north(); len(got) != 0 {
			t.Fatalf("sent without a look: %v", got)
		}
		l.exec("ALTER TABLE results_stops_away RENAME TO results_stops")
		pass(time.Minute)
		if got := l.north(); !slices.Equal(got, []string{"C1"}) {
			t.Fatalf("got %v", got)
		}
		l.exec("ALTER TABLE results_stops RENAME TO results_stops_away")
		pass(time.Minute)
		if b := ack(t, l.present(oru("C2", "4711", "101"))); b.Code != "AA" {
			t.Errorf("answered %s", b.Code)
		}
		pass(time.Minute)
		if got := l.north(); !slices.Equal(got, []string{"C1", "C2"}) {
			t.Fatalf("got %v", got)
		}
	})
}
