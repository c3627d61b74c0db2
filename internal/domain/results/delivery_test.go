package results

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// bubble runs the test on both engines with time that passes only when
// everything waits: a day of retries takes no time.
func bubble(t *testing.T, run func(t *testing.T, l *lab)) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		_ = t.Context().Done() // its channel must be made outside the bubble: the opener uses this context
		synctest.Test(t, func(t *testing.T) {
			l := labWith(t, open, time.Now, nil)
			run(t, l)
			l.close()
		})
	})
}

var why = By{Who: "a.person", Reason: "test"}

func TestDeliveryIsSentInOrderAndMarkedOnce(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		a, b := l.taken(oru("C1", "4711", "100")), l.taken(oru("C2", "4711", "100"))
		l.run()
		pass(3 * time.Second)
		for _, p := range []string{"north", "south"} {
			if got := l.boxes[p].list(); !slices.Equal(got, []string{"C1", "C2"}) {
				t.Fatalf("%s got %v", p, got)
			}
		}
		if string(l.boxes["north"].bodies[0]) != string(oru("C1", "4711", "100")) {
			t.Fatal("bytes changed on the way")
		}
		for _, m := range []Summary{a, b} {
			d := l.delivery(m.Deliveries[0].Seq)
			if d.State != Done || d.Attempts != 1 || d.Level != "accepted" || d.Code != "AA" || d.DoneLeaf < 0 {
				t.Fatalf("delivery %+v", d)
			}
		}
		if n := len(l.events(KindDelivered)); n != 4 || l.Counts().Delivered != 4 {
			t.Fatalf("%d events of delivery, want 4", n)
		}
		var sealed []byte
		must(t, l.db.QueryRow(t.Context(), "SELECT receipt FROM results_deliveries WHERE seq = $1", a.Deliveries[0].Seq).Scan(&sealed))
		e, err := l.evidence(a.Deliveries[0].Seq, sealed)
		must(t, err)
		if !strings.Contains(string(e.Reply), "MSA|AA|C1") || e.Revision != "r1" || e.Peer.Fingerprint == "" {
			t.Fatalf("evidence %+v", e)
		}
		l.audited()
	})
}

func TestRejectedNeedsAPersonAndItsLaneStaysClosed(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		box.set(func(m channel.Message) error {
			if m.ControlID == "C1" {
				return &channel.Error{Class: channel.Rejected, Code: "AE"}
			}
			return nil
		})
		m := l.taken(oru("C1", "4711", "100"))
		l.taken(oru("C2", "4711", "101"))
		l.taken(oru("C3", "9999", "102"))
		l.run()
		pass(5 * time.Minute)
		if got := box.list(); !slices.Equal(got, []string{"C3"}) {
			t.Fatalf("north got %v: the next of the same patient must wait, the other must not", got)
		}
		d := to(t, m, "north")
		if d = l.delivery(d.Seq); d.State != NeedsPerson || d.Attempts != 1 || !strings.Contains(d.Reason, "AE") {
			t.Fatalf("delivery %+v", d)
		}
		if n := len(l.events(KindStopped)); n != 1 || box.tried() != 2 {
			t.Fatalf("%d events, %d tries", n, box.tried())
		}
		box.set(nil)
		must(t, l.Release(t.Context(), d.Seq, why))
		wantErr(t, l.Release(t.Context(), d.Seq, why), ErrConflict) // double click
		pass(5 * time.Second)
		if got := box.list(); !slices.Equal(got, []string{"C3", "C1", "C2"}) {
			t.Fatalf("after the release north got %v", got)
		}
	})
}

// TestUnfitNeedsAPersonAndIsNoOutage: a message that cannot be carried is no sign
// that the partner is away.
func TestUnfitNeedsAPersonAndIsNoOutage(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		box.set(func(m channel.Message) error {
			if m.ControlID == "C1" {
				return &channel.Error{Class: channel.Unfit}
			}
			return nil
		})
		m := l.taken(oru("C1", "4711", "100"))
		l.taken(oru("C2", "9999", "101"))
		l.run()
		pass(time.Second)
		d := to(t, m, "north")
		if d = l.delivery(d.Seq); d.State != NeedsPerson || !slices.Equal(box.list(), []string{"C2"}) {
			t.Fatalf("delivery %+v, north got %v", d, box.list())
		}
		ps, err := l.Partners(t.Context())
		if err != nil || !ps[0].DownSince.IsZero() {
			t.Errorf("%+v, %v", ps, err)
		}
		if n := len(l.events(KindStopped)); n != 1 {
			t.Errorf("%d events", n)
		}
	})
}

