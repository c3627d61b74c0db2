package portalui

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func (s *site) doorRoutes() []web.Route {
	return append([]web.Route{
		open("GET /sign-in", s.signIn), open("POST /sign-in", s.password),
		open("GET /sign-in/code", s.codePage), open("POST /sign-in/code", s.code),
		open("POST /sign-in/passkey/begin", s.keyBegin), open("POST /sign-in/passkey/finish", s.keyFinish),
		open("POST /sign-out", s.signOut), open("GET /switch", s.switchPage), open("POST /switch", s.signOut),
	}, s.letterRoutes()...)
}

func ask(r *http.Request) signin.Ask { return signin.Ask{From: web.From(r), Device: device(r)} }

func (s *site) signIn(w http.ResponseWriter, r *http.Request) error {
	if web.Who(r) != nil {
		http.Redirect(w, r, web.To(r), http.StatusSeeOther) //nolint:gosec // G710: the path is ours; where it came from rides along encoded
		return nil
	}
	return s.drawSignIn(w, r, nil, "")
}

func to(r *http.Request) string {
	if v := r.FormValue("to"); v != "" && len(v) < 2000 && !strings.ContainsAny(v, "&?#% +") {
		return "?to=" + v
	}
	return ""
}

func (s *site) drawSignIn(w http.ResponseWriter, r *http.Request, bad *web.Error, account string) error {
	p := kit.Page{Title: "Sign in", Lead: "Sign in under your own name.", Rest: "Every look at a result is recorded under it.", Bare: true}
	var parts []templ.Component
	parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "You have a letter", Pad: true, Body: templ.Join(
		kit.Paragraph("Your first time here, or you lost your way to sign in: type the code of your letter."), kit.Buttons(kit.Action{Text: "Type the code of a letter", Href: "/letter"}),
	)}))
	if s.SignIn.PasskeysWork() == nil {
		parts = append([]templ.Component{kit.Sheet(kit.SheetOpts{Title: "With your passkey", Pad: true, Body: kit.Passkey(kit.PasskeyOpts{
			Kind: "get", Begin: "/sign-in/passkey/begin", Finish: "/sign-in/passkey/finish" + to(r), Submit: "Sign in with a passkey", Else: "Sign in with the password below.", Nonce: web.Nonce(r),
		})})}, parts...)
	}
	o := kit.FormOpts{Action: "/sign-in" + to(r), Submit: "Go on", Fields: []kit.Field{
		{Name: "account", Label: "Sign-in name", Hint: "It stands on your letter.", Value: account, Autocomplete: "username", Required: true, Max: 64},
		{Name: "password", Label: "Password", Kind: kit.PasswordField, Autocomplete: "current-password", Required: true},
	}}
	if bad != nil {
		o.Wrong, p.Status = bad.Message, statusOf(bad)
	}
	sheet := kit.Sheet(kit.SheetOpts{Title: "With a password and the code of your app", Pad: true, Body: kit.Form(o)})
	parts = slices.Insert(parts, len(parts)-1, sheet)
	parts = append(parts, kit.Paragraph("Trouble? Call the laboratory: "+s.phone()+"."))
	p.Body = kit.Stacked(parts)
	return web.Render(w, r, p)
}

func (s *site) phone() string {
	if p := s.Phone(); p != "" {
		return p
	}
	return "the number you know"
}

func (s *site) password(w http.ResponseWriter, r *http.Request) error {
	account := r.FormValue("account")
	step, err := s.SignIn.Password(r.Context(), ask(r), account, r.FormValue("password"))
	if err == nil && step.Level > authz.LevelNone {
		// Password alone: the way was never finished. Nobody gets in with one factor.
		err = &web.Error{Kind: web.KindInvalid, Message: "Your sign-in is not finished. Type the code of your letter again and set up a passkey or an app; the laboratory writes another letter if that one has ended."}
	}
	if err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		retry(w, e)
		return s.drawSignIn(w, r, e, account)
	}
	setCookie(w, halfCookie, step.Pending, 300)
	http.Redirect(w, r, "/sign-in/code"+to(r), http.StatusSeeOther) //nolint:gosec // G710: the path is ours; where it came from rides along encoded
	return nil
}

func retry(w http.ResponseWriter, e *web.Error) {
	if e.After > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(e.After))
	}
}

func (s *site) codePage(w http.ResponseWriter, r *http.Request) error { return s.drawCode(w, r, nil) }

