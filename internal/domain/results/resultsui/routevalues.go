package resultsui

import (
	"net/http"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// differing finds a comparison whose values the caller may be shown: those of every
// partner the route reaches, and of the one it was made for.
func (d Deps) differing(r *http.Request) (s results.RouteState, id event.ID, err error) {
	s, err = d.findRoute(r)
	if err != nil {
		return s, id, err
	}
	for _, partner := range s.To {
		if err := near(r, authz.ResultsReveal, authz.Object{Partner: partner}, noRoute); err != nil {
			return s, id, err
		}
	}
	_, one, err := d.compared(r)
	if err != nil {
		return s, id, err
	}
	if err := near(r, authz.ResultsReveal, authz.Object{Partner: one.Partner}, noCompare); err != nil { // the route may reach others by now
		return s, id, err
	}
	id, err = event.ParseID(one.ID)
	return s, id, err
}

// routeValues shows what differs in one message: patient data, recorded first.
func (d Deps) routeValues(w http.ResponseWriter, r *http.Request) error {
	s, id, err := d.differing(r)
	if err != nil {
		return err
	}
	c, gaps, err := d.Results.ViewComparison(r.Context(), id, as(r, "compare").By)
	if err != nil {
		return err
	}
	t := kit.Table{
		Caption: "What differs", Total: len(gaps), Empty: "There are no values: only one path delivered this message.",
		Columns: []kit.Column{{Name: "Where"}, {Name: "Ours"}, {Name: "The old path's"}},
	}
	for _, g := range gaps {
		t.Rows = append(t.Rows, kit.Row{Cells: []kit.Cell{{Text: g.Path, Sub: classWords(g.Class.String()), Mono: true}, {Text: g.Ours, Mono: true}, {Text: g.Theirs, Mono: true}}})
	}
	now := d.clock(r)
	return web.Render(w, r, kit.Page{
		Title: "Values that differ", Lead: kit.Many(len(gaps), "place differs in this message.", "places differ in this message."), Rest: "That you looked is recorded.", Nav: "/routes",
		Crumbs: []kit.Crumb{{Name: "Routes", Href: "/routes"}, {Name: s.Route, Href: "/routes/" + s.Route}, {Name: "Values"}},
		Body:   kit.Columns(kit.Sheet(kit.SheetOpts{Title: "Values", Sub: "of the message of " + kit.Clock(c.BeganAt, now), Body: kit.DataTable(t)}), nil),
	})
}

type valuesIn struct {
	Name   string `path:"name" doc:"the route's name"`
	ID     string `path:"id" doc:"the comparison's id, as in unexplained_messages"`
	Reason string `json:"reason" doc:"why the values are looked at, at most 200 characters; it stands in the record: no patient data"`
}

type valuesOut struct {
	ID      string    `json:"id" doc:"the comparison's id"`
	BeganAt time.Time `json:"began_at"`
	Values  []apiGap  `json:"values" doc:"what differs; none where only one path delivered the message"`
}

type apiGap struct {
	Path   string `json:"path" doc:"where: OBX(2)-5"`
	Class  string `json:"class" doc:"kind of difference"`
	Kind   string `json:"kind" doc:"what an explanation of it covers"`
	Ours   string `json:"ours" doc:"what we sent or would send"`
	Theirs string `json:"theirs" doc:"what the old path sent"`
}

func valuesOp(d Deps) web.Route {
	return web.Op[valuesIn, valuesOut]{
		Pattern: "POST /api/v1/routes/{name}/values/{id}", Needs: authz.ResultsReveal, Tag: "Routes", Summary: "The values that differ in one message",
		Detail: "Patient data: the look is recorded first, and without a record there is no answer.", Do: d.opValues,
	}.Route()
}

func (d Deps) opValues(r *http.Request, in valuesIn) (valuesOut, error) {
	_, id, err := d.differing(r)
	if err != nil {
		return valuesOut{}, err
	}
	reason, err := checked(in.Reason)
	if err != nil {
		return valuesOut{}, err
	}
	c, gaps, err := d.Results.ViewComparison(r.Context(), id, as(r, reason).By)
	if err != nil {
		return valuesOut{}, err
	}
	out := valuesOut{ID: c.ID, BeganAt: c.BeganAt, Values: []apiGap{}}
	for _, g := range gaps {
		out.Values = append(out.Values, apiGap{g.Path, g.Class.String(), g.Kind, g.Ours, g.Theirs})
	}
	return out, nil
}
