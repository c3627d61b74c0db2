package resultsui

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

const (
	noStop    = "There is no such stop, or it is not yours to see."
	mostStops = 500
)

// stopKind is one of the two kinds of stops, which never mix (SAFETY.md 9): each
// has its own doors and its own permission.
type stopKind struct {
	kind  results.StopKind
	needs authz.Permission
}

func stopKinds() []stopKind {
	return []stopKind{{results.TransportStop, authz.TransportStop}, {results.ClinicalStop, authz.ClinicalStop}}
}

func kindOf(k results.StopKind) stopKind {
	for _, x := range stopKinds() {
		if x.kind == k {
			return x
		}
	}
	return stopKind{}
}

func (k stopKind) path() string { return "/stops/" + k.kind.String() }

func stopRoutes(d Deps) []web.Route {
	out := []web.Route{
		{Pattern: "GET /stops", Needs: authz.PartnersSee, Handle: d.stopList},
		{Pattern: "GET /stops/{id}", Needs: authz.PartnersSee, Handle: d.stop},
	}
	for _, k := range stopKinds() {
		base := k.path()
		out = append(out,
			web.Route{Pattern: "GET " + base + "/new", Needs: k.needs, Handle: d.stopNew(k)},
			web.Route{Pattern: "POST " + base, Needs: k.needs, Handle: d.stopPlace(k)},
			web.Route{Pattern: "POST " + base + "/{id}/review", Needs: k.needs, Handle: d.stopTend(k, "review")},
			web.Route{Pattern: "POST " + base + "/{id}/extend", Needs: k.needs, Handle: d.stopTend(k, "extend")},
			web.Route{Pattern: "POST " + base + "/{id}/lift", Needs: k.needs, Handle: d.stopTend(k, "lift")},
			web.Route{Pattern: "POST " + base + "/{id}/confirm", Needs: k.needs, Handle: d.stopTend(k, "confirm")},
		)
	}
	return append(append(out, stopWordRoutes(d)...), stopOps(d)...)
}

// ofStop is whose a stop is by its scope: for each partner its sites. Where the
// scope does not say it (a patient, an order, a test) it is the laboratory's.
func (d Deps) ofStop(s *results.Stopped) [][]authz.Object {
	switch s.Scope {
	case results.ScopePartner:
		return [][]authz.Object{d.ofPartner(s.Target)}
	case results.ScopeRoute:
		for _, rt := range d.conf().Routes {
			if rt.Name != s.Target || len(rt.To) == 0 {
				continue
			}
			var out [][]authz.Object
			for _, partner := range rt.To {
				out = append(out, d.ofRoute(&rt, partner))
			}
			return out
		}
	}
	return [][]authz.Object{{{}}}
}

// mayStop says whether the caller may do p about a stop: everywhere, or because
// it is about their partners and sites only.
func (d Deps) mayStop(r *http.Request, p authz.Permission, s *results.Stopped) bool {
	return every(web.Scope(r, p), slices.Concat(d.ofStop(s)...))
}

// seesStop: whoever sees one of the sites of each of its partners sees the stop.
// What it keeps is told only to who sees all of them.
func (d Deps) seesStop(r *http.Request, s *results.Stopped) bool {
	scope := web.Scope(r, authz.PartnersSee)
	for _, of := range d.ofStop(s) {
		if !some(scope, of) {
			return false
		}
	}
	if !d.mayStop(r, authz.PartnersSee, s) {
		s.Keeps, s.Oldest = notTold, time.Time{}
	}
	return true
}

// notTold stands for a count that is not for who asks.
const notTold = -1

func (d Deps) stops(r *http.Request, f results.StopFilter) ([]results.Stopped, error) {
	list, err := d.Results.Stops(r.Context(), f, mostStops)
	if err != nil {
		return nil, err
	}
	out := []results.Stopped{}
	for i := range list {
		if d.seesStop(r, &list[i]) {
			out = append(out, list[i])
		}
	}
	return out, nil
}

