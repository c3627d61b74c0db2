package accessui

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// flow is the steps of proving who one is: to sign in, or again in a session.
type flow struct {
	*signing
	base   string // "/sign-in", "/step-up"
	cookie string // names the half-done sign-in
	again  bool
}

const (
	why      = "how one proves who one is; it opens nothing before that"
	whyAgain = "how one proves again who one is: whose role asks for a passkey may do nothing else before; without a session it leads to the sign-in"
	// halfFor is how long the browser keeps a half-done sign-in, in seconds; the
	// server ends it by itself.
	halfFor = 300
	// maxAnswer bounds what an authenticator sends.
	maxAnswer = 128 << 10
)

func (s *signing) stepRoutes() []web.Route {
	in := &flow{s, "/sign-in", "__Host-lw-half", false}
	up := &flow{s, "/step-up", "__Host-lw-again", true}
	out := []web.Route{{Pattern: "POST /sign-out", Access: web.Open, Why: "it ends one's own session; without one it leads to the sign-in", Handle: s.signOut}}
	out = append(out, web.Route{Pattern: "GET " + signin.ReturnPath, Access: web.Open, Why: "the OpenID provider sends the browser back here; it opens nothing before its answer was judged", Handle: s.returned(in, up)})
	for _, f := range []*flow{in, up} {
		open := func(pattern string, h web.Handler) web.Route {
			rt := web.Route{Pattern: pattern, Access: web.Open, Why: why, Handle: h, MaxBody: maxAnswer}
			if f.again {
				rt.Why, rt.Handle = whyAgain, f.known(h)
			}
			return rt
		}
		out = append(
			out,
			open("GET "+f.base, f.first), open("POST "+f.base, f.password),
			open("GET "+f.base+"/code", f.second(signin.ByTOTP)), open("POST "+f.base+"/code", f.code(signin.ByTOTP)),
			open("GET "+f.base+"/recovery", f.second(signin.ByRecovery)), open("POST "+f.base+"/recovery", f.code(signin.ByRecovery)),
			open("GET "+f.base+"/passkey", f.second(signin.ByPasskey)),
			open("POST "+f.base+"/provider", f.provider),
			open("POST "+f.base+"/passkey/begin", f.begin), open("POST "+f.base+"/passkey/finish", f.finish),
		)
	}
	return out
}

// known keeps out who has no session.
func (f *flow) known(h web.Handler) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		who := web.Who(r)
		if who == nil || who.Session == (event.ID{}) {
			return &web.Error{Kind: web.KindSignIn, Message: "Sign in first."}
		}
		return h(w, r)
	}
}

func (f *flow) ask(r *http.Request) signin.Ask {
	a := signin.Ask{From: web.From(r)}
	if f.again {
		a.Person = web.Who(r).Person
	}
	return a
}

// first is the page one begins at.
func (f *flow) first(w http.ResponseWriter, r *http.Request) error {
	if !f.again && web.Who(r) != nil {
		http.Redirect(w, r, web.To(r), http.StatusSeeOther)
		return nil
	}
	return f.draw(w, r, wrong{}, "", http.StatusOK)
}

// wrong is what was wrong, beside what it was wrong with.
type wrong struct{ password, provider *web.Error }

