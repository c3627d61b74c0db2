package portalui

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *site) letterRoutes() []web.Route {
	return []web.Route{
		open("GET /letter", s.letter), open("POST /letter", s.letterCode), open("GET /letter/way", s.way),
		open("POST /letter/password", s.letterPassword), open("POST /letter/app", s.letterApp),
		open("POST /letter/passkey/begin", s.letterKeyBegin), open("POST /letter/passkey/finish", s.letterKeyFinish),
	}
}

func (s *site) letter(w http.ResponseWriter, r *http.Request) error { return s.drawLetter(w, r, nil) }

func (s *site) drawLetter(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	p := kit.Page{Title: "Your letter", Lead: "Type the code of your letter.", Bare: true}
	o := kit.FormOpts{Action: "/letter", Submit: "Go on", Fields: []kit.Field{{
		Name: "code", Label: "Code", Hint: "Twelve letters and digits, such as 7K3M-9XDT-PQ4R. Large or small does not matter.", Autocomplete: "off", Required: true, Max: 20, Mono: true, Narrow: true, Autofocus: true,
	}}}
	if bad != nil {
		o.Wrong, p.Status = bad.Message, statusOf(bad)
	}
	p.Body = kit.Stacked([]templ.Component{kit.Sheet(kit.SheetOpts{Title: "From the laboratory's letter", Pad: true, Body: kit.Form(o)}), kit.Buttons(kit.Action{Text: "I have signed in here before", Href: "/sign-in"})})
	return web.Render(w, r, p)
}

func (s *site) letterCode(w http.ResponseWriter, r *http.Request) error {
	ticket, err := s.Portal.Enter(r.Context(), r.FormValue("code"), ask(r))
	if err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		var no *signin.Refused
		if errors.As(err, &no) || e.Kind == web.KindInvalid {
			e.Message = "This code does not work: it is mistyped, was used, or has ended. Look at the letter once more; else the laboratory writes another: " + s.phone() + "."
		}
		retry(w, e)
		return s.drawLetter(w, r, e)
	}
	setCookie(w, ticketCookie, ticket, 1800)
	http.Redirect(w, r, "/letter/way", http.StatusSeeOther)
	return nil
}

// comer is who holds the letter, or nobody: then the browser goes back to its code.
func (s *site) comer(w http.ResponseWriter, r *http.Request) (portal.Comer, bool, error) {
	c, err := s.Portal.Ticket(r.Context(), cookieOf(r, ticketCookie))
	if errors.Is(err, portal.ErrNotFound) {
		http.Redirect(w, r, "/letter", http.StatusSeeOther)
		return c, false, nil
	}
	return c, err == nil, err
}

func (s *site) way(w http.ResponseWriter, r *http.Request) error {
	c, ok, err := s.comer(w, r)
	if !ok {
		return err
	}
	return s.drawWay(w, r, &c, nil)
}

func (s *site) drawWay(w http.ResponseWriter, r *http.Request, c *portal.Comer, bad *web.Error) error {
	p := kit.Page{Title: "Welcome", Lead: "Welcome, " + c.Person.Name + ".", Rest: "Choose how you sign in from now on.", Eyebrow: s.Portal.Settings().Partners[c.Partner], Bare: true}
	if !c.Person.Entered.IsZero() {
		p.Rest = "Choose a new way to sign in. The one before stops working."
	}
	var parts []templ.Component
	if s.SignIn.PasskeysWork() == nil {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "With a passkey: nothing to remember, no phone needed", Pad: true, Body: kit.Passkey(kit.PasskeyOpts{
			Kind: "create", Begin: "/letter/passkey/begin", Finish: "/letter/passkey/finish", Submit: "Make a passkey", Nonce: web.Nonce(r),
			Fields: []kit.Field{{Name: "called", Label: "Name of this passkey", Hint: "So that you know it again.", Value: "front desk", Required: true, Max: 60, Spell: true}},
			Hint:   "This computer, your phone or a security key keeps it. On a machine that several people use, each makes their own, with a PIN or finger of their own.",
			Else:   "Choose a password below.",
		})}))
	}
	o := kit.FormOpts{Action: "/letter/password", Submit: "Go on", Fields: []kit.Field{
		{Name: "username", Label: "Sign-in name", Value: c.Person.Account, Autocomplete: "username", Disabled: true},
		{Name: "password", Label: "Password", Kind: kit.PasswordField, Autocomplete: "new-password", Required: true, Hint: "At least 15 characters; a few words in a row are good. It never has to be changed."},
	}}
	if bad != nil {
		p.Status, o.Fields = statusOf(bad), kit.WithErrors(o.Fields, bad.Fields)
		if len(bad.Fields) == 0 {
			o.Wrong = bad.Message
		}
	}
	parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Or with a password and an authenticator app on your phone", Pad: true, Body: kit.Form(o)}))
	p.Body = kit.Stacked(parts)
	return web.Render(w, r, p)
}