// stopList is what stands.
func (d Deps) stopList(w http.ResponseWriter, r *http.Request) error {
	now := d.clock(r)
	view := kit.ReadView(r.URL, mostStops)
	all := view.Get("show") == "all"
	f := results.StopFilter{All: all}
	if view.Get("show") == "day" {
		f.Over = 24 * time.Hour
	}
	list, err := d.stops(r, f)
	if err != nil {
		return err
	}
	standing, need := 0, 0
	for i := range list {
		s := &list[i]
		if s.LiftedAt.IsZero() {
			standing++
			if s.Expired || s.ImpactDue || s.LiftAskedBy != "" {
				need++
			}
		}
	}
	lead, rest := "No stop stands.", ""
	if standing > 0 {
		lead = kit.Many(standing, "stop stands.", "stops stand.")
		rest = "None needs a decision now."
	}
	if need > 0 {
		rest = kit.Many(need, "needs a decision.", "need a decision.")
	}
	t := kit.Table{
		Caption: "Stops", View: view, Total: len(list), Empty: "No stop stands: nothing is kept back.",
		Columns: []kit.Column{{Name: "What"}, {Name: "State"}, {Name: "Owner"}, {Name: "Since", Num: true}, {Name: "Until", Num: true}, {Name: "Keeps", Num: true, Label: "results kept"}},
	}
	for i := range list {
		s := &list[i]
		state, word := stopState(s)
		keeps := kit.CNum(int(s.Keeps))
		if s.Keeps >= results.CountLimit {
			keeps = kit.C("at least " + kit.Count(int(s.Keeps)))
		}
		if s.Keeps == notTold {
			keeps = kit.C("not told")
		}
		if !s.LiftedAt.IsZero() {
			keeps = kit.C("—")
		}
		t.Rows = append(t.Rows, kit.Row{Key: s.ID.String(), At: s.ImpactDue && s.LiftedAt.IsZero(), Cells: []kit.Cell{
			{Text: d.stopWhat(s), Sub: s.Kind.String() + " stop", Href: "/stops/" + s.ID.String()},
			kit.CState(state, "", word), kit.C(s.Owner), kit.CMono(kit.Clock(s.PlacedAt, now)), kit.CMono(kit.Clock(s.ExpiresAt, now)), keeps,
		}})
	}
	show := view.Get("show")
	body := templ.Join(
		kit.Tabs("Which stops", []kit.Tab{
			{Name: "Standing", Href: "/stops", Current: show == ""},
			{Name: "Over 24 hours", Href: "/stops?show=day", Current: show == "day"},
			{Name: "All", Href: "/stops?show=all", Current: all},
		}),
		kit.Sheet(kit.SheetOpts{Title: "Stops", Body: kit.DataTable(t)}),
	)
	var tools []templ.Component
	for _, k := range stopKinds() {
		if !web.Scope(r, k.needs).Empty() {
			tools = append(tools, kit.Button(kit.Action{Text: "Place a " + k.kind.String() + " stop", Href: k.path() + "/new", Icon: "hold"}))
		}
	}
	p := kit.Page{Title: "Stops", Lead: lead, Rest: rest, Nav: "/stops", Live: []string{"results"}, Body: stack(body)}
	if len(tools) > 0 {
		p.Tools = templ.Join(tools...)
	}
	return web.Render(w, r, p)
}

func stopState(s *results.Stopped) (kit.State, string) {
	switch {
	case !s.LiftedAt.IsZero():
		return kit.Fine, "lifted"
	case s.ImpactDue:
		return kit.Stopped, "look at what it does to patients"
	case s.LiftAskedBy != "":
		return kit.Warn, "to be lifted: waits for a second person"
	case s.Expired:
		return kit.Warn, "its time is over"
	}
	return kit.Warn, "stands"
}

// stopWhat names what a stop covers, without what a test code may tell.
func (d Deps) stopWhat(s *results.Stopped) string {
	switch s.Scope {
	case results.ScopePartner:
		return "All that goes to " + d.name(s.Target)
	case results.ScopeRoute:
		return "All that route " + s.Target + " sends"
	case results.ScopeDelivery:
		return "One result on its way to one partner"
	case results.ScopeMessage:
		return "One result on all its ways"
	case results.ScopePatient:
		return "What belongs to one patient"
	case results.ScopeOrder:
		return "What belongs to one order"
	case results.ScopeTest:
		return "What has a certain test code"
	}
	return string(s.Scope)
}

// findStop is one stop as this caller may see it.
func (d Deps) findStop(r *http.Request) (*results.Stopped, error) {
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return nil, web.NotFound(noStop)
	}
	list, err := d.stops(r, results.StopFilter{All: true})
	if err != nil {
		return nil, err
	}
	for i := range list {
		if list[i].ID == id {
			return &list[i], nil
		}
	}
	return nil, web.NotFound(noStop)
}

func (d Deps) stop(w http.ResponseWriter, r *http.Request) error {
	s, err := d.findStop(r)
	if err != nil {
		return err
	}
	return d.showStop(w, r, s, nil)
}

