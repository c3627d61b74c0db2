package resultsui

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const (
	noRoute      = "There is no such route."
	mostCompares = 50
)

func routeRoutes(d Deps) []web.Route {
	return append([]web.Route{
		{Pattern: "GET /routes", Needs: authz.RoutesSee, Handle: d.routeList},
		{Pattern: "GET /routes/{name}", Needs: authz.RoutesSee, Handle: d.route},
		{Pattern: "POST /routes/{name}/explain", Needs: authz.RoutesExplain, Handle: d.routeExplain},
		{Pattern: "GET /routes/{name}/differences/{id}", Needs: authz.RoutesExplain, Handle: d.askExplainOne},
		{Pattern: "POST /routes/{name}/differences/{id}", Needs: authz.RoutesExplain, Handle: d.doExplainOne},
		{Pattern: "POST /routes/{name}/values/{id}", Needs: authz.ResultsReveal, Handle: d.routeValues},
		{Pattern: "POST /routes/{name}/approve", Needs: authz.RoutesApprove, Handle: d.routeApprove},
		{Pattern: "POST /routes/{name}/forward", Needs: authz.RoutesApprove, Handle: d.routeMove(true)},
		{Pattern: "POST /routes/{name}/back", Needs: authz.RoutesBack, Handle: d.routeMove(false)},
	}, append(routeOps(d), explainOneOp(d), valuesOp(d))...)
}

func routeState(s *results.RouteState) (kit.State, string) {
	switch {
	case s.Stage == results.Carry.String():
		return kit.Fine, "carries"
	case s.Progress != nil && s.Progress.Unexplained > 0:
		return kit.Warn, s.Stage + ": differences to explain"
	case len(s.Missing) == 0:
		return kit.Warn, s.Stage + ": may carry"
	}
	return kit.Unknown, s.Stage
}

// routeList is every route and how far it is adopted.
func (d Deps) routeList(w http.ResponseWriter, r *http.Request) error {
	list, err := d.Results.RouteStates(r.Context())
	if err != nil {
		return err
	}
	carry := 0
	t := kit.Table{
		Caption: "Routes", Total: len(list), Empty: "No route is set up: nothing that comes in goes anywhere.",
		Columns: []kit.Column{{Name: "Route"}, {Name: "State"}, {Name: "From"}, {Name: "To"}, {Name: "Compared", Num: true}, {Name: "To explain", Num: true}},
	}
	for i := range list {
		s := &list[i]
		if s.Stage == results.Carry.String() {
			carry++
		}
		state, word := routeState(s)
		to := make([]string, len(s.To))
		for n, key := range s.To {
			to[n] = d.name(key)
		}
		compared, open := kit.C("nothing to compare"), kit.C("—")
		if p := s.Progress; p != nil {
			compared, open = kit.C(fmt.Sprintf("%d of %d days", p.Days, p.Needed)), kit.CNum(int(p.Unexplained))
			open.Bad = p.Unexplained > 0
		}
		from := strings.Join(s.From, ", ")
		if from == "" {
			from = "any source"
		}
		t.Rows = append(t.Rows, kit.Row{Key: s.Route, Cells: []kit.Cell{
			kit.CLink(s.Route, "/routes/"+s.Route), kit.CState(state, "", word), kit.C(from), kit.C(strings.Join(to, ", ")), compared, open,
		}})
	}
	lead, rest := fmt.Sprintf("%s of %s carry.", kit.Count(carry), kit.Many(len(list), "route", "routes")), "The others record or send beside the old path."
	if carry == len(list) {
		lead, rest = "All routes carry.", ""
	}
	if len(list) == 0 {
		lead, rest = "No route is set up.", ""
	}
	return web.Render(w, r, kit.Page{
		Title: "Routes", Lead: lead, Rest: rest, Nav: "/routes", Live: []string{"results"},
		Body: kit.Sheet(kit.SheetOpts{Title: "Routes", Body: kit.DataTable(t)}),
	})
}

