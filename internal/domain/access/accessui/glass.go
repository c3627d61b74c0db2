package accessui

import (
	"net/http"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// glassEvents is how many acts of one break-glass access are shown.
const glassEvents = 500

func (u *ui) glassRoutes() []web.Route {
	return []web.Route{
		get("/people/break-glass", authz.BreakGlass, u.glasses),
		get("/people/break-glass/open", authz.BreakGlass, u.glassForm),
		post("/people/break-glass/open", authz.BreakGlass, u.openGlass),
		post("/people/break-glass/{id}/close", authz.OwnSecurity, u.closeGlass),
		get("/people/break-glass/{id}/review", authz.ReviewActs, u.glass),
		post("/people/break-glass/{id}/review", authz.ReviewActs, u.reviewGlass),
	}
}

var glassCrumb = kit.Crumb{Name: "Break-glass", Href: "/people/break-glass"}

// glassState is how a break-glass access stands.
func glassState(g access.Glass, names record.Names, now time.Time) (kit.State, string, string) {
	switch {
	case g.Open(now):
		return kit.Warn, "open", "open until " + kit.Clock(g.Until, now)
	case g.Verdict == "":
		return kit.Warn, "to review", "waits for a review by somebody else"
	case g.Verdict == access.VerdictFine:
		return kit.Fine, "reviewed", "found right by " + names.Of(g.ReviewedBy) + ", " + kit.Clock(g.Reviewed, now)
	}
	return kit.Stopped, "not right", "found not right by " + names.Of(g.ReviewedBy) + ", " + kit.Clock(g.Reviewed, now)
}

func (u *ui) glasses(w http.ResponseWriter, r *http.Request) error {
	all, err := u.s.Glasses(r.Context(), true, 100)
	if err != nil {
		return err
	}
	names, err := u.names(r.Context())
	if err != nil {
		return err
	}
	who, now := web.Who(r), web.Now(r)
	reviews := may(r, authz.ReviewActs)
	var rows []kit.Row
	open, waiting := 0, 0
	for _, g := range all {
		state, word, text := glassState(g, names, now)
		act := kit.C("")
		switch {
		case g.Open(now) && (g.Person == who.Person || may(r, authz.SessionsEnd)):
			act = kit.CBody(kit.Quick("/people/break-glass/"+g.ID.String()+"/close", "Close", "the access of "+names.Of(g.Account)))
		case reviews:
			act = kit.CLink("Look", "/people/break-glass/"+g.ID.String()+"/review")
		}
		if g.Open(now) {
			open++
		} else if g.Verdict == "" {
			waiting++
		}
		rows = append(rows, kit.Row{Key: g.ID.String(), At: state == kit.Warn, Cells: []kit.Cell{
			{Text: names.Who(g.Account), State: &state, Word: word, Sub: kit.Clock(g.Opened, now)}, {Text: g.Reason, Sub: permissionList(g.Permissions)}, kit.C(text), act,
		}})
	}
	page := kit.Page{
		Title: "Break-glass", Lead: "Nobody has break-glass access now.", Crumbs: wayTo(r, kit.Crumb{Name: "Break-glass"}), Nav: navOf(r, "/people/break-glass"), Live: []string{livePeople},
		Tools: kit.Buttons(kit.Action{Text: "Open break-glass access", Href: "/people/break-glass/open", Icon: "break-glass"}),
		Body: join(u.tabs(r, "/people/break-glass"), kit.Sheet(kit.SheetOpts{Title: "Break-glass access", Sub: "each is told to others and reviewed", Body: kit.DataTable(kit.Table{
			Caption: "Break-glass access", Columns: []kit.Column{{Name: "Who"}, {Name: "Why"}, {Name: "State"}, {Name: "Act"}}, Rows: rows, Total: len(rows), Empty: "It was never opened.",
		})})),
	}
	if open > 0 {
		page.Lead = kit.Many(open, "break-glass access is open.", "break-glass accesses are open.")
	}
	if waiting > 0 {
		page.Rest = kit.Many(waiting, "waits for a review.", "wait for a review.")
	}
	return web.Render(w, r, page)
}

func (u *ui) glassPage(r *http.Request, errs map[string]string, whole string) kit.Page {
	infos := u.s.GlassMay(web.Who(r))
	length := []kit.Option{{Value: "1", Text: "1 hour"}, {Value: "2", Text: "2 hours"}, {Value: "4", Text: "4 hours"}}
	value := r.PostFormValue("for")
	if value == "" {
		value = "1"
	}
	fields := append([]kit.Field{
		{Name: "reason", Label: "Why", Kind: kit.TextareaField, Rows: 3, Max: 500, Required: true, Spell: true, Value: r.PostFormValue("reason"), Hint: "Others read it. Name no patient."},
		{Name: "for", Label: "For how long", Kind: kit.SelectField, Narrow: true, Options: length, Value: value},
	}, permissionFields(r, infos)...)
	return kit.Page{
		Title: "Open break-glass access", Lead: "What do you need that you may not see?", Rest: "Others are told at once, and somebody else reviews what you did.", Crumbs: wayTo(r, glassCrumb, kit.Crumb{Name: "Open"}), Nav: navOf(r, "/people/break-glass"),
		Body: kit.Sheet(kit.SheetOpts{Title: "Break-glass access", Sub: "in this session, everywhere in the laboratory", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/people/break-glass/open", Fields: kit.WithErrors(fields, aboutPermissions(errs, infos)), Wrong: whole, Submit: "Open it", Cancel: "/people/break-glass"})}),
	}
}

func (u *ui) glassForm(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, u.glassPage(r, nil, ""))
}

func (u *ui) openGlass(w http.ResponseWriter, r *http.Request) error {
	who := web.Who(r)
	g, err := u.s.OpenGlass(r.Context(), who, r.PostFormValue("reason"), time.Duration(atoi(r.PostFormValue("for")))*time.Hour, chosen(r, u.s.GlassMay(who)))
	if err != nil {
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page { return u.glassPage(r, errs, whole) })
	}
	web.Say(r, livePeople, "today")
	return web.Done(w, r, "/people/break-glass", "Break-glass access is open until "+kit.Clock(g.Until, web.Now(r))+". Others were told. Close it when you are done.")
}

func (u *ui) closeGlass(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := u.s.CloseGlass(r.Context(), web.Who(r), id); err != nil {
		return err
	}
	web.Say(r, livePeople, "today")
	back := "/people/break-glass"
	if !may(r, authz.BreakGlass) {
		back = "/"
	}
	return web.Done(w, r, back, "Break-glass access was closed. Somebody else reviews it now.")
}

func verdictFields(r *http.Request) []kit.Field {
	return []kit.Field{
		{Name: "verdict", Label: "Was it right?", Kind: kit.RadioField, Required: true, Value: r.PostFormValue("verdict"), Options: []kit.Option{{Value: access.VerdictFine, Text: "It was right"}, {Value: access.VerdictNotFine, Text: "It was not right", Hint: "Say what was wrong. It stays in the record."}}},
		{Name: "note", Label: "Note", Kind: kit.TextareaField, Rows: 2, Max: 500, Spell: true, Value: r.PostFormValue("note"), Hint: "Needed when it was not right."},
	}
}

func (u *ui) glassReview(r *http.Request, g access.Glass, errs map[string]string, whole string) (kit.Page, error) {
	acts, more, err := u.s.GlassEvents(r.Context(), g, glassEvents)
	if err != nil {
		return kit.Page{}, err
	}
	names, err := u.names(r.Context())
	if err != nil {
		return kit.Page{}, err
	}
	now := web.Now(r)
	state, _, text := glassState(g, names, now)
	var rows []kit.Row
	for _, a := range acts {
		rows = append(rows, kit.Row{Cells: []kit.Cell{kit.CMono(kit.Second(a.At, now)), kit.C(record.Words(a.Kind)), kit.C(about(names, a)), kit.CMono(kit.Count(int(a.Leaf)))}})
	}
	sub := "from the record, between opening and end"
	if more {
		sub = "the first " + kit.Count(glassEvents) + " of more"
	}
	facts := []kit.KV{{Key: "Who", Value: names.Who(g.Account)}, {Key: "Opened", Value: kit.Clock(g.Opened, now)}, {Key: "Until", Value: kit.Clock(g.Until, now)}}
	if !g.Closed.IsZero() {
		facts = append(facts, kit.KV{Key: "Closed", Value: kit.Clock(g.Closed, now) + ", by " + names.Of(g.ClosedBy)})
	}
	facts = append(facts, kit.KV{Key: "Gave", Value: permissionList(g.Permissions)}, kit.KV{Key: "Why", Value: g.Reason})
	if g.Note != "" {
		facts = append(facts, kit.KV{Key: "Note of the review", Value: g.Note})
	}
	beside := []templ.Component{kit.Sheet(kit.SheetOpts{Title: "Break-glass access", Body: kit.KeyValues(facts)})}
	top := kit.ErrorSummary(whole, nil)
	if g.Verdict == "" && !g.Open(now) && g.Person != web.Who(r).Person {
		top = templ.NopComponent
		beside = append(beside, kit.Sheet(kit.SheetOpts{Title: "Review", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/people/break-glass/" + g.ID.String() + "/review", Fields: kit.WithErrors(verdictFields(r), errs), Wrong: whole, Submit: "Sign the review"})}))
	}
	return kit.Page{
		Title: "Break-glass access of " + g.Account, Lead: "What " + g.Account + " did with break-glass access.", Crumbs: wayTo(r, glassCrumb, kit.Crumb{Name: g.Account}), Nav: navOf(r, "/people/break-glass"),
		Body: join(top, kit.Verdict(state, upperFirst(text)+".", kit.Many(len(acts), "line of the record is linked to it.", "lines of the record are linked to it."), nil), kit.Columns(kit.Sheet(kit.SheetOpts{Title: "What was done", Sub: sub, Body: kit.DataTable(kit.Table{
			Caption: "What was done", Columns: []kit.Column{{Name: "Time"}, {Name: "Act"}, {Name: "About"}, {Name: "Line", Wide: true}}, Rows: rows, Total: len(rows), Empty: "Nothing is in the record.",
		})}), join(beside...))),
	}, nil
}

func (u *ui) glass(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	g, err := u.s.Glass(r.Context(), id)
	if err != nil {
		return err
	}
	p, err := u.glassReview(r, g, nil, "")
	if err != nil {
		return err
	}
	return web.Render(w, r, p)
}

func (u *ui) reviewGlass(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	err = u.s.ReviewGlass(r.Context(), web.Who(r), id, r.PostFormValue("verdict"), r.PostFormValue("note"))
	if err != nil {
		return u.reviewAgain(w, r, id, err)
	}
	web.Say(r, livePeople, "today")
	return web.Done(w, r, "/people/break-glass", "The review was signed.")
}

func (u *ui) reviewAgain(w http.ResponseWriter, r *http.Request, id event.ID, err error) error {
	g, read := u.s.Glass(r.Context(), id)
	if read != nil {
		return read
	}
	var drawn error
	again := redraw(w, r, err, func(errs map[string]string, whole string) kit.Page {
		var p kit.Page
		p, drawn = u.glassReview(r, g, errs, whole)
		return p
	})
	if drawn != nil {
		return drawn
	}
	return again
}
