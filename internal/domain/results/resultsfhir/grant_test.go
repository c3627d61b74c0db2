package resultsfhir

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// Everything that is known to be tried on a token endpoint, and some more.
func TestAssertionsThatAreRefused(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		now := func() int64 { return l.clock.now().Unix() }
		edits := map[string]func(head, body map[string]any){
			"alg none":          func(h, _ map[string]any) { h["alg"] = "none" },
			"alg of another":    func(h, _ map[string]any) { h["alg"] = "RS384" },
			"weaker alg":        func(h, _ map[string]any) { h["alg"] = "ES256" },
			"no kid":            func(h, _ map[string]any) { delete(h, "kid") },
			"unknown kid":       func(h, _ map[string]any) { h["kid"] = "south-1" },
			"crit":              func(h, _ map[string]any) { h["crit"] = []string{"b64"} },
			"wrong aud":         func(_, b map[string]any) { b["aud"] = "https://evil.example/token" },
			"aud is the base":   func(_, b map[string]any) { b["aud"] = testBase },
			"no aud":            func(_, b map[string]any) { delete(b, "aud") },
			"aud a number":      func(_, b map[string]any) { b["aud"] = 5 },
			"expired":           func(_, b map[string]any) { b["exp"] = now() - 60 },
			"expires late":      func(_, b map[string]any) { b["exp"] = now() + 3600 },
			"a day ahead":       func(_, b map[string]any) { b["exp"] = now() + 86400 },
			"a day behind":      func(_, b map[string]any) { b["exp"] = now() - 86400 },
			"no exp":            func(_, b map[string]any) { delete(b, "exp") },
			"exp a word":        func(_, b map[string]any) { b["exp"] = "soon" },
			"exp huge":          func(_, b map[string]any) { b["exp"] = 1e300 },
			"not yet":           func(_, b map[string]any) { b["nbf"] = now() + 600 },
			"issued tomorrow":   func(_, b map[string]any) { b["iat"] = now() + 86400 },
			"other subject":     func(_, b map[string]any) { b["sub"] = "south-client" },
			"other issuer":      func(_, b map[string]any) { b["iss"], b["sub"] = "south-client", "south-client" },
			"nobody":            func(_, b map[string]any) { b["iss"], b["sub"] = "nobody", "nobody" },
			"no jti":            func(_, b map[string]any) { delete(b, "jti") },
			"short jti":         func(_, b map[string]any) { b["jti"] = "1" },
			"empty":             func(_, b map[string]any) { clear(b) },
			"jti of great size": func(_, b map[string]any) { b["jti"] = strings.Repeat("x", 5000) },
		}
		for name, edit := range edits {
			if code, out := l.ask(l.assertion("north", edit), "system/*.rs"); code == http.StatusOK {
				t.Errorf("%s: a token was given: %v", name, out)
			}
		}
		// Signed with what is public: HS384 with the public key as the secret.
		for name, secret := range map[string][]byte{"jwks": jwks(l.keys["south"], "south-1"), "der": publicDER(t, l.keys["south"].Public())} {
			text := strings.Join(strings.Split(l.assertion("south", func(h, _ map[string]any) { h["alg"] = "HS384" }), ".")[:2], ".")
			m := hmac.New(sha512.New384, secret)
			m.Write([]byte(text))
			if code, _ := l.ask(text+"."+b64(m.Sum(nil)), "system/*.rs"); code == http.StatusOK {
				t.Errorf("HS384 with the public key (%s): a token was given", name)
			}
		}
		good := l.assertion("north", nil)
		head, body, _ := strings.Cut(good, ".")
		body, sig, _ := strings.Cut(body, ".")
		other, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		der, err := ecdsa.SignASN1(rand.Reader, l.keys["north"].(*ecdsa.PrivateKey), sum384(head+"."+body))
		if err != nil {
			t.Fatal(err)
		}
		double := b64([]byte(`{"iss":"north-client","iss":"south-client"}`))
		for name, text := range map[string]string{
			"no signature": head + "." + body + ".", "two parts": head + "." + body, "another key": head + "." + body + "." + b64(l.sign(other, head+"."+body)),
			"cut signature": head + "." + body + "." + sig[:len(sig)-4], "ASN.1 signature": head + "." + body + "." + b64(der), "zero signature": head + "." + body + "." + b64(make([]byte, 96)),
			"member twice": head + "." + double + "." + b64(l.sign(l.keys["north"], head+"."+double)), "text": "x", "nothing": "", "dots": "..", "huge": strings.Repeat("a", 40000),
			"padding": good + "=", "standard base64": strings.ReplaceAll(strings.ReplaceAll(good, "-", "+"), "_", "/") + "+",
		} {
			if code, out := l.ask(text, "system/*.rs"); code == http.StatusOK {
				t.Errorf("%s: a token was given: %v", name, out)
			}
		}
		// The good one is good, once.
		if code, out := l.ask(good, "system/*.rs"); code != http.StatusOK {
			t.Fatalf("the good one: %d %v", code, out)
		}
		if code, _ := l.ask(good, "system/*.rs"); code != http.StatusUnauthorized {
			t.Errorf("shown again: %d", code)
		}
		for scope, want := range map[string]int{"system/*.cruds": 400, "user/Patient.read": 400, "": 400, "system/Patient.read openid": 200, "system/Nothing.rs": 400, "system/Patient.sr": 400} {
			if code, out := l.ask(l.assertion("north", nil), scope); code != want {
				t.Errorf("scope %q: %d %v", scope, code, out)
			}
		}
	})
}

