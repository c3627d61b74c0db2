package accessui_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestTakenByHandOnThePage: what a rule may not give again is shown and let come
// back by form and API; until when the provider's roles count is said.
func TestTakenByHandOnThePage(t *testing.T) {
	x := newOffice(t)
	x.join("sec", authz.Grant{Role: authz.SecurityOfficer})
	x.join("tech", authz.Grant{Role: authz.Technologist})
	want(t, x.post("okafor", "/people/rules", "origin", "oidc", "word", "staff", "role", "technologist"), 303)
	said := access.Said{Issuer: "https://id.lab.example", Subject: "1", Account: "maria", Name: "Maria Silva", Groups: []string{"staff"}}
	come := func() access.Person {
		t.Helper()
		p, err := x.s.FromProvider(t.Context(), said)
		check(t, err)
		return p
	}
	p := come()
	page := "/people/" + p.ID.String()
	want(t, x.get("okafor", page), 200, "Roles of the sign-in provider", "or longer after the next sign-in there")
	end := page + "/roles/" + p.Grants[0].ID.String() + "/end"
	want(t, x.get("okafor", end), 200, "The rule that gave it does not give it again")
	want(t, x.post("okafor", end, "confirm", "yes"), 303)
	if p = come(); len(p.Grants) != 0 {
		t.Fatalf("%+v", p.Grants)
	}
	w := x.get("okafor", page)
	want(t, w, 200, "Kept from coming back", "Let it come back", "by Ngozi Okafor")
	lift := regexp.MustCompile(page + `/blocks/[0-9a-f-]{36}/lift`).FindString(w.Body.String())
	w = x.get("sec", page)
	want(t, w, 200, "Kept from coming back")
	if strings.Contains(w.Body.String(), "Let it come back") {
		t.Error("who may not lift it is offered to")
	}
	want(t, x.json("sec", "GET", "/api/v1"+page+"/blocks", nil), 200, `"role":"technologist"`, `"made_by":"okafor"`)
	want(t, x.json("tech", "GET", "/api/v1"+page+"/blocks", nil), 403)
	want(t, x.post("sec", lift), 403)
	want(t, x.post("okafor", lift), 303)
	want(t, x.post("okafor", lift), 404)
	if p = come(); len(p.Grants) != 1 {
		t.Fatalf("%+v", p.Grants)
	}
	want(t, x.post("okafor", page+"/roles/"+p.Grants[0].ID.String()+"/end", "confirm", "yes"), 303)
	blocks, err := x.s.Blocks(t.Context(), p.ID)
	check(t, err)
	want(t, x.json("okafor", "POST", "/api/v1/people/blocks/"+blocks[0].ID.String()+"/lift", map[string]any{}), 200, `"done":true`)
	x.clock.forward(access.RolesFor)
	come()
	x.clock.forward(access.RolesFor)
	delete(x.tokens, "okafor")
	want(t, x.get("okafor", page), 200, "count no more since")
}
