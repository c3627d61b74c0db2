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

func (u *ui) delegationRoutes() []web.Route {
	return []web.Route{
		get("/people/delegations", authz.DelegationsSee, u.delegations),
		get("/people/delegations/sheet", authz.DelegationsSee, u.delegationSheet),
		get("/people/delegations/new", authz.Delegate, u.delegationForm),
		post("/people/delegations", authz.Delegate, u.delegate),
		get("/people/delegations/{id}/revoke", authz.Delegate, u.revokeForm),
		post("/people/delegations/{id}/revoke", authz.Delegate, u.revoke),
	}
}

// delegationRows group by act, as the sheet on the wall does.
func delegationRows(ds []access.Delegation, names record.Names, now time.Time, revokes bool) []kit.Row {
	var rows []kit.Row
	for _, d := range ds {
		state, word, holds := kit.Fine, "in force", "until it is revoked"
		switch {
		case !d.RevokedAt.IsZero():
			state, word, holds = kit.Unknown, "revoked", "revoked "+kit.Clock(d.RevokedAt, now)+", by "+names.Of(d.RevokedBy)
		case !d.Until.IsZero() && !now.Before(d.Until):
			state, word, holds = kit.Unknown, "over", "over since "+wordLastDay(d.Until, "")
		case d.Idle != "":
			state, word, holds = kit.Warn, "gives nothing", d.Idle
		case now.Before(d.From):
			state, word, holds = kit.Unknown, "not yet", "from "+wordDay(d.From, "")+untilWords(d.Until)
		case !d.Until.IsZero():
			holds = "until " + wordLastDay(d.Until, "")
		}
		cells := []kit.Cell{
			{Text: d.Name, Sub: kit.Mono(d.Account), State: &state, Word: word},
			{Text: permissionWord(d.Permission), Sub: d.Note},
			kit.C(holds), kit.C(kit.Date(d.GivenAt, now) + ", by " + names.Of(d.GivenBy)),
		}
		if revokes {
			cells = append(cells, kit.CLink("Revoke", "/people/delegations/"+d.ID.String()+"/revoke"))
		}
		rows = append(rows, kit.Row{Key: d.ID.String(), At: state == kit.Warn, Cells: cells})
	}
	return rows
}

func (u *ui) delegations(w http.ResponseWriter, r *http.Request) error {
	standing, past, err := u.s.Delegations(r.Context(), web.Who(r))
	if err != nil {
		return err
	}
	names, err := u.names(r.Context())
	if err != nil {
		return err
	}
	now := web.Now(r)
	writes := may(r, authz.Delegate)
	columns := []kit.Column{{Name: "Who"}, {Name: "May"}, {Name: "Holds"}, {Name: "Given", Wide: true}}
	acts := columns
	if writes {
		acts = append(acts[:4:4], kit.Column{Name: "Act"})
	}
	body := []templ.Component{
		u.tabs(r, "/people/delegations"),
		kit.Sheet(kit.SheetOpts{Title: "In force", Sub: "the director may do all of these", Body: kit.DataTable(kit.Table{
			Caption: "Delegations in force", Columns: acts, Rows: delegationRows(standing, names, now, writes), Total: len(standing),
			Empty: "Nothing is delegated: only the laboratory director holds and releases results, sends corrections alone and approves routes.",
		})}),
	}
	if len(past) > 0 {
		body = append(body, kit.Sheet(kit.SheetOpts{Title: "Earlier", Body: kit.DataTable(kit.Table{Caption: "Earlier delegations", Columns: columns, Rows: delegationRows(past, names, now, false), Total: len(past)})}))
	}
	tools := []kit.Action{{Text: "Sheet to print", Href: "/people/delegations/sheet", Icon: "print"}}
	if writes {
		tools = append([]kit.Action{{Text: "Delegate", Href: "/people/delegations/new", Primary: true, Icon: "delegate"}}, tools...)
	}
	idle := 0
	for _, d := range standing {
		if d.Idle != "" {
			idle++
		}
	}
	page := kit.Page{
		Title: "Delegations", Lead: kit.Many(len(standing), "clinical act is delegated.", "clinical acts are delegated."), Crumbs: wayTo(r, kit.Crumb{Name: "Delegations"}), Nav: navOf(r, "/people/delegations"),
		Tools: kit.Buttons(tools...), Body: join(body...), Live: []string{livePeople},
	}
	if len(standing) == 0 {
		page.Lead = "No clinical act is delegated."
	}
	if idle > 0 {
		page.Rest = kit.Many(idle, "of them gives nothing now.", "of them give nothing now.")
	}
	return web.Render(w, r, page)
}

