package results

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

var ann = Named{By: By{Who: "ann", Reason: why.Reason}, Person: "Ann Example"}

var bea = Named{By: By{Who: "bea", Reason: why.Reason}, Person: "Bea Example"}

// critical is a result with a value the LIS flagged.
func critical(control, patient, order string) []byte {
	return oru(control, patient, order, "OBX|2|NM|2823-3^Potassium^LN||7.9|mmol/L|3.5-5.1|HH|||F")
}

// calls looks at the timers as the loop does and lists what is open.
func (l *lab) calls() []Call {
	l.t.Helper()
	must(l.t, l.openCalls(context.Background()))
	out, err := l.Calls(context.Background(), false, 100)
	must(l.t, err)
	return out
}

func TestCriticalResultThatIsNotAcknowledgedOpensAPhoneTaskOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(oru("C0", "1", "1"))
		m := l.taken(critical("C1", "4711", "100"))
		l.clock.add(9*time.Minute + 59*time.Second)
		if c := l.calls(); len(c) != 0 {
			t.Fatalf("before the director's time: %+v", c)
		}
		l.restart() // as after a crash: the timer is a row
		l.clock.add(time.Second)
		c := l.calls()
		if len(c) != 2 || c[0].Why != CallCritical || c[0].Message != m.ID || c[0].Stopped != "waiting" || c[0].Overdue {
			t.Fatalf("a task for each partner: %+v", c)
		}
		l.restart()
		l.clock.add(time.Hour)
		if c := l.calls(); len(c) != 2 || !c[0].Overdue {
			t.Fatalf("opened twice, or not overdue: %+v", c)
		}
		if n := l.count("SELECT count(*) FROM results_call_timers"); n != 0 {
			t.Errorf("%d timers are left", n)
		}
		if n := len(l.events(KindCall + "opened")); n != 2 {
			t.Errorf("%d facts of opening", n)
		}
		l.audited()
	})
}

// TestCorrectionFarBehindOpensAPhoneTask: where so much waits that the original
// is not found, somebody must telephone all the more.
func TestCorrectionFarBehindOpensAPhoneTask(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(oru("C0", "1", "1"))
		const part = 10_000
		for from := int64(part); from <= farBehind; from += part {
			l.exec(`WITH RECURSIVE n (i) AS (SELECT CAST(0 AS BIGINT) UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $1)
				INSERT INTO results_deliveries (seq, message, partner, route, state, lanes, changed_at)
				SELECT i - $2, message, partner, route, 0, lanes, changed_at FROM n, (SELECT * FROM results_deliveries WHERE partner = 'north' AND seq >= 0 LIMIT 1) AS d`, int64(part), from)
		}
		m := l.taken(correction("C1", "4711", "100"))
		c := l.calls()
		if len(c) != 1 || c[0].Why != CallCorrection || c[0].Message != m.ID || c[0].Partner != "north" {
			t.Errorf("%+v", c)
		}
	})
}

func TestTwoNodesOpenOneTask(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(critical("C1", "4711", "100"))
		l.clock.add(11 * time.Minute)
		done := make(chan error, 4)
		for range cap(done) {
			go func() { done <- l.openCalls(context.Background()) }()
		}
		for range cap(done) {
			must(t, <-done)
		}
		if c := l.calls(); len(c) != 2 {
			t.Fatalf("%d tasks, want one for each partner", len(c))
		}
	})
}

