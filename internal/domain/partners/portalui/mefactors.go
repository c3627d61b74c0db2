package portalui

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *site) newKey(w http.ResponseWriter, r *http.Request) error {
	return web.Render(w, r, kit.Page{
		Title: "Add a passkey", Lead: "Add a passkey.", Crumbs: meCrumbs("Add a passkey"), Nav: "/me",
		Body: kit.Sheet(kit.SheetOpts{Title: "New passkey", Pad: true, Body: kit.Passkey(kit.PasskeyOpts{
			Kind: "create", Begin: "/me/passkeys/begin", Finish: "/me/passkeys/finish", Submit: "Make a passkey", Nonce: web.Nonce(r),
			Hint:   "This computer, your phone or a security key keeps it. On a machine that several people use, it asks for a PIN or finger of your own.",
			Else:   "Open this page in a current browser.",
			Fields: []kit.Field{{Name: "called", Label: "Name of this passkey", Hint: "So that you know it again: blue key, own phone.", Required: true, Max: 60, Spell: true}},
		})}),
	})
}

func (s *site) beginKey(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Called string `json:"called"`
	}
	err := read(r, &in)
	if err == nil {
		err = signin.CheckName(in.Called)
	}
	if err != nil {
		return answer(w, nil, err)
	}
	c, err := s.SignIn.BeginPasskey(r.Context(), web.Who(r).Person, proved(r))
	return answer(w, c, err)
}

func (s *site) finishKey(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Called string          `json:"called"`
		Token  string          `json:"token"`
		Answer json.RawMessage `json:"answer"`
	}
	if err := read(r, &in); err != nil {
		return answer(w, nil, err)
	}
	_, err := s.SignIn.FinishPasskey(r.Context(), web.Who(r).Person, proved(r), in.Token, in.Called, in.Answer)
	return answer(w, map[string]string{"to": "/me"}, err)
}

// ownKey finds one of the person's passkeys.
func (s *site) ownKey(r *http.Request) (signin.Passkey, error) {
	none := web.NotFound("There is no such passkey.")
	id, err := event.ParseID(r.PathValue("id"))
	if err != nil {
		return signin.Passkey{}, none
	}
	e, err := s.SignIn.Enrolled(r.Context(), web.Who(r).Person)
	if err != nil {
		return signin.Passkey{}, err
	}
	if k, ok := e.Passkey(id); ok {
		return k, nil
	}
	return signin.Passkey{}, none
}

func (s *site) oneKey(w http.ResponseWriter, r *http.Request) error { return s.drawKey(w, r, nil) }

func (s *site) drawKey(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	k, err := s.ownKey(r)
	if err != nil {
		return err
	}
	now, at, used := web.Now(r), "/me/passkeys/"+k.ID.String(), "never"
	if !k.Used.IsZero() {
		used = kit.Ago(k.Used, now)
	}
	rename := kit.FormOpts{Action: at + "/name", Submit: "Rename", Cancel: "/me", Fields: []kit.Field{{Name: "called", Label: "Name", Value: k.Name, Required: true, Max: 60, Spell: true}}}
	p := kit.Page{Title: "Passkey", Lead: k.Name, Crumbs: meCrumbs(k.Name), Nav: "/me"}
	warn(&p, &rename, bad)
	p.Body = kit.Columns(kit.Sheet(kit.SheetOpts{Title: "Name", Pad: true, Body: kit.Form(rename)}), kit.Confirm(kit.ConfirmOpts{
		Title: "Remove this passkey?", Text: "It no longer signs you in. What your device keeps of it stays there until you delete it there.",
		Facts:  []kit.KV{{Key: "Made", Value: kit.Date(k.Made, now)}, {Key: "Last used", Value: used}},
		Action: at + "/remove", Button: "Remove", Cancel: "/me", Bad: true,
	}))
	return web.Render(w, r, p)
}

