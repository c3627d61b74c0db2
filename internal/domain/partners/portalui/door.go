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

// flow is the steps of proving who one is: to sign in, or again in a session.
type flow struct {
	*site
	base   string // "/sign-in", "/confirm"
	cookie string // names the half-done sign-in
	again  bool
}

func (s *site) doorRoutes() []web.Route {
	in := &flow{s, "/sign-in", halfCookie, false}
	return append(in.routes(open), append([]web.Route{
		open("POST /sign-out", s.signOut), open("GET /switch", s.switchPage), open("POST /switch", s.signOut),
	}, s.letterRoutes()...)...)
}

// confirmRoutes are for who is signed in and is about to change how they sign in.
func (s *site) confirmRoutes(own func(string, web.Handler) web.Route) []web.Route {
	up := &flow{s, "/confirm", againCookie, true}
	return up.routes(own)
}

func (f *flow) routes(route func(string, web.Handler) web.Route) []web.Route {
	return []web.Route{
		route("GET "+f.base, f.first), route("POST "+f.base, f.password),
		route("GET "+f.base+"/code", f.codePage), route("POST "+f.base+"/code", f.code),
		route("POST "+f.base+"/passkey/begin", f.keyBegin), route("POST "+f.base+"/passkey/finish", f.keyFinish),
	}
}

func ask(r *http.Request) signin.Ask { return signin.Ask{From: web.From(r), Device: device(r)} }

func (f *flow) ask(r *http.Request) signin.Ask {
	a := ask(r)
	if f.again {
		a.Person = web.Who(r).Person
	}
	return a
}

// lead sends the browser on; where it came from rides along.
func lead(w http.ResponseWriter, r *http.Request, path string) error {
	http.Redirect(w, r, path+to(r), http.StatusSeeOther)
	return nil
}

func back(w http.ResponseWriter, r *http.Request) error {
	http.Redirect(w, r, web.To(r), http.StatusSeeOther)
	return nil
}

func to(r *http.Request) string {
	if v := r.FormValue("to"); v != "" && len(v) < 2000 && !strings.ContainsAny(v, "&?#% +") {
		return "?to=" + v
	}
	return ""
}

func (f *flow) first(w http.ResponseWriter, r *http.Request) error {
	if !f.again && web.Who(r) != nil {
		return back(w, r)
	}
	return f.draw(w, r, nil, "")
}

func (f *flow) draw(w http.ResponseWriter, r *http.Request, bad *web.Error, account string) error {
	p := kit.Page{Title: "Sign in", Lead: "Sign in under your own name.", Rest: "Every look at a result is recorded under it.", Bare: true}
	o := kit.FormOpts{Action: f.base + to(r), Submit: "Go on", Fields: []kit.Field{
		{Name: "account", Label: "Sign-in name", Hint: "It stands on your letter.", Value: account, Autocomplete: "username", Required: true, Max: 64},
		{Name: "password", Label: "Password", Kind: kit.PasswordField, Autocomplete: "current-password", Required: true},
	}}
	key, password := true, true
	var parts []templ.Component
	if f.again {
		p = kit.Page{Title: "Confirm", Lead: "Confirm that it is you.", Rest: "It counts for two minutes.", Eyebrow: web.Who(r).Name, Bare: true}
		o.Fields = o.Fields[1:]
		e, err := f.SignIn.Enrolled(r.Context(), web.Who(r).Person)
		if err != nil {
			return err
		}
		key, password = len(e.Passkeys) > 0, e.Password
		parts = append(parts, kit.Paragraph("Whoever sits down at a machine that was left open must not change how you sign in."))
	}
	if bad != nil {
		o.Wrong, p.Status = bad.Message, statusOf(bad)
	}
	if key && f.SignIn.PasskeysWork() == nil {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "With your passkey", Pad: true, Body: kit.Passkey(f.key(r, "", "Use the password below."))}))
	}
	if password {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "With a password and the code of your app", Pad: true, Body: kit.Form(o)}))
	}
	if f.again {
		parts = append(parts, kit.Buttons(kit.Action{Text: "Back to the results", Href: "/"}))
	} else {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "You have a letter", Pad: true, Body: templ.Join(
			kit.Paragraph("Your first time here, or you lost your way to sign in: type the code of your letter."), kit.Buttons(kit.Action{Text: "Type the code of a letter", Href: "/letter"}),
		)}))
	}
	p.Body = kit.Stacked(append(parts, kit.Paragraph("Trouble? Call the laboratory: "+f.phone()+".")))
	return web.Render(w, r, p)
}

// key is the form of a passkey; second is "1" after the right password.
func (f *flow) key(r *http.Request, second, otherwise string) kit.PasskeyOpts {
	k := kit.PasskeyOpts{Kind: "get", Begin: f.base + "/passkey/begin", Finish: f.base + "/passkey/finish" + to(r), Submit: "Sign in with a passkey", Else: otherwise, Nonce: web.Nonce(r)}
	if second != "" {
		k.Begin += "?second=" + second
	}
	if f.again {
		k.Submit = "Confirm with a passkey"
	}
	return k
}

