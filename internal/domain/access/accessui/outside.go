package accessui

import (
	"net/http"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (u *ui) outsideRoutes() []web.Route {
	return []web.Route{
		get("/people/{id}/provider", authz.PeopleChange, u.outsideForm),
		post("/people/{id}/provider", authz.PeopleChange, u.linkOutside),
		post("/people/{id}/provider/unlink", authz.PeopleChange, u.unlinkOutside),
	}
}

// provider is the sign-in provider by issuer and name; empty: there is none.
func (u *ui) provider() (issuer, label string) {
	if u.SignIn == nil {
		return "", ""
	}
	return u.SignIn.ProviderIssuer(), u.SignIn.ProviderLabel()
}

// outsideSheet says which subject of the provider somebody is.
func (u *ui) outsideSheet(r *http.Request, p access.Person, names record.Names, changes bool) (templ.Component, error) {
	_, label := u.provider()
	o, linked, err := u.s.OutsideOf(r.Context(), p.ID)
	if err != nil || label == "" && !linked || p.Origin == access.OriginOIDC || p.State == access.Ended {
		return templ.NopComponent, err
	}
	base := "/people/" + p.ID.String() + "/provider"
	var parts []templ.Component
	var acts []kit.Action
	if linked {
		parts = append(parts, kit.KeyValues([]kit.KV{{Key: "Id there", Value: o.Subject, Mono: true}, {Key: "At", Value: o.Issuer, Mono: true}, {Key: "Linked", Value: kit.Date(o.Made, web.Now(r)) + ", by " + names.Of(o.MadeBy)}}))
		acts = append(acts, kit.Action{Text: "Unlink", Href: base + "/unlink", Post: true, Icon: "out"})
	} else {
		parts = append(parts, pad(kit.Paragraph("Not linked: "+label+" does not sign them in. They can link themselves under My security.")))
		acts = append(acts, kit.Action{Text: "Link", Href: base, Icon: "link"})
	}
	if changes {
		parts = append(parts, kit.Acts(acts...))
	}
	return kit.Sheet(kit.SheetOpts{Title: "Sign-in provider", Body: join(parts...)}), nil
}

func (u *ui) outsidePage(r *http.Request, p access.Person, errs map[string]string, whole string) kit.Page {
	_, label := u.provider()
	base := "/people/" + p.ID.String()
	field := kit.Field{Name: "subject", Label: "Id over there", Value: r.PostFormValue("subject"), Required: true, Mono: true, Max: 255, Hint: "The subject (sub) by which " + otherwise(label, "the provider") + " knows them, not the mail address. Whoever it refused reads it there."}
	return kit.Page{
		Title: "Link " + p.Name, Lead: "Who is " + p.Name + " at " + otherwise(label, "the provider") + "?", Rest: "Whoever has this id there signs in as them. They are told.",
		Crumbs: []kit.Crumb{peopleCrumb, {Name: p.Name, Href: base}, {Name: "Link"}}, Nav: "/people",
		Body: kit.Sheet(kit.SheetOpts{Title: "The link", Sub: "their roles stay those given here", Pad: true, Body: kit.Form(kit.FormOpts{
			Action: base + "/provider", Fields: kit.WithErrors([]kit.Field{field}, errs), Wrong: whole, Submit: "Link", Cancel: base,
		})}),
	}
}

func (u *ui) outsideForm(w http.ResponseWriter, r *http.Request) error {
	p, err := u.personAt(r)
	if err != nil {
		return err
	}
	return web.Render(w, r, u.outsidePage(r, p, nil, ""))
}

func (u *ui) linkOutside(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	p, err := u.s.Person(r.Context(), id)
	if err != nil {
		return err
	}
	issuer, _ := u.provider()
	if err := u.s.LinkOutside(r.Context(), web.Who(r), id, issuer, r.PostFormValue("subject")); err != nil {
		return redraw(w, r, err, func(errs map[string]string, whole string) kit.Page { return u.outsidePage(r, p, errs, whole) })
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/"+id.String(), p.Name+" is linked, and is told.")
}

func (u *ui) unlinkOutside(w http.ResponseWriter, r *http.Request) error {
	id, err := idOf(r, "id")
	if err != nil {
		return err
	}
	if err := u.s.UnlinkOutside(r.Context(), web.Who(r), id); err != nil {
		return err
	}
	web.Say(r, livePeople)
	return web.Done(w, r, "/people/"+id.String(), "The link is ended, with the sessions that it opened. They are told.")
}