// warn puts what is wrong beside its field, or over the page.
func warn(p *kit.Page, o *kit.FormOpts, bad *web.Error) {
	if bad == nil {
		return
	}
	p.Status, o.Fields = statusOf(bad), kit.WithErrors(o.Fields, bad.Fields)
	if len(bad.Fields) == 0 {
		p.Notice, p.NoticeState = bad.Message, kit.Stopped
	}
}

func (s *site) nameKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.ownKey(r)
	if err != nil {
		return err
	}
	if err := s.SignIn.RenamePasskey(r.Context(), web.Who(r).Person, k.ID, r.FormValue("called")); err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		return s.drawKey(w, r, e)
	}
	return web.Done(w, r, "/me", "The passkey has its new name.")
}

func (s *site) removeKey(w http.ResponseWriter, r *http.Request) error {
	k, err := s.ownKey(r)
	if err != nil {
		return err
	}
	remove := func(ctx context.Context, person event.ID, proof signin.Proof) error {
		return s.SignIn.RemovePasskey(ctx, person, proof, k.ID)
	}
	return s.removal(w, r, remove, s.drawKey, "That passkey no longer signs you in.")
}

// removal takes a way away after it was confirmed; what must not be taken is drawn.
func (s *site) removal(w http.ResponseWriter, r *http.Request, remove func(context.Context, event.ID, signin.Proof) error, draw func(http.ResponseWriter, *http.Request, *web.Error) error, said string) error {
	if r.FormValue("confirm") != "yes" {
		return draw(w, r, nil)
	}
	err := remove(r.Context(), web.Who(r).Person, proved(r))
	var last *signin.LastWay
	if errors.As(err, &last) {
		return draw(w, r, Kinds(err))
	}
	if err != nil {
		return err
	}
	return s.changed(w, r, said)
}

func (s *site) passwordPage(w http.ResponseWriter, r *http.Request) error {
	return s.drawPassword(w, r, nil)
}

func (s *site) drawPassword(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	p, err := s.person(r)
	if err != nil {
		return err
	}
	e, err := s.SignIn.Enrolled(r.Context(), p.ID)
	if err != nil {
		return err
	}
	out := kit.Page{Title: "Password", Lead: "Set a password.", Crumbs: meCrumbs("Password"), Nav: "/me"}
	if e.Password {
		out.Lead = "Change your password."
	}
	if !e.TOTP {
		out.Rest = "Alone it opens nothing: the code of an app, or your passkey, is asked for after it."
	}
	o := kit.FormOpts{Action: "/me/password", Submit: "Set the password", Cancel: "/me", Fields: kit.NewPassword("Sign-in name", p.Account, signin.MinAlone)}
	warn(&out, &o, bad)
	out.Body = kit.Sheet(kit.SheetOpts{Title: "New password", Sub: "where else you are signed in ends with the change", Pad: true, Body: kit.Form(o)})
	if e.Password && len(e.Passkeys) > 0 {
		out.Body = kit.Columns(out.Body, kit.Confirm(kit.ConfirmOpts{
			Title: "Remove the password?", Text: "You then sign in with a passkey only, and nobody can guess at a password.", Action: "/me/password/remove", Button: "Remove", Cancel: "/me", Bad: true,
		}))
	}
	return web.Render(w, r, out)
}

func (s *site) setPassword(w http.ResponseWriter, r *http.Request) error {
	if err := s.SignIn.SetPassword(r.Context(), web.Who(r).Person, proved(r), r.FormValue("password")); err != nil {
		var wrong *signin.BadPassword
		if errors.As(err, &wrong) {
			return s.drawPassword(w, r, Kinds(err))
		}
		return err
	}
	return s.changed(w, r, "The password is set.")
}

func (s *site) removePassword(w http.ResponseWriter, r *http.Request) error {
	return s.removal(w, r, s.SignIn.RemovePassword, s.drawPassword, "The password no longer signs you in.")
}

func (s *site) app(w http.ResponseWriter, r *http.Request) error { return s.drawApp(w, r, nil) }

