package accessui_test

import (
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// Partners are ticked by name in the forms of rules and of programs; what is ticked
// is kept when the form is drawn again, and a key that no partner has is refused.
func TestPartnersAreTicked(t *testing.T) {
	x := newOffice(t)
	for _, path := range []string{"/people/rules", "/people/tokens/new"} {
		body := x.get("okafor", path).Body.String()
		for _, want := range []string{`type="checkbox" id="f-partners-0" name="partners" value="riverside"`, "Riverside</label>", `value="northgate"`} {
			if !strings.Contains(body, want) {
				t.Errorf("%s has no %s", path, want)
			}
		}
	}
	w := x.post("okafor", "/people/rules", "origin", "oidc", "word", "", "role", "provider", "partners", "northgate")
	want(t, w, 422, `value="northgate" checked`)
	want(t, x.post("okafor", "/people/rules", "origin", "oidc", "word", "w", "role", "provider", "partners", "elsewhere"), 422, "There is no partner with the key elsewhere.")
	want(t, x.post("okafor", "/people/rules", "origin", "oidc", "word", "w", "role", "provider", "partners", "northgate", "partners", "riverside"), 303)
	rules, err := x.s.Rules(t.Context())
	check(t, err)
	if len(rules) != 1 || strings.Join(rules[0].Partners, " ") != "northgate riverside" {
		t.Fatalf("%+v", rules)
	}
	// A token is offered those of its account alone.
	a, err := x.s.MakeService(t.Context(), &authz.Subject{Account: "okafor", Person: x.people["okafor"].ID, Level: authz.LevelPasskey, FreshAt: x.clock.now(), Grants: []authz.Grant{{Role: authz.Administrator}}},
		access.ServiceAccount{Account: "robot", Name: "Robot", Permissions: []authz.Permission{authz.ResultsFind}, Partners: []string{"northgate"}})
	check(t, err)
	body := x.get("okafor", "/people/tokens/"+a.ID.String()+"/account").Body.String()
	if !strings.Contains(body, `name="partners" value="northgate"`) || strings.Contains(body, `name="partners" value="riverside"`) {
		t.Error("the token's form offers other partners than the account has")
	}
}