// TestWhateverStoppedIt: held, refused by the partner, refused by a person,
// merely placed; and acknowledged or shadowed ones open none.
func TestWhateverStoppedIt(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		set := l.standard()
		set.Partners["folder"] = &Partner{Key: "folder", Sender: placer{}}
		set.Routes[0].To = []string{"north", "folder"}
		set.Routes = append(set.Routes, Route{Name: "old", From: "lis", To: []string{"south"}, Stage: Shadow})
		l.Apply(set)
		l.boxes["north"].set(func(m channel.Message) error {
			if m.ControlID == "REJECTED" {
				return &channel.Error{Class: channel.Rejected, Code: "AE"}
			}
			return nil
		})
		held := l.taken(critical("HELD", "1", "1"))
		must(t, l.Hold(t.Context(), to(t, held, "north").Seq, why))
		l.taken(critical("REJECTED", "2", "2"))
		l.taken(critical("FINE", "3", "3"))
		l.run()
		pass(11 * time.Minute)
		got := map[string]string{}
		for _, c := range l.calls() {
			_, body, err := l.Message(t.Context(), c.Message)
			must(t, err)
			got[string(mustHeader(t, body).ControlID)+" "+c.Partner] = c.Stopped
		}
		want := map[string]string{
			"HELD north": "held", "REJECTED north": "needs a person",
			"HELD folder": "placed, nobody has confirmed", "REJECTED folder": "placed, nobody has confirmed", "FINE folder": "placed, nobody has confirmed",
		}
		for k, v := range want {
			if got[k] != v {
				t.Errorf("%s: %q, want %q", k, got[k], v)
			}
		}
		if len(got) != len(want) {
			t.Errorf("tasks %v", got)
		}
		// The task of what is acknowledged meanwhile says so and stays.
		must(t, l.Release(t.Context(), to(t, held, "north").Seq, why))
		pass(time.Minute)
		for _, c := range l.calls() {
			if c.Message == held.ID && c.Partner == "north" && (!c.Acknowledged || c.State != "open") {
				t.Errorf("%+v", c)
			}
		}
	})
}

type placer struct{}

func (placer) Send(context.Context, channel.Message) (channel.Receipt, error) {
	return channel.Receipt{Level: channel.Placed, Peer: channel.Peer{Name: "folder"}}, nil
}

func TestDeadPartnerOpensTheTaskThroughTheLoop(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		for _, b := range l.boxes {
			b.set(fails(channel.Unreachable, ""))
		}
		l.taken(critical("C1", "4711", "100"))
		l.run()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- l.RunClinical(ctx) }()
		pass(9 * time.Minute)
		n, err := l.CountCalls(ctx)
		must(t, err)
		if n.Open != 0 {
			t.Errorf("%+v before the time", n)
		}
		pass(time.Minute + clinicalTick)
		if n, err = l.CountCalls(ctx); err != nil || n.Open != 2 {
			t.Errorf("%+v, %v", n, err)
		}
		cancel()
		must(t, <-done)
	})
}

func TestDirectorsTimeOfASourceAndAPartner(t *testing.T) {
	set := &Settings{
		Sources:  map[string]Source{"a": {CriticalAfter: time.Hour}, "b": {}},
		Partners: map[string]*Partner{"n": {CriticalAfter: 30 * time.Minute}, "s": {}},
	}
	for _, c := range []struct {
		source, partner string
		all, want       time.Duration
	}{
		{"b", "s", 0, 10 * time.Minute},
		{"b", "s", 5 * time.Minute, 5 * time.Minute},
		{"a", "s", 5 * time.Minute, time.Hour},
		{"a", "n", 5 * time.Minute, 30 * time.Minute},
		{"b", "", 5 * time.Minute, 5 * time.Minute},
		{"gone", "gone", 0, 10 * time.Minute},
	} {
		set.CriticalAfter = c.all
		if got := set.criticalAfter(c.source, c.partner); got != c.want {
			t.Errorf("%s to %s: %s, want %s", c.source, c.partner, got, c.want)
		}
	}
}

