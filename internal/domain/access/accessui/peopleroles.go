package accessui

import (
	"context"
	"net/http"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (u *ui) rolesRoutes() []web.Route {
	return []web.Route{
		get("/people/roles", authz.PeopleSee, u.roles),
		get("/people/{id}/roles/add", authz.PeopleChange, u.roleForm),
		post("/people/{id}/roles/add", authz.PeopleChange, u.addRole),
		get("/people/{id}/roles/{grant}/end", authz.PeopleChange, u.endRoleForm),
		post("/people/{id}/roles/{grant}/end", authz.PeopleChange, u.endRole),
	}
}

func num(n int64) string { return strconv.FormatInt(n, 10) }

// atoi reads a number of a hidden field; what is none is 0.
func atoi(s string) int64 {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// linked makes a link and shows it.
func (u *ui) linked(w http.ResponseWriter, r *http.Request, do func(context.Context, *authz.Subject, event.ID) (access.Link, error)) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	l, err := do(r.Context(), web.Who(r), id)
	if err != nil {
		return err
	}
	p, err := u.s.Person(r.Context(), id)
	if err != nil {
		return err
	}
	web.Say(r, livePeople)
	return u.showLink(w, r, p, l)
}

// roles is the matrix as authz has it.
func (u *ui) roles(w http.ResponseWriter, r *http.Request) error {
	columns := []kit.Column{{Name: "May"}}
	for _, i := range authz.Roles() {
		columns = append(columns, kit.Column{Name: roleShort[i.Role], Label: i.Name})
	}
	var rows []kit.Row
	for _, p := range authz.Permissions() {
		name := kit.Cell{Text: p.What, Sub: notes(p)}
		cells := []kit.Cell{name}
		for _, i := range authz.Roles() {
			cells = append(cells, mark(i, p))
		}
		rows = append(rows, kit.Row{Cells: cells})
	}
	var kinds []kit.KV
	for _, i := range authz.Roles() {
		text := i.What
		if i.Strong {
			text += " Signs in with a passkey or hardware key."
		}
		if i.Boxed {
			text += " Always with an end date."
		}
		kinds = append(kinds, kit.KV{Key: i.Name + " (" + roleShort[i.Role] + ")", Value: text})
	}
	var times []kit.Row
	for _, l := range access.Limits() {
		times = append(times, kit.Row{Cells: []kit.Cell{kit.C(roleName(l.Role)), kit.C(kit.Span(l.Idle)), kit.C(kit.Span(l.Absolute))}})
	}
	b := access.BenchLimit()
	times = append(times, kit.Row{Cells: []kit.Cell{kit.C("Anybody at a shared bench"), kit.C(kit.Span(b.Idle)), kit.C(kit.Span(b.Absolute))}})
	return web.Render(w, r, kit.Page{
		Title: "Roles", Lead: "This is what each role may do.", Rest: "What is not marked is refused.", Crumbs: []kit.Crumb{peopleCrumb, {Name: "Roles"}}, Nav: "/people", Tools: kit.PrintButton("Print"),
		Body: join(
			u.tabs(r, "/people/roles"),
			kit.Sheet(kit.SheetOpts{Title: "Roles", Body: kit.KeyValues(kinds)}),
			kit.Sheet(kit.SheetOpts{Title: "Roles and permissions", Sub: "as the program checks them", Body: kit.DataTable(kit.Table{Caption: "Permissions by role", Columns: columns, Rows: rows, Total: len(rows)})}),
			kit.Sheet(kit.SheetOpts{Title: "How long a session lasts", Sub: "who has several roles has the shortest", Body: kit.DataTable(kit.Table{Caption: "Limits of sessions", Columns: []kit.Column{{Name: "Role"}, {Name: "Unused"}, {Name: "At all"}}, Rows: times, Total: len(times)})}),
		),
	})
}

// roleShort is over the columns of the matrix; the sheet above it explains them.
var roleShort = map[authz.Role]string{
	authz.Administrator: "Adm", authz.SecurityOfficer: "Sec", authz.ComplianceOfficer: "Com", authz.Director: "Dir", authz.Technologist: "Tec", authz.FrontDesk: "Desk",
	authz.ITPartner: "IT", authz.Auditor: "Aud", authz.Counsel: "Cou", authz.Provider: "Pro", authz.Service: "Svc",
}

// notes say what a permission asks for besides the role.
func notes(p authz.Info) string {
	var out []string
	if p.Delegated {
		out = append(out, "clinical: by the director's delegation")
	}
	if p.Fresh {
		out = append(out, "fresh proof of identity")
	}
	if p.Patient {
		out = append(out, "patient data, recorded")
	}
	if p.Scoped {
		out = append(out, "by partner and site")
	}
	return strings.Join(out, "; ")
}

func mark(i authz.RoleInfo, p authz.Info) kit.Cell {
	switch {
	case p.Delegated && i.Role == authz.Director, authz.Has(i.Role, p.Permission) && !(p.Patient && i.Masked):
		return kit.C("yes")
	case p.Delegated && i.Delegable:
		return kit.C("delegated")
	}
	return kit.Cell{Text: "–", Zero: true}
}

func (u *ui) rolePage(r *http.Request, p access.Person, errs map[string]string, whole string) kit.Page {
	return kit.Page{
		Title: "Give a role", Lead: "What does " + p.Name + " do here?", Crumbs: []kit.Crumb{peopleCrumb, {Name: p.Name, Href: "/people/" + p.ID.String()}, {Name: "Give a role"}}, Nav: "/people",
		Body: kit.Sheet(kit.SheetOpts{Title: "The role", Pad: true, Body: kit.Form(kit.FormOpts{
			Action: "/people/" + p.ID.String() + "/roles/add", Fields: kit.WithErrors(u.roleFields(r, false), errs), Wrong: whole, Submit: "Give the role", Cancel: "/people/" + p.ID.String(),
		})}),
	}
}

func (u *ui) roleForm(w http.ResponseWriter, r *http.Request) error {
	p, err := u.personAt(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, u.rolePage(r, p, nil, ""))
}

func (u *ui) addRole(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	g, ok, err := u.grantOf(r)
	if err == nil && !ok {
		err = &access.Refusal{Kind: access.KindInvalid, Field: "role", Text: "Choose a role."}
	}
	if err == nil {
		_, err = u.s.Grant(r.Context(), web.Who(r), id, g)
	}
	if err != nil {
		p, read := u.s.Person(r.Context(), id)
		if read != nil {
			return read
		}
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page { return u.rolePage(r, p, errs, whole) })
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/"+id.String(), "The role was given: "+roleName(g.Role)+".")
}

// grant finds a role of the person in the path.
func (u *ui) grant(r *http.Request) (p access.Person, g access.Grant, err error) {
	id, err := idOf(r, "id")
	if err != nil {
		return p, g, err
	}
	gid, err := idOf(r, "grant")
	if err != nil {
		return p, g, err
	}
	if p, err = u.s.Person(r.Context(), id); err != nil {
		return p, g, err
	}
	for _, g := range p.Grants {
		if g.ID == gid {
			return p, g, nil
		}
	}
	return p, g, access.ErrNotFound
}

func endRolePage(p access.Person, g access.Grant, wrong string) kit.Page {
	back := "/people/" + p.ID.String()
	text := "Their sessions stay open with what is left of their roles. The role can be given again. What the laboratory director delegated to them in it ends with it, for good."
	if g.Origin == access.OriginOIDC || g.Origin == access.OriginSCIM {
		text += " The rule that gave it does not give it again until somebody lets it, on the page of the person."
	}
	return kit.Page{
		Title: "Take a role away", Lead: "Take " + roleName(g.Role) + " from " + p.Name + "?", Crumbs: []kit.Crumb{peopleCrumb, {Name: p.Name, Href: back}, {Name: "Take a role away"}}, Nav: "/people",
		Body: join(kit.ErrorSummary(wrong, nil), kit.Confirm(kit.ConfirmOpts{
			Title: "It is gone with their next click", Text: text,
			Facts:  []kit.KV{{Key: "Person", Value: p.Name}, {Key: "Role", Value: grantWords(g.Grant)}},
			Action: back + "/roles/" + g.ID.String() + "/end", Button: "Take it away", Cancel: back, Bad: true,
		})),
	}
}

func (u *ui) endRoleForm(w http.ResponseWriter, r *http.Request) error {
	p, g, err := u.grant(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, endRolePage(p, g, ""))
}

func (u *ui) endRole(w http.ResponseWriter, r *http.Request) error {
	p, g, err := u.grant(r)
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != "yes" {
		return web.Render(w, r, endRolePage(p, g, ""))
	}
	if err := u.s.EndGrant(r.Context(), web.Who(r), g.ID); err != nil {
		return redraw(w, r, err, func(_ map[string]string, whole string) kit.Page { return endRolePage(p, g, whole) })
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/"+p.ID.String(), roleName(g.Role)+" was taken from "+p.Name+".")
}
