package accessui_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accessui"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

func role(r authz.Role) authz.Grant { return authz.Grant{Role: r} }

// TestDelegationsByForm: the director writes, everybody concerned reads, the
// sheet prints.
func TestDelegationsByForm(t *testing.T) {
	x := newOffice(t)
	x.join("director", role(authz.Director))
	tech := x.join("tech", role(authz.Technologist))
	want(t, x.get("director", "/people/delegations"), 200, "No clinical act is delegated.")
	want(t, x.get("okafor", "/people/delegations/new"), 403)
	want(t, x.post("director", "/people/delegations", "permission", string(authz.ClinicalStop)), 422, "Choose a person.")
	want(t, x.post("director", "/people/delegations", "person", tech.ID.String()), 422, "no act that can be delegated")
	want(t, x.post("director", "/people/delegations", "person", tech.ID.String(), "permission", string(authz.ClinicalStop), "until", "2026-05-31", "note", "Night shift"), 303)
	w := x.get("tech", "/people/delegations")
	want(t, w, 200, "1 clinical act is delegated.", "Night shift", "until 31 May 2026")
	if strings.Contains(w.Body.String(), "/revoke") {
		t.Error("a technologist is offered to revoke")
	}
	want(t, x.get("director", "/people/delegations/sheet"), 200, "Millbrook Laboratory", "Laboratory director, date", "hold and release results")
	m := regexp.MustCompile(`/people/delegations/([0-9a-f-]{36})/revoke`).FindString(x.get("director", "/people/delegations").Body.String())
	want(t, x.get("director", m), 200, "Revoke this delegation?")
	want(t, x.post("director", m), 200, "Revoke this delegation?")
	want(t, x.post("director", m, "confirm", "yes"), 303)
	want(t, x.get("director", "/people/delegations"), 200, "No clinical act is delegated.", "revoked")
}

// TestSessionsByForm: list, end, pair a bench.
func TestSessionsByForm(t *testing.T) {
	x := newOffice(t)
	x.join("tech", role(authz.Technologist))
	x.token("tech")
	w := x.get("okafor", "/people/sessions")
	want(t, w, 200, "2 sessions are open.", "Firefox on Linux", "192.0.2.7", "this one", "No device is shared.")
	path := regexp.MustCompile(`/people/sessions/[0-9a-f-]{36}/end`).FindString(w.Body.String())
	want(t, x.post("okafor", path), 303)
	want(t, x.get("tech", "/people/delegations"), 303)
	want(t, x.get("okafor", "/people/sessions/bench"), 200, "Make this device a shared bench?")
	want(t, x.post("okafor", "/people/sessions/bench", "name", ""), 422)
	w = x.post("okafor", "/people/sessions/bench", "name", "Chemistry bench 2")
	want(t, w, 303)
	if !strings.Contains(strings.Join(w.Header().Values("Set-Cookie"), "\n"), access.BenchCookie+"=") {
		t.Error("no bench cookie")
	}
	if w.Header().Get("Location") != "/sign-in" {
		t.Error("the administrator's session stays open on a shared device")
	}
	want(t, x.get("okafor", "/people/sessions"), 303)
	delete(x.tokens, "okafor")
	w = x.get("okafor", "/people/sessions")
	want(t, w, 200, "Chemistry bench 2")
	want(t, x.post("okafor", regexp.MustCompile(`/people/sessions/[0-9a-f-]{36}/unpair`).FindString(w.Body.String())), 303)
	want(t, x.get("okafor", "/people/sessions"), 200, "No device is shared.")
}

