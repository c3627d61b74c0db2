package results

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// adopting is a lab whose route to north is in shadow, beside an old path.
type adopting struct {
	*lab
	route Route
}

func newAdopting(t *testing.T, open storetest.Opener) *adopting {
	a := &adopting{lab: newLab(t, open)}
	a.route = Route{Name: "all", From: "lis", To: []string{"north"}, Stage: Shadow, Config: "c1", OldPath: "engine"}
	a.use()
	a.compare()
	a.clock.add(time.Hour) // past the beginning, in which nothing counts
	return a
}

func (a *adopting) use() {
	set := a.standard()
	set.Adoption = Adoption{Days: 3}
	set.Routes = []Route{a.route}
	a.Apply(set)
}

func (a *adopting) compare() {
	a.t.Helper()
	if err := a.CompareNow(a.t.Context()); err != nil {
		a.t.Fatal(err)
	}
}

// copied hands in what the old path sent.
func (a *adopting) copied(body string) {
	a.t.Helper()
	r, err := a.Copies("engine").Handle(a.t.Context(), channel.Peer{}, []byte(body))
	if err != nil || !strings.Contains(string(r.Body), "MSA|AA") {
		a.t.Fatalf("a copy was answered %q, %v", r.Body, err)
	}
}

func (a *adopting) candidate() Candidate { return a.settings.Load().candidate(a.route) }

func (a *adopting) progress() Progress {
	a.t.Helper()
	p, err := a.Progress(a.t.Context(), a.candidate())
	if err != nil {
		a.t.Fatal(err)
	}
	return p
}

func (a *adopting) missing() string {
	a.t.Helper()
	m, err := a.Missing(a.t.Context(), a.candidate())
	if err != nil {
		a.t.Fatal(err)
	}
	return strings.Join(m, "; ")
}

func adopted(id, value string) string {
	return strings.NewReplacer("|C1|", "|"+id+"|", "FI1", "FI"+id, "PL1", "PL"+id, "||140|", "||"+value+"|").Replace(compared)
}

func TestShadowComparesWithTheOldPath(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		a := newAdopting(t, open)
		a.run()
		// Equal, in both orders of arrival.
		a.taken([]byte(adopted("A1", "140")))
		a.copied(adopted("A1", "140"))
		a.copied(adopted("A2", "140"))
		a.copied(adopted("A2", "140")) // the old engine repeats it
		a.taken([]byte(adopted("A2", "140")))
		a.compare()
		if p := a.progress(); p.Equal != 2 || p.Waiting != 0 || p.Unexplained != 0 || p.Days != 0 {
			t.Fatalf("two equal messages: %+v", p)
		}
		if n := a.count("SELECT count(*) FROM results_copies WHERE body IS NOT NULL"); n != 0 {
			t.Errorf("%d bodies of compared copies are still kept", n)
		}
		// A value that the old path altered.
		a.taken([]byte(adopted("A3", "140")))
		a.copied(adopted("A3", "104"))
		a.compare()
		p := a.progress()
		if p.Differing != 1 || p.Unexplained != 1 {
			t.Fatalf("an altered value: %+v", p)
		}
		// One path alone, once the time to wait is over.
		a.taken([]byte(adopted("A4", "140")))
		a.copied(adopted("A5", "140"))
		a.compare()
		if p := a.progress(); p.Waiting != 1 || p.OnlyOurs+p.OnlyTheirs != 0 {
			t.Fatalf("given up too early: %+v", p)
		}
		a.clock.add(16 * time.Minute)
		a.compare()
		if p := a.progress(); p.OnlyOurs != 1 || p.OnlyTheirs != 1 || p.Unexplained != 3 {
			t.Fatalf("one path alone: %+v", p)
		}
		// The other path was only late.
		a.copied(adopted("A4", "140"))
		a.taken([]byte(adopted("A5", "140")))
		a.compare()
		if p := a.progress(); p.OnlyOurs != 0 || p.OnlyTheirs != 0 || p.Equal != 4 || p.Unexplained != 1 {
			t.Fatalf("both late: %+v", p)
		}
		a.halt()
		if got := a.boxes["north"].list(); len(got) != 0 {
			t.Errorf("shadow delivered %v", got)
		}
		for _, e := range a.events(KindCompared) {
			if e.Codes.Get("outcome") == "" || e.IDs.Get("route") != "all" {
				t.Errorf("event %+v", e)
			}
		}
		if s := a.said.String(); strings.Contains(s, "DOE") || strings.Contains(s, "104") {
			t.Errorf("the log holds values:\n%s", s)
		}
		a.audited()
		if au, err := a.Audit(t.Context(), nil); err != nil || len(au.Findings) != 0 {
			t.Errorf("audit: %v %v", au.Findings, err)
		}
	})
}

