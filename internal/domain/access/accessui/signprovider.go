package accessui

import (
	"net/http"
	"net/url"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// byProvider is the method of a session that the OpenID provider opened.
const byProvider = "oidc"

const (
	// tripFor is how long the browser keeps what it was sent away with, in seconds;
	// the server ends it by itself.
	tripFor    = 600
	tripCookie = "__Host-lw-provider"
)

// trip gives the browser the token of its way to the provider, or takes it away.
// Lax: the provider sends it back from another site.
func trip(w http.ResponseWriter, token string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: tripCookie, Value: token, Path: "/", MaxAge: seconds, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// elsewhere is the sheet of the OpenID provider, nil where there is none, or where
// it could not confirm who asks. It is drawn without asking the provider.
func (f *flow) elsewhere(r *http.Request, bad *web.Error) (templ.Component, error) {
	label := f.SignIn.ProviderLabel()
	if label == "" && bad == nil {
		return nil, nil
	}
	if label == "" {
		return kit.Sheet(kit.SheetOpts{Title: "Elsewhere", Pad: true, Body: kit.UnknownState(bad.Message)}), nil
	}
	o := kit.FormOpts{Action: with(f.base+"/provider", web.To(r)), Submit: "Sign in with " + label}
	if f.again {
		p, err := f.Access.Person(r.Context(), web.Who(r).Person)
		if err != nil {
			return nil, err
		}
		_, linked, err := f.Access.OutsideOf(r.Context(), p.ID)
		if err != nil {
			return nil, err
		}
		known := linked || p.Origin == access.OriginOIDC || p.Origin == access.OriginSCIM
		if bad == nil && (!known || web.Who(r).Level > authz.LevelPassword && !f.SignIn.ProviderProves(web.Who(r).Level)) {
			return nil, nil
		}
		o.Submit = "Confirm with " + label
	}
	if bad != nil {
		o.Wrong = bad.Message
	}
	return kit.Sheet(kit.SheetOpts{Title: "With " + label, Pad: true, Body: kit.Form(o)}), nil
}

// provider sends the browser to the provider. It is a page and no redirect: the
// pages allow no form to lead to another site.
func (f *flow) provider(w http.ResponseWriter, r *http.Request) error {
	to, token, err := f.SignIn.BeginProvider(r.Context(), f.ask(r), web.To(r))
	if err != nil {
		return f.noProvider(w, r, err, web.To(r))
	}
	trip(w, token, tripFor)
	w.Header().Set("Refresh", "0; url="+to)
	label := f.SignIn.ProviderLabel()
	return web.Render(w, r, kit.Page{
		Title: label, Lead: "On to " + label + ".", Eyebrow: "You come back by yourself.", Bare: true,
		Body: kit.Stacked([]templ.Component{links([]kit.Action{{Text: "Go to " + label, Href: to}, {Text: "Sign in another way", Href: with(f.base, web.To(r))}})}),
	})
}

// noProvider draws the first page again with what was wrong.
func (f *flow) noProvider(w http.ResponseWriter, r *http.Request, err error, to string) error {
	e, err := told(err)
	if err != nil {
		return err
	}
	again := r.Clone(r.Context())
	again.Method, again.Form, again.PostForm, again.URL.RawQuery = http.MethodGet, nil, nil, ""
	if b := back(to); b != "" {
		again.URL.RawQuery = url.Values{"to": {b}}.Encode()
	}
	return f.draw(w, again, wrong{provider: e}, "", statusOf(e))
}

// returned takes the browser back from the provider, to sign in or for a step-up.
func (s *signing) returned(in, up *flow) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		if signin.StateLink(r.URL.Query().Get("state")) {
			return s.linkBack(w, r)
		}
		f := in
		if signin.StateAgain(r.URL.Query().Get("state")) {
			f = up
		}
		finish := func(w http.ResponseWriter, r *http.Request) error {
			token := ""
			if c, err := r.Cookie(tripCookie); err == nil {
				token = c.Value
			}
			step, to, err := s.SignIn.FinishProvider(r.Context(), f.ask(r), token, r.URL.Query())
			if err == nil && step.Linked != nil {
				err = &signin.Refused{Reason: signin.Gone} // it was asked for a link: it signs nobody in
			}
			if err == nil {
				err = f.done(w, r, step, byProvider)
			}
			if err != nil {
				return f.noProvider(w, r, err, to)
			}
			trip(w, "", -1)
			if to == "" {
				to = "/"
			}
			http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // G710: where the configured provider's discovery says, or a path of ours
			return nil
		}
		if f.again {
			finish = f.known(finish)
		}
		return finish(w, r)
	}
}
