package results

import (
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// The machine's clock is put forward or back while the hub runs: nothing is
// erased or forgotten early, repeats are still known, and it alarms.
func TestClockJumps(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		ctx, l := t.Context(), newLab(t, open)
		must(t, l.CheckClock(ctx))
		m := l.taken(kindOfReport("OLD", "1", "1", "CH"))
		l.delivered()
		pass := func(d time.Duration) {
			t.Helper()
			for ; d > 0; d -= time.Hour {
				l.clock.add(time.Hour)
				must(t, l.CheckClock(ctx))
			}
		}
		repeat := func(when string, want Outcome) {
			t.Helper()
			if v := l.take(ctx, "lis", anyPeer, kindOfReport("OLD", "1", "1", "CH")); v.outcome != want {
				t.Fatalf("%s: a repeated message is %v, want %v", when, v.outcome, want)
			}
		}
		erased := func(when string, want int64) {
			t.Helper()
			r, err := l.Retain(ctx, policy)
			if err != nil || r.Erased != want || want == 0 && r.Controls != 0 {
				t.Fatalf("%s: %+v, %v", when, r, err)
			}
		}
		pass(3 * time.Hour)
		if by, _, behind := l.Jumped(); by != 0 || behind != 0 || strings.Contains(l.said.String(), "ALARM") {
			t.Fatalf("hours that passed are a jump: %v %v", by, behind)
		}
		for _, d := range []time.Duration{-time.Hour, time.Hour, 24 * time.Hour, 20 * year} {
			l.clock.jump(d)
			must(t, l.CheckClock(ctx))
			if by, _, _ := l.Jumped(); (by - d).Abs() > time.Second {
				t.Fatalf("a jump by %v is said to be one by %v", d, by)
			}
			erased(d.String(), 0)
			repeat(d.String(), Repeated)
		}
		if _, _, behind := l.Jumped(); behind < 20*year {
			t.Errorf("behind by %v", behind)
		}
		if n := strings.Count(l.said.String(), "ALARM"); n != 4 {
			t.Errorf("%d alarms for 4 jumps", n)
		}
		if n := len(l.events(KindClockJumped)); n != 4 {
			t.Errorf("%d facts for 4 jumps", n)
		}
		// A restart does not make a wrong clock right.
		l.restart()
		must(t, l.CheckClock(ctx))
		erased("after a restart", 0)
		repeat("after a restart", Repeated)
		// Put right again: all is as if nothing had been.
		l.clock.jump(-20*year - 24*time.Hour)
		must(t, l.CheckClock(ctx))
		erased("put right", 0)
		repeat("put right", Repeated)
		// A week later the window has really passed.
		pass(8 * 24 * time.Hour)
		repeat("a week later", Taken)
		// After a long time switched off the clock is believed once it has run
		// evenly for a week, and not before.
		l.clock.jump(4 * year)
		must(t, l.CheckClock(ctx))
		pass(6 * 24 * time.Hour)
		erased("six days after", 0)
		pass(2 * 24 * time.Hour)
		erased("eight days after", 1)
		_, _, err := l.Message(ctx, m.ID)
		wantErr(t, err, ErrErased)
		if a, err := l.Audit(ctx, nil); err != nil || len(a.Findings) > 0 {
			for _, f := range a.Findings {
				if f.Table != "results_deliveries" { // l.delivered marks them without events
					t.Errorf("%v %v", err, f)
				}
			}
		}
	})
}

// Somebody who may write to the database cannot make the hub forget early by
// changing what it believed, or by taking the row away.
func TestBelievedTimeIsBound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		ctx, l := t.Context(), newLab(t, open)
		must(t, l.CheckClock(ctx))
		l.taken(kindOfReport("OLD", "1", "1", "CH"))
		l.delivered()
		for _, change := range []string{"UPDATE results_clock SET believed = believed + 400000000000000", "DELETE FROM results_clock"} {
			l.exec(change)
			l.clock.jump(12 * year)
			l.restart()
			must(t, l.CheckClock(ctx))
			if r, err := l.Retain(ctx, policy); err != nil || r.Erased+r.Controls != 0 {
				t.Fatalf("%s: %+v, %v", change, r, err)
			}
			l.clock.jump(-12 * year)
			must(t, l.CheckClock(ctx))
		}
	})
}

// A partner that answers badly while the clock jumps forward is not given up
// early, and a try written down by a clock that was ahead is not waited for.
func TestClockJumpDoesNotGiveUpDeliveries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		ctx, l := t.Context(), newLab(t, open)
		must(t, l.CheckClock(ctx))
		l.taken(kindOfReport("A", "1", "1", "CH"))
		// As after a restart with the clock put back by a day.
		l.exec("UPDATE results_deliveries SET attempts = 1, first_at = $1, next_at = $2, reason = 'x' WHERE partner = 'north'",
			l.clock.now().UnixMicro(), l.clock.now().Add(24*time.Hour).UnixMicro())
		c := &courier{s: l.Service, partner: "north", poke: make(chan struct{}, 1), q: newQueue()}
		must(t, c.load(ctx))
		if e, at := c.q.next(l.clock.now()); e != nil || at.Sub(l.clock.now()) > time.Minute {
			t.Errorf("the next try is at %v, now is %v", at, l.clock.now())
		}
		first := l.clock.now()
		l.clock.jump(24 * time.Hour)
		must(t, l.CheckClock(ctx))
		if d := l.steady.now().Sub(first); d > 0 {
			t.Errorf("by the time of giving up %v have passed", d)
		}
	})
}
