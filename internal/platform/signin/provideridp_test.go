package signin

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// idp is a small OpenID provider, and whatever an attacker makes of one.
type idp struct {
	t   *testing.T
	srv *httptest.Server
	now func() time.Time
	rsa *rsa.PrivateKey
	// other is a key that it does not have.
	other *rsa.PrivateKey
	ec    *ecdsa.PrivateKey
	mu    sync.Mutex
	code  map[string]url.Values // what was asked with each code
	// alg signs; twist changes the claims, discovery what it says of itself.
	alg       string
	head      map[string]any // more of a token's header
	twist     func(claims map[string]any)
	discovery func(m map[string]any)
	// loose takes a code twice. down answers nothing of use, hold waits before it
	// answers.
	loose, down bool
	hold        chan struct{}
	asked       map[string]int // requests by path
	n           int
}

const idpSecret = "a secret between them"

func newIDP(t *testing.T, now func() time.Time) *idp {
	t.Helper()
	p := &idp{t: t, now: now, code: map[string]url.Values{}, alg: "RS256", asked: map[string]int{}}
	var err error
	if p.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if p.other, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	if p.ec, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	p.srv = httptest.NewTLSServer(p)
	t.Cleanup(p.srv.Close)
	return p
}

func (p *idp) roots() (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	pool.AddCert(p.srv.Certificate())
	return pool, nil
}

func (p *idp) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	p.asked[r.URL.Path]++
	down, hold := p.down, p.hold
	p.mu.Unlock()
	if hold != nil {
		<-hold
	}
	if down {
		http.Error(w, "<html>maintenance</html>", http.StatusBadGateway)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	b64 := base64.RawURLEncoding.EncodeToString
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		m := map[string]any{
			"issuer": p.srv.URL, "authorization_endpoint": p.srv.URL + "/authorize", "token_endpoint": p.srv.URL + "/token", "jwks_uri": p.srv.URL + "/keys",
			// It offers more than it should: what counts is what we take.
			"id_token_signing_alg_values_supported": []string{"RS256", "ES256", "HS256", "none"},
		}
		if p.discovery != nil {
			p.discovery(m)
		}
		p.write(w, m)
	case "/keys":
		x, y := p.ec.X.FillBytes(make([]byte, 32)), p.ec.Y.FillBytes(make([]byte, 32))
		p.write(w, map[string]any{"keys": []map[string]any{
			{"kty": "RSA", "kid": "r", "use": "sig", "n": b64(p.rsa.N.Bytes()), "e": b64(big.NewInt(int64(p.rsa.E)).Bytes())},
			{"kty": "EC", "kid": "e", "use": "sig", "crv": "P-256", "x": b64(x), "y": b64(y)},
		}})
	case "/token":
		p.token(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (p *idp) write(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		p.t.Error(err)
	}
}

func (p *idp) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	code := r.FormValue("code")
	asked, ok := p.code[code]
	if !p.loose {
		delete(p.code, code)
	}
	id, secret, _ := r.BasicAuth()
	sum := sha256.Sum256([]byte(r.FormValue("code_verifier")))
	if !ok || id != "labwarden" || secret != url.QueryEscape(idpSecret) || r.FormValue("redirect_uri") != asked.Get("redirect_uri") ||
		base64.RawURLEncoding.EncodeToString(sum[:]) != asked.Get("code_challenge") {
		w.WriteHeader(http.StatusBadRequest)
		p.write(w, map[string]string{"error": "invalid_grant"})
		return
	}
	at := p.now()
	c := map[string]any{
		"iss": p.srv.URL, "sub": "00u-1", "aud": "labwarden", "exp": at.Add(5 * time.Minute).Unix(), "iat": at.Unix(), "nonce": asked.Get("nonce"),
		"email": "okafor@millbrook.example", "email_verified": true, "preferred_username": "m.okafor", "name": "M. Okafor",
	}
	if asked.Get("max_age") == "0" {
		c["auth_time"] = at.Unix()
	}
	if p.twist != nil {
		p.twist(c)
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	p.write(w, map[string]any{"access_token": "x", "token_type": "Bearer", "expires_in": 300, "id_token": p.sign(c)})
}

// sign makes a token in the way of alg.
func (p *idp) sign(claims map[string]any) string {
	b64 := base64.RawURLEncoding.EncodeToString
	alg, kid := p.alg, "r"
	if alg == "ES256" {
		kid = "e"
	}
	if alg == "stranger" {
		alg = "RS256"
	}
	says := map[string]any{"alg": alg, "kid": kid, "typ": "JWT"}
	maps.Copy(says, p.head)
	head, err1 := json.Marshal(says)
	body, err2 := json.Marshal(claims)
	text := b64(head) + "." + b64(body)
	sum := sha256.Sum256([]byte(text))
	var sig []byte
	var err error
	switch p.alg {
	case "RS256":
		sig, err = rsa.SignPKCS1v15(rand.Reader, p.rsa, crypto.SHA256, sum[:])
	case "stranger":
		sig, err = rsa.SignPKCS1v15(rand.Reader, p.other, crypto.SHA256, sum[:])
	case "ES256":
		r, s, e := ecdsa.Sign(rand.Reader, p.ec, sum[:])
		sig, err = append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...), e
	case "HS256": // the public key as if it were a common secret
		der, e := x509.MarshalPKIXPublicKey(&p.rsa.PublicKey)
		m := hmac.New(sha256.New, pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		m.Write([]byte(text))
		sig, err = m.Sum(nil), e
	case "none":
	}
	for _, e := range []error{err1, err2, err} {
		if e != nil {
			p.t.Error(e)
		}
	}
	return text + "." + b64(sig)
}

// authorize is the person at the provider: what the browser comes back with.
func (p *idp) authorize(address string) url.Values {
	p.t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	q := u.Query()
	if q.Get("redirect_uri") != publicURL+ReturnPath || q.Get("code_challenge_method") != "S256" || q.Get("response_type") != "code" || q.Get("nonce") == "" || q.Get("state") == "" {
		p.t.Errorf("the browser is sent away with %s", address)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n++
	code := base64.RawURLEncoding.EncodeToString([]byte{byte(p.n), 1, 2})
	p.code[code] = q
	return url.Values{"code": {code}, "state": {q.Get("state")}, "iss": {p.srv.URL}}
}

func (p *idp) set(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// sqliteRig is a rig where the engine makes no difference.
func sqliteRig(t *testing.T) *rig {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	return newRig(t, func(o store.Options) *store.DB {
		db, err := store.OpenSQLite(t.Context(), path, o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return db
	}, cheap)
}
