package setupui

import (
	"errors"
	"net/http"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// A delegate of the director may have no other part in the configuration: these
// pages ask for the delegated permission alone.
func (d Deps) directorRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /config/drafts/{number}/director", Needs: authz.RoutesApprove, Handle: d.page(d.drawDirector)},
		{Pattern: "POST /config/drafts/{number}/director", Needs: authz.RoutesApprove, Handle: d.decide},
	}
}

const noPathName = "no-old-path-"

// noPathFields ask, of each route without an old path, for the statement that
// there is none.
func noPathFields(l *setup.Look) []kit.Field {
	var out []kit.Field
	for _, s := range l.Steps {
		if s.Approved == "" && !s.OldPath && !l.Directed() {
			out = append(out, kit.Field{
				Name: noPathName + s.Route, Kind: kit.CheckboxField, Value: "yes", Label: "Route " + s.Route + ": there is no old path to compare with",
				Hint: "What this route delivers was compared with nothing. You state that there was no other way before it.",
			})
		}
	}
	return out
}

// noPaths are the routes of which somebody stated it, and what is said beside
// those of which nobody did.
func noPaths(r *http.Request, l *setup.Look) (stated []string, missing map[string]string) {
	missing = map[string]string{}
	for _, f := range noPathFields(l) {
		if r.FormValue(f.Name) == "yes" {
			stated = append(stated, strings.TrimPrefix(f.Name, noPathName))
		} else {
			missing[f.Name] = "State it, or name the route's old path in the draft."
		}
	}
	return stated, missing
}

func (d Deps) drawDirector(w http.ResponseWriter, r *http.Request, l *setup.Look, t trial) error {
	if !l.NeedsDirector() || l.Director.State != approval.Open || l.Director.Hash != l.Seen {
		return approval.ErrDecided
	}
	fields := append(noPathFields(l), kit.ReasonField(t.reason, t.wrong))
	p := d.question(r, l, t, "The director's decision", "Does this draft stand as it is?",
		kit.Sheet(kit.SheetOpts{Title: "Your decision", Pad: true, Body: kit.Form(kit.FormOpts{
			Action: draftPath(l.Number) + "/director", Submit: "I approve it", Hidden: seenField(l), Fields: kit.WithErrors(fields, t.fields),
		})}),
		d.directorSheet(l), changeSheet("All that becomes different", l.Changes), hunkSheet(l.Hunks))
	if !may(r, authz.ConfigSee) {
		p.Crumbs = nil
	}
	return web.Render(w, r, p)
}

func (d Deps) decide(w http.ResponseWriter, r *http.Request) error {
	l, err := d.lookAt(r)
	if err != nil {
		return err
	}
	hash, err := seen(r)
	if err != nil {
		return err
	}
	reason := strings.TrimSpace(r.FormValue("reason"))
	stated, missing := noPaths(r, l)
	if reason == "" || len(missing) > 0 {
		t := trial{reason: reason, fields: missing}
		if reason == "" {
			t.wrong = "Say why: it goes into the record."
		}
		return d.drawDirector(w, r, l, t)
	}
	_, err = d.Setup.Decide(r.Context(), l.Number, person(r), hash, stated, reason)
	if err != nil && !may(r, authz.ConfigSee) {
		return err
	}
	if err == nil && !may(r, authz.ConfigSee) {
		web.Say(r, "config", "today")
		return web.Done(w, r, "/", "Your decision is recorded. A second person applies the draft.")
	}
	return d.after(w, r, l, err, "Your decision is recorded. A second person applies the draft.")
}

func (d Deps) aloneRoutes() []web.Route {
	return []web.Route{
		{Pattern: "GET /config/alone", Needs: authz.ReviewActs, Handle: func(w http.ResponseWriter, r *http.Request) error { return d.drawReviews(w, r, "", "", "") }},
		{Pattern: "POST /config/alone/{id}", Needs: authz.ReviewActs, Handle: d.review},
	}
}