// TestTokensByForm: a secret is drawn once.
func TestTokensByForm(t *testing.T) {
	x := newOffice(t)
	want(t, x.get("okafor", "/people/tokens"), 200, "0 programs may call the API.")
	want(t, x.post("okafor", "/people/tokens", "account", "lis", "name", "LIS"), 422, "Choose what it may do.")
	w := x.post("okafor", "/people/tokens", "account", "lis", "name", "LIS", "may-"+string(authz.ResultsFind), "on", "may-"+string(authz.ResultsResend), "on", "partners", "riverside")
	want(t, w, 303)
	page := w.Header().Get("Location")
	base := strings.TrimSuffix(page, "/account")
	want(t, x.get("okafor", page), 200, "It has no token.", "New token")
	want(t, x.post("okafor", base+"/token", "name", "nightly"), 422, "A token ends within a year")
	w = x.post("okafor", base+"/token", "name", "nightly", "until", "2026-06-30", "may-"+string(authz.ResultsFind), "on")
	want(t, w, 200, "shown this once")
	secret := regexp.MustCompile(`lw_[A-Za-z0-9_-]{43}`).FindString(w.Body.String())
	if secret == "" {
		t.Fatal("no token")
	}
	w = x.get("okafor", page)
	want(t, w, 200, "nightly", "until 30 Jun 2026")
	if strings.Contains(w.Body.String(), secret) {
		t.Error("the token is shown again")
	}
	want(t, x.post("okafor", base+"/certificate", "certificate", "x"), 422, "Paste the certificate as PEM")
	want(t, x.post("okafor", regexp.MustCompile(`/people/tokens/[0-9a-f-]{36}/revoke`).FindString(w.Body.String())), 303)
	want(t, x.get("okafor", base+"/end"), 200, "End LIS?")
	want(t, x.post("okafor", base+"/end", "confirm", "yes"), 303)
	want(t, x.get("okafor", page), 200, "was ended")
}

// TestBreakGlassByForm: open, seen by others, closed, reviewed.
func TestBreakGlassByForm(t *testing.T) {
	x := newOffice(t)
	x.join("tech", authz.Grant{Role: authz.Technologist, Sites: []string{"north"}})
	x.join("sec", role(authz.SecurityOfficer))
	want(t, x.get("tech", "/people/break-glass/open"), 200, "What do you need that you may not see?")
	want(t, x.post("tech", "/people/break-glass/open", "reason", "short", "may-"+string(authz.ResultsReveal), "on"), 422, "Say why, in 10 to 500 characters")
	want(t, x.post("tech", "/people/break-glass/open", "reason", "The main site has no power."), 422, "Choose what you need.")
	want(t, x.post("tech", "/people/break-glass/open", "reason", "The main site has no power.", "for", "2", "may-"+string(authz.ResultsReveal), "on"), 303)
	w := x.get("sec", "/people/break-glass")
	want(t, w, 200, "1 break-glass access is open.", "The main site has no power.")
	path := regexp.MustCompile(`/people/break-glass/[0-9a-f-]{36}/close`).FindString(w.Body.String())
	review := strings.TrimSuffix(path, "close") + "review"
	sources := accessui.Today(accessui.Deps{Access: x.s})
	titles := func(account string) (out string) {
		t.Helper()
		r := &authz.Subject{Person: x.people[account].ID, Account: account, Level: authz.LevelPasskey, FreshAt: x.clock.now()}
		for _, g := range x.people[account].Grants {
			r.Grants = append(r.Grants, g.Grant)
		}
		for _, s := range sources {
			if r.Scope(s.Needs, x.clock.now()).Empty() {
				continue
			}
			items, err := s.Look(t.Context(), r, x.clock.now())
			check(t, err)
			for _, it := range items {
				out += it.Title + "\n"
			}
		}
		return out
	}
	if got := titles("sec"); !strings.Contains(got, "tech has break-glass access until") {
		t.Errorf("%s", got)
	}
	if got := titles("tech"); !strings.Contains(got, "Your break-glass access is open until") {
		t.Errorf("%s", got)
	}
	want(t, x.post("tech", path), 303)
	if got := titles("sec"); !strings.Contains(got, "waits for a review") {
		t.Errorf("%s", got)
	}
	want(t, x.get("sec", review), 200, "Opened break-glass access", "Sign the review")
	want(t, x.post("sec", review), 422, "Say whether it was right.")
	want(t, x.post("sec", review, "verdict", access.VerdictFine), 303)
	want(t, x.post("sec", review, "verdict", access.VerdictFine), 409, "reviewed already")
	want(t, x.get("sec", "/people/break-glass"), 200, "Nobody has break-glass access now.", "found right by Sec")
	if got := titles("sec"); strings.Contains(got, "glass") {
		t.Errorf("%s", got)
	}
}