func (s *site) drawApp(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	e, err := s.SignIn.Enrolled(r.Context(), web.Who(r).Person)
	if err != nil {
		return err
	}
	p := kit.Page{Title: "Authenticator app", Lead: "Set up an authenticator app.", Crumbs: meCrumbs("Authenticator app"), Nav: "/me"}
	warn(&p, &kit.FormOpts{}, bad)
	begin := kit.Action{Text: "Show the code to scan", Href: "/me/app", Post: true, Primary: true}
	text := "Any app for one-time codes will do; it needs no network. You scan a code once, and are asked for six digits after your password from then on."
	if e.TOTP {
		p.Lead, text = "Your authenticator app is set up.", "Set it up anew when you have another phone. Until the new one is confirmed, the old one counts."
		begin.Text, begin.Primary = "Set it up anew", false
	}
	p.Body = kit.Sheet(kit.SheetOpts{Title: "Authenticator app", Pad: true, Body: templ.Join(kit.Paragraph(text), kit.Buttons(begin))})
	if e.TOTP && len(e.Passkeys) > 0 {
		p.Body = kit.Columns(p.Body, kit.Confirm(kit.ConfirmOpts{
			Title: "Remove the app?", Text: "Your password alone opens nothing then: you sign in with a passkey.", Action: "/me/app/remove", Button: "Remove", Cancel: "/me", Bad: true,
		}))
	}
	return web.Render(w, r, p)
}

func (s *site) beginApp(w http.ResponseWriter, r *http.Request) error {
	shown, err := s.SignIn.BeginTOTP(r.Context(), web.Who(r).Person, proved(r))
	if err != nil {
		return err
	}
	return s.drawOwnSeed(w, r, shown, nil)
}

func (s *site) drawOwnSeed(w http.ResponseWriter, r *http.Request, shown signin.Shown, bad *web.Error) error {
	p := kit.Page{Title: "Authenticator app", Lead: "Scan, then type the code.", Crumbs: meCrumbs("Authenticator app"), Nav: "/me"}
	field := kit.Code("Six digits that the app shows now.")
	if bad != nil {
		p.Status, field.Error = statusOf(bad), bad.Message
	}
	p.Body = kit.Columns(
		kit.Sheet(kit.SheetOpts{Title: "1. Scan", Pad: true, Body: kit.Seed(shown.SVG, shown.Key)}),
		kit.Sheet(kit.SheetOpts{Title: "2. Confirm", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/me/app/confirm", Submit: "Confirm", Cancel: "/me", Hidden: map[string]string{"token": shown.Token}, Fields: []kit.Field{field}})}),
	)
	return web.Render(w, r, p)
}

func (s *site) confirmApp(w http.ResponseWriter, r *http.Request) error {
	err := s.SignIn.ConfirmTOTP(r.Context(), web.Who(r).Person, proved(r), r.FormValue("token"), r.FormValue("code"))
	shown, e, err := s.seedAgain(r, web.Who(r).Person, err)
	if err != nil {
		return err
	}
	if e != nil {
		return s.drawOwnSeed(w, r, shown, e)
	}
	return s.changed(w, r, "The authenticator app is set up.")
}

// seedAgain is the seed once more after a code that was not taken, and why.
func (s *site) seedAgain(r *http.Request, person event.ID, no error) (signin.Shown, *web.Error, error) {
	var refused *signin.Refused
	if !errors.As(no, &refused) || refused.Reason == signin.Gone {
		return signin.Shown{}, nil, no
	}
	shown, err := s.SignIn.Again(r.Context(), person, r.FormValue("token"))
	if err != nil {
		return shown, nil, err
	}
	e := Kinds(no)
	if refused.Reason == signin.NoMatch {
		e.Message = "That code did not match. Wait for the next one, and look whether the phone's clock is right."
	}
	return shown, e, nil
}

func (s *site) removeApp(w http.ResponseWriter, r *http.Request) error {
	return s.removal(w, r, s.SignIn.RemoveTOTP, s.drawApp, "The authenticator app is no longer asked for.")
}
