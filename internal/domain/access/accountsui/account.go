package accountsui

import (
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (d Deps) account(w http.ResponseWriter, r *http.Request) error {
	return d.showAccount(w, r, nil, "")
}

// showAccount is one account: what the list says, whose it is.
func (d Deps) showAccount(w http.ResponseWriter, r *http.Request, beside map[string]string, whole string) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	a, err := d.Accounts.Account(r.Context(), id)
	if err != nil {
		return err
	}
	x, err := d.Accounts.System(r.Context(), a.System)
	if err != nil {
		return err
	}
	names, err := d.names(r.Context())
	if err != nil {
		return err
	}
	now := d.clock(r)
	lead := "Nobody knows whose account this is."
	switch {
	case !a.Gone.IsZero():
		lead = "This account is gone since the list of " + kit.Date(a.Gone, now) + "."
	case a.Kind != accounts.Nobodys:
		lead = whose(&a, names) + "."
	}
	said := kit.KeyValues([]kit.KV{
		{Key: "Account", Value: a.Entry.Account, Mono: true},
		{Key: "Name", Value: orNot(a.Name)},
		{Key: "Mail", Value: orNot(a.Mail)},
		{Key: "Enabled", Value: a.Enabled.String()},
		{Key: "Second factor", Value: a.MFA.String()},
		{Key: "Privileged", Value: a.Privileged.String()},
		{Key: "Last used", Value: lastUsed(&a, now)},
		{Key: "Groups", Value: orNot(strings.Join(a.Groups, ", "))},
	})
	status := 0
	if len(beside) > 0 || whole != "" {
		status = http.StatusUnprocessableEntity
	}
	left := []templ.Component{}
	if d.canImport(r, kit.Action{}) != nil && a.Gone.IsZero() {
		f, err := d.settleForm(r, &a, beside, whole)
		if err != nil {
			return err
		}
		left = append(left, f)
	}
	left = append(left, kit.Sheet(kit.SheetOpts{Title: "How it was matched", Body: kit.Checks([]kit.Check{matched(&a, names)})}))
	return web.Render(w, r, kit.Page{
		Title: "Account " + a.Entry.Account, Lead: lead, Nav: navOf(r), Status: status,
		Crumbs: []kit.Crumb{{Name: "Other systems' accounts", Href: "/accounts"}, {Name: x.Name, Href: "/accounts/systems/" + x.Key}},
		Body:   kit.Columns(templ.Join(left...), kit.Sheet(kit.SheetOpts{Title: "What the list says", Sub: "of " + kit.Date(x.AsOf, now), Pad: true, Body: said})),
	})
}

func orNot(v string) string {
	if v == "" {
		return "not said"
	}
	return v
}

func matched(a *accounts.Account, names map[string]string) kit.Check {
	switch a.How {
	case "mail":
		return kit.Check{State: kit.Fine, Title: "By the same mail", Text: "The mail is exactly one person's."}
	case "account":
		return kit.Check{State: kit.Fine, Title: "By the same account name", Text: "Account name and name are exactly one person's."}
	case "confirmed":
		text := "Confirmed by " + named(names, a.By) + " on " + dayValue(a.Matched) + "."
		if a.Reason != "" {
			text += " " + a.Reason
		}
		return kit.Check{State: kit.Fine, Title: "By somebody who knows", Text: text}
	}
	return kit.Check{State: kit.Unknown, Title: "Not matched", Text: "No person's mail or account name is exactly this one's."}
}

func (d Deps) settleForm(r *http.Request, a *accounts.Account, beside map[string]string, whole string) (templ.Component, error) {
	suggested, err := d.Accounts.Suggest(r.Context(), *a)
	if err != nil {
		return nil, err
	}
	people, err := d.Accounts.People(r.Context())
	if err != nil {
		return nil, err
	}
	vendors, err := d.Accounts.Vendors(r.Context(), false)
	if err != nil {
		return nil, err
	}
	get := func(name, now string) string {
		if r.Method == http.MethodPost {
			return r.FormValue(name)
		}
		return now
	}
	persons := []kit.Option{{Text: "Choose"}}
	first := a.Person
	for _, s := range suggested {
		persons = append(persons, kit.Option{Value: s.Person.ID.String(), Text: s.Name + ", suggested: " + s.Why})
	}
	owners := []kit.Option{{Text: "Nobody yet"}}
	for i := range people {
		p := &people[i]
		text := p.Name + " (" + p.Account + ")"
		if !p.Active {
			text += ", has left"
		} else {
			owners = append(owners, kit.Option{Value: p.Account, Text: text})
		}
		persons = append(persons, kit.Option{Value: p.ID.String(), Text: text})
	}
	from := []kit.Option{{Text: "Choose"}}
	for i := range vendors {
		from = append(from, kit.Option{Value: vendors[i].ID.String(), Text: vendors[i].Name})
	}
	kind := ""
	if a.Kind != accounts.Nobodys {
		kind = a.Kind.String()
	}
	f := []kit.Field{
		{Name: "kind", Label: "Whose is it?", Kind: kit.RadioField, Value: get("kind", kind), Options: []kit.Option{
			{Value: accounts.Persons.String(), Text: "One person's"},
			{Value: accounts.Shared.String(), Text: "Shared by several", Hint: "Somebody answers for it, and it says why."},
			{Value: accounts.Programs.String(), Text: "A program's", Hint: "A service account: somebody answers for it."},
			{Value: accounts.Vendors.String(), Text: "A vendor's"},
			{Value: accounts.Nobodys.String(), Text: "Nobody knows"},
		}},
		{Name: "person", Label: "Person", Kind: kit.SelectField, Value: get("person", first), Options: persons, Optional: true},
		{Name: "owner", Label: "Answers for it", Kind: kit.SelectField, Value: get("owner", a.Owner), Options: owners, Optional: true},
		{Name: "vendor", Label: "Vendor", Kind: kit.SelectField, Value: get("vendor", a.Vendor), Options: from, Optional: true},
		{Name: "reason", Label: "Why it is shared, or what it is for", Value: get("reason", a.Reason), Max: 500, Optional: true, Spell: true},
	}
	return kit.Sheet(kit.SheetOpts{Title: "Whose it is", Pad: true, Body: kit.Form(kit.FormOpts{
		Action: "/accounts/of/" + a.ID.String(), Fields: kit.WithErrors(f, beside), Submit: "Save", Wrong: whole, Cancel: "/accounts/systems/" + a.System,
	})}), nil
}

func (d Deps) settle(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	x := accounts.Whose{Person: r.FormValue("person"), Owner: r.FormValue("owner"), Vendor: r.FormValue("vendor"), Reason: r.FormValue("reason")}
	if err = x.Kind.UnmarshalText([]byte(r.FormValue("kind"))); err != nil {
		err = &accounts.FieldError{Field: "kind", Message: "Choose whose account it is."}
	} else {
		err = d.Accounts.Settle(r.Context(), id, x, by(r))
	}
	if beside, whole, ok := fields(err); ok {
		return d.showAccount(w, r, beside, whole)
	}
	if err != nil {
		return err
	}
	web.Say(r, "accounts", "today")
	return web.Done(w, r, "/accounts/of/"+id.String(), "Whose account this is was saved.")
}
