package accessui

import (
	"net/http"
	"slices"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func personFields(r *http.Request, p access.Person, fresh bool) []kit.Field {
	val := func(name, stored string) string {
		if r.Method == http.MethodPost {
			return r.PostFormValue(name)
		}
		return stored
	}
	var fs []kit.Field
	if fresh {
		fs = append(fs, kit.Field{Name: "account", Label: "Account", Hint: "What they sign in with: small letters, digits and . _ - @. It is never given to anybody else.", Value: val("account", ""), Required: true, Mono: true, Max: 64})
	}
	return append(fs,
		kit.Field{Name: "name", Label: "Name", Hint: "As colleagues know them.", Value: val("name", p.Name), Required: true, Max: 120},
		kit.Field{Name: "mail", Label: "Mail", Kind: kit.EmailField, Value: val("mail", p.Mail), Optional: true, Max: 200},
		kit.Field{Name: "starts", Label: "First day", Kind: kit.DateField, Narrow: true, Optional: true, Value: val("starts", showDay(p.Starts)), Hint: "They get in from this day on."},
		kit.Field{Name: "ends", Label: "Last day", Kind: kit.DateField, Narrow: true, Optional: true, Value: val("ends", showLastDay(p.Ends)), Hint: "They are out at its midnight, without anybody doing anything."},
	)
}

// grantFields ask for a role.
func (u *ui) grantFields(r *http.Request, optional bool) []kit.Field {
	options := []kit.Option{{Value: "", Text: "Choose a role"}}
	if optional {
		options[0].Text = "No role yet"
	}
	for _, i := range authz.Roles() {
		if i.Role != authz.Service {
			options = append(options, kit.Option{Value: string(i.Role), Text: i.Name})
		}
	}
	out := []kit.Field{{Name: "role", Label: "Role", Kind: kit.SelectField, Value: r.PostFormValue("role"), Options: options, Optional: optional, Hint: "What each may do stands under Roles."}}
	out = append(out, u.partnersField(r, nil, "None ticked: every partner. A provider must have them."))
	return append(out, u.sitesField(r)...)
}

// roleFields are grantFields and until when.
func (u *ui) roleFields(r *http.Request, optional bool) []kit.Field {
	return append(u.grantFields(r, optional), kit.Field{Name: "until", Label: "Last day of the role", Kind: kit.DateField, Narrow: true, Optional: true, Value: r.PostFormValue("until"), Hint: "Auditors and IT partners must have one."})
}

// partnersField lets partners be ticked; where they are not known, typed by key.
func (u *ui) partnersField(r *http.Request, only []string, hint string) kit.Field {
	f := kit.Field{Name: "partners", Label: "Only for these partners", Optional: true, Hint: hint}
	if u.Partners == nil {
		f.Value, f.Mono = r.PostFormValue("partners"), true
		f.Hint += " Keys, separated by commas."
		return f
	}
	f.Kind, f.Values = kit.ChecksField, partnersOf(r)
	for _, p := range u.Partners() {
		if len(only) == 0 || slices.Contains(only, p.Key) {
			f.Options = append(f.Options, kit.Option{Value: p.Key, Text: p.Name})
		}
	}
	for _, key := range only { // no longer in the configuration, and still the account's
		if !slices.ContainsFunc(f.Options, func(o kit.Option) bool { return o.Value == key }) {
			f.Options = append(f.Options, kit.Option{Value: key, Text: key})
		}
	}
	if len(f.Options) == 0 {
		f.Hint = "No partner is configured."
	}
	return f
}

// partnersOf are the partners of a form: those ticked, or typed by key.
func partnersOf(r *http.Request) []string {
	return keysOf(r, "partners")
}

// grantOf reads a role from a form; ok is false where none was chosen.
func (u *ui) grantOf(r *http.Request) (g authz.Grant, ok bool, err error) {
	g = authz.Grant{Role: authz.Role(r.PostFormValue("role")), Partners: partnersOf(r), Sites: keysOf(r, "sites")}
	if g.Role == "" {
		return g, false, nil
	}
	if g.Until, err = lastDay(r, "until"); err != nil {
		return g, true, err
	}
	return g, true, u.knownPlaces(g.Partners, g.Sites)
}

// knownPartners refuses keys that no partner has: a slip of the pen would give a
// role that reaches nothing.
func (u *ui) knownPartners(field string, keys []string) error {
	if u.Partners == nil {
		return nil
	}
	known := map[string]bool{}
	for _, p := range u.Partners() {
		known[p.Key] = true
	}
	for _, k := range keys {
		if !known[k] {
			return &access.Refusal{Kind: access.KindInvalid, Field: field, Text: "There is no partner with the key " + k + "."}
		}
	}
	return nil
}

func (u *ui) newPage(r *http.Request, errs map[string]string, whole string) kit.Page {
	fields := append(personFields(r, access.Person{}, true), u.roleFields(r, true)...)
	return kit.Page{
		Title: "Add somebody", Lead: "Who comes to work with Labwarden?", Rest: "They get a link that works once, for 72 hours.", Crumbs: []kit.Crumb{peopleCrumb, {Name: "Add somebody"}}, Nav: "/people",
		Body: kit.Sheet(kit.SheetOpts{Title: "The person and their first role", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/people", Fields: kit.WithErrors(fields, errs), Wrong: whole, Submit: "Add and make the link", Cancel: "/people"})}),
	}
}

func (u *ui) newPerson(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, u.newPage(r, nil, ""))
}

func (u *ui) addPerson(w http.ResponseWriter, r *http.Request) error {
	p, l, err := u.invite(r)
	if err != nil {
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page { return u.newPage(r, errs, whole) })
	}
	web.Say(r, livePeople)
	return u.showLink(w, r, p, l)
}

func (u *ui) invite(r *http.Request) (p access.Person, l access.Link, err error) {
	n := access.NewPerson{Account: r.PostFormValue("account"), Name: r.PostFormValue("name"), Mail: r.PostFormValue("mail")}
	if n.Starts, err = day(r, "starts"); err != nil {
		return p, l, err
	}
	if n.Ends, err = lastDay(r, "ends"); err != nil {
		return p, l, err
	}
	g, ok, err := u.grantOf(r)
	if err != nil {
		return p, l, err
	}
	if ok {
		n.Grants = append(n.Grants, g)
	}
	return u.s.Invite(r.Context(), web.Who(r), n)
}

// showLink shows a one-time link, this once. It is drawn in the answer itself: a
// notice or address could be kept by the browser.
func (u *ui) showLink(w http.ResponseWriter, r *http.Request, p access.Person, l access.Link) error {
	now := web.Now(r)
	what, rest := "invitation", "Give it to them yourself, or by a way that nobody else reads."
	if l.Kind == access.LinkRecover {
		what, rest = "recovery link", "Be sure that it is them: whoever opens it gets their account. With it, every session of theirs ends."
	}
	return web.Render(w, r, kit.Page{
		Title: "Link for " + p.Name, Lead: "This is the " + what + " of " + p.Name + ".", Rest: "It is shown this once.", Crumbs: []kit.Crumb{peopleCrumb, {Name: p.Name, Href: "/people/" + p.ID.String()}, {Name: "Link"}}, Nav: "/people",
		Body: join(
			kit.Sheet(kit.SheetOpts{Title: "The link", Sub: "works once, until " + kit.Clock(l.Until, now), Pad: true, Body: join(kit.Pre("One-time link", []kit.Part{{Text: u.address() + l.Path()}}), kit.Paragraph(rest))}),
			kit.Buttons(kit.Action{Text: "Go to " + p.Name, Href: "/people/" + p.ID.String(), Primary: true}),
		),
	})
}

// address is where the pages are reached from outside; empty where that is not
// known: the link then is a path.
func (u *ui) address() string {
	if u.PublicURL == nil {
		return ""
	}
	return u.PublicURL()
}

func (u *ui) changePage(r *http.Request, p access.Person, errs map[string]string, whole string) kit.Page {
	return kit.Page{
		Title: "Change " + p.Name, Lead: "What is different about " + p.Name + "?", Crumbs: []kit.Crumb{peopleCrumb, {Name: p.Name, Href: "/people/" + p.ID.String()}, {Name: "Change"}}, Nav: "/people",
		Body: kit.Sheet(kit.SheetOpts{Title: "The person", Pad: true, Body: kit.Form(kit.FormOpts{
			Action: "/people/" + p.ID.String() + "/change", Fields: kit.WithErrors(personFields(r, p, false), errs), Wrong: whole, Submit: "Keep the change", Cancel: "/people/" + p.ID.String(),
			Hidden: map[string]string{"revision": num(p.Revision)},
		})}),
	}
}

func (u *ui) changeForm(w http.ResponseWriter, r *http.Request) error {
	p, err := u.personAt(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, u.changePage(r, p, nil, ""))
}

func (u *ui) change(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	c := access.Change{Name: r.PostFormValue("name"), Mail: r.PostFormValue("mail"), Revision: atoi(r.PostFormValue("revision"))}
	if c.Starts, err = day(r, "starts"); err == nil {
		if c.Ends, err = lastDay(r, "ends"); err == nil {
			err = u.s.ChangePerson(r.Context(), web.Who(r), id, c)
		}
	}
	if err != nil {
		p, read := u.s.Person(r.Context(), id)
		if read != nil {
			return read
		}
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page { return u.changePage(r, p, errs, whole) })
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/"+id.String(), "The change was kept.")
}

func (u *ui) endPage(p access.Person, wrong string) kit.Page {
	return kit.Page{
		Title: "End " + p.Name, Lead: "End " + p.Name + "?", Crumbs: []kit.Crumb{peopleCrumb, {Name: p.Name, Href: "/people/" + p.ID.String()}, {Name: "End"}}, Nav: "/people",
		Body: join(kit.ErrorSummary(wrong, nil), kit.Confirm(kit.ConfirmOpts{
			Title:  "They are out within a second",
			Text:   "Every session ends on every node, links stop working and all roles are taken. Their record stays. They can be let in again later, without a role.",
			Facts:  []kit.KV{{Key: "Person", Value: p.Name}, {Key: "Account", Value: p.Account, Mono: true}, {Key: "Roles", Value: otherwise(rolesOf(p), "none")}},
			Action: "/people/" + p.ID.String() + "/end", Button: "End " + p.Name, Cancel: "/people/" + p.ID.String(), Bad: true,
		})),
	}
}

func (u *ui) endForm(w http.ResponseWriter, r *http.Request) error {
	p, err := u.personAt(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, u.endPage(p, ""))
}

func (u *ui) end(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	p, err := u.s.Person(r.Context(), id)
	if err != nil {
		return err
	}
	if r.PostFormValue("confirm") != "yes" {
		return web.Render(w, r, u.endPage(p, ""))
	}
	if err := u.s.End(r.Context(), web.Who(r), id); err != nil {
		return redraw(w, r, err, func(_ map[string]string, whole string) kit.Page { return u.endPage(p, whole) })
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/"+id.String(), p.Name+" was ended and is out.")
}

func (u *ui) letIn(w http.ResponseWriter, r *http.Request) error {
	return u.linked(w, r, u.s.Return)
}

func (u *ui) link(w http.ResponseWriter, r *http.Request) error {
	return u.linked(w, r, u.s.NewLink)
}

func (u *ui) recovery(w http.ResponseWriter, r *http.Request) error {
	return u.linked(w, r, u.s.RecoveryLink)
}