func publicDER(t *testing.T, key any) []byte {
	t.Helper()
	b, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func sum384(s string) []byte { x := sha512.Sum384([]byte(s)); return x[:] }

// A token ends, is as wide as it was asked for, and is the hub's alone to make.
func TestTokens(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.run()
		l.deliver(l.message("NORTH", "P1", "1", "F", "90"))
		c := l.as("north", "system/Patient.rs")
		if w := c.get("/fhir/Patient"); w.Code != 200 {
			t.Errorf("what it may: %d", w.Code)
		}
		for _, path := range []string{"/fhir/DiagnosticReport", "/fhir/Observation?patient=x", "/fhir/Subscription"} {
			if w := c.get(path); w.Code != http.StatusForbidden {
				t.Errorf("%s: %d", path, w.Code)
			}
		}
		reader := l.as("north", "system/DiagnosticReport.r")
		if w := reader.get("/fhir/DiagnosticReport"); w.Code != http.StatusForbidden {
			t.Errorf("a search without s: %d", w.Code)
		}
		// An include does not reach over the scope.
		only := l.as("north", "system/DiagnosticReport.rs")
		if b := only.bundle("/fhir/DiagnosticReport?_include=DiagnosticReport:patient"); len(b.ids("include")) != 0 {
			t.Errorf("included: %v", b.ids("include"))
		}
		for name, token := range map[string]string{"none": "", "short": "abc", "wrong": strings.Repeat("A", 43)} {
			if w := (&caller{l, token}).get("/fhir/Patient"); w.Code != http.StatusUnauthorized || w.Header().Get("WWW-Authenticate") == "" {
				t.Errorf("%s: %d", name, w.Code)
			}
		}
		// Somebody who writes to the database writes no token.
		forged := strings.Repeat("B", 43)
		hash := sha256.Sum256([]byte(forged))
		l.exec("INSERT INTO results_fhir_grants (hash, partner, client, scopes, ends_at) VALUES ($1, 'north', 'north-client', 'system/*.rs', $2)", hash[:], l.clock.now().Add(time.Minute).UnixMicro())
		if w := (&caller{l, forged}).get("/fhir/Patient"); w.Code != http.StatusUnauthorized {
			t.Errorf("a forged token: %d", w.Code)
		}
		l.exec("UPDATE results_fhir_grants SET scopes = 'system/*.rs' WHERE scopes = 'system/DiagnosticReport.r'")
		if w := reader.get("/fhir/DiagnosticReport"); w.Code != http.StatusUnauthorized {
			t.Errorf("a widened token: %d", w.Code)
		}
		// The configuration takes a scope or a client away at once.
		narrow := l.set
		narrow.Clients = map[string]*Client{}
		kept := *l.set.Clients["north-client"]
		kept.Scopes = []string{"system/Observation.rs"}
		narrow.Clients["north-client"] = &kept
		l.fhir.Apply(&narrow)
		if w := c.get("/fhir/Patient"); w.Code != http.StatusForbidden {
			t.Errorf("a scope that was taken away: %d", w.Code)
		}
		l.fhir.Apply(&Settings{Base: testBase})
		if w := c.get("/fhir/Patient"); w.Code != http.StatusUnauthorized {
			t.Errorf("a client that was removed: %d", w.Code)
		}
		l.fhir.Apply(&l.set)
		l.clock.add(6 * time.Minute)
		if w := c.get("/fhir/Patient"); w.Code != http.StatusUnauthorized {
			t.Errorf("an old token: %d", w.Code)
		}
		l.clock.add(-24 * time.Hour) // a clock that was set back makes no token good for a day
		if w := c.get("/fhir/Patient"); w.Code != http.StatusUnauthorized {
			t.Errorf("a token from the future: %d", w.Code)
		}
	})
}

// A client that asks too often is told when to come back; the others are not.
func TestPaceOfAClient(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		c, other := l.as("north"), l.as("south")
		l.set.Clients["north-client"].Pace = 60
		got := map[int]int{}
		for range 20 {
			w := c.get("/fhir/Patient")
			if got[w.Code]++; w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		if got[200] != 12 || got[429] != 8 {
			t.Errorf("answers: %v", got)
		}
		if w := other.get("/fhir/Patient"); w.Code != 200 {
			t.Errorf("the other client: %d", w.Code)
		}
		l.clock.add(2 * time.Second)
		if w := c.get("/fhir/Patient"); w.Code != 200 {
			t.Errorf("afterwards: %d", w.Code)
		}
	})
}

func TestKeys(t *testing.T) {
	small, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	good := jwks(small, "a")
	if keys, err := ParseKeys(good); err != nil || len(keys) != 1 || keys[0].Algorithm != "RS384" {
		t.Errorf("good: %v %v", keys, err)
	}
	var set map[string]any
	if err := json.Unmarshal(good, &set); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"private": strings.Replace(string(good), `"kty"`, `"d":"AAAA","kty"`, 1), "symmetric": `{"keys":[{"kty":"oct","kid":"a","k":"AAAA"}]}`, "none": `{"keys":[]}`,
		"no kid": strings.Replace(string(good), `"kid":"a"`, `"kid":""`, 1), "RS256": strings.Replace(string(good), "RS384", "RS256", 1), "text": "x",
		"P-256": `{"keys":[{"kty":"EC","crv":"P-256","kid":"a","x":"AA","y":"AA"}]}`, "no point": `{"keys":[{"kty":"EC","crv":"P-384","kid":"a","x":"` + b64(make([]byte, 48)) + `","y":"` + b64(make([]byte, 48)) + `"}]}`,
		"512 bits": `{"keys":[{"kty":"RSA","kid":"a","n":"` + b64([]byte(strings.Repeat("x", 64))) + `","e":"AQAB"}]}`,
	} {
		if _, err := ParseKeys([]byte(text)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}
