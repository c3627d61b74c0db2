package results

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// counted has four results, delivered to north, two of which are one order's.
func countLab(t *testing.T, open storetest.Opener) (*lab, []Summary, Counting) {
	t.Helper()
	l := newLab(t, open)
	set := l.standard()
	set.Partners["north"].Sender = &shelf{}
	set.Routes[0].To = []string{"north"}
	l.Apply(set)
	var all []Summary
	for _, id := range []string{"A1", "B1", "C1"} {
		all = append(all, l.taken(oru(id, "47"+id, "10"+id)))
	}
	l.run()
	l.until("all are delivered", func() bool { return l.count("SELECT count(*) FROM results_deliveries WHERE state = 3") == 3 })
	now := l.now()
	return l, all, Counting{Partner: "north", Since: now.Add(-24 * time.Hour), Until: now.Add(time.Minute), Zone: time.UTC}
}

func TestCountByPickup(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l, all, q := countLab(t, open)
		ctx := t.Context()
		if none, err := l.NotCountable(ctx); err != nil || len(none) == 0 {
			t.Errorf("%v %v", none, err)
		}
		must(t, l.PickedUp(ctx, all[0].Deliveries[0].Seq, l.now(), PickupRead))
		q.Way = ByPickup
		c, err := l.Count(ctx, q, Nightly())
		must(t, err)
		if c.Matched != 1 || c.Missing != 2 || c.Extra != 0 || !c.Machine() {
			t.Fatalf("%+v", c)
		}
		lacking, err := l.LackingOf(ctx, c.ID, 10)
		must(t, err)
		if len(lacking) != 2 || lacking[0].Message != all[1].ID || !lacking[0].PickedUpAt.IsZero() {
			t.Fatalf("%+v", lacking)
		}
		must(t, l.PickedUp(ctx, lacking[0].Seq, l.now(), PickupRead))
		lacking, err = l.LackingOf(ctx, c.ID, 10)
		must(t, err)
		if lacking[0].PickedUpAt.IsZero() {
			t.Error("what was picked up since is not said")
		}
		latest, err := l.LatestCounts(ctx)
		must(t, err)
		if x := latest["north"]; x.Way != ByPickup || !x.Since.Equal(q.Since.Truncate(time.Microsecond)) || x.Missing != 2 {
			t.Errorf("%+v", x)
		}
		j, err := l.Journey(ctx, all[2].ID, JourneyOptions{})
		must(t, err)
		if hasStep(j, StepUncounted) || !hasStep(j, StepUnfetched) {
			t.Errorf("%s", kinds(j))
		}
		if n := len(l.events(KindCounted)); n != 1 {
			t.Errorf("%d events", n)
		}
		if n := l.count("SELECT count(*) FROM results_deliveries WHERE state <> 3"); n != 0 {
			t.Errorf("a count sent %d again", n)
		}
	})
}

func TestCountBySearch(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l, all, q := countLab(t, open)
		q.Way = BySearch
		q.Has = func(context.Context, []byte) (bool, error) { return false, errors.New("away") }
		if _, err := l.Count(t.Context(), q, Nightly()); err == nil {
			t.Error("what could not be asked was counted")
		}
		if list, err := l.PartnerCounts(t.Context(), "north", 9); err != nil || len(list) != 0 {
			t.Errorf("%v %v", list, err)
		}
		n := 0
		q.Has = func(_ context.Context, sent []byte) (bool, error) { n++; return controlOf(sent) != "B1", nil }
		c, err := l.Count(t.Context(), q, Nightly())
		must(t, err)
		if c.Matched != 2 || c.Missing != 1 || n != 3 || c.MissingDeliveries[0] != all[1].Deliveries[0].Seq {
			t.Errorf("%+v", c)
		}
		if d := l.delivery(all[0].Deliveries[0].Seq); d.FoundAt.IsZero() {
			t.Error("what was found is not said")
		}
	})
}

func TestListsMayNameInThreeWays(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l, all, q := countLab(t, open)
		_, body, err := l.Message(t.Context(), all[1].ID)
		must(t, err)
		sum := sha256.Sum256(body)
		fillers := fillersOf(body)
		_, third, err := l.Message(t.Context(), all[2].ID)
		must(t, err)
		if len(fillers) != 1 {
			t.Fatalf("%q", fillers)
		}
		q.Way, q.List = ByList, []byte("\ufeffControl ID;when\r\n\"A1\";today\r\n"+hex.EncodeToString(sum[:])+"\r\n"+fillersOf(third)[0]+",x\nELSE\n")
		c, err := l.Count(t.Context(), q, Nightly())
		must(t, err)
		if c.Listed != 4 || c.Matched != 3 || c.Missing != 0 || c.Extra != 1 {
			t.Errorf("%+v", c)
		}
		// What was delivered after the time is neither missing nor extra.
		q.Until = l.now().Add(-time.Hour)
		c, err = l.Count(t.Context(), q, Nightly())
		must(t, err)
		if c.Matched != 0 || c.Missing != 0 || c.Extra != 1 {
			t.Errorf("%+v", c)
		}
	})
}