func TestComparedByOrderAndTimeWithoutAControlID(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		a := newAdopting(t, open)
		a.taken([]byte(adopted("B1", "140")))
		a.copied(strings.Replace(adopted("B1", "140"), "|B1|", "||", 1)) // an export without MSH-10
		a.taken([]byte(adopted("B2", "140")))
		a.copied(strings.Replace(adopted("B2", "140"), "|B2|", "|E77|", 1)) // an engine that numbers anew
		a.compare()
		if p := a.progress(); p.Waiting != 2 {
			t.Fatalf("%+v", p)
		}
		a.clock.add(16 * time.Minute)
		a.compare()
		p := a.progress()
		if p.Differing != 2 || p.OnlyOurs+p.OnlyTheirs != 0 {
			t.Fatalf("matched by order and time: %+v", p)
		}
		kinds, err := a.GapKinds(t.Context(), "all")
		if err != nil || len(kinds) != 2 || kinds[0].Kind != "MSH-10" || kinds[1].Kind != "MSH-10" {
			t.Fatalf("kinds %+v, %v", kinds, err)
		}
	})
}

func TestHeldMessagesAndTransformationsAreCompared(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		a := newAdopting(t, open)
		path, err := hl7.ParsePath("MSH-5")
		if err != nil {
			t.Fatal(err)
		}
		a.route.Transform = Transformer([]Change{SetTo(path, "NORTH")}, hl7.Charset{})
		a.route.Owner = func(_ string, m Look) (string, error) {
			if string(m.Header().ControlID) == "H1" || string(m.Header().ControlID) == "H2" {
				return "not theirs", nil
			}
			return "", nil
		}
		a.use()
		a.taken([]byte(adopted("T1", "140")))
		a.copied(strings.Replace(adopted("T1", "140"), "CLINIC", "NORTH", 1))
		a.taken([]byte(adopted("H1", "140"))) // we would hold it, they delivered it
		a.copied(adopted("H1", "140"))
		a.taken([]byte(adopted("H2", "140"))) // neither delivers it
		a.clock.add(16 * time.Minute)
		a.compare()
		if p := a.progress(); p.Equal != 1 || p.Differing != 1 || p.Unexplained != 1 || p.OnlyOurs != 0 {
			t.Fatalf("%+v", p)
		}
	})
}