// TestActsByForm: tick and sign.
func TestActsByForm(t *testing.T) {
	x := newOffice(t)
	x.join("sec", role(authz.SecurityOfficer))
	check(t, x.s.Tick(t.Context()))
	w := x.get("sec", "/people/acts")
	want(t, w, 200, "7 acts wait for a review.", "Added a person")
	var form []string
	for _, m := range regexp.MustCompile(`name="act" value="(\d+)"`).FindAllStringSubmatch(w.Body.String(), -1) {
		form = append(form, "act", m[1])
	}
	want(t, x.post("sec", "/people/acts", "verdict", "fine"), 422, "Choose 1 to 500 acts.")
	want(t, x.post("sec", "/people/acts", append(form, "verdict", "not-fine")...), 422, "Say what was not right")
	want(t, x.post("sec", "/people/acts", append(form, "verdict", "fine", "note", "Talked to Ngozi.")...), 303)
	want(t, x.get("sec", "/people/acts"), 200, "No act waits for you.", "Talked to Ngozi.")
}

// TestRulesByForm: groups of other systems.
func TestRulesByForm(t *testing.T) {
	x := newOffice(t)
	want(t, x.post("okafor", "/people/rules", "origin", "oidc", "word", "auditors", "role", "auditor"), 422, "Auditor needs an end date.")
	want(t, x.post("okafor", "/people/rules", "origin", "oidc", "word", "auditors", "role", "auditor", "days", "x"), 422, "whole number")
	want(t, x.post("okafor", "/people/rules", "origin", "oidc", "word", "auditors", "role", "auditor", "days", "30"), 303)
	w := x.get("okafor", "/people/rules")
	want(t, w, 200, "auditors", "for 30 days")
	want(t, x.post("okafor", regexp.MustCompile(`/people/rules/[0-9a-f-]{36}/end`).FindString(w.Body.String())), 303)
	want(t, x.get("okafor", "/people/rules"), 200, "There is no rule.")
}

// TestPeopleAPI: the same acts as JSON.
func TestPeopleAPI(t *testing.T) {
	x := newOffice(t)
	x.join("director", role(authz.Director))
	w := x.json("okafor", http.MethodPost, "/api/v1/people", map[string]any{"account": "maria", "name": "Maria", "grants": []any{map[string]any{"role": "technologist"}}})
	want(t, w, 200, `"link":"https://lab.example/welcome?t=`)
	var in struct {
		Person struct {
			ID       string
			Revision int64
		}
	}
	check(t, json.Unmarshal(w.Body.Bytes(), &in))
	base := "/api/v1/people/" + in.Person.ID
	want(t, x.get("okafor", "/api/v1/people"), 200, `"account":"maria"`)
	want(t, x.get("okafor", base), 200, `"role":"technologist"`)
	want(t, x.json("okafor", http.MethodPost, base+"/change", map[string]any{"name": "Maria S", "revision": in.Person.Revision}), 200, "Maria S")
	want(t, x.json("okafor", http.MethodPost, base+"/change", map[string]any{"name": "", "revision": 9}), 422, `"name"`)
	want(t, x.json("okafor", http.MethodPost, base+"/roles", map[string]any{"role": "auditor"}), 422, `"until"`)
	want(t, x.json("okafor", http.MethodPost, base+"/roles", map[string]any{"role": "front-desk"}), 200)
	want(t, x.json("okafor", http.MethodPost, base+"/link", map[string]any{}), 200, "welcome")
	want(t, x.json("director", http.MethodPost, "/api/v1/people/delegations", map[string]any{"person": in.Person.ID, "permission": "results.hold"}), 200, `"results.hold"`)
	want(t, x.get("director", "/api/v1/people/delegations"), 200, `"standing":[{`)
	for path, text := range map[string]string{
		"/api/v1/people/roles": `"laboratory-director"`, "/api/v1/people/sessions": `"current":true`, "/api/v1/people/tokens": `"service_accounts":[]`,
	} {
		want(t, x.get("okafor", path), 200, text)
	}
	want(t, x.get("director", "/api/v1/people/acts"), 200, `"acts":[]`)
	want(t, x.json("okafor", http.MethodPost, base+"/end", map[string]any{}), 200)
	want(t, x.json("okafor", http.MethodPost, base+"/end", map[string]any{}), 409)
	want(t, x.get("okafor", "/api/v1/people/nonsense"), 404)
}

