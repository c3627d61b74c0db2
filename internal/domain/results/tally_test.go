package results

import (
	"fmt"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// flows waits until everything has been counted.
func (l *lab) flows() Flows {
	l.t.Helper()
	var f Flows
	l.until("all is counted", func() bool {
		var err error
		if f, err = l.Flows(l.t.Context(), time.UTC); err != nil {
			l.t.Fatal(err)
		}
		return f.Known() && f.Arrivals && f.Partners[0].Days != nil
	})
	return f
}

func (l *lab) flow(partner string) Flow {
	l.t.Helper()
	f, ok := l.flows().Partner(partner)
	if !ok {
		l.t.Fatalf("no flow to %s", partner)
	}
	return f
}

// recount is what a service that has just started counts.
func (l *lab) recount() Flows {
	l.Service.tally.mu.Lock()
	running := l.Service.tally.running
	l.Service.tally.mu.Unlock()
	if running {
		l.t.Fatal("the tally still runs")
	}
	was := l.Service.tally.counts
	l.Service.tally.counts = tallied{}
	f := l.flows()
	l.idle()
	l.Service.tally.counts = was
	return f
}

func (l *lab) idle() {
	l.until("the tally rests", func() bool {
		l.Service.tally.mu.Lock()
		defer l.Service.tally.mu.Unlock()
		return !l.Service.tally.running
	})
}

func TestFlowsFollowDeliveries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		if f := l.flows(); len(f.Partners) != 2 || f.Received != 0 || f.Unaccounted != 0 {
			t.Fatalf("%+v", f)
		}
		l.boxes["south"].set(fails(channel.Rejected, "AR"))
		l.run()
		for i := range 5 {
			l.taken(oru(fmt.Sprintf("C%d", i), fmt.Sprintf("P%d", i), fmt.Sprint(i)))
		}
		l.until("north has them", func() bool { return len(l.boxes["north"].list()) == 5 })
		l.until("counted", func() bool {
			l.clock.add(100 * time.Millisecond) // a partner that refuses is tried again later
			n, s := l.flow("north"), l.flow("south")
			return n.Acknowledged[FlowHours-1] == 5 && n.Waiting == 0 && s.Stopped == 5
		})
		n := l.flow("north")
		if a, p := n.Sums(); a != 5 || p != 0 || n.LastReply.IsZero() || !n.Here || n.Days[FlowDays-1].Acknowledged != 5 {
			t.Errorf("%+v", n)
		}
		if f := l.flows(); f.Received != 5 || f.Unaccounted != 0 {
			t.Errorf("%d received, %d unaccounted for", f.Received, f.Unaccounted)
		}
		// The hours go by: what was acknowledged moves to the left and out.
		l.clock.add(3 * time.Hour)
		if n := l.flow("north"); n.Acknowledged[FlowHours-4] != 5 || n.Acknowledged[FlowHours-1] != 0 {
			t.Errorf("%v", n.Acknowledged)
		}
		l.clock.add(22 * time.Hour)
		n = l.flow("north")
		if a, _ := n.Sums(); a != 0 || n.Days[FlowDays-2].Acknowledged != 5 {
			t.Errorf("%+v", n)
		}
		if f := l.flows(); f.Received != 0 {
			t.Errorf("%d received", f.Received)
		}
		// Others are accepted at last: they count when they were, not when they came.
		l.boxes["south"].set(nil)
		for _, m := range must2(l.List(t.Context(), Page{}))(t) {
			if d := to(t, m, "south"); d.State == NeedsPerson {
				must(t, l.Release(t.Context(), d.Seq, By{Who: "dana", Reason: "asked"}))
			}
		}
		l.until("south has them", func() bool {
			l.clock.add(100 * time.Millisecond)
			f := l.flow("south")
			return f.Acknowledged[FlowHours-1] == 5 && f.Waiting+f.Stopped == 0
		})
		l.halt()
		l.idle()
		sameFlows(t, l.flows(), l.recount())
	})
}

func must2[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T { t.Helper(); must(t, err); return v }
}

func sameFlows(t *testing.T, a, b Flows) {
	t.Helper()
	if a.Received != b.Received || a.Unaccounted != b.Unaccounted {
		t.Errorf("received %d, %d unaccounted for; counted anew %d, %d", a.Received, a.Unaccounted, b.Received, b.Unaccounted)
	}
	for i := range a.Partners {
		x, y := a.Partners[i], b.Partners[i]
		if x.Acknowledged != y.Acknowledged || x.Placed != y.Placed || x.Waiting != y.Waiting || x.Held != y.Held || x.Stopped != y.Stopped ||
			!x.Oldest.Equal(y.Oldest) || !x.LastReply.Equal(y.LastReply) || fmt.Sprint(x.Days) != fmt.Sprint(y.Days) {
			t.Errorf("counted %+v\nanew    %+v", x, y)
		}
	}
}

// What is done while it counts, at every step, is counted once.
func TestFlowsCountOnce(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.clock.jump(-3 * 24 * time.Hour)
		const page = 200
		l.load(0, 3*page/2) // three pages of deliveries, in the days before
		l.clock.jump(3 * 24 * time.Hour)
		l.run() // and they go while they are counted
		c := tallied{page: page}
		must(t, c.follow(t.Context(), l.Service))
		for steps := 0; !c.whole() || steps < 20; steps++ {
			if !c.whole() {
				must(t, c.back(t.Context(), l.Service))
			}
			must(t, c.follow(t.Context(), l.Service))
			if steps%5 == 0 {
				l.load(10_000+steps*10, 5)
			}
		}
		all := int64(3*page/2 + 20)
		l.until("all are delivered", func() bool {
			return l.count("SELECT count(*) FROM results_deliveries WHERE state = 3") == 2*all
		})
		must(t, c.follow(t.Context(), l.Service))
		l.halt()
		for _, p := range []string{"north", "south"} {
			var sum int64
			for _, n := range c.partners[Place{Partner: p}].hours.n {
				sum += int64(n.acknowledged)
			}
			if sum != all || c.partners[Place{Partner: p}].open != [3]int64{} {
				t.Errorf("%s: %d counted, %v open, want %d", p, sum, c.partners[Place{Partner: p}].open, all)
			}
		}
	})
}

// A result whose deliveries are gone is one that nobody accounts for.
func TestFlowsMissAResult(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		m := l.taken(oru("C1", "P1", "1"))
		l.taken(oru("C2", "P2", "2"))
		l.exec("DELETE FROM results_deliveries WHERE message = $1", m.Leaf)
		if f := l.flows(); f.Received != 2 || f.Unaccounted != 1 {
			t.Errorf("%d received, %d unaccounted for", f.Received, f.Unaccounted)
		}
	})
}

func TestFlowDaysOfAZone(t *testing.T) {
	var r ring
	zone := time.FixedZone("", -5*3600)
	at := time.Date(2026, 3, 4, 0, 30, 0, 0, zone) // half an hour into the day
	r.place(hourOf(at.UnixMicro())).acknowledged = 3
	r.place(hourOf(at.Add(-time.Hour).UnixMicro())).acknowledged = 2
	days := daysOf(&r, &counted{at: at.Add(8 * time.Hour)}, zone)
	if days[FlowDays-1].Acknowledged != 3 || days[FlowDays-2].Acknowledged != 2 || !days[FlowDays-1].Begins.Equal(at.Add(-30*time.Minute)) {
		t.Errorf("%+v", days)
	}
}