func (d Deps) showStop(w http.ResponseWriter, r *http.Request, s *results.Stopped, errs map[string]string) error {
	now := d.clock(r)
	state, word := stopState(s)
	k := kindOf(s.Kind)
	keeps := kit.Many(int(s.Keeps), "result", "results")
	if s.Keeps >= results.CountLimit {
		keeps = "at least " + keeps
	}
	text := "It keeps " + keeps + " back, in their order."
	if s.Keeps == notTold {
		text = "It concerns other sites too; how many results it keeps back is told to who sees them all."
	} else if s.Keeps == 0 {
		text = "It keeps nothing back at this moment."
	} else if !s.Oldest.IsZero() {
		text += " The first came in " + kit.Clock(s.Oldest, now) + "."
	}
	if !s.LiftedAt.IsZero() {
		text = "Lifted by " + s.LiftedBy + ", " + kit.Clock(s.LiftedAt, now) + ". What it kept went out in order."
	}
	facts := []kit.KV{
		{Key: "Kind", Value: s.Kind.String()},
		{Key: "Owner", Value: s.Owner},
		{Key: "Placed", Value: kit.Clock(s.PlacedAt, now) + " by " + s.PlacedBy},
		{Key: "Goes to its owner", Value: kit.Clock(s.ExpiresAt, now)},
		{Key: "Patients looked at next", Value: kit.Clock(s.ImpactAt, now)},
		{Key: "Reason", Value: s.Reason},
		{Key: "No information blocking by", Value: basisWords(s.Basis)},
	}
	about := []templ.Component{kit.KeyValues(facts)}
	if d.mayStop(r, authz.StopsRead, s) {
		about = append(about, kit.Acts(kit.Action{Text: "Read what was written (recorded)", Href: "/stops/" + s.ID.String() + "/words", Post: true, Icon: "show"}))
	}
	parts := []templ.Component{}
	if s.LiftedAt.IsZero() && d.mayStop(r, k.needs, s) {
		parts = append(parts, stopForms(r, k, s, errs))
	} else if s.LiftedAt.IsZero() {
		who := "Whoever has the security role lifts it."
		if s.Kind == results.ClinicalStop {
			who = "Whom the laboratory director delegated it to lifts it."
		}
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Who may change it", Body: kit.Empty(who, nil)}))
	}
	p := kit.Page{
		Title: "Stop", Lead: d.stopWhat(s) + " is stopped.", Nav: "/stops", Crumbs: []kit.Crumb{{Name: "Stops", Href: "/stops"}, {Name: "Stop"}},
		Body: templ.Join(kit.Verdict(state, upperFirst(word), text, nil), kit.Columns(templ.Join(parts...), kit.Sheet(kit.SheetOpts{Title: "Facts", Body: templ.Join(about...)}))),
	}
	if !s.LiftedAt.IsZero() {
		p.Lead = d.stopWhat(s) + " was stopped."
	}
	if len(errs) > 0 {
		p.Status = http.StatusUnprocessableEntity
	} else if r.Method == http.MethodGet {
		p.Live = []string{"results"}
	}
	return web.Render(w, r, p)
}

func basisWords(b string) string {
	switch b {
	case "171.203":
		return "45 CFR 171.203 (security)"
	case "171.205":
		return "45 CFR 171.205 (health IT performance)"
	}
	return "other; said in words when it was placed"
}

// stopForms are look, extend, lift and confirm.
func stopForms(r *http.Request, k stopKind, s *results.Stopped, errs map[string]string) templ.Component {
	base := k.path() + "/" + s.ID.String()
	form := func(act, title, sub, button string, bad bool, fields ...kit.Field) templ.Component {
		reason := kit.ReasonField("", errs[act+".reason"])
		reason.ID = "f-" + act + "-reason"
		return kit.Sheet(kit.SheetOpts{Title: title, Sub: sub, Pad: true, Body: kit.Form(kit.FormOpts{
			Action: base + "/" + act, Submit: button, Bad: bad, Fields: append(fields, reason), Wrong: errs[act],
		})})
	}
	var out []templ.Component
	switch {
	case s.LiftAskedBy == "":
		out = append(out, form("lift", "Lift it", "more than one result takes a second person", "Lift the stop", true))
	case s.LiftBarred(as(r, "")):
		out = append(out, kit.Sheet(kit.SheetOpts{Title: "Lift it", Body: kit.UnknownState("You asked to lift it. More than one result would go, so another person confirms.")}))
	default:
		out = append(out, form("confirm", "Confirm that it is lifted", s.LiftAskedBy+" asked for it", "Confirm: lift the stop", true))
	}
	out = append(out,
		form("review", "Look at what it does to patients", "", "I have looked", false),
		form("extend", "Give it more time", "at most 72 hours from now", "Extend", false, kit.Field{
			Name: "hours", Label: "Hours from now", Kind: kit.NumberField, Value: "24", Narrow: true, Required: true, Error: errs["hours"], InputMode: "numeric",
		}),
	)
	return templ.Join(out...)
}

func hours(text string) (time.Duration, bool) {
	n, err := strconv.Atoi(strings.TrimSpace(text))
	return time.Duration(n) * time.Hour, err == nil && n >= 1 && n <= 24*7
}
