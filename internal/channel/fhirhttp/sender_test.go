package fhirhttp

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
)

func TestAcceptedAndRepeatedOnce(t *testing.T) {
	p := newPartner(t)
	s := newSender(t, p, nil)
	for range 3 {
		r, err := s.Send(t.Context(), message("d-1"))
		if err != nil {
			t.Fatal(err)
		}
		if r.Level != channel.Accepted || r.Code != "200" || !strings.Contains(string(r.Body), "transaction-response") ||
			r.Peer.Proof != "certificate" || len(r.Peer.Fingerprint) != 64 || !strings.HasPrefix(r.Peer.TLS, "TLS 1.3") || r.At.IsZero() {
			t.Errorf("receipt %+v", r)
		}
	}
	if len(p.order) != 2 || p.requests != 3 || p.ids[0] != "d-1" {
		t.Errorf("the server holds %v after %d requests, ids %v", p.order, p.requests, p.ids)
	}
}

func TestMutualTLS(t *testing.T) {
	p, other := newPartner(t), ct.NewAuthority(t)
	if _, err := newSender(t, p, nil).Send(t.Context(), message("1")); err != nil {
		t.Fatal(err)
	}
	if _, err := newSender(t, p, func(c *Config) { c.TLS = clientTLS(t, other, p.ca) }).Send(t.Context(), message("1")); err == nil {
		t.Error("sent with a certificate of a stranger")
	}
	_, err := newSender(t, p, func(c *Config) { c.TLS = clientTLS(t, p.ca, other) }).Send(t.Context(), message("1"))
	if channel.ClassOf(err) != channel.Unreachable || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("untrusted server: %v", err)
	}
	if p.requests != 1 {
		t.Errorf("%d requests got through", p.requests)
	}
}

// fault is what a server may do and how it is to be read.
func TestFaults(t *testing.T) {
	outcome := func(code int, issue string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", "application/fhir+json")
			w.Header().Set("Retry-After", "17")
			w.WriteHeader(code)
			fmt.Fprintf(w, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":%q,"diagnostics":"%s is dead"}]}`, issue, patientName)
			return true
		}
	}
	text := func(code int, kind, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			fmt.Fprint(w, body)
			return true
		}
	}
	entries := func(s ...string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool { writeResponse(w, s); return true }
	}
	for name, c := range map[string]struct {
		do    func(http.ResponseWriter, *http.Request) bool
		class channel.Class
		code  string
		says  string
		after time.Duration
	}{
		"429":             {outcome(429, "throttled"), channel.Busy, "429", "throttled", 17 * time.Second},
		"500":             {outcome(500, "exception"), channel.Busy, "500", "exception", 17 * time.Second},
		"503 html":        {text(503, "text/html", "<p>"+patientName), channel.Busy, "503", "busy", 0},
		"422":             {outcome(422, "invalid"), channel.Rejected, "422", "invalid", 0},
		"412":             {outcome(412, "multiple-matches"), channel.Rejected, "412", "multiple-matches", 0},
		"made-up code":    {outcome(400, patientName), channel.Rejected, "400", "refuses", 0},
		"403 html":        {text(403, "text/html", "<p>"), channel.Misconfigured, "403", "no FHIR server", 0},
		"404 fhir":        {outcome(404, "not-found"), channel.Rejected, "404", "not-found", 0},
		"401":             {text(401, "text/plain", "no"), channel.Misconfigured, "401", "who we are", 0},
		"html 200":        {text(200, "text/html", "<html>"+patientName), channel.Unanswered, "200", "no transaction-response", 0},
		"empty 200":       {text(200, "application/fhir+json", ""), channel.Unanswered, "200", "no transaction-response", 0},
		"outcome 200":     {outcome(200, "informational"), channel.Unanswered, "200", "no transaction-response", 0},
		"batch-response":  {text(200, "application/fhir+json", `{"resourceType":"Bundle","type":"batch-response","entry":[{"response":{"status":"200"}},{"response":{"status":"200"}}]}`), channel.Unanswered, "200", "no transaction-response", 0},
		"too few entries": {entries("201 Created"), channel.Unanswered, "200", "1 entries for 2", 0},
		"partial failure": {entries("201 Created", "422 "+patientName), channel.Rejected, "200", "entry 2 status 422", 0},
		"partial busy":    {entries("201 Created", "503 Later"), channel.Busy, "200", "entry 2 status 503", 0},
		"no status":       {text(200, "application/fhir+json", `{"resourceType":"Bundle","type":"transaction-response","entry":[{},{"response":{"status":"200 OK"}}]}`), channel.Rejected, "200", "entry 1", 0},
		"odd status":      {entries("201 Created", "200OK"), channel.Rejected, "200", "entry 2", 0},
		"oversize":        {text(200, "application/fhir+json", strings.Repeat(" ", 5000)), channel.Unanswered, "200", "longer than 4096", 0},
		"redirect": {func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, "https://evil.example.org/"+patientName, http.StatusTemporaryRedirect)
			return true
		}, channel.Misconfigured, "307", "redirect", 0},
		"cut off": {func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Length", "1000")
			fmt.Fprint(w, "{")
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, channel.Unanswered, "200", "read answer", 0},
		"closed": {func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, channel.Unanswered, "", "connection", 0},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPartner(t)
			p.answer = c.do
			s := newSender(t, p, func(c *Config) { c.MaxAnswer = 4096 })
			r, err := s.Send(t.Context(), message("1"))
			var e *channel.Error
			if !errors.As(err, &e) || r.Level != 0 {
				t.Fatalf("receipt %+v, error %v", r, err)
			}
			if e.Class != c.class || e.Code != c.code || !strings.Contains(err.Error(), c.says) || (c.after > 0 && e.RetryAfter != c.after) {
				t.Errorf("class %v code %q after %v: %v", e.Class, e.Code, e.RetryAfter, err)
			}
			if strings.Contains(err.Error(), patientName) {
				t.Errorf("patient data in the error: %v", err)
			}
			if p.requests != 1 {
				t.Errorf("%d requests", p.requests)
			}
			p.mu.Lock()
			p.answer = nil
			p.mu.Unlock()
			if _, err := s.Send(t.Context(), message("1")); err != nil {
				t.Errorf("after the fault: %v", err)
			}
		})
	}
}

