package accessui_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

const api = "/api/v1"

type anything = map[string]any

// said is the answer's JSON.
func said(t *testing.T, body []byte) (out anything) {
	t.Helper()
	check(t, json.Unmarshal(body, &out))
	return out
}

// TestRulesAPI: as by form, refused as by form.
func TestRulesAPI(t *testing.T) {
	x := newOffice(t)
	x.join("sec", role(authz.SecurityOfficer))
	const at = api + "/people/rules"
	rule := anything{"origin": "oidc", "word": "auditors", "role": "auditor"}
	want(t, x.json("sec", http.MethodPost, at, rule), 403)
	want(t, x.json("okafor", http.MethodPost, at, rule), 422, `"days":"Auditor needs an end date."`)
	rule["days"] = 30
	rule["partners"] = []string{"elsewhere"}
	want(t, x.json("okafor", http.MethodPost, at, rule), 422, "There is no partner with the key elsewhere.")
	rule["partners"] = []string{"riverside", "northgate", "riverside"}
	rule["sites"] = []string{"south"}
	want(t, x.json("okafor", http.MethodPost, at, rule), 422, "There is no site with the key south.")
	rule["sites"] = nil
	w := x.json("okafor", http.MethodPost, at, rule)
	want(t, w, 200, `"word":"auditors"`, `"partners":["northgate","riverside"]`, `"days":30`, `"made_by":"okafor"`)
	id := said(t, w.Body.Bytes())["id"].(string)
	want(t, x.get("okafor", at), 200, id)
	want(t, x.get("okafor", "/people/rules"), 200, "auditors", "for 30 days")
	want(t, x.json("sec", http.MethodPost, at+"/"+id+"/end", anything{}), 403)
	want(t, x.json("okafor", http.MethodPost, at+"/"+id+"/end", anything{}), 200, `"done":true`)
	want(t, x.json("okafor", http.MethodPost, at+"/"+id+"/end", anything{}), 404)
	want(t, x.get("okafor", at), 200, `"rules":[]`)
}