func (s *site) phone() string {
	if p := s.Phone(); p != "" {
		return p
	}
	return "the number you know"
}

func (f *flow) password(w http.ResponseWriter, r *http.Request) error {
	account := r.FormValue("account")
	step, err := f.SignIn.Password(r.Context(), f.ask(r), account, r.FormValue("password"))
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
		return f.draw(w, r, e, account)
	}
	setCookie(w, f.cookie, step.Pending, 300)
	return lead(w, r, f.base+"/code")
}

func retry(w http.ResponseWriter, e *web.Error) {
	if e.After > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(e.After))
	}
}

func (f *flow) codePage(w http.ResponseWriter, r *http.Request) error { return f.drawCode(w, r, nil) }

func (f *flow) drawCode(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	ways, err := f.SignIn.Half(r.Context(), f.ask(r), cookieOf(r, f.cookie))
	var refused *signin.Refused
	if errors.As(err, &refused) {
		return lead(w, r, f.base)
	}
	if err != nil {
		return err
	}
	p := kit.Page{Title: "Second step", Lead: "Now the code.", Eyebrow: "The password was right.", Bare: true}
	submit := "Sign in"
	if f.again {
		submit = "Confirm"
	}
	var parts []templ.Component
	if slices.Contains(ways, signin.ByTOTP) {
		o := kit.FormOpts{Action: f.base + "/code" + to(r), Submit: submit, Fields: []kit.Field{kit.Code("Six digits. Each is taken once.")}}
		if bad != nil {
			o.Wrong, p.Status = bad.Message, statusOf(bad)
		}
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "From your authenticator app", Pad: true, Body: kit.Form(o)}))
	} else {
		p.Lead = "Now your passkey."
	}
	if slices.Contains(ways, signin.ByPasskey) && f.SignIn.PasskeysWork() == nil {
		title := "Or with your passkey"
		if len(parts) == 0 {
			title = "With your passkey"
		}
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: title, Pad: true, Body: kit.Passkey(f.key(r, "1", "Use the code."))}))
	}
	p.Body = kit.Stacked(append(parts, kit.Buttons(kit.Action{Text: "Begin again", Href: f.base + to(r)})))
	return web.Render(w, r, p)
}

func (f *flow) code(w http.ResponseWriter, r *http.Request) error {
	step, err := f.SignIn.Code(r.Context(), f.ask(r), cookieOf(r, f.cookie), r.FormValue("code"))
	if err == nil {
		err = f.enter(w, r, step, "password-totp")
	}
	if err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		retry(w, e)
		return f.drawCode(w, r, e)
	}
	return back(w, r)
}

// enter opens the session of a proof that is whole. To confirm is the same: the
// session before ends, and the new one is as old as the proof.
func (f *flow) enter(w http.ResponseWriter, r *http.Request, step signin.Step, method string) error {
	if f.again && step.Person != web.Who(r).Person {
		return &web.Error{Kind: web.KindInvalid, Message: "This is somebody else's. Confirm with your own, or switch person first."}
	}
	token, err := f.Portal.Start(r.Context(), portal.Start{Person: step.Person, Level: step.Level, Method: method, Device: device(r), Door: f.door(r), Before: cookieOf(r, cookie)})
	if err != nil {
		return err
	}
	setCookie(w, f.cookie, "", -1)
	setCookie(w, cookie, token, 0)
	return nil
}

func (f *flow) keyBegin(w http.ResponseWriter, r *http.Request) error {
	token := ""
	if r.URL.Query().Get("second") == "1" {
		token = cookieOf(r, f.cookie)
	}
	c, err := f.SignIn.BeginSignIn(r.Context(), f.ask(r), token)
	return answer(w, c, err)
}

func (f *flow) keyFinish(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Token  string          `json:"token"`
		Answer json.RawMessage `json:"answer"`
	}
	if err := read(r, &in); err != nil {
		return answer(w, nil, err)
	}
	step, err := f.SignIn.FinishSignIn(r.Context(), f.ask(r), in.Token, in.Answer)
	if err == nil {
		err = f.enter(w, r, step, "passkey")
	}
	return answer(w, map[string]string{"to": web.To(r)}, err)
}

// answer is for the script of passkeys: v, or why not, as JSON.
func answer(w http.ResponseWriter, v any, err error) error {
	if err == nil {
		return web.JSON(w, v)
	}
	e := Kinds(err)
	var denied *authz.Denied
	if e == nil && errors.As(err, &denied) {
		e = &web.Error{Kind: web.KindConflict, Message: "Confirm first that it is you: open this page again."}
	}
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
