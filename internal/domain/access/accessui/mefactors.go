package accessui

import (
	"context"
	"errors"
	"net/http"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *signing) factorRoutes(own func(string, web.Handler) web.Route) []web.Route {
	return []web.Route{
		own("GET /me/password", s.fresh(s.passwordPage)), own("POST /me/password", s.setPassword), own("POST /me/password/remove", s.removal("password", s.SignIn.RemovePassword)),
		own("GET /me/app", s.fresh(s.app)), own("POST /me/app", s.beginApp), own("POST /me/app/confirm", s.confirmApp), own("POST /me/app/remove", s.removal("app", s.SignIn.RemoveTOTP)),
		own("GET /me/recovery", s.fresh(s.recovery)), own("POST /me/recovery", s.newRecovery),
	}
}

// waysSheet is how password, app and recovery codes stand.
func waysSheet(r *http.Request, e signin.Enrolled) templ.Component {
	now := web.Now(r)
	password := kit.LedgerItem{Name: "Password", Href: "/me/password", State: kit.Unknown, Word: "Not set", Value: "none", Text: "You need none beside a passkey."}
	if e.Password {
		password.State, password.Word, password.Value, password.Text = kit.Fine, "Set", "since "+kit.Date(e.PasswordChanged, now), "It never has to be changed, unless somebody else knows it."
	}
	app := kit.LedgerItem{Name: "Authenticator app", Href: "/me/app", State: kit.Unknown, Word: "Not set up", Value: "none", Text: "With it, a stolen password opens nothing."}
	if e.TOTP {
		app.State, app.Word, app.Value, app.Text = kit.Fine, "Set up", "since "+kit.Date(e.TOTPSince, now), "Asked for after the password."
	} else if e.Password && len(e.Passkeys) == 0 {
		app.State, app.Word = kit.Warn, "Missing"
	}
	codes := kit.LedgerItem{Name: "Recovery codes", Href: "/me/recovery", State: kit.Unknown, Word: "None", Value: "none", Text: "For the day the phone is lost: each replaces the second step once."}
	if !e.Password {
		codes.Text = "They follow a password, and you have none: a second passkey is what lets you back in."
	}
	if e.RecoveryLeft > 0 {
		codes.State, codes.Word, codes.Value = kit.Fine, "There", kit.Strong(number(e.RecoveryLeft))+" left"
		if e.RecoveryLeft < 3 {
			codes.State, codes.Word, codes.Text = kit.Warn, "Few", "Make new ones before they run out."
		}
	}
	if web.Who(r).Bench {
		password.Href, app.Href, codes.Href = "", "", ""
	}
	return kit.Sheet(kit.SheetOpts{Title: "Password and codes", Body: kit.Ledger([]kit.LedgerItem{password, app, codes})})
}

func (s *signing) passwordPage(w http.ResponseWriter, r *http.Request) error {
	return s.drawPassword(w, r, nil)
}

func (s *signing) drawPassword(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	e, err := s.SignIn.Enrolled(r.Context(), web.Who(r).Person)
	if err != nil {
		return err
	}
	least := signin.MinAlone
	if e.TOTP || len(e.Passkeys) > 0 {
		least = signin.MinWith
	}
	p := kit.Page{Title: "Password", Lead: "Set a password.", Crumbs: crumbs("Password"), Nav: "/me"}
	if e.Password {
		p.Lead = "Change your password."
	}
	o := kit.FormOpts{Action: "/me/password", Submit: "Set the password", Cancel: "/me", Fields: kit.NewPassword("Account", web.Who(r).Account, least)}
	if bad != nil {
		p.Status, o.Fields = statusOf(bad), kit.WithErrors(o.Fields, bad.Fields)
		if len(bad.Fields) == 0 {
			p.Notice, p.NoticeState = bad.Message, kit.Stopped
		}
	}
	wide := kit.Sheet(kit.SheetOpts{Title: "New password", Sub: "your other sessions end with the change", Pad: true, Body: kit.Form(o)})
	p.Body = wide
	if e.Password && len(e.Passkeys) > 0 {
		p.Body = kit.Columns(wide, kit.Confirm(kit.ConfirmOpts{
			Title: "Remove the password?", Text: "You then sign in with a passkey only, and nobody can guess at a password.", Action: "/me/password/remove", Button: "Remove", Cancel: "/me", Bad: true,
		}))
	}
	return web.Render(w, r, p)
}