func TestADayWithoutALookDoesNotCount(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		a := newAdopting(t, open)
		day := 24 * time.Hour
		for n := range 3 {
			id := fmt.Sprintf("D%d", n)
			a.taken([]byte(adopted(id, "140")))
			a.copied(adopted(id, "140"))
			a.compare()
			if p := a.progress(); p.Days != n {
				t.Fatalf("on day %d: %+v", n+1, p)
			}
			a.clock.add(day)
			a.compare()
			if n == 1 { // two days on which nothing came
				a.clock.add(2 * day)
				a.compare()
				if p := a.progress(); p.Days != 2 {
					t.Fatalf("days without a message counted: %+v", p)
				}
				if m := a.missing(); !strings.Contains(m, "2 of 3 days") || !strings.Contains(m, "it is enough on 2026-03-09") || !strings.Contains(m, "has not approved") {
					t.Errorf("missing says %q", m)
				}
				if _, err := a.Approve(t.Context(), a.candidate(), "Dr Okafor", false, By{Who: "anna", Reason: "ready"}); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "2 of 3 days") {
					t.Errorf("approved too early: %v", err)
				}
			}
		}
		if p := a.progress(); p.Days != 3 {
			t.Fatalf("three days: %+v", p)
		}
		// Another configuration of the route begins anew.
		a.route.Config = "c2"
		a.use()
		if p := a.progress(); p.Days != 0 {
			t.Errorf("the days of another configuration count: %+v", p)
		}
		a.route.Config = "c1"
		a.use()
		if _, err := a.Approve(t.Context(), a.candidate(), " ", false, By{Who: "anna", Reason: "ready"}); !errors.Is(err, ErrInvalid) {
			t.Errorf("approved by nobody: %v", err)
		}
		if _, err := a.Approve(t.Context(), a.candidate(), "Dr Okafor", true, By{Who: "anna", Reason: "ready"}); !errors.Is(err, ErrConflict) {
			t.Errorf("no old path was stated beside one: %v", err)
		}
		if _, err := a.Approve(t.Context(), a.candidate(), "Dr Okafor", false, By{Who: "anna", Reason: "ready"}); err != nil {
			t.Fatal(err)
		}
		if m := a.missing(); m != "" {
			t.Errorf("missing says %q", m)
		}
		// A row that somebody turned to another configuration lets nothing carry.
		a.exec("UPDATE results_approvals SET config = 'c9'")
		forged := a.candidate()
		forged.Config, forged.OldPath = "c9", "engine"
		if _, err := a.Missing(t.Context(), forged); !errors.Is(err, ErrConflict) || !strings.Contains(err.Error(), "not the one the ledger has") {
			t.Errorf("a forged approval: %v", err)
		}
		a.exec("UPDATE results_approvals SET config = 'c1'")
		ev := a.events(KindApproved)
		if len(ev) != 1 || ev[0].IDs.Get("director") != "Dr-Okafor" || ev[0].Codes.Get("config") != "c1" || ev[0].IDs.Get("by") != "anna" {
			t.Errorf("the ledger says %+v", ev)
		}
		// Any edit voids it, and so does a difference that comes after it.
		a.taken([]byte(adopted("E1", "140")))
		a.copied(adopted("E1", "141"))
		a.compare()
		if m := a.missing(); !strings.Contains(m, "1 message with a difference that nobody has explained") {
			t.Errorf("missing says %q", m)
		}
		a.route.Config = "c3"
		a.use()
		if m := a.missing(); !strings.Contains(m, "has not approved") || !strings.Contains(m, "an earlier approval ended") {
			t.Errorf("after an edit: %q", m)
		}
	})
}

func TestExplanationsCoverTheirKindAndLaterOnes(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		ctx, a := t.Context(), newAdopting(t, open)
		both := func(id, value string) {
			a.taken([]byte(adopted(id, "140")))
			a.copied(adopted(id, value))
			a.compare()
		}
		both("X1", "1400")
		both("X2", "141")
		a.taken([]byte(adopted("X3", "140")))
		a.clock.add(16 * time.Minute)
		a.compare()
		if p := a.progress(); p.Unexplained != 3 {
			t.Fatalf("%+v", p)
		}
		by := By{Who: "anna", Reason: "the-old-engine-rounds"}
		if _, err := a.Explain(ctx, "all", Differs, "OBX-6", nil, by); !errors.Is(err, ErrNotFound) {
			t.Errorf("explained what is not there: %v", err)
		}
		if _, err := a.Explain(ctx, "all", OnlyOurs, WholeMessage, nil, by); !errors.Is(err, ErrInvalid) {
			t.Errorf("a rule for whole messages: %v", err)
		}
		if n, err := a.Explain(ctx, "all", Differs, "OBX-5", nil, by); err != nil || n != 2 {
			t.Fatalf("explained %d, %v", n, err)
		}
		both("X4", "142") // a later one of the same kind
		if p := a.progress(); p.Unexplained != 1 {
			t.Fatalf("%+v", p)
		}
		list, err := a.Comparisons(ctx, "all", false, 10)
		if err != nil || len(list) != 1 || list[0].Outcome != "only_ours" {
			t.Fatalf("%+v, %v", list, err)
		}
		id, err := event.ParseID(list[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if n, err := a.Explain(ctx, "all", OnlyOurs, WholeMessage, &id, by); err != nil || n != 1 {
			t.Fatalf("explained %d, %v", n, err)
		}
		if p := a.progress(); p.Unexplained != 0 {
			t.Fatalf("%+v", p)
		}
		a.taken([]byte(adopted("X5", "140"))) // another whole message is another matter
		a.clock.add(16 * time.Minute)
		a.compare()
		if p := a.progress(); p.Unexplained != 1 {
			t.Fatalf("%+v", p)
		}
		if ev := a.events(KindExplained); len(ev) != 2 || ev[0].Codes.Get("kind") != "OBX-5" || ev[0].Codes.Get("reason") != by.Reason {
			t.Errorf("the ledger says %+v", ev)
		}
	})
}

