package resultsui

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// mostOpen is how many open deliveries a partner's page lists, mostLooked through
// how many it goes where not all of them may be seen.
const (
	mostOpen   = 50
	mostLooked = 2000
)

// partner is one partner's page.
func (d Deps) partner(w http.ResponseWriter, r *http.Request) error {
	v, err := d.find(r, authz.PartnersSee)
	if err != nil {
		return err
	}
	ctx, now := r.Context(), d.clock(r)
	conf := d.conf().Partners[v.Partner]
	lead, rest := v.sentence(now)
	parts := []templ.Component{v.last24(now), v.fortnight()}
	if some(web.Scope(r, authz.ResultsFind), d.ofPartner(v.Partner)) {
		sees, limit := sightOf(web.Scope(r, authz.ResultsFind)), mostOpen
		if sees != nil {
			limit = mostLooked // others' may stand before theirs
		}
		open, err := d.Results.OpenOf(ctx, v.Partner, limit)
		if err != nil {
			return err
		}
		if sees != nil {
			open = slices.DeleteFunc(open, func(o results.Open) bool { return !sees(&o.Delivery) })
			open = open[:min(len(open), mostOpen)]
		}
		parts = append(parts, openSheet(&v, open, now))
	}
	posture, err := d.posture(ctx, &v, &conf, now)
	if err != nil {
		return err
	}
	lists, err := d.listSheet(ctx, &v)
	if err != nil {
		return err
	}
	beside := []templ.Component{posture.sheet(now), lists, d.routeSheet(&v, web.Scope(r, authz.PartnersSee))}
	return web.Render(w, r, kit.Page{
		Title: v.name, Lead: lead, Rest: rest, Crumbs: []kit.Crumb{{Name: "Partners", Href: "/partners"}, {Name: v.name}}, Nav: "/partners",
		Tools: d.partnerTools(r, &v), Live: []string{"results", "partner:" + v.Partner},
		Body: templ.Join(v.verdict(now), kit.Columns(templ.Join(parts...), templ.Join(beside...))),
	})
}

// partnerTools are what this person may do here.
func (d Deps) partnerTools(r *http.Request, v *partnerView) templ.Component {
	var out []templ.Component
	add := func(a kit.Action) { out = append(out, kit.Button(a)) }
	of := d.ofPartner(v.Partner)
	if every(web.Scope(r, authz.PartnersTest), of) && len(v.Gates) == 0 {
		add(kit.Action{Text: "Send a test", Href: "/partners/" + v.Partner + "/test", Icon: "test"})
	}
	if web.Scope(r, authz.PartnersSee).Holds(authz.Object{Partner: v.Partner}) {
		add(kit.Action{Text: "Keys", Href: "/partners/" + v.Partner + "/keys", Icon: "key"})
	}
	if d.conf().Partners[v.Partner].Destination.Portal != nil && every(web.Scope(r, authz.PortalSee), of) {
		add(kit.Action{Text: "Who opens its results", Href: "/portal/" + v.Partner, Icon: "people"})
	}
	paused := false
	for _, g := range v.Gates {
		paused = paused || g.Kind == results.TransportStop
	}
	switch {
	case !every(web.Scope(r, authz.TransportStop), of):
	case paused:
		add(kit.Action{Text: "Resume", Href: "/stops", Icon: "again"})
	default:
		add(kit.Action{Text: "Pause", Href: "/stops/transport/new?scope=partner&target=" + v.Partner, Icon: "hold"})
	}
	if len(out) == 0 {
		return nil
	}
	return templ.Join(out...)
}

func (v *partnerView) last24(now time.Time) templ.Component {
	o := kit.SheetOpts{Title: "Last 24 hours"}
	if !v.known {
		o.Body = kit.UnknownState("Still being counted.")
		return kit.Sheet(o)
	}
	o.Sub = "counted " + kit.Clock(v.at, now)
	sums := []kit.Sum{sum(v.acknowledged, "acknowledged", false)}
	if v.placed > 0 {
		sums = append(sums, sum(v.placed, "placed", false))
	}
	sums = append(sums, sum(v.Waiting, "waiting", v.Waiting > 0 && v.state == kit.Stopped || v.late()), sum(v.Stopped, "failed", v.Stopped > 0))
	if v.Held > 0 {
		sums = append(sums, sum(v.Held, "held", false))
	}
	o.Body = templ.Join(kit.Sums(sums), kit.KeyValues([]kit.KV{{Key: "Per hour", Body: v.bars(0)}}))
	return kit.Sheet(o)
}

// fortnight is the last 14 days.
func (v *partnerView) fortnight() templ.Component {
	o := kit.SheetOpts{Title: "Last 14 days"}
	if v.Days == nil {
		o.Body = kit.UnknownState("The days before are still being counted.")
		return kit.Sheet(o)
	}
	o.Sub = "acknowledged, of what came in in these days"
	bars := kit.BarsOpts{}
	most, total := int64(0), int64(0)
	for _, day := range v.Days {
		n := day.Acknowledged + day.Placed
		bars.Counts = append(bars.Counts, int(n))
		most, total = max(most, n), total+n
	}
	bars.Text = fmt.Sprintf("Results per day over the last 14 days, today last, at most %s in a day", kit.Count(int(most)))
	o.Body = kit.KeyValues([]kit.KV{
		{Key: "Per day", Body: kit.Bars(bars)},
		{Key: "In all", Value: kit.Many(int(total), "result", "results")},
		{Key: "Busiest day", Value: kit.Many(int(most), "result", "results")},
	})
	return kit.Sheet(o)
}