func (s *signing) setPassword(w http.ResponseWriter, r *http.Request) error {
	who := web.Who(r)
	if err := s.SignIn.SetPassword(r.Context(), who.Person, proof(r), r.FormValue("password")); err != nil {
		var wrong *signin.BadPassword
		if errors.As(err, &wrong) {
			return s.drawPassword(w, r, failure(err))
		}
		return pass(err)
	}
	if _, err := s.Access.EndOthers(r.Context(), who); err != nil {
		return pass(err)
	}
	return web.Done(w, r, "/me", "The password is set. Your other sessions have ended.")
}

// removal takes a way away after it was confirmed.
func (s *signing) removal(page string, remove func(context.Context, event.ID, signin.Proof) error) web.Handler {
	said := map[string]string{"password": "The password no longer signs you in.", "app": "The authenticator app is no longer asked for."}
	return func(w http.ResponseWriter, r *http.Request) error {
		if r.FormValue("confirm") != "yes" {
			http.Redirect(w, r, "/me/"+page, http.StatusSeeOther)
			return nil
		}
		err := remove(r.Context(), web.Who(r).Person, proof(r))
		var last *signin.LastWay
		switch {
		case errors.As(err, &last) && page == "app":
			return s.drawApp(w, r, failure(err))
		case errors.As(err, &last):
			return s.drawPassword(w, r, failure(err))
		case err != nil:
			return pass(err)
		}
		return web.Done(w, r, "/me", said[page])
	}
}

func (s *signing) app(w http.ResponseWriter, r *http.Request) error { return s.drawApp(w, r, nil) }

func (s *signing) drawApp(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	e, err := s.SignIn.Enrolled(r.Context(), web.Who(r).Person)
	if err != nil {
		return err
	}
	p := kit.Page{Title: "Authenticator app", Lead: "Set up an authenticator app.", Crumbs: crumbs("Authenticator app"), Nav: "/me"}
	if bad != nil {
		p.Status, p.Notice, p.NoticeState = statusOf(bad), bad.Message, kit.Stopped
	}
	begin := kit.Action{Text: "Show the code to scan", Href: "/me/app", Post: true, Primary: true}
	text := "Any app for one-time codes will do; it needs no network. You scan a code once, and are asked for six digits after your password from then on."
	if e.TOTP {
		p.Lead, text = "Your authenticator app is set up.", "Set it up anew when you have another phone. Until the new one is confirmed, the old one counts."
		begin.Text, begin.Primary = "Set it up anew", false
	}
	wide := kit.Sheet(kit.SheetOpts{Title: "Authenticator app", Pad: true, Body: templ.Join(kit.Paragraph(text), kit.Buttons(begin))})
	p.Body = wide
	if e.TOTP {
		p.Body = kit.Columns(wide, kit.Confirm(kit.ConfirmOpts{
			Title: "Remove the app?", Text: "A password alone opens your account then.", Action: "/me/app/remove", Button: "Remove", Cancel: "/me", Bad: true,
		}))
	}
	return web.Render(w, r, p)
}

func (s *signing) beginApp(w http.ResponseWriter, r *http.Request) error {
	shown, err := s.SignIn.BeginTOTP(r.Context(), web.Who(r).Person, proof(r))
	if err != nil {
		return pass(err)
	}
	return s.drawSeed(w, r, shown, nil)
}

