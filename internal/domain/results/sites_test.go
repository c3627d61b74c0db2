package results

import (
	"context"
	"maps"
	"slices"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// sited puts settings in force in which lis and other belong to these sites.
func (l *lab) sited(of map[string]string) {
	l.t.Helper()
	err := l.db.Do(l.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		leaf, err := bus.Publish(ctx, tx, ledger.Event{Kind: "config.applied", At: l.now().UnixMicro(), IDs: ledger.Pairs{{K: "by", V: "ann"}}})
		if err != nil {
			return err
		}
		return l.PlaceSources(ctx, tx, leaf, of)
	})
	must(l.t, err)
	must(l.t, l.LoadSites(l.t.Context()))
	set := l.standard()
	set.Sites = map[string]string{"main": "Main laboratory", "hill": "Hill Street"}
	set.Sources["other"] = Source{Name: "other", Window: window}
	for name, s := range set.Sources {
		s.Site = of[name]
		set.Sources[name] = s
	}
	set.Routes = append(set.Routes, Route{Name: "others", From: "other", To: []string{"south"}, Stage: Carry})
	l.Apply(set)
}

func at(site string) Sight { return func(d *Delivery) bool { return d.Site == site } }

func (l *lab) seen(site string) []event.ID {
	l.t.Helper()
	h, err := l.Search(l.t.Context(), Query{Sees: at(site)}, Page{})
	must(l.t, err)
	var out []event.ID
	for _, m := range h.Messages {
		if m.Site != site {
			l.t.Errorf("a result of %q is listed at %q", m.Site, site)
		}
		out = append(out, m.ID)
	}
	return out
}

// What came in for a site stays with it when its source is moved, also in
// another process; nothing of another site is found, listed or counted.
func TestResultsStayWithTheSiteTheyCameInFor(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		ctx := t.Context()
		before := l.taken(oru("B1", "4711", "10"))
		if before.Site != "" || before.Deliveries[0].Site != "" {
			t.Errorf("without sites: %+v", before)
		}
		l.sited(map[string]string{"lis": "main", "other": "hill"})
		first := l.taken(critical("C1", "4711", "100"))
		l.presentAs("other", oru("C2", "4712", "101"))
		l.presentAs("lis", []byte("MSH|^~\\&|broken"))
		l.sited(map[string]string{"lis": "hill"}) // other keeps its own
		second := l.taken(oru("C3", "4711", "102"))
		check := func() {
			t.Helper()
			if got := l.seen("main"); !slices.Equal(got, []event.ID{first.ID}) {
				t.Errorf("main: %v", got)
			}
			if got := l.seen("hill"); len(got) != 2 || got[0] != second.ID {
				t.Errorf("hill: %v", got)
			}
			if got := l.seen(""); !slices.Equal(got, []event.ID{before.ID}) {
				t.Errorf("none: %v", got)
			}
			if _, err := l.Journey(ctx, first.ID, JourneyOptions{Sees: at("hill")}); err == nil {
				t.Error("the journey of another site's result is told")
			}
			if h, err := l.Search(ctx, Query{Site: "main"}, Page{}); err != nil || len(h.Messages) != 1 {
				t.Errorf("%v %v", h.Messages, err)
			}
		}
		check()

		f := l.flows()
		main := f.Of(func(p Place) bool { return p.Site == "main" })
		hill := f.Of(func(p Place) bool { return p.Site == "hill" && p.Partner == "south" })
		if n, _ := main.Partner("north"); len(main.Partners) != 2 || n.Waiting != 1 {
			t.Errorf("main: %+v", main.Partners)
		}
		if s, _ := hill.Partner("south"); len(hill.Partners) != 1 || s.Waiting != 2 {
			t.Errorf("hill: %+v", hill.Partners)
		}
		if s, _ := f.Partner("south"); s.Waiting != 4 {
			t.Errorf("%d wait in all", s.Waiting)
		}

		onlyAt := func(site string) func(string) bool { return func(s string) bool { return s == site } }
		for site, n := range map[string]int{"main": 1, "hill": 0} {
			p, err := l.QuarantinePage(ctx, ApartFilter{Sees: onlyAt(site)})
			must(t, err)
			if len(p.Messages) != n || p.Next != 0 {
				t.Errorf("%s: %d in quarantine, next %d", site, len(p.Messages), p.Next)
			}
			r, err := l.ReplaySeen(ctx, ApartFilter{Cause: CauseNoControlID, Sees: onlyAt(site)}, why, nil)
			must(t, err)
			if r.Of != int64(n) || r.Done != int64(n) {
				t.Errorf("%s: %+v replayed", site, r)
			}
		}
		groups, err := l.ApartGroups(ctx)
		must(t, err)
		if len(groups) != 1 || groups[0].Site != "main" || groups[0].Count != 1 {
			t.Errorf("%+v", groups)
		}
		l.clock.add(window / 10)
		calls := l.calls()
		by, err := l.CallsOf(ctx)
		must(t, err)
		for _, c := range calls {
			if want := by[Place{c.Partner, c.Site}]; c.Site != "main" || want.Open == 0 {
				t.Errorf("%+v, counted %+v", c, by)
			}
		}
		if len(calls) == 0 {
			t.Error("no phone task")
		}

		l.fits()
		l.restart()
		check()
		l.exec("UPDATE results_sites SET site = 'hill' WHERE site = 'main'")
		must(t, l.LoadSites(ctx))
		if got := slices.Concat(l.seen("main"), l.seen("hill")); len(got) != 0 {
			t.Errorf("after the sites were changed in the database: %v", got)
		}
	})
}

// A long quarantine of another site does not hide one's own.
func TestQuarantineOfASiteIsReadOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.sited(map[string]string{"lis": "main", "other": "hill"})
		for i := range 3 {
			l.presentAs("lis", []byte("MSH|^~\\&|broken"+string(rune('a'+i))))
			for j := range 7 {
				l.presentAs("other", []byte("MSH|^~\\&|broken"+string(rune('a'+i))+string(rune('a'+j))))
			}
		}
		got := map[event.ID]bool{}
		f := ApartFilter{Limit: 2, Sees: func(s string) bool { return s == "main" }}
		for pages := 0; ; pages++ {
			p, err := l.QuarantinePage(t.Context(), f)
			must(t, err)
			for _, a := range p.Messages {
				if got[a.ID] || a.Site != "main" {
					t.Errorf("%+v twice, or of another site", a)
				}
				got[a.ID] = true
			}
			if f.Before = p.Next; p.Next == 0 {
				break
			}
			if pages > 10 {
				t.Fatal("it never ends")
			}
		}
		if len(got) != 3 {
			t.Errorf("%v", slices.Collect(maps.Keys(got)))
		}
	})
}