func TestBusyPartnerIsTriedAgainWithGrowingPauses(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		var at []time.Time
		box := l.boxes["north"]
		box.set(func(channel.Message) error {
			at = append(at, time.Now())
			if len(at) < 6 {
				return &channel.Error{Class: channel.Busy, Code: "AR"}
			}
			return nil
		})
		l.taken(oru("C1", "4711", "100"))
		l.run()
		pass(10 * time.Minute)
		if got := box.list(); !slices.Equal(got, []string{"C1"}) || len(at) != 6 {
			t.Fatalf("got %v after %d tries", got, len(at))
		}
		for i := 1; i < len(at); i++ {
			pause, full := at[i].Sub(at[i-1]), time.Second<<(i-1)
			if pause < full*3/4-time.Second/2 || pause > full+2*time.Second {
				t.Errorf("pause %d was %v, want about %v", i, pause, full)
			}
		}
	})
}

func TestPartnerThatAsksToBeLeftAlone(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		var at []time.Time
		box := l.boxes["north"]
		box.set(func(channel.Message) error {
			if at = append(at, time.Now()); len(at) == 1 {
				return &channel.Error{Class: channel.Busy, Code: "503", RetryAfter: 7 * time.Minute}
			}
			return nil
		})
		l.taken(oru("C1", "4711", "100"))
		l.taken(oru("C2", "4712", "101"))
		l.run()
		pass(10 * time.Minute)
		got := box.list()
		slices.Sort(got)
		if !slices.Equal(got, []string{"C1", "C2"}) {
			t.Fatalf("got %v", got)
		}
		for _, x := range at[1:] {
			if x.Equal(at[0]) {
				continue // both went out together
			}
			if pause := x.Sub(at[0]); pause < 7*time.Minute || pause > 8*time.Minute {
				t.Errorf("tried again after %v, it asked for seven minutes", pause)
			}
		}
	})
}

func TestUnreachablePartnerIsProbedAndNeverGivenUp(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		box.set(fails(channel.Unreachable, ""))
		for i := range 20 {
			l.taken(oru(countOf("C%d", i), countOf("p%d", i), countOf("o%d", i)))
		}
		l.run()
		pass(30 * time.Minute)
		ps, err := l.Partners(t.Context())
		must(t, err)
		for _, p := range ps {
			switch {
			case p.Partner == "north" && (p.DownSince.IsZero() || p.Waiting != 20 || p.Why != "unreachable" || p.Oldest.IsZero()):
				t.Fatalf("north %+v", p)
			case p.Partner == "south" && (!p.DownSince.IsZero() || p.Waiting != 0):
				t.Fatalf("south %+v", p)
			}
		}
		if n := box.tried(); n < 25 || n > 60 {
			t.Fatalf("%d tries in half an hour with a pause of at most a minute: a dead partner is only probed", n)
		}
		pass(2 * time.Hour)
		// It comes back, and is busy once at first: that alone must not hand
		// hours of results to a person.
		busy := 3
		box.set(func(channel.Message) error {
			if busy--; busy >= 0 {
				return &channel.Error{Class: channel.Busy, Code: "AR"}
			}
			return nil
		})
		pass(10 * time.Minute)
		if n := len(box.list()); n != 20 {
			t.Fatalf("%d of 20 delivered after the partner came back; %d need a person", n, l.count("SELECT count(*) FROM results_deliveries WHERE state = 2"))
		}
	})
}

// TestDeadPartnerIsProbedAtLeastEveryPause: however long it was away, what waits
// goes soon after it is back.
func TestDeadPartnerIsProbedAtLeastEveryPause(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		set := l.standard()
		set.Partners["north"].Retry.Max, set.Partners["north"].Retry.Pause = 10*time.Minute, 30*time.Second
		l.Apply(set)
		box := l.boxes["north"]
		box.set(fails(channel.Unreachable, ""))
		l.taken(oru("C1", "4711", "100"))
		l.taken(oru("C2", "9999", "101"))
		l.run()
		pass(3 * time.Hour)
		if n := box.tried(); n < 300 || n > 500 {
			t.Errorf("%d tries in three hours", n)
		}
		box.set(nil)
		pass(31 * time.Second)
		if n := len(box.list()); n != 2 {
			t.Errorf("%d of 2 delivered half a minute after it came back", n)
		}
	})
}