func (d Deps) drawReviews(w http.ResponseWriter, r *http.Request, about, note, wrong string) error {
	all, err := d.Setup.Alone(r.Context(), true)
	if err != nil {
		return err
	}
	p := kit.Page{Title: "Applied alone", Nav: nav, Crumbs: []kit.Crumb{{Name: "Configuration", Href: "/config"}}}
	if wrong != "" {
		p.Status = http.StatusUnprocessableEntity
	}
	open := 0
	now := d.now(r)
	var rows []kit.Row
	for _, a := range all {
		at := kit.Clock(a.MadeAt.In(d.zone()), now)
		what := "It did not come into force."
		if a.Revision > 0 {
			what = "Revision " + itoa(a.Revision)
		}
		if a.Verdict != setup.NotReviewed {
			s := kit.Fine
			if a.Verdict == setup.NotInOrder {
				s = kit.Stopped
			}
			rows = append(rows, kit.Row{Key: a.ID.String(), Cells: []kit.Cell{
				kit.C(what), kit.C(a.By.Account), kit.CState(s, a.Verdict.String(), a.Verdict.String()), kit.C(a.Reviewer.Account + ": " + a.Note), kit.CMono(at),
			}})
			continue
		}
		open++
		facts := []kit.KV{{Key: "What", Value: what}, {Key: "Draft", Body: kit.Button(kit.Action{Text: "Open", Href: draftPath(a.Draft)})}, {Key: "By", Value: a.By.Account}, {Key: "When", Value: at}, {Key: "Statement", Value: a.Statement}}
		body := join(kit.KeyValues(facts))
		if !a.By.Same(person(r)) {
			f := kit.Field{Name: "note", Label: "What did you look at?", Kind: kit.TextareaField, Rows: 2, Required: true, Spell: true, ID: "note-" + a.ID.String()}
			if about == a.ID.String() {
				f.Value, f.Error = note, wrong
			}
			v := kit.Field{Name: "verdict", Label: "Is it in order?", Kind: kit.RadioField, ID: "verdict-" + a.ID.String(), Value: "in-order", Options: []kit.Option{{Value: "in-order", Text: "It is in order"}, {Value: "not-in-order", Text: "It is not in order"}}}
			body = join(body, kit.Form(kit.FormOpts{Action: "/config/alone/" + a.ID.String(), Submit: "Record my review", Fields: []kit.Field{v, f}}))
		}
		p.Body = join(p.Body, kit.Sheet(kit.SheetOpts{Title: what + ", applied without a second person", ID: "act-" + a.ID.String(), Body: body, Pad: true}))
	}
	p.Lead = "Nothing applied alone waits for a review."
	if open > 0 {
		p.Lead = things(open, "act of a single person waits for your review.", "acts of a single person wait for your review.")
	}
	t := kit.Table{Caption: "Reviewed", Rows: rows, Total: len(rows), View: kit.View{Path: "/config/alone"}, Empty: "Nothing was reviewed yet.", Columns: []kit.Column{{Name: "What"}, {Name: "By"}, {Name: "Review"}, {Name: "Reviewer"}, {Name: "When"}}}
	p.Body = join(p.Body, kit.Sheet(kit.SheetOpts{Title: "Reviewed", Body: kit.DataTable(t)}))
	return web.Render(w, r, p)
}

func (d Deps) review(w http.ResponseWriter, r *http.Request) error {
	id, err := eventID(r)
	if err != nil {
		return err
	}
	note := r.FormValue("note")
	err = d.Setup.Review(r.Context(), id, person(r), verdict(r.FormValue("verdict")), note)
	if errors.Is(err, setup.ErrNote) {
		return d.drawReviews(w, r, id.String(), note, "Say what you looked at, or what is not in order.")
	}
	if err != nil {
		return err
	}
	web.Say(r, "config", "today")
	return web.Done(w, r, "/config/alone", "Your review is recorded.")
}
