package accessui_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// TestEveryRouteEveryRole: each door opens to whom the matrix gives it, and to
// nobody else; nobody without a session is let in anywhere.
func TestEveryRouteEveryRole(t *testing.T) {
	x := newOffice(t)
	var roles []authz.Role
	for _, i := range authz.Roles() {
		if i.Role == authz.Service {
			continue
		}
		g := authz.Grant{Role: i.Role}
		if i.Boxed {
			g.Until = x.clock.now().Add(24 * time.Hour)
		}
		if i.Scoped {
			g.Partners = []string{"riverside"}
		}
		x.join(string(i.Role), g)
		roles = append(roles, i.Role)
	}
	unknown := event.NewID().String()
	tried := 0
	for _, rt := range x.server.Routes() {
		method, path, _ := strings.Cut(rt.Pattern, " ")
		if rt.Needs == "" || path == "/live" || !strings.Contains(path, "/people") && !strings.Contains(path, "/scim") {
			continue
		}
		path = strings.NewReplacer("{id}", unknown, "{grant}", unknown).Replace(path)
		if w := x.as("", method, path, strings.NewReader("{}"), "application/json"); w.Code != http.StatusSeeOther && w.Code != http.StatusUnauthorized || w.Code == http.StatusSeeOther && !strings.HasPrefix(w.Header().Get("Location"), "/sign-in") {
			t.Errorf("%s without a session: %d", rt.Pattern, w.Code)
		}
		for _, role := range roles {
			p := x.people[string(role)]
			who := &authz.Subject{Level: authz.LevelPasskey, FreshAt: x.clock.now()}
			for _, g := range p.Grants {
				who.Grants = append(who.Grants, g.Grant)
			}
			err := who.May(rt.Needs, authz.Object{}, x.clock.now())
			kind := "application/x-www-form-urlencoded"
			if strings.HasPrefix(path, "/api/") {
				kind = "application/json"
			}
			w := x.as(string(role), method, path, strings.NewReader("{}"), kind)
			tried++
			var d *authz.Denied
			switch {
			case errors.As(err, &d) && w.Code != http.StatusForbidden:
				t.Errorf("%s as %s: %d, want a refusal", rt.Pattern, role, w.Code)
			case err == nil && (w.Code == http.StatusForbidden || w.Code == http.StatusUnauthorized || w.Code >= 500):
				t.Errorf("%s as %s: %d, want it to be let in: %s", rt.Pattern, role, w.Code, short(w.Body.String()))
			case strings.Contains(path, unknown) && err == nil && w.Code == http.StatusOK:
				t.Errorf("%s as %s: 200 for what does not exist", rt.Pattern, role)
			}
		}
	}
	if tried != 1160 {
		t.Errorf("%d combinations were tried; the test knows of 1160: whoever adds a route changes the number", tried)
	}
}

// TestKinds: what the domain refuses reads as it was written.
func TestPagesEscape(t *testing.T) {
	x := newOffice(t)
	const evil = `<script>alert(1)</script>"' onload=x`
	w := x.post("okafor", "/people", "account", "evil", "name", evil, "role", "technologist")
	want(t, w, http.StatusOK)
	p, err := x.s.PersonByAccount(t.Context(), "evil")
	check(t, err)
	x.use(link(t, w), access.NewPerson{})
	dir := x.join("director", authz.Grant{Role: authz.Director})
	for _, path := range []string{"/people", "/people/" + p.ID.String(), "/people/" + p.ID.String() + "/change", "/people/" + p.ID.String() + "/end", "/people/" + p.ID.String() + "/roles/add", "/people?q=" + "%3Cscript%3Ealert(1)%3C/script%3E"} {
		w := x.get("okafor", path)
		want(t, w, http.StatusOK)
		if strings.Contains(w.Body.String(), "<script>alert") {
			t.Errorf("%s runs what a name says", path)
		}
	}
	if w := x.get(dir.Account, "/people/delegations/new"); strings.Contains(w.Body.String(), "<script>alert") {
		t.Error("the delegation form runs what a name says")
	}
	w = x.post("okafor", "/people", "account", "formula", "name", "=HYPERLINK(1)")
	want(t, w, http.StatusOK)
	w = x.get("okafor", "/people?format=csv")
	want(t, w, http.StatusOK, "'=HYPERLINK")
}