func TestBadAnswersForTooLongNeedAPerson(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.boxes["north"].set(fails(channel.Unanswered, ""))
		m := l.taken(oru("C1", "4711", "100"))
		l.run()
		pass(15 * time.Minute)
		if d := l.delivery(to(t, m, "north").Seq); d.State != Waiting || d.Attempts < 5 {
			t.Fatalf("after 15 minutes %+v", d)
		}
		pass(10 * time.Minute)
		if d := l.delivery(to(t, m, "north").Seq); d.State != NeedsPerson {
			t.Fatalf("after the policy's time %+v", d)
		}
	})
}

func TestHeldResultIsNotSentWhateverIsUnderWay(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		set := l.standard()
		set.Partners["north"].Parallel = 2
		l.Apply(set)
		box.flying, box.asked = make(chan struct{}), make(chan string, 10)
		l.taken(oru("A1", "1", "1"))
		l.taken(oru("A2", "2", "2"))
		b := to(t, l.taken(oru("B", "3", "3")), "north")
		l.taken(oru("B2", "3", "4"))
		l.run()
		<-box.asked
		<-box.asked // both connections are in use
		must(t, l.Hold(t.Context(), b.Seq, why))
		box.flying <- struct{}{} // one of them comes free; the other hangs
		pass(10 * time.Second)
		close(box.flying)
		pass(10 * time.Second)
		if got := box.list(); len(got) != 2 || slices.Contains(got, "B") || slices.Contains(got, "B2") {
			t.Fatalf("sent %v: B was held before it was sent, and B2 must not overtake it", got)
		}
		must(t, l.Release(t.Context(), b.Seq, why))
		pass(10 * time.Second)
		if got := box.list()[2:]; !slices.Equal(got, []string{"B", "B2"}) {
			t.Fatalf("after the release %v", got)
		}
	})
}

func TestRefusedMakesWayAndResendGoesLast(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		m := l.taken(oru("C1", "4711", "100"))
		d := to(t, m, "north")
		must(t, l.Hold(t.Context(), d.Seq, why))
		l.taken(oru("C2", "4711", "101"))
		l.run()
		pass(5 * time.Second)
		if len(box.list()) != 0 {
			t.Fatalf("overtook a held one: %v", box.list())
		}
		_, err := l.Resend(t.Context(), d.Seq, why)
		wantErr(t, err, ErrConflict)
		wantErr(t, l.Refuse(t.Context(), d.Seq, By{Who: "x"}), ErrInvalid)
		must(t, l.Refuse(t.Context(), d.Seq, why))
		pass(5 * time.Second)
		again, err := l.Resend(t.Context(), d.Seq, why)
		must(t, err)
		pass(5 * time.Second)
		if got := box.list(); !slices.Equal(got, []string{"C2", "C1"}) {
			t.Fatalf("got %v", got)
		}
		m, err = l.Show(t.Context(), m.ID)
		must(t, err)
		if last := m.Deliveries[len(m.Deliveries)-1]; last.Seq != again || !last.Again || last.State != Done {
			t.Fatalf("deliveries %+v", m.Deliveries)
		}
		for _, k := range []string{KindHeld, KindRefused, KindResent} {
			if n := len(l.events(k)); n != 1 {
				t.Errorf("%d events %s, want 1", n, k)
			}
		}
		wantErr(t, l.Hold(t.Context(), 1<<40, why), ErrNotFound)
	})
}

// A result that was corrected is sent again: what was accepted since for the same
// order goes again behind it, so that the partner ends with the correction.
func TestWhatIsSentAgainDoesNotReplaceItsCorrection(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		m := l.taken(oru("C1", "4711", "100"))
		l.taken(oru("C2", "4711", "200")) // another order of the same patient
		l.taken(oru("C3", "4711", "100"))
		l.taken(oru("C4", "4712", "100")) // the correction moved it to another patient
		l.run()
		pass(5 * time.Second)
		_, err := l.Resend(t.Context(), to(t, m, "north").Seq, why)
		must(t, err)
		pass(5 * time.Second)
		if got := box.list()[4:]; !slices.Equal(got, []string{"C1", "C3", "C4"}) {
			t.Fatalf("sent again: %v", got)
		}
		if n := len(l.boxes["south"].list()); n != 4 {
			t.Errorf("another partner got %d", n)
		}
		// While a correction is on its way nothing older may go behind it.
		box.set(func(channel.Message) error { return &channel.Error{Class: channel.Unreachable} })
		late := to(t, l.taken(oru("C5", "4711", "100")), "north")
		_, err = l.Resend(t.Context(), to(t, m, "north").Seq, why)
		wantErr(t, err, ErrConflict)
		box.set(nil)
		pass(time.Hour)
		must(t, second(l.Resend(t.Context(), late.Seq, why)))
		pass(5 * time.Second)
		if got := box.list()[7:]; !slices.Equal(got, []string{"C5", "C5"}) {
			t.Fatalf("the latest goes alone: %v", got)
		}
	})
}