func TestValuesOfAComparisonAreSealedAndTheirLooksRecorded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		ctx, a := t.Context(), newAdopting(t, open)
		a.taken([]byte(adopted("V1", "140")))
		a.copied(adopted("V1", "98765"))
		a.compare()
		list, err := a.Comparisons(ctx, "all", true, 10)
		if err != nil || len(list) != 1 || len(list[0].Differences) != 1 || list[0].Differences[0].Path != "OBX(2)-5" {
			t.Fatalf("%+v, %v", list, err)
		}
		id, err := event.ParseID(list[0].ID)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.ViewComparison(ctx, id, By{Who: "anna", Reason: ""}); !errors.Is(err, ErrInvalid) {
			t.Errorf("shown without a reason: %v", err)
		}
		_, gaps, err := a.ViewComparison(ctx, id, By{Who: "anna", Reason: "to-explain"})
		if err != nil || len(gaps) != 1 || gaps[0].Ours != "140" || gaps[0].Theirs != "98765" {
			t.Fatalf("%+v, %v", gaps, err)
		}
		if ev := a.events(KindCompareViewed); len(ev) != 1 || ev[0].IDs.Get("by") != "anna" {
			t.Errorf("the ledger says %+v", ev)
		}
		var detail []byte
		if err := a.db.QueryRow(ctx, "SELECT detail FROM results_compares").Scan(&detail); err != nil || strings.Contains(string(detail), "98765") {
			t.Errorf("the values are not sealed (%v)", err)
		}
		a.SetViewsClosed("the ledger is in doubt")
		if _, _, err := a.ViewComparison(ctx, id, By{Who: "anna", Reason: "again"}); !errors.Is(err, ErrViewsClosed) {
			t.Errorf("views are closed: %v", err)
		}
		a.SetViewsClosed("")
		if err := a.forgetCompared(ctx, a.clock.now().Add(91*24*time.Hour)); err != nil {
			t.Fatal(err)
		}
		if _, _, err := a.ViewComparison(ctx, id, By{Who: "anna", Reason: "later"}); !errors.Is(err, ErrErased) {
			t.Errorf("after the time to keep: %v", err)
		}
	})
}

func TestComparisonGoesOnAfterARestart(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		a := newAdopting(t, open)
		a.taken([]byte(adopted("R1", "140")))
		a.compare()
		a.copied(adopted("R2", "140"))
		a.restart()
		a.use()
		a.copied(adopted("R1", "140"))
		a.taken([]byte(adopted("R2", "140")))
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- a.RunCompare(ctx) }()
		a.until("both are compared", func() bool { return a.progress().Equal == 2 })
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// TestWhatCameBeforeTheComparisonIsNotADifference: the old path's copy begins
// with messages that we took before there was anything to compare.
func TestWhatCameBeforeTheComparisonIsNotADifference(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		a := &adopting{lab: newLab(t, open)}
		a.taken([]byte(adopted("P1", "140")))
		a.route = Route{Name: "all", From: "lis", To: []string{"north"}, Config: "c1", OldPath: "engine"}
		a.use()
		a.compare()
		a.copied(adopted("P1", "140"))
		a.clock.add(20 * time.Minute)
		a.compare()
		if p := a.progress(); p.OnlyTheirs != 0 || p.Unexplained != 0 {
			t.Fatalf("%+v", p)
		}
	})
}

// TestADamagedCopyIsADifferenceAndStopsNoOther: what could not be looked at is
// never equal.
func TestADamagedCopyIsADifferenceAndStopsNoOther(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		a := newAdopting(t, open)
		a.copied(adopted("Q1", "140"))
		a.exec("UPDATE results_copies SET body = $1", []byte("this is not what was sealed, whatever it is"))
		a.copied(adopted("Q2", "140"))
		a.taken([]byte(adopted("Q1", "140")))
		a.taken([]byte(adopted("Q2", "140")))
		a.compare()
		if p := a.progress(); p.Equal != 1 || p.Differing != 1 || p.Unexplained != 1 {
			t.Fatalf("%+v", p)
		}
	})
}