// draw draws it.
func (f *flow) draw(w http.ResponseWriter, r *http.Request, bad wrong, account string, status int) error {
	p := kit.Page{Title: "Sign in", Lead: "Sign in.", Eyebrow: "Every sign-in is recorded.", Bare: true, Status: status}
	password := true
	if f.again {
		p.Title, p.Lead, p.Eyebrow = "Confirm", "Confirm that it is you.", "What you are about to do asks for it. It counts for 15 minutes, for changes of how you sign in for two."
		if web.Who(r).Bench {
			p.Eyebrow = "What you are about to do asks for it. At a shared bench it counts for two minutes."
		}
		e, err := f.SignIn.Enrolled(r.Context(), web.Who(r).Person)
		if err != nil {
			return err
		}
		// A weaker proof than the session's own does not count.
		password = e.Password && web.Who(r).Level < authz.LevelPasskey
	} else if b, err := f.Access.BenchOf(r); err == nil {
		p.Eyebrow = "Bench " + b.Name + ". Every sign-in is recorded."
	} else if !errors.Is(err, access.ErrNotFound) {
		return err
	}
	var parts []templ.Component
	if f.SignIn.PasskeysWork() == nil {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "With a passkey", Pad: true, Body: kit.Passkey(f.key(r, "", "Sign in with the password below."))}))
	}
	if password {
		var fields []kit.Field
		if !f.again {
			fields = append(fields, kit.Field{Name: "account", Label: "Account", Value: account, Autocomplete: "username", Required: true, Max: 64})
		}
		o := kit.FormOpts{Action: with(f.base, web.To(r)), Submit: "Go on", Fields: append(fields, kit.Field{Name: "password", Label: "Password", Kind: kit.PasswordField, Autocomplete: "current-password", Required: true})}
		if bad.password != nil {
			o.Wrong = bad.password.Message
		}
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "With a password", Pad: true, Body: kit.Form(o)}))
	}
	elsewhere, err := f.elsewhere(r, bad.provider)
	if err != nil {
		return err
	}
	if elsewhere != nil {
		parts = append(parts, elsewhere)
	}
	if f.again && !password {
		parts = append(parts, kit.Paragraph("Lost your passkey? An administrator gives you a link for a new one."))
	}
	if f.again {
		parts = append(parts, links([]kit.Action{{Text: "Back to Today", Href: "/"}}))
	}
	if f.SignIn.PasskeysWork() != nil && !password {
		parts = append([]templ.Component{kit.Sheet(kit.SheetOpts{Pad: true, Title: "Not possible here", Body: kit.UnknownState("Passkeys do not work at this address. An administrator sets public_url in the configuration.")})}, parts...)
	}
	p.Body = kit.Stacked(parts)
	return web.Render(w, r, p)
}

// key is the form of a passkey; second is "1" after the right password.
func (f *flow) key(r *http.Request, second, otherwise string) kit.PasskeyOpts {
	begin := f.base + "/passkey/begin"
	if second != "" {
		begin += "?second=" + second
	}
	k := kit.PasskeyOpts{Kind: "get", Begin: begin, Finish: with(f.base+"/passkey/finish", web.To(r)), Submit: "Sign in with a passkey", Else: otherwise, Nonce: web.Nonce(r)}
	if f.again {
		k.Submit = "Confirm with a passkey"
	}
	return k
}

// password takes the first step of a password.
func (f *flow) password(w http.ResponseWriter, r *http.Request) error {
	account := r.FormValue("account")
	step, err := f.SignIn.Password(r.Context(), f.ask(r), account, r.FormValue("password"))
	if err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		if e.After > 0 {
			w.Header().Set("Retry-After", number(e.After))
		}
		return f.draw(w, r, wrong{password: e}, account, statusOf(e))
	}
	if step.Level > authz.LevelNone {
		if err := f.done(w, r, step, "password"); err != nil {
			return err
		}
		http.Redirect(w, r, web.To(r), http.StatusSeeOther)
		return nil
	}
	f.keep(w, step.Pending, halfFor)
	http.Redirect(w, r, with(f.base+secondPage(step.Ways[0]), web.To(r)), http.StatusSeeOther)
	return nil
}

func secondPage(w signin.Way) string {
	switch w {
	case signin.ByTOTP:
		return "/code"
	case signin.ByRecovery:
		return "/recovery"
	}
	return "/passkey"
}