// certificate is of a key of its own.
func (x *office) certificate() string {
	x.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(x.t, err)
	c := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: x.clock.now().Add(-time.Hour), NotAfter: x.clock.now().Add(240 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	check(x.t, err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// TestServiceAccountsAPI: a program is made, let in and ended; it may not be given
// what programs are never given, nor make others itself.
func TestServiceAccountsAPI(t *testing.T) {
	x := newOffice(t)
	x.join("silva", role(authz.Director))
	const at = api + "/people/tokens"
	account := anything{"account": "lis", "name": "LIS", "permissions": []string{string(authz.PeopleChange)}}
	want(t, x.json("silva", http.MethodPost, at, account), 403)
	want(t, x.json("okafor", http.MethodPost, at, account), 422, "A service account cannot be given")
	account["permissions"] = nil
	want(t, x.json("okafor", http.MethodPost, at, account), 422, "Choose what it may do.")
	account["permissions"], account["partners"] = []string{string(authz.ResultsFind), string(authz.ResultsReveal)}, []string{"elsewhere"}
	want(t, x.json("okafor", http.MethodPost, at, account), 422, "There is no partner with the key elsewhere.")
	account["partners"] = []string{"riverside"}
	w := x.json("okafor", http.MethodPost, at, account)
	want(t, w, 200, `"account":"lis"`, `"partners":["riverside"]`, `"tokens":[]`)
	want(t, x.json("okafor", http.MethodPost, at, account), 409)
	base := at + "/" + said(t, w.Body.Bytes())["id"].(string)

	w = x.json("okafor", http.MethodPost, base+"/token", anything{"name": "nightly", "permissions": []string{string(authz.ResultsFind)}, "until": x.clock.now().Add(48 * time.Hour)})
	want(t, w, 200)
	token := regexp.MustCompile(`lw_[A-Za-z0-9_-]{43}`).FindString(w.Body.String())
	asToken := func(path string, in any) int {
		t.Helper()
		b, err := json.Marshal(in)
		check(t, err)
		r := newRequest(http.MethodPost, path, string(b))
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Authorization", "Bearer "+token)
		return serve(x, r).Code
	}
	for _, path := range []string{at, base + "/certificate", base + "/end", api + "/people/rules"} {
		if got := asToken(path, anything{}); got != http.StatusForbidden {
			t.Errorf("%s with a token: %d", path, got)
		}
	}

	want(t, x.json("okafor", http.MethodPost, base+"/certificate", anything{"certificate": "x"}), 422, `"certificate":"Paste the certificate as PEM`)
	pem := x.certificate()
	want(t, x.json("okafor", http.MethodPost, base+"/certificate", anything{"certificate": pem}), 200, `"waits":true`)
	want(t, x.get("silva", api+"/people/programs"), 200, `"account":"lis"`)
	other := x.json("okafor", http.MethodPost, at, anything{"account": "count", "name": "Count", "permissions": []string{string(authz.ResultsFind)}})
	want(t, other, 200)
	second := at + "/" + said(t, other.Body.Bytes())["id"].(string) + "/certificate"
	want(t, x.json("okafor", http.MethodPost, second, anything{"certificate": pem}), 409, "Another service account uses this key.")
	want(t, x.json("okafor", http.MethodPost, second, anything{"certificate": x.certificate()}), 200, `"waits":false`, `"until":`)
	want(t, x.json("okafor", http.MethodPost, second, anything{"certificate": ""}), 200, `"key":""`)

	want(t, x.json("silva", http.MethodPost, base+"/end", anything{}), 403)
	want(t, x.json("okafor", http.MethodPost, base+"/end", anything{}), 200, `"done":true`)
	want(t, x.json("okafor", http.MethodPost, base+"/end", anything{}), 404)
	want(t, x.json("okafor", http.MethodPost, base+"/certificate", anything{"certificate": x.certificate()}), 404)
	if got := asToken(at, anything{}); got != http.StatusUnauthorized {
		t.Errorf("its token after the end: %d", got)
	}
}

// TestLettingInAPI: recovery links and returns, once each, and never one's own.
func TestLettingInAPI(t *testing.T) {
	x := newOffice(t)
	director, tech := x.join("silva", role(authz.Director)), x.join("sam", role(authz.Technologist))
	x.join("sec", role(authz.SecurityOfficer))
	at := api + "/people/" + tech.ID.String()
	want(t, x.json("sec", http.MethodPost, at+"/recover", anything{}), 403)
	want(t, x.json("okafor", http.MethodPost, api+"/people/"+director.ID.String()+"/recover", anything{}), 409, "labwarden access recover")
	for _, path := range []string{"/recover", "/return", "/unlock", "/provider/unlink"} {
		if w := x.json("okafor", http.MethodPost, api+"/people/"+x.people["okafor"].ID.String()+path, anything{}); w.Code != 409 && path != "/unlock" { // this office has no sign-in service
			t.Errorf("%s of oneself: %d", path, w.Code)
		}
	}
	w := x.json("okafor", http.MethodPost, at+"/recover", anything{})
	want(t, w, 200, `"until":`)
	x.use(link(t, w), access.NewPerson{})
	want(t, x.json("okafor", http.MethodPost, at+"/return", anything{}), 409, "They have not been ended.")
	want(t, x.json("okafor", http.MethodPost, at+"/end", anything{}), 200)
	want(t, x.json("okafor", http.MethodPost, at+"/recover", anything{}), 409)
	want(t, x.json("sec", http.MethodPost, at+"/return", anything{}), 403)
	w = x.json("okafor", http.MethodPost, at+"/return", anything{})
	want(t, w, 200)
	if p := x.use(link(t, w), access.NewPerson{}); p.Account != "sam" || len(p.Grants) > 0 {
		t.Errorf("%s came back with %v", p.Account, p.Grants)
	}
	if l := link(t, w); strings.Contains(x.get("okafor", api+"/people/"+tech.ID.String()).Body.String(), l) {
		t.Error("the link is told again")
	}
}

// TestBenchAndBreakGlassAPI: a bench is ended, a break-glass access reviewed.
func TestBenchAndBreakGlassAPI(t *testing.T) {
	x := newOffice(t)
	x.join("tech", authz.Grant{Role: authz.Technologist, Sites: []string{"north"}})
	x.join("sec", role(authz.SecurityOfficer))
	want(t, x.post("okafor", "/people/sessions/bench", "name", "Chemistry bench 2", "site", "main"), 303)
	delete(x.tokens, "okafor")
	const benches = api + "/people/sessions/benches"
	w := x.get("sec", benches)
	want(t, w, 200, `"name":"Chemistry bench 2"`, `"site":"main"`)
	bench := api + "/people/sessions/" + said(t, w.Body.Bytes())["benches"].([]any)[0].(anything)["id"].(string) + "/unpair"
	want(t, x.json("sec", http.MethodPost, bench, anything{}), 403)
	want(t, x.json("okafor", http.MethodPost, bench, anything{}), 200, `"done":true`)
	want(t, x.json("okafor", http.MethodPost, bench, anything{}), 404)
	want(t, x.get("okafor", benches), 200, `"benches":[]`)

	want(t, x.post("tech", "/people/break-glass/open", "reason", "The main site has no power.", "for", "2", "may-"+string(authz.ResultsReveal), "on"), 303)
	w = x.get("sec", api+"/people/break-glass")
	want(t, w, 200, "no power")
	id := said(t, w.Body.Bytes())["break_glass"].([]any)[0].(anything)["id"].(string)
	review := api + "/people/break-glass/" + id + "/review"
	want(t, x.json("sec", http.MethodPost, review, anything{"verdict": "fine"}), 409, "still open")
	want(t, x.json("tech", http.MethodPost, api+"/people/break-glass/"+id+"/close", anything{}), 200)
	want(t, x.json("tech", http.MethodPost, review, anything{"verdict": "fine"}), 403)
	want(t, x.json("sec", http.MethodPost, review, anything{"verdict": ""}), 422, "Say whether it was right.")
	want(t, x.json("sec", http.MethodPost, review, anything{"verdict": "not-fine"}), 422, "Say what was not right")
	want(t, x.json("sec", http.MethodPost, review, anything{"verdict": "not-fine", "note": "The power was there."}), 200, `"verdict":"not-fine"`, `"reviewed_by":"sec"`)
	want(t, x.json("sec", http.MethodPost, review, anything{"verdict": "fine"}), 409, "reviewed already")
}

// TestProviderAndUnlockAPI: the link to the sign-in provider, and the end of a wait.
func TestProviderAndUnlockAPI(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		admin, b := s.administrator(), s.technologist("lena")
		at, own := api+"/people/"+s.person("lena"), api+"/people/"+s.person("admin")
		admin.want(admin.json(at+"/provider", anything{"subject": "00u-7"}, nil), http.StatusConflict, "There is no sign-in provider")
		p := s.provider()
		p.claims = anything{"sub": "00u-7"}
		b.want(b.json(at+"/provider", anything{"subject": "00u-7"}, nil), http.StatusForbidden, "")
		admin.want(admin.json(at+"/provider", anything{"subject": "lena hahn"}, nil), http.StatusUnprocessableEntity, "without blanks")
		admin.want(admin.json(own+"/provider", anything{"subject": "00u-8"}, nil), http.StatusConflict, "Nobody changes their own")
		admin.want(admin.json(at+"/provider", anything{"subject": "00u-7"}, nil), http.StatusOK, `"done":true`)
		admin.want(admin.json(at+"/provider", anything{"subject": "00u-8"}, nil), http.StatusConflict, "linked already")
		b.want(b.get("/me"), http.StatusOK, "Ngozi Okafor linked your account to the sign-in provider.")
		in := s.browser()
		in.want(in.get(p.leave(in, "/sign-in", "")), http.StatusSeeOther, "/")
		b.want(b.json(at+"/provider/unlink", anything{}, nil), http.StatusForbidden, "")
		admin.want(admin.json(at+"/provider/unlink", anything{}, nil), http.StatusOK, `"done":true`)
		admin.want(admin.json(at+"/provider/unlink", anything{}, nil), http.StatusNotFound, "")
		in.want(in.get("/"), http.StatusSeeOther, "/sign-in")
		b.want(b.get("/me"), http.StatusOK, "Ngozi Okafor unlinked your account")

		thief := s.browser()
		for range 6 {
			thief.post("/sign-in", "account", "lena", "password", "wrong and wrong again")
			s.forward(45 * time.Second)
		}
		thief.post("/sign-in", "account", "lena", "password", "wrong and wrong again")
		thief.want(thief.post("/sign-in", "account", "lena", "password", okPassword), http.StatusTooManyRequests, "Too many tries")
		b.want(b.json(at+"/unlock", anything{}, nil), http.StatusForbidden, "")
		admin.want(admin.json(own+"/unlock", anything{}, nil), http.StatusConflict, "Nobody changes their own")
		admin.want(admin.json(at+"/unlock", anything{}, nil), http.StatusOK, `"done":true`)
		thief.want(thief.post("/sign-in", "account", "lena", "password", okPassword), http.StatusSeeOther, "/")
	})
}