// The search index is not there yet: what came since is found all the same.
func TestWhatIsSentAgainBeforeTheIndexKnows(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		m := l.taken(oru("C1", "4711", "100"))
		l.taken(oru("C2", "4711", "100"))
		l.run()
		pass(5 * time.Second)
		l.exec("DELETE FROM results_search")
		l.exec("DELETE FROM results_search_runs")
		must(t, second(l.Resend(t.Context(), to(t, m, "north").Seq, why)))
		pass(5 * time.Second)
		if got := box.list()[2:]; !slices.Equal(got, []string{"C1", "C2"}) {
			t.Fatalf("sent again: %v", got)
		}
	})
}

func TestRestartInTheMiddleKeepsOrder(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		var want []string
		for i := range 30 {
			l.taken(oru(countOf("C%02d", i), "4711", countOf("%d", i)))
			want = append(want, countOf("C%02d", i))
		}
		for round := 0; len(box.list()) < 30; round++ {
			if round > 100 {
				t.Fatalf("stuck at %d", len(box.list()))
			}
			n := 0
			box.set(func(channel.Message) error {
				if n++; n > 4 {
					return &channel.Error{Class: channel.Unreachable}
				}
				return nil
			})
			l.run()
			pass(2 * time.Second)
			l.restart()
		}
		if got := box.list(); !slices.Equal(got, want) {
			t.Fatalf("order %v", got)
		}
		if n := len(l.events(KindDelivered)); n != 60 {
			t.Fatalf("%d deliveries in the ledger, want 60", n)
		}
	})
}

func TestUnreadableBodyNeedsAPerson(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		m := l.taken(oru("C1", "4711", "100"))
		l.taken(oru("C2", "5000", "101"))
		var sealed []byte
		must(t, l.db.QueryRow(t.Context(), "SELECT body FROM results_messages WHERE leaf = $1", m.Leaf).Scan(&sealed))
		sealed[len(sealed)/2] ^= 1
		l.exec("UPDATE results_messages SET body = $1 WHERE leaf = $2", sealed, m.Leaf)
		l.run()
		pass(5 * time.Minute)
		if got := l.boxes["north"].list(); !slices.Equal(got, []string{"C2"}) {
			t.Fatalf("sent %v", got)
		}
		if d := l.delivery(to(t, m, "north").Seq); d.State != NeedsPerson || d.Reason == "" {
			t.Fatalf("a damaged result waits unseen: %+v", d)
		}
	})
}

func TestErasedMessageIsNotSentAgain(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		m := l.taken(oru("C1", "4711", "100"))
		l.run()
		pass(5 * time.Second)
		l.exec("UPDATE results_messages SET body = NULL")
		_, err := l.Resend(t.Context(), to(t, m, "north").Seq, why)
		wantErr(t, err, ErrErased)
	})
}

func TestRouteThatIsGoneNeedsAPerson(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		m := l.taken(oru("C1", "4711", "100"))
		set := l.standard()
		set.Routes = nil
		l.Apply(set)
		l.run()
		pass(5 * time.Second)
		if d := l.delivery(to(t, m, "north").Seq); d.State != NeedsPerson {
			t.Fatalf("%+v", d)
		}
		l.Apply(l.standard())
		must(t, l.Release(t.Context(), to(t, m, "north").Seq, why))
		pass(5 * time.Second)
		if got := l.boxes["north"].list(); !slices.Equal(got, []string{"C1"}) {
			t.Fatalf("got %v", got)
		}
	})
}

func TestPausesStayInTheirBounds(t *testing.T) {
	for _, r := range []Retry{{}, {First: time.Hour, Max: 24 * time.Hour}, {First: 100 * time.Hour, Max: time.Minute}, {First: 1 << 60, Max: 1 << 62}} {
		r = r.defaults()
		for n := int64(0); n < 100; n++ {
			if d := backoff(r, n); d <= 0 || d > r.Max {
				t.Fatalf("%+v: pause %d is %v", r, n, d)
			}
		}
	}
}
