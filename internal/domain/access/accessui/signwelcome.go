package accessui

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// linkCookie keeps a one-time link's token out of the address, where it would stand
// in the history and on screens that others see.
const linkCookie = "__Host-lw-link"

const whyLink = "who comes by a one-time link has no session yet; its token is 256 random bits and opens one enrolment"

func (s *signing) welcomeRoutes() []web.Route {
	open := func(pattern string, h web.Handler) web.Route {
		return web.Route{Pattern: pattern, Access: web.Open, Why: whyLink, Handle: s.awayFromBenches(h), MaxBody: maxAnswer}
	}
	return []web.Route{
		open("GET "+access.LinkPath, s.welcome),
		open("POST "+access.LinkPath+"/passkey/begin", s.welcomeBegin),
		open("POST "+access.LinkPath+"/passkey/finish", s.welcomeFinish),
		open("POST "+access.LinkPath+"/password", s.welcomePassword),
	}
}

// welcome shows what a link is good for. It uses nothing up: programs that look at
// links in mails come here too.
func (s *signing) welcome(w http.ResponseWriter, r *http.Request) error {
	if token := r.URL.Query().Get("t"); token != "" {
		http.SetCookie(w, &http.Cookie{Name: linkCookie, Value: token, Path: "/", MaxAge: 3600, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
		http.Redirect(w, r, access.LinkPath, http.StatusSeeOther)
		return nil
	}
	return s.drawWelcome(w, r, nil)
}

func linkToken(r *http.Request) string {
	c, err := r.Cookie(linkCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// comer is who a link is for.
type comer struct {
	link  access.Link
	info  signin.PersonInfo
	first bool
}

func (s *signing) comer(r *http.Request) (comer, error) {
	l, p, err := s.Access.LookLink(r.Context(), linkToken(r))
	if err != nil {
		return comer{}, pass(err)
	}
	c := comer{link: l, first: l.Kind == access.LinkFirst}
	if c.first {
		c.info.MustPasskey = true
		return c, nil
	}
	c.info = infoOf(&p, web.Now(r))
	return c, nil
}

func (s *signing) drawWelcome(w http.ResponseWriter, r *http.Request, bad *web.Error) error {
	c, err := s.comer(r)
	if err != nil {
		return err
	}
	p := kit.Page{Title: "Welcome", Lead: "Welcome, " + c.info.Name + ".", Eyebrow: "This link works once, until " + kit.Clock(c.link.Until, web.Now(r)) + ".", Bare: true}
	fields := []kit.Field{{Name: "called", Label: "Name of this passkey", Hint: "So that you know it again: blue key, work laptop.", Required: true, Max: 60, Spell: true}}
	k := kit.PasskeyOpts{
		Kind: "create", Begin: access.LinkPath + "/passkey/begin", Finish: access.LinkPath + "/passkey/finish", Submit: "Make a passkey", Nonce: web.Nonce(r),
		Hint: "A passkey is kept by your device, a security key or your password manager. There is nothing to remember, and nobody can trick you out of it.",
		Else: "Open this link in a current browser.",
	}
	switch c.link.Kind {
	case access.LinkFirst:
		p.Title, p.Lead = "First administrator", "You are the first administrator."
		fields = append([]kit.Field{
			{Name: "account", Label: "Account", Hint: "What you sign in with, such as a.okafor.", Autocomplete: "username", Required: true, Max: 64},
			{Name: "name", Label: "Your name", Autocomplete: "name", Required: true, Max: 120},
		}, fields...)
	case access.LinkRecover:
		p.Title, p.Lead = "New way in", "Make a new way in, "+c.info.Name+"."
		k.Hint = "Everything you could sign in with before stops working, and so do your sessions. " + k.Hint
	}
	k.Fields = fields
	var parts []templ.Component
	if err := s.SignIn.PasskeysWork(); err == nil {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "With a passkey", Pad: true, Body: kit.Passkey(k)}))
	} else if c.info.MustPasskey {
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Not possible here", Pad: true, Body: kit.UnknownState(sentence(err) + " Your role opens only with a passkey.")}))
	}
	if !c.info.MustPasskey {
		o := kit.FormOpts{Action: access.LinkPath + "/password", Submit: "Set the password", Fields: kit.NewPassword("Account", c.info.Account, signin.MinAlone)}
		if bad != nil {
			p.Status = statusOf(bad)
			o.Fields = kit.WithErrors(o.Fields, bad.Fields)
			if len(bad.Fields) == 0 {
				o.Wrong = bad.Message
			}
		}
		parts = append(parts, kit.Sheet(kit.SheetOpts{Title: "Or with a password", Pad: true, Body: kit.Form(o)}))
	}
	p.Body = kit.Stacked(parts)
	return web.Render(w, r, p)
}

func sentence(err error) string {
	text := err.Error()
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// newcomer is what the first administrator says about themselves.
type newcomer struct {
	Account string `json:"account"`
	Name    string `json:"name"`
	Called  string `json:"called"`
}

func (n newcomer) check(c *comer) error {
	if !c.first {
		return signin.CheckName(n.Called)
	}
	account, err := access.CleanAccount(n.Account)
	if err != nil {
		return err
	}
	if strings.TrimSpace(n.Name) == "" {
		return &web.Error{Kind: web.KindInvalid, Message: "Write your name.", Fields: map[string]string{"name": "Write your name."}}
	}
	c.info.Account, c.info.Name = account, n.Name
	return signin.CheckName(n.Called)
}

func (s *signing) welcomeBegin(w http.ResponseWriter, r *http.Request) error {
	var in newcomer
	c, err := s.comer(r)
	if err == nil {
		err = read(r, &in)
	}
	if err == nil {
		err = in.check(&c)
	}
	if err != nil {
		return answer(w, nil, err)
	}
	challenge, err := s.SignIn.FirstPasskey(r.Context(), c.info, signin.Ask{From: web.From(r)})
	return answer(w, challenge, err)
}

func (s *signing) welcomeFinish(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		newcomer
		Token  string          `json:"token"`
		Answer json.RawMessage `json:"answer"`
	}
	c, err := s.comer(r)
	if err == nil {
		err = read(r, &in)
	}
	if err == nil {
		err = in.check(&c)
	}
	if err != nil {
		return answer(w, nil, err)
	}
	made, err := s.SignIn.ProvedPasskey(r.Context(), c.info.ID, signin.Ask{From: web.From(r)}, in.Token, in.Called, in.Answer)
	if err == nil {
		err = s.arrive(w, r, &c, made, authz.LevelPasskey, "passkey")
	}
	return answer(w, map[string]string{"to": "/me"}, err)
}

func (s *signing) welcomePassword(w http.ResponseWriter, r *http.Request) error {
	c, err := s.comer(r)
	if err != nil {
		return err
	}
	if c.info.MustPasskey {
		return &web.Error{Kind: web.KindDenied, Message: "Your role opens only with a passkey or hardware key."}
	}
	made, err := s.SignIn.FirstPassword(r.Context(), c.info, r.FormValue("password"))
	if err == nil {
		err = s.arrive(w, r, &c, made, authz.LevelPassword, "link")
	}
	if err != nil {
		e, err := told(err)
		if err != nil {
			return err
		}
		return s.drawWelcome(w, r, e)
	}
	return web.Done(w, r, "/me", "You are in. An authenticator app or a passkey makes it safer: add one here.")
}

// arrive uses the link up, stores the way that was proved and opens the session, in
// one transaction: all of it or nothing.
func (s *signing) arrive(w http.ResponseWriter, r *http.Request, c *comer, made *signin.Made, level authz.Level, method string) error {
	var t access.Started
	ask := signin.Ask{From: web.From(r)}
	err := s.DB.Do(r.Context(), func(ctx context.Context, tx *store.Tx) error {
		p, kind, err := s.Access.UseLink(ctx, tx, linkToken(r), access.NewPerson{Account: c.info.Account, Name: c.info.Name})
		if err != nil {
			return err
		}
		if !c.first && p.ID != c.info.ID {
			return errors.New("the link is of another person than a moment ago")
		}
		if kind == access.LinkRecover {
			if err := s.SignIn.Forget(ctx, tx, p.ID, p.Account); err != nil {
				return err
			}
		}
		if err := s.SignIn.Keep(ctx, tx, p.ID, made, ask); err != nil {
			return err
		}
		t, err = s.Access.StartIn(ctx, tx, access.Start{Person: p.ID, Level: level, Method: method, Device: access.DeviceOf(r), Before: access.SessionToken(r)})
		return err
	})
	if err != nil {
		return err
	}
	http.SetCookie(w, &http.Cookie{Name: linkCookie, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	t.SetCookie(w)
	return nil
}