func (s *signing) drawSeed(w http.ResponseWriter, r *http.Request, shown signin.Shown, bad *web.Error) error {
	p := kit.Page{Title: "Authenticator app", Lead: "Scan, then type the code.", Crumbs: crumbs("Authenticator app"), Nav: "/me"}
	field := kit.Code("Six digits that the app shows now. They prove that it has the key.")
	if bad != nil {
		p.Status, field.Error = statusOf(bad), bad.Message
	}
	form := kit.Form(kit.FormOpts{Action: "/me/app/confirm", Submit: "Confirm", Cancel: "/me", Hidden: map[string]string{"token": shown.Token}, Fields: []kit.Field{field}})
	p.Body = kit.Columns(
		kit.Sheet(kit.SheetOpts{Title: "1. Scan", Pad: true, Body: kit.Seed(shown.SVG, shown.Key)}),
		kit.Sheet(kit.SheetOpts{Title: "2. Confirm", Pad: true, Body: form}),
	)
	return web.Render(w, r, p)
}

func (s *signing) confirmApp(w http.ResponseWriter, r *http.Request) error {
	ctx, person, token := r.Context(), web.Who(r).Person, r.FormValue("token")
	err := s.SignIn.ConfirmTOTP(ctx, person, proof(r), token, r.FormValue("code"))
	var refused *signin.Refused
	if errors.As(err, &refused) && refused.Reason != signin.Gone {
		shown, again := s.SignIn.Again(ctx, person, token)
		if again != nil {
			return pass(again)
		}
		e := failure(err)
		if refused.Reason == signin.NoMatch {
			e.Message = "That code did not match. Wait for the next one, and look whether the phone's clock is right."
		}
		return s.drawSeed(w, r, shown, e)
	}
	if err != nil {
		return pass(err)
	}
	return web.Done(w, r, "/me", "The authenticator app is set up. Make recovery codes for the day the phone is lost.")
}

func (s *signing) recovery(w http.ResponseWriter, r *http.Request) error {
	e, err := s.SignIn.Enrolled(r.Context(), web.Who(r).Person)
	if err != nil {
		return err
	}
	p := kit.Page{Title: "Recovery codes", Lead: "You have no recovery codes.", Crumbs: crumbs("Recovery codes"), Nav: "/me"}
	text := "Ten codes on paper. Each replaces the second step once, when phone or passkey is lost; the password is asked for all the same."
	if !e.Password {
		text += " You have no password, so they would open nothing: add a second passkey instead."
	}
	if e.RecoveryLeft > 0 {
		p.Lead = "You have " + kit.Many(e.RecoveryLeft, "recovery code", "recovery codes") + " left."
		text += " New ones make the old ones worth nothing."
	}
	if web.Who(r).Holds(authz.Administrator, web.Now(r)) {
		text += " Your role opens only with a passkey: codes do not replace it."
	}
	p.Body = kit.Sheet(kit.SheetOpts{Title: "Recovery codes", Pad: true, Body: templ.Join(kit.Paragraph(text), kit.Buttons(kit.Action{Text: "Make new codes", Href: "/me/recovery", Post: true, Primary: true}))})
	return web.Render(w, r, p)
}

func (s *signing) newRecovery(w http.ResponseWriter, r *http.Request) error {
	all, err := s.SignIn.NewRecoveryCodes(r.Context(), web.Who(r).Person, proof(r))
	if err != nil {
		return pass(err)
	}
	return web.Render(w, r, kit.Page{
		Title: "Recovery codes", Lead: "These are your recovery codes.", Rest: "They are shown once.", Crumbs: crumbs("Recovery codes"), Nav: "/me",
		Tools: kit.PrintButton("Print"),
		Body:  kit.Sheet(kit.SheetOpts{Title: "Recovery codes", Pad: true, Body: templ.Join(codes(all), kit.Buttons(kit.Action{Text: "I have written them down", Href: "/me", Primary: true}))}),
	})
}

// lines is one part for each code.
func lines(all []string) (out []kit.Part) {
	for _, c := range all {
		out = append(out, kit.Part{Text: c + "\n"})
	}
	return out
}
