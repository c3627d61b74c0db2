package resultsui

import (
	"errors"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// explainSheet is the form that explains a kind of difference.
func explainSheet(_ *http.Request, s *results.RouteState, kinds []results.GapKind, errs map[string]string) templ.Component {
	var options []kit.Option
	for _, k := range kinds {
		if k.Kind != results.WholeMessage {
			options = append(options, kit.Option{Value: k.Class + " " + k.Kind, Text: k.Kind + ", " + classWords(k.Class) + " (" + kit.Many(int(k.Messages), "message", "messages") + ")"})
		}
	}
	if len(options) == 0 {
		return kit.Sheet(kit.SheetOpts{Title: "Explain", Pad: true, Body: kit.Empty("Messages that only one path delivered are explained one at a time, in the list of messages that differ.", nil)})
	}
	reason := kit.ReasonField("", errs["explain.reason"])
	reason.ID = "f-explain-reason"
	return kit.Sheet(kit.SheetOpts{Title: "Explain", Sub: "now and from now on, for this partner", Pad: true, Body: kit.Form(kit.FormOpts{
		Action: "/routes/" + s.Route + "/explain", Submit: "It is as it should be",
		Fields: []kit.Field{{Name: "kind", Label: "Which difference", Kind: kit.SelectField, Options: options, Error: errs["kind"]}, reason},
	})})
}

// routeForms are the director's approval and the steps.
func (d Deps) routeForms(r *http.Request, s *results.RouteState, errs map[string]string) []templ.Component {
	form := func(act, title, sub, button string, bad bool, fields ...kit.Field) templ.Component {
		reason := kit.ReasonField("", errs[act+".reason"])
		reason.ID = "f-" + act + "-reason"
		return kit.Sheet(kit.SheetOpts{Title: title, Sub: sub, Pad: true, Body: kit.Form(kit.FormOpts{
			Action: "/routes/" + s.Route + "/" + act, Submit: button, Bad: bad, Fields: append(fields, reason), Wrong: errs[act],
		})})
	}
	var out []templ.Component
	carries := s.Stage == results.Carry.String()
	if mayHere(r, authz.RoutesApprove, authz.Object{}) && !carries {
		if s.Approval == nil {
			var fields []kit.Field
			if s.OldPath == "" {
				fields = append(fields, kit.Field{
					Name: "no_old_path", Label: "There is no old path to compare with", Kind: kit.CheckboxField, Error: errs["no_old_path"],
					Hint: "This route names none. The director states that there is none.",
				})
			}
			out = append(out, form("approve", "Approve that it carries", "exactly this configuration, in your name", "Approve", false, fields...))
		}
		if d.Move != nil {
			next := results.Parallel.String()
			if s.Stage == next {
				next = results.Carry.String()
			}
			out = append(out, form("forward", "Take it one step on", "to "+next, "Take the step", false))
		}
	}
	if d.Move != nil && s.Stage != results.Shadow.String() && mayHere(r, authz.RoutesBack, authz.Object{}) {
		out = append(out, form("back", "Take it one step back", "takes effect at once", "Go back one step", true))
	}
	return out
}

// explain explains one kind of difference.
func (d Deps) explain(r *http.Request, class, kind, only, reason string) (int64, error) {
	c, err := results.ParseClass(class)
	if err != nil {
		return 0, web.Invalid("Name the kind of difference as it is listed.")
	}
	var one *event.ID
	if only != "" {
		id, err := event.ParseID(only)
		if err != nil {
			return 0, web.NotFound(noCompare)
		}
		one = &id
	}
	n, err := d.Results.Explain(r.Context(), r.PathValue("name"), c, kind, one, as(r, reason).By)
	if err == nil {
		web.Say(r, "results")
	}
	return n, err
}

func (d Deps) routeExplain(w http.ResponseWriter, r *http.Request) error {
	class, kind, _ := strings.Cut(r.PostFormValue("kind"), " ")
	reason := strings.TrimSpace(r.PostFormValue("reason"))
	if reason == "" {
		return d.showRoute(w, r, map[string]string{"explain.reason": "Say why it is as it should be."})
	}
	n, err := d.explain(r, class, kind, "", reason)
	if errors.Is(err, results.ErrNotFound) {
		return d.showRoute(w, r, map[string]string{"kind": "This difference is explained already."})
	}
	if err != nil {
		return err
	}
	return web.Done(w, r, "/routes/"+r.PathValue("name"), "Explained in "+kit.Many(int(n), "message.", "messages."))
}

func (d Deps) approve(r *http.Request, noOldPath bool, reason string) (results.Approval, error) {
	s, err := d.findRoute(r)
	if err != nil {
		return results.Approval{}, err
	}
	by := as(r, reason)
	a, err := d.Results.Approve(r.Context(), s.Candidate, by.Who, noOldPath, by.By) // the account: a name can be changed
	if err == nil {
		web.Say(r, "results")
	}
	return a, err
}

func (d Deps) routeApprove(w http.ResponseWriter, r *http.Request) error {
	reason := strings.TrimSpace(r.PostFormValue("reason"))
	if reason == "" {
		return d.showRoute(w, r, map[string]string{"approve.reason": "Say why, in a few words."})
	}
	_, err := d.approve(r, r.PostFormValue("no_old_path") != "", reason)
	if err != nil {
		if e := Kinds(err); e != nil && e.Kind != web.KindNotFound {
			return d.showRoute(w, r, map[string]string{"approve": e.Message})
		}
		return err
	}
	return web.Done(w, r, "/routes/"+r.PathValue("name"), "Approved. It may carry now.")
}

func (d Deps) move(r *http.Request, forward bool, reason string) (string, error) {
	if d.Move == nil {
		return "", &web.Error{Kind: web.KindUnavailable, Message: "This hub moves no routes while it runs."}
	}
	s, err := d.findRoute(r)
	if err != nil {
		return "", err
	}
	by := as(r, reason)
	director := ""
	if forward {
		director = by.Who
	}
	stage, err := d.Move(r.Context(), s.Route, forward, director, by.Who, reason)
	if err == nil {
		web.Say(r, "results")
	}
	return stage, err
}

func (d Deps) routeMove(forward bool) web.Handler {
	act := "back"
	if forward {
		act = "forward"
	}
	return func(w http.ResponseWriter, r *http.Request) error {
		reason := strings.TrimSpace(r.PostFormValue("reason"))
		if reason == "" {
			return d.showRoute(w, r, map[string]string{act + ".reason": "Say why, in a few words."})
		}
		stage, err := d.move(r, forward, reason)
		if err != nil {
			if e := Kinds(err); e != nil && e.Kind != web.KindNotFound {
				return d.showRoute(w, r, map[string]string{act: e.Message})
			}
			return err
		}
		return web.Done(w, r, "/routes/"+r.PathValue("name"), "The route is in stage "+stage+" now.")
	}
}

// RoutesAnswer is the list of routes.
type RoutesAnswer struct {
	Routes []results.RouteState `json:"routes"`
}

// RouteAnswer is one route with what differs.
type RouteAnswer struct {
	results.RouteState
	Kinds     []results.GapKind    `json:"unexplained_kinds"`
	Messages  []results.Comparison `json:"unexplained_messages" doc:"newest first, 50 at most; without values"`
	Approvals []results.Approval   `json:"approvals" doc:"newest first, ended ones included"`
}

// RouteDone is what came of an act.
type RouteDone struct {
	Route string `json:"route"`
	Words string `json:"words"`
}

type routeIn struct {
	Name string `path:"name" doc:"the route's name"`
}

type routeExplainIn struct {
	Name       string `path:"name" doc:"the route's name"`
	Class      string `json:"class" doc:"as in unexplained_kinds"`
	Kind       string `json:"kind" doc:"as in unexplained_kinds; message for one that only one path delivered"`
	Comparison string `json:"comparison,omitempty" doc:"with kind message: which"`
	Reason     string `json:"reason" doc:"for the ledger; no patient data"`
}

type routeApproveIn struct {
	Name      string `path:"name" doc:"the route's name"`
	NoOldPath bool   `json:"no_old_path,omitempty" doc:"the director states that there is no old path to compare with"`
	Reason    string `json:"reason" doc:"for the ledger; no patient data"`
}

type routeMoveIn struct {
	Name   string `path:"name" doc:"the route's name"`
	Reason string `json:"reason" doc:"for the ledger; no patient data"`
}

func routeOps(d Deps) []web.Route {
	const tag = "Routes"
	move := func(forward bool) func(r *http.Request, in routeMoveIn) (RouteDone, error) {
		return func(r *http.Request, in routeMoveIn) (RouteDone, error) {
			stage, err := d.move(r, forward, in.Reason)
			return RouteDone{in.Name, "The route is in stage " + stage + " now."}, err
		}
	}
	return []web.Route{
		web.Op[struct{}, RoutesAnswer]{
			Pattern: "GET /api/v1/routes", Needs: authz.RoutesSee, Tag: tag, Summary: "Routes and how far each is adopted",
			Do: func(r *http.Request, _ struct{}) (RoutesAnswer, error) {
				list, err := d.Results.RouteStates(r.Context())
				return RoutesAnswer{list}, err
			},
		}.Route(),
		web.Op[routeIn, RouteAnswer]{
			Pattern: "GET /api/v1/routes/{name}", Needs: authz.RoutesSee, Tag: tag, Summary: "One route: its comparison with the old path and its approvals",
			Do: func(r *http.Request, _ routeIn) (RouteAnswer, error) {
				s, err := d.findRoute(r)
				if err != nil {
					return RouteAnswer{}, err
				}
				out := RouteAnswer{RouteState: s}
				if out.Kinds, err = d.Results.GapKinds(r.Context(), s.Route); err != nil {
					return out, err
				}
				if out.Messages, err = d.Results.Comparisons(r.Context(), s.Route, false, mostCompares); err != nil {
					return out, err
				}
				out.Approvals, err = d.Results.Approvals(r.Context(), s.Route)
				return out, err
			},
		}.Route(),
		web.Op[routeExplainIn, RouteDone]{
			Pattern: "POST /api/v1/routes/{name}/explain", Needs: authz.RoutesExplain, Tag: tag, Summary: "Explain a kind of difference to the old path",
			Do: func(r *http.Request, in routeExplainIn) (RouteDone, error) {
				n, err := d.explain(r, in.Class, in.Kind, in.Comparison, in.Reason)
				return RouteDone{in.Name, "Explained in " + kit.Many(int(n), "message.", "messages.")}, err
			},
		}.Route(),
		web.Op[routeApproveIn, results.Approval]{
			Pattern: "POST /api/v1/routes/{name}/approve", Needs: authz.RoutesApprove, Tag: tag, Summary: "Approve, as director or delegate, that a route carries",
			Do: func(r *http.Request, in routeApproveIn) (results.Approval, error) {
				return d.approve(r, in.NoOldPath, in.Reason)
			},
		}.Route(),
		web.Op[routeMoveIn, RouteDone]{
			Pattern: "POST /api/v1/routes/{name}/forward", Needs: authz.RoutesApprove, Tag: tag, Summary: "Take a route one step on", Do: move(true),
		}.Route(),
		web.Op[routeMoveIn, RouteDone]{
			Pattern: "POST /api/v1/routes/{name}/back", Needs: authz.RoutesBack, Tag: tag, Summary: "Take a route one step back, at once", Do: move(false),
		}.Route(),
	}
}
