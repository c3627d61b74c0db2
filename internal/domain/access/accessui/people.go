package accessui

import (
	"cmp"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// livePeople is the topic of pages that show people, sessions or reviews.
const livePeople = "people"

func (u *ui) peopleRoutes() []web.Route {
	return []web.Route{
		get("/people", authz.PeopleSee, u.people),
		get("/people/new", authz.PeopleChange, u.newPerson),
		post("/people", authz.PeopleChange, u.addPerson),
		get("/people/{id}", authz.PeopleSee, u.person),
		get("/people/{id}/change", authz.PeopleChange, u.changeForm),
		post("/people/{id}/change", authz.PeopleChange, u.change),
		get("/people/{id}/end", authz.PeopleChange, u.endForm),
		post("/people/{id}/end", authz.PeopleChange, u.end),
		post("/people/{id}/return", authz.PeopleChange, u.letIn),
		post("/people/{id}/link", authz.PeopleChange, u.link),
		post("/people/{id}/recover", authz.PeopleChange, u.recovery),
	}
}

// filtered are the people a view shows, in its order.
func filtered(all []access.Person, v kit.View, now time.Time) []access.Person {
	q := strings.ToLower(strings.TrimSpace(v.Get("q")))
	out := slices.DeleteFunc(slices.Clone(all), func(p access.Person) bool {
		_, word, _ := personState(p, now)
		switch want := v.Get("state"); {
		case want == "" && word == "ended", want != "" && want != "all" && want != word:
			return true
		case v.Get("role") != "" && !slices.ContainsFunc(p.Grants, func(g access.Grant) bool { return string(g.Role) == v.Get("role") }):
			return true
		}
		return q != "" && !strings.Contains(strings.ToLower(p.Name+" "+p.Account+" "+p.Mail), q)
	})
	slices.SortStableFunc(out, func(a, b access.Person) int {
		var n int
		switch v.Sort {
		case "account":
			n = cmp.Compare(a.Account, b.Account)
		case "made":
			n = a.Made.Compare(b.Made)
		case "ends":
			n = a.Ends.Compare(b.Ends)
		default:
			n = cmp.Compare(strings.ToLower(a.Name), strings.ToLower(b.Name))
		}
		if v.Desc {
			n = -n
		}
		return n
	})
	return out
}

func rolesOf(p access.Person) string {
	var out []string
	for _, g := range p.Grants {
		out = append(out, grantWords(g.Grant))
	}
	return strings.Join(out, "; ")
}

func (u *ui) people(w http.ResponseWriter, r *http.Request) error {
	all, err := u.s.People(r.Context())
	if err != nil {
		return err
	}
	now := web.Now(r)
	v := kit.ReadView(r.URL, 50, "name", "account", "made", "ends")
	found := filtered(all, v, now)
	if kit.WantsCSV(r.URL) {
		return peopleCSV(w, found, now)
	}
	var rows []kit.Row
	for _, p := range found[min(v.Offset(), len(found)):min(v.Offset()+v.Size, len(found))] {
		state, word, text := personState(p, now)
		roles := kit.C(rolesOf(p))
		if roles.Text == "" {
			roles = kit.Cell{Text: "none", Zero: true}
		}
		rows = append(rows, kit.Row{Key: p.ID.String(), At: state == kit.Warn, Cells: []kit.Cell{
			{Text: p.Name, Sub: kit.Mono(p.Account), Href: "/people/" + p.ID.String(), State: &state, Word: word},
			roles, kit.C(text), kit.C(originWord(p.Origin)),
		}})
	}
	waits, err := u.waitList(r, all)
	if err != nil {
		return err
	}
	active, invited := 0, 0
	for _, p := range all {
		switch {
		case p.In(now):
			active++
		case p.State == access.Invited:
			invited++
		}
	}
	page := kit.Page{
		Title: "People", Lead: kit.Many(active, "person may sign in.", "people may sign in."), Nav: "/people", Live: []string{livePeople},
		Body: join(u.tabs(r, "/people"), waits, kit.Sheet(kit.SheetOpts{Title: "People", Sub: "who works with Labwarden", Body: kit.DataTable(kit.Table{
			Caption: "People", Columns: []kit.Column{{Name: "Name", Sort: "name"}, {Name: "Roles"}, {Name: "State", Sort: "ends"}, {Name: "Origin", Wide: true}},
			Rows: rows, View: v, Total: len(found), CSV: true, Empty: "Nobody fits this view.", Filters: peopleFilters(v),
		})})),
	}
	if invited > 0 {
		page.Rest = kit.Many(invited, "is invited and has not come in yet.", "are invited and have not come in yet.")
	}
	if may(r, authz.PeopleChange) {
		page.Tools = kit.Buttons(kit.Action{Text: "Add somebody", Href: "/people/new", Primary: true, Icon: "add"}, kit.Action{Text: "Import a list", Href: "/people/import", Icon: "upload"}, kit.Action{Text: "Rules for other systems", Href: "/people/rules", Icon: "access"})
	}
	return web.Render(w, r, page)
}

func peopleFilters(v kit.View) []kit.Field {
	roles := []kit.Option{{Value: "", Text: "Every role"}}
	for _, i := range authz.Roles() {
		if i.Role != authz.Service {
			roles = append(roles, kit.Option{Value: string(i.Role), Text: i.Name})
		}
	}
	return []kit.Field{
		{Name: "q", Label: "Name, account or mail", Kind: kit.SearchField, Value: v.Get("q")},
		{Name: "role", Label: "Role", Kind: kit.SelectField, Value: v.Get("role"), Options: roles},
		{Name: "state", Label: "State", Kind: kit.SelectField, Value: v.Get("state"), Options: []kit.Option{
			{Value: "", Text: "All but ended"}, {Value: "active", Text: "Active"}, {Value: "invited", Text: "Invited"}, {Value: "no role", Text: "Without a role"}, {Value: "ended", Text: "Ended"}, {Value: "all", Text: "All"},
		}},
	}
}

func peopleCSV(w http.ResponseWriter, people []access.Person, now time.Time) error {
	kit.CSVHead(w.Header(), "people")
	c, err := kit.NewCSV(w, "account", "name", "mail", "state", "starts", "last day", "roles", "origin", "added", "added by")
	if err != nil {
		return err
	}
	for _, p := range people {
		_, word, _ := personState(p, now)
		if err := c.Row(p.Account, p.Name, p.Mail, word, showDay(p.Starts), showLastDay(p.Ends), rolesOf(p), p.Origin, showDay(p.Made), p.MadeBy); err != nil {
			return err
		}
	}
	return c.Close()
}

func (u *ui) person(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	p, err := u.s.Person(r.Context(), id)
	if err != nil {
		return err
	}
	history, err := u.s.GrantHistory(r.Context(), id)
	if err != nil {
		return err
	}
	past, err := u.s.PastSessions(r.Context(), web.Who(r), id, 10)
	if err != nil {
		return err
	}
	names, err := u.names(r.Context())
	if err != nil {
		return err
	}
	elsewhere, err := u.s.EndedElsewhere(r.Context(), id)
	if err != nil {
		return err
	}
	standing, err := u.s.Standing(r.Context(), id)
	if err != nil {
		return err
	}
	asked, err := u.standingSheet(r, p, standing, names)
	if err != nil {
		return err
	}
	waits, err := u.waitSheet(r, p)
	if err != nil {
		return err
	}
	now := web.Now(r)
	changes := may(r, authz.PeopleChange) && web.Who(r).Person != p.ID
	outside, err := u.outsideSheet(r, p, names, changes)
	if err != nil {
		return err
	}
	kept, err := u.blockSheet(r, id, names, changes)
	if err != nil {
		return err
	}
	provided, err := u.providedFact(r, p)
	if err != nil {
		return err
	}
	_, _, text := personState(p, now)
	facts := []kit.KV{
		{Key: "Account", Value: p.Account, Mono: true},
		{Key: "Mail", Value: otherwise(p.Mail, "none")},
		{Key: "First day", Value: wordDay(p.Starts, "no date")},
		{Key: "Last day", Value: wordLastDay(p.Ends, "no date")},
		{Key: "Came", Value: originWord(p.Origin) + ", " + kit.Date(p.Made, now) + ", by " + names.Of(p.MadeBy)},
	}
	page := kit.Page{
		Title: p.Name, Lead: p.Name + " is " + text + ".", Crumbs: []kit.Crumb{peopleCrumb, {Name: p.Name}}, Nav: "/people", Live: []string{livePeople},
		Body: kit.Columns(join(waits, u.rolesSheet(p, names, now, changes), kept, historySheet(history, names, now), signInsSheet(past, now)), join(
			kit.Sheet(kit.SheetOpts{Title: "Person", Body: kit.KeyValues(append(facts, provided...))}), outside, asked, u.personActs(p, changes, elsewhere, standing.Weighs),
		)),
	}
	if may(r, authz.PeopleChange) && p.State != access.Ended {
		page.Tools = kit.Buttons(kit.Action{Text: "Change", Href: "/people/" + p.ID.String() + "/change", Icon: "edit"})
	}
	return web.Render(w, r, page)
}

func otherwise(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

func (u *ui) rolesSheet(p access.Person, names record.Names, now time.Time, changes bool) templ.Component {
	base := "/people/" + p.ID.String() + "/roles/"
	var rows []kit.Row
	for _, g := range p.Grants {
		cells := []kit.Cell{{Text: grantWords(g.Grant), Sub: roleWhat(g.Role)}, kit.C(grantDates(g.Grant, now)), kit.C(kit.Date(g.GivenAt, now) + ", by " + names.Of(g.GivenBy))}
		if changes {
			cells = append(cells, kit.CLink("Take away", base+g.ID.String()+"/end"))
		}
		rows = append(rows, kit.Row{Key: g.ID.String(), Cells: cells})
	}
	columns := []kit.Column{{Name: "Role"}, {Name: "Holds"}, {Name: "Given", Wide: true}}
	if changes {
		columns = append(columns, kit.Column{Name: "Act"})
	}
	o := kit.SheetOpts{Title: "Roles", Body: kit.DataTable(kit.Table{Caption: "Roles", Columns: columns, Rows: rows, Total: len(rows), Empty: "They have no role, and so see nothing."})}
	if changes && p.State != access.Ended {
		o.More = &kit.Action{Text: "Give a role", Href: base + "add"}
	}
	return kit.Sheet(o)
}

func roleWhat(r authz.Role) string {
	i, _ := authz.RoleOf(r)
	return i.What
}

func historySheet(all []access.Grant, names record.Names, now time.Time) templ.Component {
	var rows []kit.Row
	for _, g := range slices.Backward(all) {
		if !g.EndedAt.IsZero() {
			rows = append(rows, kit.Row{Cells: []kit.Cell{kit.C(grantWords(g.Grant)), kit.C(kit.Date(g.GivenAt, now) + ", by " + names.Of(g.GivenBy)), kit.C(kit.Date(g.EndedAt, now) + ", by " + names.Of(g.EndedBy))}})
		}
	}
	if len(rows) == 0 {
		return templ.NopComponent
	}
	return kit.Sheet(kit.SheetOpts{Title: "Earlier roles", Body: kit.DataTable(kit.Table{Caption: "Earlier roles", Columns: []kit.Column{{Name: "Role"}, {Name: "Given"}, {Name: "Ended"}}, Rows: rows, Total: len(rows)})})
}

func signInsSheet(past []access.Session, now time.Time) templ.Component {
	var rows []kit.Row
	for _, x := range past {
		end := "open"
		if !x.Ended.IsZero() {
			end = kit.Clock(x.Ended, now) + ", " + x.Why
		}
		rows = append(rows, kit.Row{Cells: []kit.Cell{{Text: kit.Clock(x.Made, now), Sub: methodWord(x.Method)}, {Text: x.Device.Name, Sub: kit.Mono(x.Device.Network)}, kit.C(end)}})
	}
	return kit.Sheet(kit.SheetOpts{Title: "Last sign-ins", Body: kit.DataTable(kit.Table{Caption: "Last sign-ins", Columns: []kit.Column{{Name: "Began"}, {Name: "From"}, {Name: "Ended"}}, Rows: rows, Total: len(rows), Empty: "They have not signed in in the last 90 days."})})
}

// personActs are what can be done about somebody, the one that ends them last.
func (u *ui) personActs(p access.Person, changes, elsewhere, weighs bool) templ.Component {
	if !changes {
		return templ.NopComponent
	}
	base := "/people/" + p.ID.String()
	var acts []kit.Action
	var text string
	switch p.State {
	case access.Invited:
		text = "A new link ends the one before. Each works once, for 72 hours."
		acts = append(acts, kit.Action{Text: "New invitation link", Href: base + "/link", Post: true, Icon: "link"}, kit.Action{Text: "End", Href: base + "/end", Icon: "out"})
	case access.Active:
		text = "A recovery link is for somebody who lost every way to sign in. Before they get a role that asks for a passkey after it, or the laboratory director's, a second person confirms them."
		link := kit.Action{Text: "Recovery link", Href: base + "/recover", Post: true, Icon: "link"}
		if weighs {
			text = "They hold a role that asks for a passkey or the laboratory director's, or did in the last 30 days: when they lost every way to sign in, you ask and a second person makes the link. Where there is no second person, somebody at the console of the machine does: labwarden access recover " + p.Account + "."
			link = kit.Action{Text: "Ask for a recovery link", Href: base + "/recover/ask", Icon: "link"}
		}
		acts = append(acts, link, kit.Action{Text: "End", Href: base + "/end", Icon: "out"})
	default:
		text = "They come back without a role, by a new invitation."
		switch {
		case elsewhere:
			text += " The system they come from ended them, and may bring them back too."
		case p.Origin == access.OriginSCIM:
			text += " They were ended here: only you let them in again, not the system they come from."
		}
		acts = append(acts, kit.Action{Text: "Let in again", Href: base + "/return", Post: true, Icon: "again"})
	}
	return kit.Sheet(kit.SheetOpts{Title: "Access", Body: join(pad(kit.Paragraph(text)), kit.Acts(acts...))})
}
