package portalui

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Deps is what the pages stand on.
type Deps struct {
	Portal *portal.Service
	SignIn *signin.Service
	// Lab and Phone are the laboratory's, Address is the portal's own as it stands on
	// letters, without https://.
	Lab, Phone, Address func() string
	// Sender is the laboratory's postal address, on letters; Paper is what PDFs are
	// printed on: "letter" or "a4".
	Sender, Paper func() string
	Now           func() time.Time
	Log           *slog.Logger
	Version       string
	Zone          *time.Location
	// Door names the way a request came by; nil where there is one alone. A session
	// that began at one door opens nothing at another.
	Door func(*http.Request) string
	// Refused records that somebody was refused; may be nil.
	Refused func(ctx context.Context, who *authz.Subject, r *http.Request, why error)
}

// Cookies of the portal: other names than the pages', which may be on the same host
// during a trial.
const (
	cookie       = "__Host-lwp"
	halfCookie   = "__Host-lwp-half"
	againCookie  = "__Host-lwp-again"
	ticketCookie = "__Host-lwp-letter"
	noticeCookie = "__Host-lwp-notice"
)

const (
	whyDoor = "how one proves who one is, or that one holds a letter; it opens nothing before that"
	whyOwn  = "people of practices have no roles: package portal decides what exists for the person of the session"
)

// site is the portal as practices see it.
type site struct{ Deps }

// Site is the portal's own web site. Its handler is mounted on a listener of its own,
// never beside the laboratory's pages.
func Site(d Deps) *web.Server {
	s := &site{d}
	w := &web.Server{
		Identify: s.identify, Kinds: Kinds, Shell: s.shell, SignIn: "/sign-in", StepUp: "/confirm", Home: "the results", Notices: noticeCookie, PagesOnly: true,
		Now: d.Now, Log: d.Log, Version: d.Version, Pace: 600, Active: 128, Refused: d.Refused,
	}
	w.Add(s.doorRoutes()...)
	w.Add(s.ownRoutes()...)
	return w
}

// Handler is Site's handler.
func Handler(d Deps) http.Handler { return Site(d).Handler() }

func open(pattern string, h web.Handler) web.Route {
	return web.Route{Pattern: pattern, Access: web.Open, Why: whyDoor, Handle: h, MaxBody: maxAnswer}
}

// maxAnswer bounds what an authenticator sends.
const maxAnswer = 128 << 10

func (s *site) identify(r *http.Request) (*authz.Subject, error) {
	token := cookieOf(r, cookie)
	if token == "" {
		return nil, nil
	}
	x, err := s.Portal.Known(r.Context(), token)
	if err != nil {
		return nil, errors.Join(&web.Error{Kind: web.KindUnavailable}, err)
	}
	if x == nil || x.Device != portal.Place(device(r), s.door(r)) {
		return nil, nil
	}
	return &authz.Subject{Person: x.Person.ID, Account: "portal:" + x.Person.Account, Name: x.Person.Name, Level: x.Level, FreshAt: x.Made, Session: x.ID}, nil
}

func (s *site) door(r *http.Request) string {
	if s.Door == nil {
		return ""
	}
	return s.Door(r)
}

func cookieOf(r *http.Request, name string) string {
	c, err := r.Cookie(name)
	if err != nil {
		return ""
	}
	return c.Value
}

func setCookie(w http.ResponseWriter, name, value string, seconds int) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", MaxAge: seconds, Secure: true, HttpOnly: true, SameSite: http.SameSiteStrictMode})
}

// device is the kind of browser, without versions: a session is bound to it.
func device(r *http.Request) string {
	agent := r.UserAgent()
	for _, x := range [][2]string{{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, x[0]) {
			return x[1]
		}
	}
	return "another browser"
}