// TestSCIM: a personnel system brings people in, moves them and takes them out.
func TestSCIM(t *testing.T) {
	x := newOffice(t)
	admin := &authz.Subject{Account: "okafor", Person: x.people["okafor"].ID, Level: authz.LevelPasskey, FreshAt: x.clock.now(), Grants: []authz.Grant{role(authz.Administrator)}}
	svc, err := x.s.MakeService(t.Context(), admin, access.ServiceAccount{Account: "hr", Name: "HR", Permissions: []authz.Permission{authz.Provision}})
	check(t, err)
	tok, err := x.s.MakeToken(t.Context(), admin, svc.ID, access.Token{Name: "hr", Until: x.clock.now().Add(time.Hour)})
	check(t, err)
	x.join("silva", role(authz.Director))
	want(t, x.get("silva", "/people/programs"), 200, "The token hr of HR", "add, change and end people from another system")
	want(t, x.post("silva", "/people/programs/"+tok.ID.String()+"/yes"), 303)
	_, err = x.s.MakeRule(t.Context(), admin, access.Rule{Origin: access.OriginSCIM, Word: "Bench", Role: authz.Technologist})
	check(t, err)
	send := func(method, path, body string) (int, map[string]any) {
		t.Helper()
		r := newRequest(method, "/api/scim/v2"+path, body)
		r.Header.Set("Authorization", "Bearer "+tok.Secret)
		w := serve(x, r)
		out := map[string]any{}
		if w.Body.Len() > 0 {
			if w.Header().Get("Content-Type") != "application/scim+json" {
				t.Errorf("%s %s: %s", method, path, w.Header().Get("Content-Type"))
			}
			check(t, json.Unmarshal(w.Body.Bytes(), &out))
		}
		return w.Code, out
	}
	const user = `{"schemas":["urn:ietf:params:scim:schemas:core:2.0:User"],"userName":"sam@lab.example","externalId":"e-1","name":{"givenName":"Sam","familyName":"Ito"},"emails":[{"value":"sam@lab.example","primary":true}],"roles":[{"value":"Bench"}],"active":true,"title":"MLS"}`
	code, u := send("POST", "/Users", user)
	if code != 201 || u["userName"] != "sam@lab.example" || u["displayName"] != "Sam Ito" || u["active"] != true {
		t.Fatalf("%d %v", code, u)
	}
	id := u["id"].(string)
	if code, u := send("POST", "/Users", user); code != 409 || u["scimType"] != "uniqueness" {
		t.Errorf("made twice: %d %v", code, u)
	}
	if code, u := send("POST", "/Users", strings.NewReplacer("sam@lab.example", "okafor", "e-1", "e-2").Replace(user)); code != 400 && code != 409 {
		t.Errorf("somebody else's account: %d %v", code, u)
	}
	for filter, n := range map[string]float64{`userName%20eq%20%22SAM@lab.example%22`: 1, `userName%20eq%20%22okafor%22`: 0} {
		if code, u := send("GET", "/Users?filter="+filter, ""); code != 200 || u["totalResults"] != n {
			t.Errorf("%s: %d %v", filter, code, u)
		}
	}
	if code, u := send("GET", "/Users?filter=active%20eq%20true", ""); code != 400 || u["scimType"] != "invalidFilter" {
		t.Errorf("%d %v", code, u)
	}
	if code, _ := send("GET", "/Users/"+x.people["okafor"].ID.String(), ""); code != 404 {
		t.Errorf("people of this laboratory are shown: %d", code)
	}
	p, err := x.s.PersonByAccount(t.Context(), "sam@lab.example")
	check(t, err)
	if len(p.Grants) != 1 || p.Grants[0].Role != authz.Technologist {
		t.Errorf("%+v", p.Grants)
	}
	patch := func(ops string) (int, map[string]any) {
		return send("PATCH", "/Users/"+id, `{"schemas":["urn:ietf:params:scim:api:messages:2.0:PatchOp"],"Operations":[`+ops+`]}`)
	}
	if code, u := patch(`{"op":"Replace","path":"displayName","value":"Sam I."},{"op":"remove","path":"roles"}`); code != 200 || u["displayName"] != "Sam I." {
		t.Errorf("%d %v", code, u)
	}
	if p, err = x.s.Person(t.Context(), p.ID); err != nil || len(p.Grants) != 0 {
		t.Errorf("%+v %v", p.Grants, err)
	}
	scimRoles(t, x, admin, patch, p.ID)
	if code, u := patch(`{"op":"replace","path":"userName","value":"other"}`); code != 400 || u["scimType"] != "mutability" {
		t.Errorf("%d %v", code, u)
	}
	if code, _ := patch(`{"op":"explode","path":"active"}`); code != 400 {
		t.Errorf("%d", code)
	}
	if code, u := patch(`{"op":"replace","value":{"active":"False"}}`); code != 200 || u["active"] != false {
		t.Errorf("%d %v", code, u)
	}
	if p, err = x.s.Person(t.Context(), p.ID); err != nil || p.State != access.Ended {
		t.Errorf("%+v %v", p, err)
	}
	if code, u := send("PUT", "/Users/"+id, user); code != 200 || u["active"] != true {
		t.Errorf("%d %v", code, u)
	}
	if code, _ := send("DELETE", "/Users/"+id, ""); code != 204 {
		t.Errorf("%d", code)
	}
	if code, _ := send("DELETE", "/Users/"+id, ""); code != 404 {
		t.Errorf("%d", code)
	}
	// What SCIM ended it may bring back; what a person ended here stays ended until
	// a person lets them in again.
	if code, u := send("PUT", "/Users/"+id, user); code != 200 || u["active"] != true {
		t.Errorf("%d %v", code, u)
	}
	want(t, x.post("okafor", "/people/"+id+"/end", "confirm", "yes"), 303)
	want(t, x.get("okafor", "/people/"+id), 200, "They were ended here: only you let them in again")
	for _, try := range []func() (int, map[string]any){
		func() (int, map[string]any) { return send("PUT", "/Users/"+id, user) },
		func() (int, map[string]any) { return patch(`{"op":"replace","path":"active","value":true}`) },
	} {
		if code, u := try(); code != 409 || !strings.Contains(fmt.Sprint(u["detail"]), "An administrator of Labwarden lets them in again") {
			t.Errorf("%d %v", code, u)
		}
	}
	if p, err = x.s.Person(t.Context(), p.ID); err != nil || p.State != access.Ended || len(p.Grants) != 0 {
		t.Errorf("SCIM brought back who was ended by hand: %+v %v", p, err)
	}
	if code, u := send("GET", "/Users/"+id, ""); code != 200 || u["active"] != false {
		t.Errorf("%d %v", code, u)
	}
	want(t, x.post("okafor", "/people/"+id+"/return"), 200, "works once")
	if code, u := send("PUT", "/Users/"+id, user); code != 200 || u["active"] != true {
		t.Errorf("%d %v", code, u)
	}
	if code, _ := send("POST", "/Users", "{"); code != 400 {
		t.Errorf("%d", code)
	}
	if code, u := send("GET", "/ServiceProviderConfig", ""); code != 200 || u["patch"] == nil {
		t.Errorf("%d %v", code, u)
	}
	want(t, x.get("okafor", "/api/scim/v2/Users"), 403)
}