// openSheet lists what has not been completed.
func openSheet(v *partnerView, open []results.Open, now time.Time) templ.Component {
	t := kit.Table{
		Caption: "Results that have not been acknowledged", Total: len(open), Empty: "Nothing waits.",
		Columns: []kit.Column{{Name: "Came in"}, {Name: "State"}, {Name: "Route"}, {Name: "Tries", Num: true}, {Name: "Next try", Num: true}},
	}
	for _, o := range open {
		state, word := kit.Unknown, "waiting"
		switch o.State {
		case results.Held:
			state, word = kit.Warn, "held"
		case results.NeedsPerson:
			state, word = kit.Stopped, "needs a person"
		case results.Waiting:
			if v.state == kit.Stopped {
				state = kit.Warn
			}
		}
		sub := reasonWords(o.Reason)
		switch {
		case o.Critical && sub == "":
			sub = "flagged critical by the LIS"
		case o.Critical:
			sub = "flagged critical by the LIS; " + sub
		}
		next := kit.C("none planned")
		if o.State == results.Waiting && o.NextAt.After(now) {
			next = kit.CMono(kit.Second(o.NextAt, now))
		} else if o.State == results.Waiting {
			next = kit.C("in its turn")
		}
		t.Rows = append(t.Rows, kit.Row{Key: o.Message.String(), At: o.State == results.NeedsPerson, Cells: []kit.Cell{
			{Text: kit.Second(o.ReceivedAt, now), Sub: "from " + o.Source, Href: "/results/" + o.Message.String(), Mono: true},
			{State: &state, Word: word, Text: word, Sub: sub},
			kit.C(o.Route), kit.CNum(int(o.Attempts)), next,
		}})
	}
	body := kit.DataTable(t)
	if n := int(v.Waiting+v.Held+v.Stopped) - len(open); v.known && n > 0 && len(open) == mostOpen {
		body = templ.Join(body, kit.Foot(kit.Unknown, "The oldest "+kit.Count(mostOpen)+" are shown; "+kit.Many(n, "more waits.", "more wait.")))
	}
	return kit.Sheet(kit.SheetOpts{Title: "Not acknowledged yet", Sub: "oldest first", ID: "open", Body: body})
}

// listSheet is what counts of what the partner has said.
func (d Deps) listSheet(ctx context.Context, v *partnerView) (templ.Component, error) {
	o := kit.SheetOpts{Title: "Counted there", ID: "lists"}
	more := kit.Acts(kit.Action{Text: "See the last count", Href: "/partners/" + v.Partner + "/count"})
	if v.shared {
		o.Body = kit.UnknownState("Its lists name what came from every site, and are shown to who sees them all.")
		return kit.Sheet(o), nil
	}
	lists, err := d.Results.PartnerCounts(ctx, v.Partner, 7)
	if err != nil {
		return nil, err
	}
	way := d.wayOf(v.Partner)
	if len(lists) == 0 {
		text := v.name + " gives no list of what it has, so it is not countable: that their system accepted a result does not show that the chart has it."
		if way != "" {
			text = "Not counted yet. It is counted each night, " + wayWords(way) + "."
		}
		o.Body = templ.Join(kit.UnknownState(text), more)
		return kit.Sheet(o), nil
	}
	var items []kit.Check
	for _, c := range lists {
		x := kit.Check{Title: day(c.Day)}
		x.State, x.Text = verdictOf(&c)
		if c.Way == results.ByList {
			switch {
			case c.Missing > 0:
				x.Text = fmt.Sprintf("%s of %s we delivered are on it; %s not.", kit.Count(int(c.Matched)), kit.Count(int(c.Matched+c.Missing)), kit.Many(int(c.Missing), "is", "are"))
			case c.Matched > 0:
				x.Text = fmt.Sprintf("All %s we delivered are on it.", kit.Count(int(c.Matched)))
			}
		}
		if c.Extra > 0 {
			x.Text += " It names " + kit.Many(int(c.Extra), "message", "messages") + " that we did not deliver in that time."
		}
		items = append(items, x)
	}
	o.Body = templ.Join(kit.Checks(items), more)
	return kit.Sheet(o), nil
}

// routeSheet names the routes that lead here from sites within the scope, and how
// far each is adopted.
func (d Deps) routeSheet(v *partnerView, scope authz.Scope) templ.Component {
	var items []kit.KV
	seen := map[string]bool{}
	for _, rt := range d.conf().Routes {
		if !slices.Contains(rt.To, v.Partner) || seen[rt.Name] || !some(scope, d.ofRoute(&rt, v.Partner)) {
			continue
		}
		seen[rt.Name] = true
		items = append(items, kit.KV{Key: rt.Name, Value: stageWords(rt.Stage)})
	}
	if len(items) == 0 {
		return kit.Sheet(kit.SheetOpts{Title: "Routes", Pad: true, Body: kit.Empty("No route leads here.", nil)})
	}
	return kit.Sheet(kit.SheetOpts{Title: "Routes", Body: kit.KeyValues(items)})
}

func stageWords(stage string) string {
	switch stage {
	case "shadow":
		return "shadow: records what it would send, sends nothing"
	case "parallel":
		return "parallel: sends beside the old path"
	case "carry":
		return "carries"
	}
	return stage
}

// reasonWords is why a delivery waits: the class of a failure in words, anything
// else as it is.
func reasonWords(reason string) string {
	class, code, ok := strings.Cut(reason, " ")
	if !ok || !slices.Contains([]string{"unreachable", "unanswered", "busy", "rejected", "misconfigured"}, class) {
		return reason
	}
	s := failure(class)
	if code != "" && code != "-" {
		s += " (" + code + ")"
	}
	return s
}