// keep gives the browser the token of the half-done sign-in, or takes it away.
func (f *flow) keep(w http.ResponseWriter, token string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: f.cookie, Value: token, Path: "/", MaxAge: seconds, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

func (f *flow) half(r *http.Request) string {
	c, err := r.Cookie(f.cookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// second is a page of the second step.
func (f *flow) second(way signin.Way) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error { return f.drawSecond(w, r, way, nil) }
}

func (f *flow) drawSecond(w http.ResponseWriter, r *http.Request, way signin.Way, bad *web.Error) error {
	ways, err := f.SignIn.Half(r.Context(), f.ask(r), f.half(r))
	var refused *signin.Refused
	if errors.As(err, &refused) || err == nil && !slices.Contains(ways, way) {
		http.Redirect(w, r, with(f.base, web.To(r)), http.StatusSeeOther)
		return nil
	}
	if err != nil {
		return err
	}
	p := kit.Page{Title: "Second step", Eyebrow: "The password was right.", Bare: true}
	o := kit.FormOpts{Action: with(f.base+secondPage(way), web.To(r)), Submit: "Sign in"}
	if f.again {
		o.Submit = "Confirm"
	}
	if bad != nil {
		o.Wrong, p.Status = bad.Message, statusOf(bad)
	}
	title := ""
	switch way {
	case signin.ByTOTP:
		p.Lead, title = "Now the code.", "From your authenticator app"
		field := kit.Code("Six digits. Each is taken once.")
		field.Autofocus = true
		o.Fields = []kit.Field{field}
	case signin.ByRecovery:
		p.Lead, title = "Now a recovery code.", "From your list"
		o.Fields = []kit.Field{{Name: "code", Label: "Recovery code", Hint: "Ten characters, such as 7K3MQ-9XDTP. Each is taken once.", Autocomplete: "off", Required: true, Max: 20, Mono: true, Narrow: true, Autofocus: true}}
	}
	var body templ.Component
	if way == signin.ByPasskey {
		p.Lead, title = "Now your passkey.", "With a passkey or hardware key"
		body = kit.Passkey(f.key(r, "1", "Use a recovery code."))
	} else {
		body = kit.Form(o)
	}
	var others []kit.Action
	names := map[signin.Way]string{signin.ByTOTP: "Use the authenticator app", signin.ByRecovery: "Use a recovery code", signin.ByPasskey: "Use a passkey"}
	for _, x := range ways {
		if x != way {
			others = append(others, kit.Action{Text: names[x], Href: with(f.base+secondPage(x), web.To(r))})
		}
	}
	others = append(others, kit.Action{Text: "Begin again", Href: with(f.base, web.To(r))})
	p.Body = kit.Stacked([]templ.Component{kit.Sheet(kit.SheetOpts{Title: title, Pad: true, Body: body}), links(others)})
	return web.Render(w, r, p)
}

// code takes a second step that is typed.
func (f *flow) code(way signin.Way) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		take, method := f.SignIn.Code, "password-totp"
		if way == signin.ByRecovery {
			take, method = f.SignIn.Recovery, "recovery"
		}
		step, err := take(r.Context(), f.ask(r), f.half(r), r.FormValue("code"))
		if err != nil {
			e, err := told(err)
			if err != nil {
				return err
			}
			if e.After > 0 {
				w.Header().Set("Retry-After", number(e.After))
			}
			return f.drawSecond(w, r, way, e)
		}
		if err := f.done(w, r, step, method); err != nil {
			return err
		}
		if way == signin.ByRecovery {
			return web.Done(w, r, "/me", "That recovery code is used up. If you have lost a device, remove it here.")
		}
		http.Redirect(w, r, web.To(r), http.StatusSeeOther)
		return nil
	}
}

func (f *flow) begin(w http.ResponseWriter, r *http.Request) error {
	token := ""
	if r.URL.Query().Get("second") == "1" {
		token = f.half(r)
	}
	c, err := f.SignIn.BeginSignIn(r.Context(), f.ask(r), token)
	return answer(w, c, err)
}

func (f *flow) finish(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Token  string          `json:"token"`
		Answer json.RawMessage `json:"answer"`
	}
	if err := read(r, &in); err != nil {
		return answer(w, nil, err)
	}
	step, err := f.SignIn.FinishSignIn(r.Context(), f.ask(r), in.Token, in.Answer)
	if err == nil {
		err = f.done(w, r, step, "passkey")
	}
	return answer(w, map[string]string{"to": web.To(r)}, err)
}

// done opens the session, or raises it.
func (f *flow) done(w http.ResponseWriter, r *http.Request, step signin.Step, method string) error {
	var t access.Started
	var err error
	if f.again {
		t, err = f.Access.StepUp(r.Context(), web.Who(r), step.Level, method)
	} else {
		t, err = f.Access.Start(r.Context(), access.Start{
			Person: step.Person, Level: step.Level, Method: method, Device: access.DeviceOf(r), Bench: access.BenchToken(r), Before: access.SessionToken(r),
			Stale: method == byProvider,
		})
	}
	if err != nil {
		return pass(err)
	}
	f.keep(w, "", -1)
	t.SetCookie(w)
	return nil
}

func (s *signing) signOut(w http.ResponseWriter, r *http.Request) error {
	if who := web.Who(r); who != nil && who.Session != (event.ID{}) {
		if err := s.Access.SignOut(r.Context(), who); err != nil {
			return err
		}
	}
	access.ClearCookie(w)
	w.Header().Set("Clear-Site-Data", `"cache"`)
	return web.Done(w, r, "/sign-in", "You are signed out.")
}
