package accessui

import (
	"net/http"
	"strconv"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (u *ui) ruleRoutes() []web.Route {
	return []web.Route{
		get("/people/rules", authz.PeopleChange, u.rules),
		post("/people/rules", authz.PeopleChange, u.makeRule),
		post("/people/rules/{id}/end", authz.PeopleChange, u.endRule),
	}
}

var originNames = map[string]string{access.OriginOIDC: "sign-in provider (OpenID Connect)", access.OriginSCIM: "personnel system (SCIM)"}

func (u *ui) rulesPage(r *http.Request, errs map[string]string, whole string) (kit.Page, error) {
	all, err := u.s.Rules(r.Context())
	if err != nil {
		return kit.Page{}, err
	}
	now := web.Now(r)
	var rows []kit.Row
	for _, x := range all {
		ends := "no end"
		if x.Days > 0 {
			ends = "for " + kit.Many(int(x.Days), "day", "days")
		}
		rows = append(rows, kit.Row{Key: x.ID.String(), Cells: []kit.Cell{
			{Text: x.Word, Mono: true, Sub: originNames[x.Origin]},
			kit.C(grantWords(authz.Grant{Role: x.Role, Partners: x.Partners, Sites: x.Sites})), kit.C(ends), kit.C(kit.Date(x.Made, now) + ", by " + x.MadeBy),
			kit.CBody(kit.Quick("/people/rules/"+x.ID.String()+"/end", "End", "the rule for "+x.Word)),
		}})
	}
	grant := u.grantFields(r, false)
	ask := []kit.Field{
		{Name: "origin", Label: "From", Kind: kit.SelectField, Value: r.PostFormValue("origin"), Options: []kit.Option{{Value: access.OriginOIDC, Text: upperFirst(originNames[access.OriginOIDC])}, {Value: access.OriginSCIM, Text: upperFirst(originNames[access.OriginSCIM])}}},
		{Name: "word", Label: "Group or role over there", Value: r.PostFormValue("word"), Required: true, Mono: true, Max: 200, Hint: "Exactly as the other system names it."},
	}
	ask = append(ask, grant...)
	ask = append(ask, kit.Field{Name: "days", Label: "Ends after (days)", Kind: kit.NumberField, Narrow: true, Optional: true, InputMode: "numeric", Value: r.PostFormValue("days"), Hint: "Auditors and IT partners must have an end."})
	return kit.Page{
		Title: "Rules for other systems", Lead: kit.Many(len(all), "group of another system gives a role here.", "groups of other systems give roles here."), Rest: "Without a rule, another system gives nobody a role.", Crumbs: []kit.Crumb{peopleCrumb, {Name: "Rules"}}, Nav: "/people",
		Body: join(
			kit.Sheet(kit.SheetOpts{Title: "Rules", Body: kit.DataTable(kit.Table{Caption: "Rules", Columns: []kit.Column{{Name: "Group"}, {Name: "Gives"}, {Name: "Holds"}, {Name: "Added", Wide: true}, {Name: "Act"}}, Rows: rows, Total: len(rows), Empty: "There is no rule."})}),
			kit.Sheet(kit.SheetOpts{Title: "New rule", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/people/rules", Fields: kit.WithErrors(ask, errs), Wrong: whole, Submit: "Add the rule"})}),
		),
	}, nil
}

func (u *ui) rules(w http.ResponseWriter, r *http.Request) error {
	p, err := u.rulesPage(r, nil, "")
	if err != nil {
		return err
	}
	return web.Render(w, r, p)
}

func (u *ui) makeRule(w http.ResponseWriter, r *http.Request) error {
	x := access.Rule{Origin: r.PostFormValue("origin"), Word: r.PostFormValue("word"), Role: authz.Role(r.PostFormValue("role")), Partners: partnersOf(r), Sites: keysOf(r, "sites")}
	err := u.knownPlaces(x.Partners, x.Sites)
	if text := r.PostFormValue("days"); text != "" && err == nil {
		if x.Days, err = strconv.ParseInt(text, 10, 64); err != nil {
			err = &access.Refusal{Kind: access.KindInvalid, Field: "days", Text: "Write a whole number of days."}
		}
	}
	if err == nil {
		_, err = u.s.MakeRule(r.Context(), web.Who(r), x)
	}
	if err != nil {
		var drawn error
		again := redraw(w, r, err, func(errs map[string]string, whole string) kit.Page {
			if text, ok := errs["until"]; ok {
				errs["days"] = text
			}
			var p kit.Page
			p, drawn = u.rulesPage(r, errs, whole)
			return p
		})
		if drawn != nil {
			return drawn
		}
		return again
	}
	return web.Done(w, r, "/people/rules", "The rule was added.")
}

func (u *ui) endRule(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := u.s.EndRule(r.Context(), web.Who(r), id); err != nil {
		return err
	}
	return web.Done(w, r, "/people/rules", "The rule was ended. Roles it gave end when their person comes from there the next time.")
}
