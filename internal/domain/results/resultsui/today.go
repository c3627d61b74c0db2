package resultsui

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func todayRoutes(d Deps) []web.Route {
	return []web.Route{
		{Pattern: "GET /{$}", Needs: authz.TodaySee, Handle: d.today},
		web.Op[todayIn, TodayAnswer]{
			Pattern: "GET /api/v1/today", Needs: authz.TodaySee, Tag: "Today", Summary: "What needs you now, and what went where in the last 24 hours",
			Detail: "The same as the page Today shows to this caller: things and partners outside of the caller's scope are left out.",
			Do:     func(r *http.Request, _ todayIn) (TodayAnswer, error) { return d.todayAnswer(r) },
		}.Route(),
	}
}

type todayIn struct {
	Site string `query:"site" doc:"only what is of this site, by its key"`
}

// today is the page one opens in the morning.
func (d Deps) today(w http.ResponseWriter, r *http.Request) error {
	now := d.clock(r)
	ctx := counting(r.Context())
	who, sites, err := d.todayOf(r)
	if err != nil {
		return err
	}
	at := r.URL.Query().Get("site")
	g := d.Board.Gather(ctx, who, now)
	lead, rest := g.Sentence()
	var parts []templ.Component
	if len(sites) > 0 {
		parts = append(parts, siteTabs(sites, at))
	}
	parts = append(parts, needs(&g, now))
	if scope := who.Scope(authz.PartnersSee, web.Now(r)); !scope.Empty() {
		// What cannot be counted is one thing of several: the source "the partners"
		// says so above, and the log why.
		if v, err := d.flowView(ctx, scope, now); err != nil {
			parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Results, last 24 hours", Body: kit.UnknownState("What went out could not be counted just now.")}))
		} else {
			if len(sites) > 0 && at == "" {
				parts = append(parts, v.siteSheet(sites))
			}
			parts = append(parts, flowSheet(v, !web.Scope(r, authz.ResultsFind).Empty()))
		}
	}
	var beside templ.Component
	if len(g.Lines) > 0 {
		beside = protection(g.Lines, now)
	}
	return web.Render(w, r, kit.Page{
		Title: "Today", Lead: lead, Rest: rest, Eyebrow: d.eyebrow(now, at), Nav: "/",
		Tools: kit.PrintButton("Morning report"), Live: []string{"results", "alarms"},
		Body: kit.Columns(templ.Join(parts...), beside),
	})
}

// needs is the list of what needs somebody.
func needs(g *today.Gathered, now time.Time) templ.Component {
	if len(g.Items) == 0 {
		return kit.Sheet(kit.SheetOpts{Title: "Needs you", Body: kit.Empty("There is nothing to do. Whatever comes up stands here, most urgent first.", nil)})
	}
	var items []kit.TodoItem
	for i, it := range g.Items {
		a := it.Action
		a.Primary = i == 0
		x := kit.TodoItem{State: it.State, Title: it.Title, Text: it.Text}
		if a.Text != "" {
			x.Action = &a
		}
		items = append(items, x)
	}
	body := kit.Todo(items)
	if g.More > 0 {
		body = templ.Join(body, kit.Foot(kit.Warn, kit.Many(g.More, "more thing is not shown here.", "more things are not shown here.")))
	}
	return kit.Sheet(kit.SheetOpts{Title: "Needs you", Sub: "most urgent first", Body: body})
}

// protection is the panel of what was checked.
func protection(lines []today.Line, now time.Time) templ.Component {
	var items []kit.LedgerItem
	oldest := now
	for _, l := range lines {
		v := l.Value
		if l.Strong != "" {
			v = kit.Strong(l.Strong) + " " + l.Value
		}
		items = append(items, kit.LedgerItem{State: l.State, Name: l.Name, Href: l.Href, Value: v, Text: l.Text})
		if l.At.Before(oldest) {
			oldest = l.At
		}
	}
	return kit.Sheet(kit.SheetOpts{Title: "Protection", Sub: "looked at " + kit.Clock(oldest, now), Body: kit.Ledger(items)})
}

// TodayAnswer is Today for programs.
type TodayAnswer struct {
	At       time.Time      `json:"at" doc:"when it was looked at"`
	Sentence string         `json:"sentence" doc:"what a person reads first"`
	Unknown  []string       `json:"could_not_be_looked_at" doc:"names of what could not be looked at; whatever would need somebody there is not in items"`
	Items    []TodayItem    `json:"items" doc:"most urgent first"`
	Checks   []TodayCheck   `json:"checks"`
	Counted  *time.Time     `json:"results_counted_at" doc:"when partners were counted; null while they still are, for the first time"`
	Partners []PartnerBrief `json:"partners"`
}