func TestQuarantineOpensAPhoneTask(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		set := l.standard()
		set.Routes[0].From = "other"
		l.Apply(set)
		l.present([]byte("this is no HL7"))
		l.present([]byte("this is no HL7"))          // counts up, no second timer
		l.present(oru("N1", "1", "1"))               // no route, readable, not critical
		first := l.present(critical("N2", "2", "2")) // no route, critical
		l.clock.add(5 * time.Minute)
		l.present(critical("N3", "3", "3")) // no route, critical, replayed below
		if !bytes.Contains(first, []byte("MSA|AE")) && !bytes.Contains(first, []byte("MSA|AR")) {
			t.Fatalf("%q", first)
		}
		apart, err := l.Quarantine(t.Context(), false, 10)
		must(t, err)
		l.Apply(l.standard())
		n3, err := l.ReplayApart(t.Context(), apart[0].ID, why)
		must(t, err)
		l.clock.add(5 * time.Minute)
		c := l.calls()
		if len(c) != 2 || c[0].Why != CallNotTaken || c[1].Why != CallNotTaken || c[0].Now != "in quarantine" || c[0].Delivery != -1 {
			t.Fatalf("%+v", c)
		}
		// The replayed one counts from when it was first presented.
		l.clock.add(5*time.Minute - time.Second)
		if c := l.calls(); len(c) != 2 {
			t.Fatalf("%d", len(c))
		}
		l.clock.add(time.Second)
		c = l.calls()
		if len(c) != 4 || c[2].Message != n3 || c[2].Why != CallCritical {
			t.Fatalf("%d tasks: %+v", len(c), c)
		}
		v, err := l.ViewCall(t.Context(), c[0].ID, why)
		must(t, err)
		w, err := l.ViewCall(t.Context(), c[1].ID, why)
		must(t, err)
		if v.Unreadable == "" || !slices.Contains(w.Orders, "F2") {
			t.Errorf("%+v, %+v", v, w)
		}
		if n := len(l.events(KindCallViewed)); n != 2 {
			t.Errorf("%d looks were recorded", n)
		}
	})
}

func TestPhoneTaskFromTakenToClosed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(critical("C1", "4711", "100"))
		l.clock.add(10 * time.Minute)
		id := l.calls()[0].ID
		must(t, l.TakeCall(t.Context(), id, ann))
		wantErr(t, l.TakeCall(t.Context(), id, Named{why, " "}), ErrInvalid)
		for _, bad := range []CallLog{
			{Outcome: Reached},
			{Whom: "x", Outcome: "spoken"},
			{Whom: "x", Outcome: NotReached},
			{Whom: "x", Outcome: NotReached, Next: l.now().Add(time.Minute), ReadBack: true},
			{Whom: "x", Outcome: Reached, Next: l.now().Add(time.Minute)},
			{Whom: "x", Outcome: Reached, Note: strings.Repeat("x", 5000)},
		} {
			wantErr(t, l.LogCall(t.Context(), id, bad, ann), ErrInvalid)
		}
		next := l.now().Add(15 * time.Minute)
		must(t, l.LogCall(t.Context(), id, CallLog{Whom: "Dr Dee Doctor", Outcome: NotReached, Next: next, Note: "Marchbanks, voicemail"}, ann))
		wantErr(t, l.CloseCall(t.Context(), id, false, ann), ErrConflict)
		c, err := l.ShowCall(t.Context(), id)
		must(t, err)
		if c.Overdue || !c.DueAt.Equal(next) || c.Owner != "Ann Example" || c.State != "taken" {
			t.Errorf("%+v", c)
		}
		l.clock.add(15 * time.Minute)
		if c, _ = l.ShowCall(t.Context(), id); !c.Overdue {
			t.Error("the next try is due and not overdue")
		}
		must(t, l.LogCall(t.Context(), id, CallLog{Whom: "Bea Example", Outcome: HandedOver}, ann))
		if c, _ = l.ShowCall(t.Context(), id); c.Owner != "Bea Example" {
			t.Errorf("owner %s", c.Owner)
		}
		must(t, l.LogCall(t.Context(), id, CallLog{Whom: "Dr Dee Doctor", Outcome: Reached}, bea))
		wantErr(t, l.CloseCall(t.Context(), id, false, bea), ErrConflict) // not read back
		must(t, l.LogCall(t.Context(), id, CallLog{Whom: "Dr Dee Doctor", Outcome: Reached, ReadBack: true, Note: "7.9"}, bea))
		must(t, l.CloseCall(t.Context(), id, false, bea))
		must(t, l.CloseCall(t.Context(), id, false, bea)) // a double click
		wantErr(t, l.TakeCall(t.Context(), id, ann), ErrConflict)
		c, err = l.ShowCall(t.Context(), id)
		must(t, err)
		kinds := []string{}
		for _, p := range c.Steps {
			kinds = append(kinds, p.Kind)
			if p.Whom+p.Note != "" {
				t.Error("what is sealed was shown without a record")
			}
		}
		if !slices.Equal(kinds, []string{"opened", "taken", "called", "called", "called", "called", "closed"}) || c.Steps[6].Outcome != "read_back" {
			t.Errorf("%v", kinds)
		}
		v, err := l.ViewCall(t.Context(), id, why)
		must(t, err)
		if v.Steps[2].Whom != "Dr Dee Doctor" || v.Steps[2].Note != "Marchbanks, voicemail" || !slices.Contains(v.Orders, "F100") {
			t.Errorf("%+v", v)
		}
		// Every step is a fact, none tells what is sealed.
		for _, k := range []string{"opened", "taken", "called", "closed"} {
			for _, e := range l.events(KindCall + k) {
				b, err := e.Encode()
				must(t, err)
				if bytes.Contains(b, []byte("Marchbanks")) || bytes.Contains(b, []byte("Dee")) {
					t.Errorf("%s", b)
				}
				if k == "called" && e.Commit == nil {
					t.Error("the fact is not bound to the text")
				}
			}
		}
		if n := l.count("SELECT count(*) FROM results_call_steps WHERE body IS NOT NULL"); n != 4 {
			t.Errorf("%d sealed texts", n)
		}
		l.audited()
	})
}

