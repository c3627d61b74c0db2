package accessui

import (
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// Deps is what the pages need.
type Deps struct {
	Access *access.Service
	// Lab is the laboratory's name, for printed sheets; PublicURL the address of the
	// pages, for links that leave the browser ("https://lab.example").
	Lab, PublicURL func() string
	// Partners lists the partners of the running configuration, to choose from and
	// to refuse others; nil: any key is taken.
	Partners func() []Place
	// SignIn knows who waits after wrong tries, and the sign-in provider; nil: neither
	// is shown.
	SignIn *signin.Service
	// Sites are its sites in the same way; none where there is no word of them.
	Sites func() []Place
}

// Place is a partner or site by key and name.
type Place struct{ Key, Name string }

// ui draws.
type ui struct {
	Deps
	s *access.Service
}

// Routes are all pages and operations of people and access; SignRoutes are those
// of signing in and of one's own security.
func Routes(d Deps) []web.Route {
	u := &ui{d, d.Access}
	return slices.Concat(
		u.peopleRoutes(), u.standingRoutes(), u.rolesRoutes(), u.delegationRoutes(), u.sessionRoutes(), u.tokenRoutes(), u.programRoutes(), u.glassRoutes(), u.actRoutes(),
		u.importRoutes(), u.ruleRoutes(), u.blockRoutes(), u.waitRoutes(), u.outsideRoutes(), u.scimRoutes(), u.apiRoutes(),
	)
}

// Kinds maps what the domain refuses to what a person may read; nil for errors
// that are none of its.
func Kinds(err error) *web.Error {
	var r *access.Refusal
	if !errors.As(err, &r) {
		return nil
	}
	e := &web.Error{Kind: map[access.Kind]web.Kind{access.KindInvalid: web.KindInvalid, access.KindNotFound: web.KindNotFound, access.KindConflict: web.KindConflict}[r.Kind], Message: r.Text}
	if r.Field != "" {
		e.Fields = map[string]string{r.Field: r.Text}
	}
	return e
}

// redraw draws a form again with what was wrong beside its fields; an error that
// is about no form goes on to the server.
func redraw(w http.ResponseWriter, r *http.Request, err error, draw func(errs map[string]string, whole string) kit.Page) error {
	var ref *access.Refusal
	if !errors.As(err, &ref) || ref.Kind == access.KindNotFound {
		return err
	}
	errs, whole := map[string]string{}, ""
	if ref.Field != "" {
		errs[ref.Field] = ref.Text
	} else {
		whole = ref.Text
	}
	p := draw(errs, whole)
	p.Status = http.StatusUnprocessableEntity
	if ref.Kind == access.KindConflict {
		p.Status = http.StatusConflict
	}
	return web.Render(w, r, p)
}

// idOf reads an id of the path; one that is none answers as one that is unknown.
func idOf(r *http.Request, name string) (event.ID, error) {
	id, err := event.ParseID(r.PathValue(name))
	if err != nil {
		return id, access.ErrNotFound
	}
	return id, nil
}

// personAt finds the person that the path names.
func (u *ui) personAt(r *http.Request) (access.Person, error) {
	id, err := idOf(r, "id")
	if err != nil {
		return access.Person{}, err
	}
	return u.s.Person(r.Context(), id)
}

func join(cs ...templ.Component) templ.Component { return templ.Join(cs...) }

func get(pattern string, needs authz.Permission, h web.Handler) web.Route {
	return web.Route{Pattern: "GET " + pattern, Needs: needs, Handle: h}
}

func post(pattern string, needs authz.Permission, h web.Handler) web.Route {
	return web.Route{Pattern: "POST " + pattern, Needs: needs, Handle: h}
}

// may says whether a button is worth drawing: a fresh proof of identity is asked
// for when it is pressed.
func may(r *http.Request, p authz.Permission) bool {
	err := web.May(r, p, authz.Object{})
	var d *authz.Denied
	return err == nil || errors.As(err, &d) && d.StepUp
}

var peopleCrumb = kit.Crumb{Name: "People", Href: "/people"}

// wayTo leads to a page that people see who may not see all people.
func wayTo(r *http.Request, more ...kit.Crumb) []kit.Crumb {
	if !may(r, authz.PeopleSee) {
		return more
	}
	return append([]kit.Crumb{peopleCrumb}, more...)
}

// navOf is the entry of the menu that leads to a page: People, or its own where
// one may not see all people.
func navOf(r *http.Request, own string) string {
	if may(r, authz.PeopleSee) {
		return "/people"
	}
	return own
}

// tabs are the parts of people and access that who may see.
func (u *ui) tabs(r *http.Request, at string) templ.Component {
	var out []kit.Tab
	for _, t := range []struct {
		name, href string
		needs      authz.Permission
	}{
		{"People", "/people", authz.PeopleSee},
		{"Roles", "/people/roles", authz.PeopleSee},
		{"Delegations", "/people/delegations", authz.DelegationsSee},
		{"Sessions", "/people/sessions", authz.SessionsEnd},
		{"Service accounts", "/people/tokens", authz.TokensManage},
		{"Programs to allow", programsPath, authz.TokensAllow},
		{"Break-glass", "/people/break-glass", authz.BreakGlass},
		{"Acts to review", "/people/acts", authz.ReviewActs},
	} {
		if may(r, t.needs) || t.href == at {
			out = append(out, kit.Tab{Name: t.name, Href: t.href, Current: t.href == at})
		}
	}
	if len(out) < 2 {
		return templ.NopComponent
	}
	return kit.Tabs("People and access", out)
}

// day is a date of a form; the zero time for none.
func day(r *http.Request, name string) (time.Time, error) {
	t, err := access.ParseDay(r.PostFormValue(name), time.Local)
	var ref *access.Refusal
	if errors.As(err, &ref) {
		return t, &access.Refusal{Kind: ref.Kind, Field: name, Text: ref.Text}
	}
	return t, err
}

// lastDay is the stored end of the last day that a form names.
func lastDay(r *http.Request, name string) (time.Time, error) {
	t, err := day(r, name)
	return access.AfterDay(t), err
}

func showDay(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return access.FormatDay(t.In(time.Local))
}

func showLastDay(t time.Time) string { return access.FormatDay(access.LastDay(t, time.Local)) }

func wordDay(t time.Time, otherwise string) string {
	if t.IsZero() {
		return otherwise
	}
	return t.In(time.Local).Format("2 Jan 2006")
}

func wordLastDay(t time.Time, otherwise string) string {
	return wordDay(access.LastDay(t, time.Local), otherwise)
}