// delegationSheet is for the wall and the folder: what the director signs.
func (u *ui) delegationSheet(w http.ResponseWriter, r *http.Request) error {
	standing, _, err := u.s.Delegations(r.Context(), web.Who(r))
	if err != nil {
		return err
	}
	names, err := u.names(r.Context())
	if err != nil {
		return err
	}
	now := web.Now(r)
	lab := "not set"
	if u.Lab != nil && u.Lab() != "" {
		lab = u.Lab()
	}
	var rows []kit.Row
	for _, d := range standing {
		until := "until it is revoked"
		if !d.Until.IsZero() {
			until = wordLastDay(d.Until, "")
		}
		who := d.Name
		if d.Idle != "" {
			who += " (gives nothing now: " + d.Idle + ")"
		}
		rows = append(rows, kit.Row{Cells: []kit.Cell{{Text: who, Sub: d.Account}, {Text: permissionWord(d.Permission), Sub: d.Note}, kit.C(wordDay(d.From, "")), kit.C(until), kit.C(names.Of(d.GivenBy))}})
	}
	return web.Render(w, r, kit.Page{
		Title: "Delegations of the laboratory director", Lead: "Who may act for the laboratory director", Bare: true, Tools: kit.PrintButton("Print"),
		Body: kit.PrintSheet(
			[]kit.KV{{Key: "Laboratory", Value: lab}, {Key: "Printed", Value: kit.Stamp(now)}, {Key: "By", Value: web.Who(r).Name}},
			kit.Sheet(kit.SheetOpts{Title: "Delegations", Sub: "as the program checks them at this moment", Body: kit.DataTable(kit.Table{
				Caption: "Delegations", Columns: []kit.Column{{Name: "Who"}, {Name: "May"}, {Name: "From"}, {Name: "Last day"}, {Name: "Given by"}}, Rows: rows, Total: len(rows), Empty: "Nothing is delegated.",
			})}),
			"Laboratory director, date",
		),
	})
}

