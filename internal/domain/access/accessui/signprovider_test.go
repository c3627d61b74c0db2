package accessui_test

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"html"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/signin"
)

// idp is a small OpenID provider; its person is who claims says.
type idp struct {
	t      *testing.T
	srv    *httptest.Server
	key    *rsa.PrivateKey
	asked  url.Values
	claims map[string]any
	now    func() time.Time
}

func (s *doorway) provider() *idp {
	s.t.Helper()
	p := &idp{t: s.t, now: s.now}
	var err error
	p.key, err = rsa.GenerateKey(rand.Reader, 2048)
	must(s.t, err)
	p.srv = httptest.NewTLSServer(p)
	s.t.Cleanup(p.srv.Close)
	s.openID = &signin.Provider{
		Issuer: p.srv.URL, ClientID: "labwarden", Label: "Millbrook ID", Groups: "groups",
		Secret: func(context.Context) ([]byte, error) { return []byte("between them"), nil },
		Roots: func() (*x509.CertPool, error) {
			pool := x509.NewCertPool()
			pool.AddCert(p.srv.Certificate())
			return pool, nil
		},
	}
	return p
}

func (p *idp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	b64 := base64.RawURLEncoding.EncodeToString
	var out any
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		out = map[string]any{"issuer": p.srv.URL, "authorization_endpoint": p.srv.URL + "/authorize", "token_endpoint": p.srv.URL + "/token", "jwks_uri": p.srv.URL + "/keys"}
	case "/keys":
		out = map[string]any{"keys": []map[string]any{{"kty": "RSA", "kid": "r", "n": b64(p.key.N.Bytes()), "e": b64(big.NewInt(int64(p.key.E)).Bytes())}}}
	case "/token":
		at := p.now()
		c := map[string]any{"iss": p.srv.URL, "aud": "labwarden", "exp": at.Add(time.Minute).Unix(), "iat": at.Unix(), "auth_time": at.Unix(), "nonce": p.asked.Get("nonce")}
		maps.Copy(c, p.claims)
		body, err := json.Marshal(c)
		must(p.t, err)
		text := b64([]byte(`{"alg":"RS256","kid":"r"}`)) + "." + b64(body)
		sum := sha256.Sum256([]byte(text))
		sig, err := rsa.SignPKCS1v15(rand.Reader, p.key, crypto.SHA256, sum[:])
		must(p.t, err)
		out = map[string]any{"access_token": "x", "token_type": "Bearer", "id_token": text + "." + b64(sig)}
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(out); err != nil {
		p.t.Error(err)
	}
}

// leave presses the button, and returns what the browser comes back with.
func (p *idp) leave(b *browser, base, to string) string {
	p.t.Helper()
	r := b.want(b.post(base+"/provider"+to), http.StatusOK, "On to Millbrook ID.")
	address, ok := strings.CutPrefix(r.head.Get("Refresh"), "0; url=")
	if !ok || !strings.HasPrefix(address, p.srv.URL+"/authorize?") || !strings.Contains(r.body, html.EscapeString(address)) {
		p.t.Fatalf("the page leads to %q", address)
	}
	u, err := url.Parse(address)
	must(p.t, err)
	p.asked = u.Query()
	if p.asked.Get("redirect_uri") != b.url+"/sign-in/provider/return" {
		p.t.Errorf("it is to come back to %s", p.asked.Get("redirect_uri"))
	}
	return "/sign-in/provider/return?code=c&state=" + p.asked.Get("state")
}

// TestSignInByProvider: there and back, to where one wanted to go, and in by a rule
// only.
func TestSignInByProvider(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		b := s.browser()
		if r := b.want(b.get("/sign-in"), http.StatusOK, "With a password"); strings.Contains(r.body, "/sign-in/provider") {
			t.Fatal("a button that leads nowhere")
		}
		b.want(b.post("/sign-in/provider"), http.StatusConflict, "Begin again")
		p := s.provider()
		b.want(b.get("/sign-in"), http.StatusOK, "Sign in with Millbrook ID")
		p.claims = map[string]any{"sub": "00u-1", "preferred_username": "m.silva", "name": "Maria Silva", "email": "okafor@millbrook.example", "groups": []string{"lab-staff"}}
		b.want(b.get(p.leave(b, "/sign-in", "")), http.StatusUnprocessableEntity, "Labwarden does not know you yet")
		b.want(b.get("/"), http.StatusSeeOther, "/sign-in")

		admin := &authz.Subject{Account: "okafor", Level: authz.LevelPasskey, FreshAt: s.now(), Grants: []authz.Grant{{Role: authz.Administrator}}}
		_, err := s.access.MakeRule(t.Context(), admin, access.Rule{Origin: access.OriginOIDC, Word: "lab-staff", Role: authz.Technologist})
		must(t, err)
		to := "?to=" + base64.RawURLEncoding.EncodeToString([]byte("/me"))
		home := p.leave(b, "/sign-in", to)
		// Another browser's answer, and one with somewhere else to go.
		thief := s.browser()
		thief.want(thief.get(home), http.StatusConflict, "Begin again")
		r := b.want(b.get(home+"&to="+base64.RawURLEncoding.EncodeToString([]byte("//evil.example"))), http.StatusSeeOther, "/me")
		if r.to != "/me" {
			t.Errorf("led to %s", r.to)
		}
		b.want(b.get("/"), http.StatusOK, "Nothing needs you.")
		b.want(b.get(home), http.StatusConflict, "Begin again") // once
		who, err := s.access.PersonByAccount(t.Context(), "m.silva")
		must(t, err)
		if who.Origin != access.OriginOIDC || who.Mail != "" {
			t.Errorf("%+v", who)
		}
		// What asks for a passkey asks for one.
		b.want(b.get("/sessions"), http.StatusForbidden, "")

		// Again, freshly.
		b.want(b.get("/step-up"), http.StatusOK, "Confirm with Millbrook ID")
		back := p.leave(b, "/step-up", "")
		if p.asked.Get("max_age") != "0" {
			t.Error("no fresh proof is asked for")
		}
		before := b.cookie("__Host-lw")
		b.want(b.get(back), http.StatusSeeOther, "/")
		if after := b.cookie("__Host-lw"); before != "" && before == after {
			t.Error("the session keeps its token")
		}
		back = p.leave(b, "/step-up", "")
		p.claims["auth_time"] = s.now().Add(-time.Hour).Unix()
		b.want(b.get(back), http.StatusUnprocessableEntity, "did not ask you again")
		outside := s.browser()
		outside.want(outside.post("/step-up/provider"), http.StatusUnauthorized, "Sign in first")
		outside.want(outside.get(back), http.StatusSeeOther, "/sign-in")

		// The provider is away: the page is there, and says what else there is.
		p.srv.Close()
		s.forward(2 * time.Hour)
		s.openID.Issuer += "/other"
		b = s.browser()
		b.want(b.get("/sign-in"), http.StatusOK, "With a password")
		r = b.want(b.post("/sign-in/provider"), http.StatusUnprocessableEntity, "Millbrook ID does not answer. Sign in with your passkey or password.")
		if !strings.Contains(r.body, "With a password") {
			t.Error("there is no other way in on the page")
		}
	})
}