func TestHangAndSlowEndInTime(t *testing.T) {
	for name, drip := range map[string]bool{"hang": false, "slow": true} {
		t.Run(name, func(t *testing.T) {
			p := newPartner(t)
			end := make(chan struct{})
			p.answer = func(w http.ResponseWriter, r *http.Request) bool {
				tick := time.NewTicker(10 * time.Millisecond)
				defer tick.Stop()
				for {
					select {
					case <-end:
						return true
					case <-r.Context().Done():
						return true
					case <-tick.C:
						if drip {
							fmt.Fprint(w, " ")
							w.(http.Flusher).Flush()
						}
					}
				}
			}
			defer close(end)
			s := newSender(t, p, func(c *Config) { c.Timeout = 200 * time.Millisecond })
			at := time.Now()
			_, err := s.Send(t.Context(), message("1"))
			if channel.ClassOf(err) != channel.Unanswered || !errors.Is(err, context.DeadlineExceeded) || time.Since(at) > 5*time.Second {
				t.Errorf("after %v: %v", time.Since(at), err)
			}
		})
	}
}

func TestNobodyThereIsUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	s, err := New(Config{URL: "https://" + addr + "/r4", TLS: &tls.Config{}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Send(t.Context(), message("1")); channel.ClassOf(err) != channel.Unreachable {
		t.Errorf("%v", err)
	}
}

func withOAuth(p *partner, t *testing.T, now func() time.Time) func(*Config) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.key, p.bearer = &key.PublicKey, "none yet"
	return func(c *Config) {
		c.Now = now
		c.OAuth = &OAuth{TokenURL: p.URL + "/token", ClientID: "lab", Scope: "system/*.cruds", KeyID: "k1", Key: key}
	}
}