func (d Deps) findRoute(r *http.Request) (results.RouteState, error) {
	s, err := d.Results.RouteState(r.Context(), r.PathValue("name"))
	if errors.Is(err, results.ErrNotFound) {
		return s, web.NotFound(noRoute)
	}
	return s, err
}

func (d Deps) route(w http.ResponseWriter, r *http.Request) error { return d.showRoute(w, r, nil) }

// showRoute draws a route: its stage, what it lacks, what differs.
func (d Deps) showRoute(w http.ResponseWriter, r *http.Request, errs map[string]string) error {
	s, err := d.findRoute(r)
	if err != nil {
		return err
	}
	now := d.clock(r)
	approvals, err := d.Results.Approvals(r.Context(), s.Route)
	if err != nil {
		return err
	}
	parts := []templ.Component{}
	if s.OldPath != "" {
		kinds, err := d.Results.GapKinds(r.Context(), s.Route)
		if err != nil {
			return err
		}
		list, err := d.Results.Comparisons(r.Context(), s.Route, false, mostCompares)
		if err != nil {
			return err
		}
		parts = append(parts, kindsSheet(&s, kinds), comparesSheet(r, &s, list, now))
		if mayHere(r, authz.RoutesExplain, authz.Object{}) && len(kinds) > 0 {
			parts = append(parts, explainSheet(r, &s, kinds, errs))
		}
	}
	parts = append(parts, d.routeForms(r, &s, errs)...)
	p := kit.Page{
		Title: "Route " + s.Route, Lead: routeLead(&s), Nav: "/routes", Crumbs: []kit.Crumb{{Name: "Routes", Href: "/routes"}, {Name: s.Route}},
		Body: templ.Join(routeVerdict(&s), kit.Columns(templ.Join(parts...), templ.Join(d.routeFacts(&s, now), approvalsSheet(approvals, now)))),
	}
	if len(errs) > 0 {
		p.Status = http.StatusUnprocessableEntity
	} else if r.Method == http.MethodGet {
		p.Live = []string{"results"}
	}
	return web.Render(w, r, p)
}

func routeLead(s *results.RouteState) string {
	switch s.Stage {
	case results.Carry.String():
		return "This route carries."
	case results.Parallel.String():
		return "This route sends beside the old path."
	}
	return "This route records what it would send, and sends nothing."
}

func routeVerdict(s *results.RouteState) templ.Component {
	switch {
	case s.Stage == results.Carry.String():
		return kit.Verdict(kit.Fine, "It carries", "One step back takes effect at once and needs nobody's approval.", nil)
	case len(s.Missing) == 0:
		return kit.Verdict(kit.Warn, "It may carry", "The comparison is enough and the director has approved exactly this configuration. Somebody has to take the step.", nil)
	}
	return kit.Verdict(kit.Unknown, "Before it may carry", upperFirst(withoutCommands(strings.Join(s.Missing, "; ")))+".", nil)
}

func (d Deps) routeFacts(s *results.RouteState, now time.Time) templ.Component {
	to := make([]string, len(s.To))
	for i, key := range s.To {
		to[i] = d.name(key)
	}
	from := strings.Join(s.From, ", ")
	if from == "" {
		from = "any source"
	}
	facts := []kit.KV{
		{Key: "Stage", Value: s.Stage},
		{Key: "From", Value: from},
		{Key: "To", Value: strings.Join(to, ", ")},
		{Key: "Old path", Value: orNone(s.OldPath, "none named")},
	}
	if p := s.Progress; p != nil {
		facts = append(facts,
			kit.KV{Key: "Compared", Value: fmt.Sprintf("on %d of %d days", p.Days, p.Needed)},
			kit.KV{Key: "Since", Value: kit.Clock(p.Since, now)},
			kit.KV{Key: "Equal", Value: kit.Count(int(p.Equal))},
			kit.KV{Key: "Different", Value: kit.Count(int(p.Differing))},
			kit.KV{Key: "Only we delivered", Value: kit.Count(int(p.OnlyOurs))},
			kit.KV{Key: "Only the old path", Value: kit.Count(int(p.OnlyTheirs))},
			kit.KV{Key: "Wait for the other", Value: kit.Count(int(p.Waiting))},
			kit.KV{Key: "To explain", Value: kit.Count(int(p.Unexplained))},
		)
	} else {
		facts = append(facts, kit.KV{Key: "Compared", Value: "nothing: no old path is named"})
	}
	facts = append(facts, kit.KV{Key: "Configuration", Value: s.Config, Mono: true})
	return kit.Sheet(kit.SheetOpts{Title: "Facts", Body: kit.KeyValues(facts)})
}

