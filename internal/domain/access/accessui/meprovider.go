package accessui

import (
	"context"
	"net/http"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *signing) providerRoutes(own func(string, web.Handler) web.Route) []web.Route {
	return []web.Route{
		own("GET /me/provider", s.fresh(s.ownProvider)),
		own("POST /me/provider", s.beginLink),
		own("POST /me/provider/unlink", s.unlinkSelf),
	}
}

// ownProvider says whether the provider signs one in, and links or unlinks.
func (s *signing) ownProvider(w http.ResponseWriter, r *http.Request) error {
	who, label := web.Who(r), s.SignIn.ProviderLabel()
	p, err := s.Access.Person(r.Context(), who.Person)
	if err != nil {
		return pass(err)
	}
	o, linked, err := s.Access.OutsideOf(r.Context(), who.Person)
	if err != nil {
		return err
	}
	page := kit.Page{Title: "Sign-in provider", Lead: "No sign-in provider is configured.", Crumbs: crumbs("Sign-in provider"), Nav: "/me"}
	switch {
	case linked:
		page.Lead = otherwise(label, "The provider") + " signs you in."
		page.Body = kit.Columns(
			kit.Sheet(kit.SheetOpts{Title: "The link", Body: kit.KeyValues([]kit.KV{{Key: "Your id there", Value: o.Subject, Mono: true}, {Key: "At", Value: o.Issuer, Mono: true}, {Key: "Linked", Value: kit.Date(o.Made, web.Now(r))}})}),
			kit.Confirm(kit.ConfirmOpts{
				Title: "Unlink?", Text: "You then sign in with what you have here. Sessions that the provider opened end.", Action: "/me/provider/unlink", Button: "Unlink", Cancel: "/me", Bad: true,
			}))
	case p.Origin == access.OriginOIDC:
		page.Lead = "You came from " + otherwise(label, "the sign-in provider") + "."
		page.Rest = "There is nothing to link."
	case label != "":
		page.Lead, page.Rest = "Let "+label+" sign you in.", "You sign in there once, now. Your roles stay as they are."
		page.Body = kit.Sheet(kit.SheetOpts{Title: "Link", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/me/provider", Submit: "Sign in with " + label + " once", Cancel: "/me"})})
	}
	return web.Render(w, r, page)
}

// providerSheet leads there from the page of one's own security; nothing where
// there is no provider.
func (s *signing) providerSheet(ctx context.Context, person event.ID) (templ.Component, error) {
	_, linked, err := s.Access.OutsideOf(ctx, person)
	label := s.SignIn.ProviderLabel()
	if err != nil || label == "" && !linked {
		return templ.NopComponent, err
	}
	it := kit.LedgerItem{Name: otherwise(label, "Sign-in provider"), Href: "/me/provider", State: kit.Unknown, Word: "Not linked", Text: "It can sign you in as you."}
	p, err := s.Access.Person(ctx, person)
	if err != nil {
		return nil, err
	}
	if linked || p.Origin == access.OriginOIDC {
		it.State, it.Word, it.Text = kit.Fine, "Linked", "It signs you in."
	}
	return kit.Sheet(kit.SheetOpts{Title: "Elsewhere", Body: kit.Ledger([]kit.LedgerItem{it})}), nil
}

// beginLink sends the browser to the provider.
func (s *signing) beginLink(w http.ResponseWriter, r *http.Request) error {
	to, token, err := s.SignIn.BeginLink(r.Context(), web.Who(r).Person, proof(r))
	if err != nil {
		return pass(err)
	}
	trip(w, token, tripFor)
	w.Header().Set("Refresh", "0; url="+to)
	label := s.SignIn.ProviderLabel()
	return web.Render(w, r, kit.Page{
		Title: label, Lead: "On to " + label + ".", Eyebrow: "You come back by yourself.", Bare: true,
		Body: kit.Stacked([]templ.Component{links([]kit.Action{{Text: "Go to " + label, Href: to}, {Text: "Not now", Href: "/me/provider"}})}),
	})
}

// linkBack takes the browser back from there.
func (s *signing) linkBack(w http.ResponseWriter, r *http.Request) error {
	who := web.Who(r)
	if who == nil || who.Session == (event.ID{}) {
		return &web.Error{Kind: web.KindSignIn, Message: "Sign in first."}
	}
	token := ""
	if c, err := r.Cookie(tripCookie); err == nil {
		token = c.Value
	}
	step, _, err := s.SignIn.FinishProvider(r.Context(), signin.Ask{From: web.From(r), Person: who.Person}, token, r.URL.Query())
	if err == nil && step.Linked == nil {
		err = &signin.Refused{Reason: signin.Gone}
	}
	if err == nil {
		err = s.Access.LinkSelf(r.Context(), who, access.DeviceOf(r), step.Linked.Issuer, step.Linked.Subject)
	}
	if err != nil {
		return pass(err)
	}
	trip(w, "", -1)
	return web.Done(w, r, "/me", s.SignIn.ProviderLabel()+" signs you in from now on.")
}

func (s *signing) unlinkSelf(w http.ResponseWriter, r *http.Request) error {
	who := web.Who(r)
	if r.FormValue("confirm") != "yes" {
		http.Redirect(w, r, "/me/provider", http.StatusSeeOther)
		return nil
	}
	if err := s.SignIn.MayChange(r.Context(), who.Person, proof(r)); err != nil {
		return pass(err)
	}
	e, err := s.SignIn.Enrolled(r.Context(), who.Person)
	if err != nil {
		return err
	}
	if !e.Password && len(e.Passkeys) == 0 {
		return pass(&signin.LastWay{})
	}
	if err := s.Access.UnlinkSelf(r.Context(), who, access.DeviceOf(r)); err != nil {
		return pass(err)
	}
	return web.Done(w, r, "/me", "The provider no longer signs you in.")
}