func (s *site) shell(r *http.Request, who *authz.Subject) kit.Shell {
	sh := kit.Shell{Lab: s.Lab(), Clock: s.Now().In(s.Zone).Format("15:04")}
	if who == nil {
		return sh
	}
	p, err := s.Portal.Person(r.Context(), who.Person)
	if err != nil {
		return sh
	}
	names := s.Portal.Settings().Partners
	var of []string
	manages := false
	for _, x := range p.Members {
		of = append(of, names[x.Partner])
		manages = manages || x.Kind == portal.Manager
	}
	sh.Me = &kit.Me{Name: p.Name, Role: strings.Join(of, ", ")}
	sh.Nav = []kit.NavItem{{Name: "Results", Href: "/", Icon: "inbox"}, {Name: "We did not get it", Href: "/missing", Icon: "help"}}
	if manages {
		sh.Nav = append(sh.Nav, kit.NavItem{Name: "Colleagues", Href: "/colleagues", Icon: "people"})
	}
	sh.Nav = append(sh.Nav, kit.NavItem{Name: "Switch person", Href: "/switch", Icon: "user"})
	return sh
}

// person is whose session it is, as they are at this moment.
func (s *site) person(r *http.Request) (*portal.Person, error) {
	p, err := s.Portal.Person(r.Context(), web.Who(r).Person)
	if err != nil {
		return nil, err
	}
	return &p, nil
}

const noResult = "There is no such result, or it is not yours to see."

// Kinds maps what package portal and sign-in return to what a person reads.
func Kinds(err error) *web.Error {
	var own *web.Error
	var no *portal.Wrong
	var refused *signin.Refused
	var password *signin.BadPassword
	var name *signin.BadName
	var last *signin.LastWay
	switch {
	case errors.As(err, &own):
		return own
	case errors.As(err, &no):
		e := &web.Error{Kind: web.KindInvalid, Message: no.Text}
		if no.Field != "" {
			e.Fields = map[string]string{no.Field: no.Text}
		}
		return e
	case errors.Is(err, portal.ErrNotFound):
		return &web.Error{Kind: web.KindNotFound, Message: noResult}
	case errors.Is(err, portal.ErrGone), errors.Is(err, portal.ErrSoon):
		return &web.Error{Kind: web.KindConflict, Message: sentence(errors.Unwrap(err), err)}
	case errors.Is(err, portal.ErrClosed):
		return &web.Error{Kind: web.KindUnavailable, Message: "The laboratory has closed all views of results for the moment. Call it if you need one now."}
	case errors.As(err, &password):
		return &web.Error{Kind: web.KindInvalid, Message: password.Message, Fields: map[string]string{"password": password.Message}}
	case errors.As(err, &name):
		return &web.Error{Kind: web.KindInvalid, Message: name.Message, Fields: map[string]string{"called": name.Message}}
	case errors.As(err, &last):
		return &web.Error{Kind: web.KindConflict, Message: last.Error()}
	case errors.Is(err, signin.ErrNotFound):
		return &web.Error{Kind: web.KindNotFound, Message: "There is no such way to sign in."}
	case errors.As(err, &refused):
		e := &web.Error{Kind: web.KindInvalid, Message: refused.Error()}
		switch refused.Reason {
		case signin.Wait, signin.Busy:
			e.Kind, e.After = web.KindBusy, int(min(refused.After, 24*time.Hour).Seconds())+1
		case signin.Gone:
			e.Kind = web.KindConflict
		}
		return e
	}
	return nil
}

func sentence(errs ...error) string {
	for _, err := range errs {
		if err != nil {
			text := err.Error()
			return strings.ToUpper(text[:1]) + text[1:] + "."
		}
	}
	return ""
}

func statusOf(e *web.Error) int {
	switch e.Kind {
	case web.KindBusy:
		return http.StatusTooManyRequests
	case web.KindConflict:
		return http.StatusConflict
	case web.KindNotFound:
		return http.StatusNotFound
	}
	return http.StatusUnprocessableEntity
}

// told is what is shown on the page itself; other errors go on.
func told(err error) (*web.Error, error) {
	if e := Kinds(err); e != nil {
		return e, nil
	}
	return nil, err
}

func idOf(r *http.Request, name string) (event.ID, error) {
	id, err := event.ParseID(r.PathValue(name))
	if err != nil {
		return id, web.NotFound(noResult)
	}
	return id, nil
}