// TodayItem is one thing that needs somebody.
type TodayItem struct {
	State   string     `json:"state" doc:"stopped, warn or unknown"`
	Title   string     `json:"title"`
	Text    string     `json:"text"`
	Href    string     `json:"href,omitempty" doc:"the page on which something can be done about it"`
	Since   *time.Time `json:"since,omitempty"`
	Partner string     `json:"partner,omitempty"`
	Site    string     `json:"site,omitempty" doc:"where it is of one site's things alone"`
}

// TodayCheck is one line of the panel Protection.
type TodayCheck struct {
	State string    `json:"state" doc:"fine, warn, stopped or unknown"`
	Name  string    `json:"name"`
	Value string    `json:"value"`
	Text  string    `json:"text,omitempty"`
	At    time.Time `json:"at"`
}

func (d Deps) todayAnswer(r *http.Request) (TodayAnswer, error) {
	now := web.Now(r)
	ctx := counting(r.Context())
	who, _, err := d.todayOf(r)
	if err != nil {
		return TodayAnswer{}, err
	}
	g := d.Board.Gather(ctx, who, now)
	lead, rest := g.Sentence()
	out := TodayAnswer{At: now.UTC(), Sentence: lead, Unknown: append([]string{}, g.Failed...), Items: []TodayItem{}, Checks: []TodayCheck{}, Partners: []PartnerBrief{}}
	if rest != "" {
		out.Sentence += " " + rest
	}
	for _, it := range g.Items {
		x := TodayItem{State: stateName(it.State), Title: it.Title, Text: it.Text, Href: it.Action.Href, Partner: it.Partner, Site: it.Site}
		if !it.Since.IsZero() {
			at := it.Since.UTC()
			x.Since = &at
		}
		out.Items = append(out.Items, x)
	}
	for _, l := range g.Lines {
		v := l.Value
		if l.Strong != "" {
			v = l.Strong + " " + v
		}
		out.Checks = append(out.Checks, TodayCheck{stateName(l.State), l.Name, v, l.Text, l.At.UTC()})
	}
	scope := who.Scope(authz.PartnersSee, now)
	if scope.Empty() {
		return out, nil
	}
	v, err := d.flowView(ctx, scope, now)
	if err != nil || !v.flows.Known() {
		return out, err
	}
	at := v.flows.At.UTC()
	out.Counted = &at
	for i := range v.partners {
		out.Partners = append(out.Partners, v.partners[i].brief())
	}
	return out, nil
}

func stateName(s kit.State) string {
	switch s {
	case kit.Fine:
		return "fine"
	case kit.Warn:
		return "warn"
	case kit.Stopped:
		return "stopped"
	}
	return "unknown"
}

// flowView is what pages show of partners within a scope.
type flowView struct {
	now      time.Time
	flows    results.Flows
	partners []partnerView // most urgent first, then by name
	counts   map[string]results.Counted
	all      bool // the whole laboratory, not some partners of it
}

func (d Deps) flowView(ctx context.Context, scope authz.Scope, now time.Time) (flowView, error) {
	v := flowView{now: now, all: scope.All}
	var err error
	if v.flows, err = d.flows(ctx, now.Location()); err != nil {
		return v, err
	}
	if v.counts, err = d.Results.LatestCounts(ctx); err != nil {
		return v, err
	}
	c := d.conf()
	v.flows = seenFlows(v.flows, scope)
	for _, f := range v.flows.Partners {
		p := d.partnerView(c, f, v.flows.At)
		of := d.ofPartner(f.Partner)
		p.seenBy(scope, of)
		p.shared = !every(scope, of)
		v.partners = append(v.partners, p)
	}
	sortPartners(v.partners)
	return v, nil
}

// counting lets everything that draws one page see the same count.
func counting(ctx context.Context) context.Context {
	return context.WithValue(ctx, countKey{}, &counted{})
}

type countKey struct{}

type counted struct {
	once  sync.Once
	flows results.Flows
	err   error
}

// flows are the partners' flows, counted once for each page.
func (d Deps) flows(ctx context.Context, zone *time.Location) (results.Flows, error) {
	c, _ := ctx.Value(countKey{}).(*counted)
	if c == nil {
		return d.Results.Flows(ctx, zone)
	}
	c.once.Do(func() { c.flows, c.err = d.Results.Flows(ctx, zone) })
	return c.flows, c.err
}