func TestClosingWithoutACallSaysSo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(critical("C1", "4711", "100"))
		l.clock.add(10 * time.Minute)
		id := l.calls()[0].ID
		must(t, l.CloseCall(t.Context(), id, true, ann))
		e := l.events(KindCall + "closed")
		if len(e) != 1 || e[0].Codes.Get("outcome") != "without_call" || e[0].IDs.Get("by") != "Ann-Example" || e[0].IDs.Get("account") != "ann" {
			t.Errorf("%+v", e)
		}
		all, err := l.Calls(t.Context(), true, 10)
		must(t, err)
		if len(all) != 2 || all[1].State != "closed" {
			t.Errorf("%+v", all)
		}
	})
}

// TestNoViewOfATaskWithoutARecord: what cannot be written down is not shown.
func TestNoViewOfATaskWithoutARecord(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(critical("C1", "4711", "100"))
		l.clock.add(10 * time.Minute)
		id := l.calls()[0].ID
		l.SetViewsClosed("in doubt")
		if v, err := l.ViewCall(t.Context(), id, why); !errors.Is(err, ErrViewsClosed) || len(v.Orders) > 0 {
			t.Errorf("%+v, %v", v, err)
		}
		if _, err := l.ShowCall(t.Context(), id); err != nil {
			t.Errorf("the task itself: %v", err)
		}
	})
}

// unlucky makes every transaction fail at its end.
type unlucky struct{ store.Hook }

func (unlucky) Commit(*store.Tx) error { return errors.New("the disk is full") }

// TestOpeningThatFailsIsRepeatedOnce: a transaction that does not commit leaves
// the timer, and no half of a task; a look that cannot be recorded shows nothing.
func TestOpeningThatFailsIsRepeatedOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.taken(critical("C1", "4711", "100"))
		l.clock.add(10 * time.Minute)
		l.db.SetHook(unlucky{l.log})
		if err := l.openCalls(t.Context()); err == nil {
			t.Fatal("no error")
		}
		if tasks, timers := l.count("SELECT count(*) FROM results_calls"), l.count("SELECT count(*) FROM results_call_timers"); tasks != 0 || timers != 2 {
			t.Fatalf("%d tasks, %d timers", tasks, timers)
		}
		l.db.SetHook(l.log)
		c := l.calls()
		if len(c) != 2 || len(l.events(KindCall+"opened")) != 2 {
			t.Fatalf("%+v", c)
		}
		l.db.SetHook(unlucky{l.log})
		v, err := l.ViewCall(t.Context(), c[0].ID, why)
		if err == nil || len(v.Orders) > 0 || len(v.Steps) > 0 {
			t.Errorf("%+v, %v", v, err)
		}
		l.db.SetHook(l.log)
	})
}