func approvalsSheet(list []results.Approval, now time.Time) templ.Component {
	o := kit.SheetOpts{Title: "The director's approvals"}
	if len(list) == 0 {
		o.Body = kit.UnknownState("There is none.")
		return kit.Sheet(o)
	}
	var items []kit.Check
	for _, a := range list {
		c := kit.Check{State: kit.Fine, Word: "In force", Title: a.Director + ", " + kit.Clock(a.At, now), Text: "After the comparison."}
		if a.NoOldPath {
			c.Text = "States that there is no old path."
		}
		if !a.EndedAt.IsZero() {
			c.State, c.Word = kit.Unknown, "Ended"
			c.Text += " Ended " + kit.Clock(a.EndedAt, now) + ": the route was changed or taken back."
		}
		items = append(items, c)
	}
	o.Body = kit.Checks(items)
	return kit.Sheet(o)
}

// kindsSheet sums what differs and nobody explained.
func kindsSheet(s *results.RouteState, kinds []results.GapKind) templ.Component {
	t := kit.Table{
		Caption: "Differences that nobody has explained, by kind", Total: len(kinds), Empty: "No difference is unexplained.",
		Columns: []kit.Column{{Name: "Where"}, {Name: "Kind of difference"}, {Name: "Messages", Num: true}},
	}
	for _, k := range kinds {
		t.Rows = append(t.Rows, kit.Row{Key: k.Class + k.Kind, Cells: []kit.Cell{{Text: k.Kind, Mono: true}, kit.C(classWords(k.Class)), kit.CNum(int(k.Messages))}})
	}
	o := kit.SheetOpts{Title: "Unexplained differences", Body: kit.DataTable(t)}
	if s.Progress != nil && s.Progress.Equal+s.Progress.Differing == 0 {
		o.Body = kit.UnknownState("Nothing was compared yet.")
	}
	return kit.Sheet(o)
}

func classWords(class string) string { return strings.ReplaceAll(class, "_", " ") }

// comparesSheet lists messages that differ.
func comparesSheet(r *http.Request, s *results.RouteState, list []results.Comparison, now time.Time) templ.Component {
	reveal, explain := mayHere(r, authz.ResultsReveal, authz.Object{}), mayHere(r, authz.RoutesExplain, authz.Object{})
	t := kit.Table{
		Caption: "Messages with an unexplained difference", Total: len(list), Empty: "No message has an unexplained difference.",
		Columns: []kit.Column{{Name: "Began"}, {Name: "Outcome"}, {Name: "Places"}, {Name: "What to do"}},
	}
	for i := range list {
		c := &list[i]
		var places []string
		for _, g := range c.Differences {
			if !g.Explained && len(places) < 6 {
				places = append(places, g.Path)
			}
		}
		values := kit.C("—")
		if wholeGap(c) != nil {
			if explain {
				values = kit.CLink("Explain it", onePath(s.Route, c.ID))
			}
		} else if reveal && c.Delivery != 0 {
			values = kit.CBody(kit.Button(kit.Action{Text: "Show values (recorded)", Href: "/routes/" + s.Route + "/values/" + c.ID, Post: true}))
		}
		t.Rows = append(t.Rows, kit.Row{Key: c.ID, Cells: []kit.Cell{kit.CMono(kit.Clock(c.BeganAt, now)), kit.C(outcomeWords(c.Outcome)), {Text: strings.Join(places, ", "), Mono: true}, values}})
	}
	return kit.Sheet(kit.SheetOpts{Title: "Messages that differ", Sub: "newest first", Body: kit.DataTable(t)})
}
