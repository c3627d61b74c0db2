package accessui_test

import (
	"net/http/httptest"
	"os"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/pages"
	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestBarPagesOfPeople: the pages as a browser draws them, in both themes, wide and
// narrow, by axe, by their weight and without JavaScript.
func TestBarPagesOfPeople(t *testing.T) {
	if os.Getenv("LABWARDEN_BARS") == "" {
		t.Skip("SKIPPED A BAR: LABWARDEN_BARS is not set; `make bars` looks at these pages with a browser")
	}
	x := newOffice(t)
	x.clock.t = time.Now()
	ctx, me := t.Context(), x.people["okafor"]
	tech := x.join("tech", authz.Grant{Role: authz.Technologist, Sites: []string{"main", "north"}})
	dir := x.join("director", authz.Grant{Role: authz.Director})
	x.join("provider", authz.Grant{Role: authz.Provider, Partners: []string{"riverside"}})
	x.join("norole")
	who := func(p access.Person, roles ...authz.Role) *authz.Subject {
		s := &authz.Subject{Person: p.ID, Account: p.Account, Level: authz.LevelPasskey, FreshAt: x.clock.now()}
		for _, r := range roles {
			s.Grants = append(s.Grants, authz.Grant{Role: r})
		}
		return s
	}
	_, err := x.s.Delegate(ctx, who(dir, authz.Director), access.Delegation{Person: tech.ID, Permission: authz.ClinicalStop, Note: "Night shift"})
	check(t, err)
	svc, err := x.s.MakeService(ctx, who(me, authz.Administrator), access.ServiceAccount{Account: "lis", Name: "Nightly count", Permissions: []authz.Permission{authz.ResultsFind}})
	check(t, err)
	_, err = x.s.MakeToken(ctx, who(me, authz.Administrator), svc.ID, access.Token{Name: "production", Until: x.clock.now().Add(24 * time.Hour)})
	check(t, err)
	in, err := x.s.Start(ctx, access.Start{Person: tech.ID, Level: authz.LevelTwo, Method: "password-totp", Device: access.Device{Name: "Firefox on Linux", Network: "192.0.2.7"}})
	check(t, err)
	glassed := who(tech, authz.Technologist)
	glassed.Session = in.ID
	g, err := x.s.OpenGlass(ctx, glassed, "The main site has no power.", 0, []authz.Permission{authz.ResultsReveal})
	check(t, err)
	check(t, x.s.CloseGlass(ctx, glassed, g.ID))
	check(t, x.s.Tick(ctx))
	// One person who sees every page: the roles of three.
	viewer := who(me, authz.Administrator, authz.SecurityOfficer, authz.Director)
	x.server.Identify = x.anybody(viewer)
	srv := httptest.NewTLSServer(x.h)
	t.Cleanup(srv.Close)
	plan := pages.Plan{Base: srv.URL}
	for name, p := range map[string]pages.Page{
		"list":         {Path: "/people", Narrow: true},
		"person":       {Path: "/people/" + tech.ID.String(), Narrow: true},
		"new":          {Path: "/people/new"},
		"roles":        {Path: "/people/roles", Print: true},
		"delegations":  {Path: "/people/delegations"},
		"sheet":        {Path: "/people/delegations/sheet", Print: true},
		"sessions":     {Path: "/people/sessions"},
		"service":      {Path: "/people/tokens/" + svc.ID.String() + "/account"},
		"glass-review": {Path: "/people/break-glass/" + g.ID.String() + "/review"},
		"acts":         {Path: "/people/acts"},
	} {
		p.Name = "people-" + name
		plan.Pages = append(plan.Pages, p)
	}
	pages.Look(t, plan)
}
