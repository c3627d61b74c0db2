package resultsui

import (
	"errors"
	"net/http"
	"slices"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const noCompare = "There is no such comparison."

// A message that only one path delivered, or that cannot be read on one side, is
// explained by itself: no rule makes lost messages right.

// wholeGap is the difference of a comparison that is a whole message, not yet
// explained; nil for none.
func wholeGap(c *results.Comparison) *results.GapLine {
	i := slices.IndexFunc(c.Differences, func(g results.GapLine) bool { return g.Kind == results.WholeMessage && !g.Explained })
	if i < 0 {
		return nil
	}
	return &c.Differences[i]
}

// outcomeWords says in words what a comparison came to.
func outcomeWords(outcome string) string {
	switch outcome {
	case "only_ours":
		return "only we delivered it"
	case "only_theirs":
		return "only the old path delivered it"
	}
	return classWords(outcome)
}

func onePath(route, id string) string { return "/routes/" + route + "/differences/" + id }

// compared finds the comparison in the address.
func (d Deps) compared(r *http.Request) (s results.RouteState, c results.Comparison, err error) {
	if s, err = d.findRoute(r); err != nil {
		return s, c, err
	}
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return s, c, web.NotFound(noCompare)
	}
	c, err = d.Results.Comparison(r.Context(), s.Route, id)
	return s, c, missing(err, noCompare)
}

func (d Deps) askExplainOne(w http.ResponseWriter, r *http.Request) error {
	s, c, err := d.compared(r)
	if err != nil {
		return err
	}
	return d.drawExplainOne(w, r, &s, &c, "", "")
}

func (d Deps) drawExplainOne(w http.ResponseWriter, r *http.Request, s *results.RouteState, c *results.Comparison, value, wrong string) error {
	gap := wholeGap(c)
	if gap == nil {
		return web.Conflict("Nothing of this message is left to explain alone. Fields and segments that differ are explained by their kind, on the route’s page.")
	}
	p := kit.Page{
		Title: "Explain one message", Lead: "Is it as it should be?", Rest: upperFirst(outcomeWords(c.Outcome)) + ".", Nav: "/routes",
		Crumbs: []kit.Crumb{{Name: "Routes", Href: "/routes"}, {Name: s.Route, Href: "/routes/" + s.Route}, {Name: "One message"}},
	}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	text := "It counts as explained from then on, for this one message; another is explained by itself. Say where the result is and how you know. If results are lost, do not explain it: find out why."
	if gap.Class == results.OnlyTheirs.String() {
		text = "We did not have this message. " + text
	}
	p.Body = kit.Confirm(kit.ConfirmOpts{
		Title: "Explain this message", Text: text, Action: onePath(s.Route, c.ID), Button: "It is as it should be", Cancel: "/routes/" + s.Route,
		Facts: []kit.KV{
			{Key: "Partner", Value: d.name(c.Partner)},
			{Key: "Outcome", Value: outcomeWords(c.Outcome)},
			{Key: "Began", Value: kit.Second(c.BeganAt, d.clock(r))},
			{Key: "Comparison", Value: c.ID, Mono: true},
		},
		Reason: true, ReasonValue: value, ReasonError: wrong,
	})
	return web.Render(w, r, p)
}

func (d Deps) doExplainOne(w http.ResponseWriter, r *http.Request) error {
	s, c, err := d.compared(r)
	if err != nil {
		return err
	}
	reason, wrong := reasonOf(r)
	if wrong != "" || r.PostFormValue("confirm") != "yes" || wholeGap(&c) == nil {
		return d.drawExplainOne(w, r, &s, &c, reason, wrong)
	}
	if err := d.explainOne(r, &c, reason); err != nil {
		return err
	}
	return web.Done(w, r, "/routes/"+s.Route, "This message is explained.")
}

func (d Deps) explainOne(r *http.Request, c *results.Comparison, reason string) error {
	gap := wholeGap(c)
	if gap == nil {
		return web.Conflict("Nothing of this message is left to explain alone.")
	}
	_, err := d.explain(r, gap.Class, gap.Kind, c.ID, reason)
	if errors.Is(err, results.ErrNotFound) { // somebody was faster
		return web.Conflict("This message is explained already.")
	}
	return err
}

type explainOneIn struct {
	Name   string `path:"name" doc:"the route's name"`
	ID     string `path:"id" doc:"the comparison's id, as in unexplained_messages"`
	Reason string `json:"reason" doc:"why it is as it should be, at most 200 characters; no patient data"`
}

func explainOneOp(d Deps) web.Route {
	return web.Op[explainOneIn, results.Comparison]{
		Pattern: "POST /api/v1/routes/{name}/differences/{id}/explain", Needs: authz.RoutesExplain, Tag: "Routes",
		Summary: "Explain one message that only one path delivered", Detail: "For this one message alone; fields and segments that differ are explained by their kind.",
		Do: func(r *http.Request, in explainOneIn) (results.Comparison, error) {
			s, c, err := d.compared(r)
			if err != nil {
				return c, err
			}
			reason, err := checked(in.Reason)
			if err != nil {
				return c, err
			}
			if err := d.explainOne(r, &c, reason); err != nil {
				return c, err
			}
			id, err := event.ParseID(c.ID)
			if err != nil {
				return c, err
			}
			return d.Results.Comparison(r.Context(), s.Route, id)
		},
	}.Route()
}