func (s *site) drawCode(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	ways, err := s.SignIn.Half(r.Context(), ask(r), cookieOf(r, halfCookie))
	var refused *signin.Refused
	if errors.As(err, &refused) {
		http.Redirect(w, r, "/sign-in"+to(r), http.StatusSeeOther) //nolint:gosec // G710: the path is ours; where it came from rides along encoded
		return nil
	}
	if err != nil {
		return err
	}
	p := kit.Page{Title: "Second step", Lead: "Now the code.", Eyebrow: "The password was right.", Bare: true}
	var parts []templ.Component
	if slices.Contains(ways, signin.ByTOTP) {
		o := kit.FormOpts{Action: "/sign-in/code" + to(r), Submit: "Sign in", Fields: []kit.Field{codeField("Six digits. Each is taken once.")}}
		if bad != nil {
			o.Wrong, p.Status = bad.Message, statusOf(bad)
		}
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "From your authenticator app", Pad: true, Body: kit.Form(o)}))
	}
	if slices.Contains(ways, signin.ByPasskey) && s.SignIn.PasskeysWork() == nil {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Or with your passkey", Pad: true, Body: kit.Passkey(kit.PasskeyOpts{
			Kind: "get", Begin: "/sign-in/passkey/begin?second=1", Finish: "/sign-in/passkey/finish" + to(r), Submit: "Use a passkey", Else: "Use the code.", Nonce: web.Nonce(r),
		})}))
	}
	p.Body = kit.Stacked(append(parts, kit.Buttons(kit.Action{Text: "Begin again", Href: "/sign-in" + to(r)})))
	return web.Render(w, r, p)
}

func codeField(hint string) kit.Field {
	return kit.Field{Name: "code", Label: "Code", Hint: hint, Autocomplete: "one-time-code", InputMode: "numeric", Required: true, Max: 10, Mono: true, Narrow: true}
}

func (s *site) code(w http.ResponseWriter, r *http.Request) error {
	step, err := s.SignIn.Code(r.Context(), ask(r), cookieOf(r, halfCookie), r.FormValue("code"))
	if err == nil {
		err = s.enter(w, r, step, "password-totp")
	}
	if err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		retry(w, e)
		return s.drawCode(w, r, e)
	}
	http.Redirect(w, r, web.To(r), http.StatusSeeOther) //nolint:gosec // G710: the path is ours; where it came from rides along encoded
	return nil
}

// enter opens the session of a proof that is whole.
func (s *site) enter(w http.ResponseWriter, r *http.Request, step signin.Step, method string) error {
	token, err := s.Portal.Start(r.Context(), portal.Start{Person: step.Person, Level: step.Level, Method: method, Device: device(r), Before: cookieOf(r, cookie)})
	if err != nil {
		return err
	}
	setCookie(w, halfCookie, "", -1)
	setCookie(w, cookie, token, 0)
	return nil
}

func (s *site) keyBegin(w http.ResponseWriter, r *http.Request) error {
	token := ""
	if r.URL.Query().Get("second") == "1" {
		token = cookieOf(r, halfCookie)
	}
	c, err := s.SignIn.BeginSignIn(r.Context(), ask(r), token)
	return answer(w, c, err)
}

func (s *site) keyFinish(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Token  string          `json:"token"`
		Answer json.RawMessage `json:"answer"`
	}
	if err := read(r, &in); err != nil {
		return answer(w, nil, err)
	}
	step, err := s.SignIn.FinishSignIn(r.Context(), ask(r), in.Token, in.Answer)
	if err == nil {
		err = s.enter(w, r, step, "passkey")
	}
	return answer(w, map[string]string{"to": web.To(r)}, err)
}

// answer is for the script of passkeys: v, or why not, as JSON.
func answer(w http.ResponseWriter, v any, err error) error {
	if err == nil {
		return web.JSON(w, v)
	}
	e := Kinds(err)
	if e == nil {
		return err
	}
	b, err := json.Marshal(map[string]any{"error": map[string]any{"message": e.Message, "fields": e.Fields}})
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	retry(w, e)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(statusOf(e))
	_, _ = w.Write(b) // the browser may have gone
	return nil
}

// read takes the JSON that the script sends.
func read(r *http.Request, into any) error {
	if ct, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";"); strings.TrimSpace(ct) != "application/json" {
		return web.Invalid("Send the body as Content-Type: application/json.")
	}
	if err := json.NewDecoder(r.Body).Decode(into); err != nil {
		return web.Invalid("The browser's answer could not be read.")
	}
	return nil
}

func (s *site) switchPage(w http.ResponseWriter, r *http.Request) error {
	if web.Who(r) == nil {
		http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
		return nil
	}
	return web.Render(w, r, kit.Page{Title: "Switch person", Lead: "Let somebody else take this machine.", Nav: "/switch", Body: kit.Sheet(kit.SheetOpts{Title: "Switch person", Pad: true, Body: templ.Join(
		kit.Paragraph("You are signed out, and the next person signs in with their own passkey or password. Nobody works under another's name: it stands beside every result that is opened."),
		kit.Buttons(kit.Action{Text: "Sign " + web.Who(r).Name + " out", Href: "/switch", Post: true, Primary: true}, kit.Action{Text: "Back", Href: "/"}),
	)})})
}

func (s *site) signOut(w http.ResponseWriter, r *http.Request) error {
	if err := s.Portal.SignOut(r.Context(), cookieOf(r, cookie)); err != nil {
		return err
	}
	setCookie(w, cookie, "", -1)
	w.Header().Set("Clear-Site-Data", `"cache"`)
	return web.Done(w, r, "/sign-in", "Signed out.")
}