func TestTokenIsCachedRenewedAndReplaced(t *testing.T) {
	p := newPartner(t)
	var mu sync.Mutex
	now := time.Now()
	clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	s := newSender(t, p, withOAuth(p, t, clock))
	send := func(want int) {
		t.Helper()
		if _, err := s.Send(t.Context(), message("1")); err != nil {
			t.Fatal(err)
		}
		if p.tokens != want {
			t.Fatalf("%d tokens asked for, want %d", p.tokens, want)
		}
	}
	send(1)
	send(1)
	mu.Lock()
	now = now.Add(time.Duration(p.life) * time.Second)
	mu.Unlock()
	send(2) // expired by our clock
	p.mu.Lock()
	p.bearer = "revoked"
	p.mu.Unlock()
	send(3) // 401, then success
	p.mu.Lock()
	p.bearer, p.tokenOut = "x", func(w http.ResponseWriter, _ int) bool {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprint(w, `{"access_token":"never-good","token_type":"Bearer"}`)
		return true
	}
	before := p.requests
	p.mu.Unlock()
	if _, err := s.Send(t.Context(), message("1")); channel.ClassOf(err) != channel.Misconfigured || p.requests != before+2 {
		t.Errorf("401 twice: %v after %d requests", err, p.requests-before)
	}
}

func TestOneTokenForManySenders(t *testing.T) {
	p := newPartner(t)
	s := newSender(t, p, withOAuth(p, t, nil))
	var wg sync.WaitGroup
	for range 12 {
		wg.Go(func() {
			if _, err := s.Send(t.Context(), message("1")); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if p.tokens != 1 {
		t.Errorf("%d tokens", p.tokens)
	}
}

func TestTokenFaults(t *testing.T) {
	answer := func(code int, kind, body string) func(http.ResponseWriter, int) bool {
		return func(w http.ResponseWriter, _ int) bool {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(code)
			fmt.Fprint(w, body)
			return true
		}
	}
	for name, c := range map[string]struct {
		out   func(http.ResponseWriter, int) bool
		class channel.Class
	}{
		"refused":    {answer(400, "application/json", `{"error":"invalid_client"}`), channel.Misconfigured},
		"busy":       {answer(503, "text/html", "x"), channel.Busy},
		"html":       {answer(200, "text/html", "<html>"), channel.Unreachable},
		"injection":  {answer(200, "application/json", `{"access_token":"a\r\nX: y","token_type":"bearer"}`), channel.Unreachable},
		"other type": {answer(200, "application/json", `{"access_token":"a","token_type":"mac"}`), channel.Unreachable},
		"oversize":   {answer(200, "application/json", strings.Repeat(" ", maxToken+1)), channel.Unreachable},
		"redirect": {func(w http.ResponseWriter, _ int) bool {
			w.Header().Set("Location", "https://evil.example.org/")
			w.WriteHeader(302)
			return true
		}, channel.Misconfigured},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPartner(t)
			s := newSender(t, p, withOAuth(p, t, nil))
			p.tokenOut = c.out
			if _, err := s.Send(t.Context(), message("1")); channel.ClassOf(err) != c.class || p.requests != 0 {
				t.Errorf("%v (%d bundles sent)", err, p.requests)
			}
		})
	}
}

func TestRS384Assertion(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	jwt, err := (&OAuth{TokenURL: "https://t.example.org/", ClientID: "lab", Key: key}).assertion(time.Now(), "j")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(jwt, ".")
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil {
		t.Fatal(err)
	}
	sum := sha512.Sum384([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA384, sum[:], sig); err != nil {
		t.Error(err)
	}
}

func TestConfigurationRefused(t *testing.T) {
	small, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"http": {URL: "http://a.example.org"}, "no host": {URL: "https://"}, "password": {URL: "https://u:p@a.example.org"}, "query": {URL: "https://a.example.org/?x=1"},
		"token http": {URL: "https://a.example.org", OAuth: &OAuth{TokenURL: "http://b.example.org", ClientID: "x", Key: small}},
		"P-256":      {URL: "https://a.example.org", OAuth: &OAuth{TokenURL: "https://b.example.org", ClientID: "x", Key: small}},
		"no key":     {URL: "https://a.example.org", OAuth: &OAuth{TokenURL: "https://b.example.org", ClientID: "x"}},
	} {
		c.TLS = &tls.Config{}
		if _, err := New(c); channel.ClassOf(err) != channel.Misconfigured || strings.Contains(err.Error(), "u:p") {
			t.Errorf("%s: %v", name, err)
		}
	}
	p := newPartner(t)
	for _, body := range []string{"", "MSH|", `{"resourceType":"Bundle","type":"batch"}`, `{"resourceType":"Patient"}`} {
		if _, err := newSender(t, p, nil).Send(t.Context(), channel.Message{Body: []byte(body)}); channel.ClassOf(err) != channel.Misconfigured || p.requests != 0 {
			t.Errorf("%q: %v", body, err)
		}
	}
}