func (u *ui) delegationPage(r *http.Request, errs map[string]string, whole string) (kit.Page, error) {
	people, err := u.s.People(r.Context())
	if err != nil {
		return kit.Page{}, err
	}
	now := web.Now(r)
	whom := []kit.Option{{Value: "", Text: "Choose a person"}}
	for _, p := range people {
		delegable := false
		for _, g := range p.Grants {
			i, _ := authz.RoleOf(g.Role)
			delegable = delegable || i.Delegable
		}
		if delegable && p.State != access.Ended && p.ID != web.Who(r).Person {
			_, word, _ := personState(p, now)
			text := p.Name + " (" + p.Account + ")"
			if word != "active" {
				text += ", " + word
			}
			whom = append(whom, kit.Option{Value: p.ID.String(), Text: text})
		}
	}
	var acts []kit.Option
	for _, i := range access.Delegable() {
		acts = append(acts, kit.Option{Value: string(i.Permission), Text: i.What})
	}
	fields := []kit.Field{
		{Name: "person", Label: "Who", Kind: kit.SelectField, Options: whom, Value: r.PostFormValue("person"), Required: true, Hint: "People with a role that a clinical act can be delegated to."},
		{Name: "permission", Label: "May", Kind: kit.RadioField, Options: acts, Value: r.PostFormValue("permission"), Required: true},
		{Name: "from", Label: "First day", Kind: kit.DateField, Narrow: true, Optional: true, Value: r.PostFormValue("from"), Hint: "Empty: from now."},
		{Name: "until", Label: "Last day", Kind: kit.DateField, Narrow: true, Optional: true, Value: r.PostFormValue("until"), Hint: "Empty: until it is revoked."},
		{Name: "note", Label: "What it is for", Kind: kit.TextareaField, Rows: 2, Max: 500, Optional: true, Spell: true, Value: r.PostFormValue("note"), Hint: "Stands on the printed sheet."},
	}
	return kit.Page{
		Title: "Delegate", Lead: "Who may act for you?", Crumbs: wayTo(r, kit.Crumb{Name: "Delegations", Href: "/people/delegations"}, kit.Crumb{Name: "Delegate"}), Nav: navOf(r, "/people/delegations"),
		Body: kit.Sheet(kit.SheetOpts{Title: "The delegation", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/people/delegations", Fields: kit.WithErrors(fields, errs), Wrong: whole, Submit: "Delegate", Cancel: "/people/delegations"})}),
	}, nil
}

func (u *ui) delegationForm(w http.ResponseWriter, r *http.Request) error {
	p, err := u.delegationPage(r, nil, "")
	if err != nil {
		return err
	}
	return web.Render(w, r, p)
}

func (u *ui) delegate(w http.ResponseWriter, r *http.Request) error {
	d := access.Delegation{Permission: authz.Permission(r.PostFormValue("permission")), Note: r.PostFormValue("note")}
	var err error
	if d.Person, err = event.ParseID(r.PostFormValue("person")); err != nil {
		err = &access.Refusal{Kind: access.KindInvalid, Field: "person", Text: "Choose a person."}
	}
	if err == nil {
		d.From, err = day(r, "from")
	}
	if err == nil {
		d.Until, err = lastDay(r, "until")
	}
	if err == nil {
		d, err = u.s.Delegate(r.Context(), web.Who(r), d)
	}
	if err != nil {
		var drawn error
		again := redraw(w, r, err, func(errs map[string]string, whole string) kit.Page {
			var p kit.Page
			p, drawn = u.delegationPage(r, errs, whole)
			return p
		})
		if drawn != nil {
			return drawn
		}
		return again
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/delegations", d.Name+" may "+permissionWord(d.Permission)+" from now on.")
}

func (u *ui) delegation(r *http.Request) (access.Delegation, error) {
	id, err := idOf(r, "id")
	if err != nil {
		return access.Delegation{}, err
	}
	standing, _, err := u.s.Delegations(r.Context(), web.Who(r))
	if err != nil {
		return access.Delegation{}, err
	}
	for _, d := range standing {
		if d.ID == id {
			return d, nil
		}
	}
	return access.Delegation{}, access.ErrNotFound
}

func (u *ui) revokeForm(w http.ResponseWriter, r *http.Request) error {
	d, err := u.delegation(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, kit.Page{
		Title: "Revoke a delegation", Lead: "Revoke this delegation?", Crumbs: wayTo(r, kit.Crumb{Name: "Delegations", Href: "/people/delegations"}, kit.Crumb{Name: "Revoke"}), Nav: navOf(r, "/people/delegations"),
		Body: kit.Confirm(kit.ConfirmOpts{
			Title: "It gives nothing from then on", Text: "What they did by it stays done. You can delegate it again.",
			Facts:  []kit.KV{{Key: "Person", Value: d.Name}, {Key: "May", Value: permissionWord(d.Permission)}},
			Action: "/people/delegations/" + d.ID.String() + "/revoke", Button: "Revoke it", Cancel: "/people/delegations", Bad: true,
		}),
	})
}

func (u *ui) revoke(w http.ResponseWriter, r *http.Request) error {
	d, err := u.delegation(r)
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != "yes" {
		return u.revokeForm(w, r)
	}
	if err := u.s.Revoke(r.Context(), web.Who(r), d.ID); err != nil {
		return err
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/delegations", "The delegation was revoked: "+d.Name+" may no longer "+permissionWord(d.Permission)+".")
}
