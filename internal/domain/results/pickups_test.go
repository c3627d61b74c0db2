package results

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// shelf is a partner that fetches what was placed for it.
type shelf struct{ names []string }

func (s *shelf) Send(_ context.Context, m channel.Message) (channel.Receipt, error) {
	s.names = append(s.names, m.Name)
	return channel.Receipt{Level: channel.Placed, Code: "renamed", PickUp: m.Name, Peer: channel.Peer{Name: "north", Addr: "/x/" + m.Name, Proof: "folder"}}, nil
}

func TestPickups(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		ctx := t.Context()
		fetched := &shelf{}
		set := l.standard()
		set.Partners["north"].Sender = fetched
		set.Routes[0].To = []string{"north"}
		l.Apply(set)
		a, b := l.taken(oru("A1", "4711", "100")), l.taken(oru("B1", "4712", "101"))
		first, second := a.Deliveries[0].Seq, b.Deliveries[0].Seq
		if err := l.PickedUp(ctx, first, l.now(), PickupGone); !errors.Is(err, ErrConflict) {
			t.Errorf("picked up before it was placed: %v", err)
		}
		l.run()
		l.until("both are placed", func() bool {
			return l.count("SELECT count(*) FROM results_deliveries WHERE state = 3") == 2
		})
		waiting, err := l.AwaitPickup(ctx, "north", -1, 10)
		if err != nil || len(waiting) != 2 || waiting[0].Seq != first || waiting[1].Seq != second || waiting[0].Name != fetched.names[0] {
			t.Fatalf("%+v %v, names %q", waiting, err, fetched.names)
		}
		if more, err := l.AwaitPickup(ctx, "north", first, 10); err != nil || len(more) != 1 || more[0].Seq != second {
			t.Errorf("behind the first: %+v %v", more, err)
		}
		if d := l.delivery(first); d.WaitsAs != fetched.names[0] || !d.PickedUpAt.IsZero() {
			t.Errorf("%+v", d)
		}
		placed := waiting[0].PlacedAt
		if n, oldest, err := l.NotPickedUp(ctx, "north", placed.Add(time.Hour)); err != nil || n != 2 || !oldest.Equal(placed) {
			t.Errorf("%d since %v: %v", n, oldest, err)
		}
		if n, _, err := l.NotPickedUp(ctx, "north", placed.Add(-time.Hour)); err != nil || n != 0 {
			t.Errorf("%d late already: %v", n, err)
		}
		kinds := map[string]int{}
		at := l.now().Add(time.Minute)
		for i := range 3 { // said again, it changes nothing
			must(t, l.PickedUp(ctx, first, at.Add(time.Duration(i)*time.Hour), PickupGone))
		}
		d := l.delivery(first)
		if !d.PickedUpAt.Equal(at) || d.PickedUpHow != PickupGone {
			t.Errorf("%+v", d)
		}
		must(t, l.log.Walk(ctx, 0, 1<<40, func(_ int64, events [][]byte) error {
			for _, raw := range events {
				kinds[ledger.KindOf(raw)]++
			}
			return nil
		}))
		if kinds[KindPickedUp] != 1 {
			t.Errorf("%d events", kinds[KindPickedUp])
		}
		if waiting, err := l.AwaitPickup(ctx, "north", -1, 10); err != nil || len(waiting) != 1 || waiting[0].Seq != second {
			t.Errorf("%+v %v", waiting, err)
		}
		j, err := l.Journey(ctx, a.ID, JourneyOptions{})
		must(t, err)
		if !hasStep(j, StepPickedUp) || hasStep(j, StepUnfetched) {
			t.Errorf("%+v", j.Steps)
		}
		j, err = l.Journey(ctx, b.ID, JourneyOptions{})
		must(t, err)
		if hasStep(j, StepPickedUp) || !hasStep(j, StepUnfetched) {
			t.Errorf("%+v", j.Steps)
		}
		if err := l.PickedUp(ctx, 1<<40, at, PickupGone); !errors.Is(err, ErrNotFound) {
			t.Errorf("of nothing: %v", err)
		}
		if err := l.PickedUp(ctx, second, at, "somehow"); !errors.Is(err, ErrInvalid) {
			t.Errorf("somehow: %v", err)
		}
		seq, err := DeliveryOf(b.ID.String() + "-" + numbered(second))
		if err != nil || seq != second {
			t.Errorf("%d %v", seq, err)
		}
		l.halt()
		l.fits()
		l.exec("UPDATE results_pickups SET picked_at = 5 WHERE seq = $1", second)
		audit, err := l.Audit(ctx, nil)
		must(t, err)
		if len(audit.Findings) != 1 || audit.Findings[0].Table != "results_pickups" {
			t.Errorf("a pick-up was made up: %+v", audit.Findings)
		}
	})
}

func hasStep(j *Journey, kind StepKind) bool {
	for i := range j.Steps {
		if j.Steps[i].Kind == kind {
			return true
		}
	}
	return false
}