// proof is that of whoever holds a letter: their password was set a moment ago, and
// they prove the app next.
func (s *site) proof(r *http.Request) signin.Proof {
	return signin.Proof{Level: authz.LevelPassword, FreshAt: s.Now(), From: web.From(r), Device: device(r)}
}

func (s *site) letterPassword(w http.ResponseWriter, r *http.Request) error {
	c, ok, err := s.comer(w, r)
	if !ok {
		return err
	}
	made, err := s.SignIn.FirstPassword(r.Context(), portal.InfoOf(&c.Person), r.FormValue("password"))
	if err == nil {
		err = s.Portal.Begin(r.Context(), cookieOf(r, ticketCookie), made, ask(r))
	}
	if err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		return s.drawWay(w, r, &c, e)
	}
	shown, err := s.SignIn.BeginTOTP(r.Context(), c.Person.ID, s.proof(r))
	if err != nil {
		return err
	}
	return s.drawSeed(w, r, &c, shown, nil)
}

func (s *site) drawSeed(w http.ResponseWriter, r *http.Request, c *portal.Comer, shown signin.Shown, bad *web.Error) error {
	p := kit.Page{Title: "Authenticator app", Lead: "Scan, then type the code.", Eyebrow: "The last step, " + c.Person.Name + ".", Bare: true}
	field := kit.Code("Six digits that the app shows now.")
	if bad != nil {
		p.Status, field.Error = statusOf(bad), bad.Message
	}
	p.Body = kit.Stacked([]templ.Component{
		kit.Sheet(kit.SheetOpts{Title: "1. Scan", Pad: true, Body: kit.Seed(shown.SVG, shown.Key)}),
		kit.Sheet(kit.SheetOpts{Title: "2. Type the code", Pad: true, Body: kit.Form(kit.FormOpts{Action: "/letter/app", Submit: "Sign in", Cancel: "/letter/way", Hidden: map[string]string{"token": shown.Token}, Fields: []kit.Field{field}})}),
	})
	return web.Render(w, r, p)
}

func (s *site) letterApp(w http.ResponseWriter, r *http.Request) error {
	c, ok, err := s.comer(w, r)
	if !ok {
		return err
	}
	shown, e, err := s.seedAgain(r, c.Person.ID, s.SignIn.ConfirmTOTP(r.Context(), c.Person.ID, s.proof(r), r.FormValue("token"), r.FormValue("code")))
	if err != nil {
		return err
	}
	if e != nil {
		return s.drawSeed(w, r, &c, shown, e)
	}
	return s.arrive(w, r, nil, authz.LevelTwo, "password-totp")
}

// arrive opens the first session.
func (s *site) arrive(w http.ResponseWriter, r *http.Request, made *signin.Made, level authz.Level, method string) error {
	token, err := s.Portal.Arrive(r.Context(), cookieOf(r, ticketCookie), made, portal.Start{Level: level, Method: method, Device: device(r), Door: s.door(r), Before: cookieOf(r, cookie), Ask: ask(r)})
	if err != nil {
		return err
	}
	setCookie(w, ticketCookie, "", -1)
	setCookie(w, cookie, token, 0)
	if made != nil {
		return nil // the script goes on
	}
	return web.Done(w, r, "/", "You are in. From now on you sign in as you have just set up; the letter is used up.")
}

func (s *site) letterKeyBegin(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Called string `json:"called"`
	}
	c, err := s.Portal.Ticket(r.Context(), cookieOf(r, ticketCookie))
	if err == nil {
		err = read(r, &in)
	}
	if err == nil {
		err = signin.CheckName(in.Called)
	}
	if err != nil {
		return answer(w, nil, err)
	}
	challenge, err := s.SignIn.FirstPasskey(r.Context(), portal.InfoOf(&c.Person), ask(r))
	return answer(w, challenge, err)
}

func (s *site) letterKeyFinish(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Called string          `json:"called"`
		Token  string          `json:"token"`
		Answer json.RawMessage `json:"answer"`
	}
	c, err := s.Portal.Ticket(r.Context(), cookieOf(r, ticketCookie))
	if err == nil {
		err = read(r, &in)
	}
	if err != nil {
		return answer(w, nil, err)
	}
	made, err := s.SignIn.ProvedPasskey(r.Context(), c.Person.ID, ask(r), in.Token, in.Called, in.Answer)
	if err == nil {
		err = s.arrive(w, r, made, authz.LevelPasskey, "passkey")
	}
	return answer(w, map[string]string{"to": "/"}, err)
}
