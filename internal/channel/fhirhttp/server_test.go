package fhirhttp

import (
	"crypto/ecdsa"
	"crypto/sha512"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
	"github.com/labwarden/labwarden/internal/codec/fhir"
)

// partner is a small real FHIR server: it keeps what it took in its own list,
// by the conditional requests of the bundle, and can be told to misbehave.
type partner struct {
	*httptest.Server
	ca       *ct.Authority
	mu       sync.Mutex
	held     map[string]json.RawMessage // by conditional query
	order    []string
	requests int
	ids      []string
	answer   func(w http.ResponseWriter, r *http.Request) bool // true: answered
	bearer   string                                            // required when set
	tokens   int
	key      *ecdsa.PublicKey
	tokenOut func(w http.ResponseWriter, n int) bool
	life     int
	jtis     map[string]bool
}

func newPartner(t *testing.T) *partner {
	t.Helper()
	p := &partner{held: map[string]json.RawMessage{}, jtis: map[string]bool{}, life: 300}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /r4", p.transaction)
	mux.HandleFunc("POST /token", p.token)
	p.Server = httptest.NewUnstartedServer(mux)
	p.Config.ErrorLog = log.New(io.Discard, "", 0)
	p.ca = ct.NewAuthority(t)
	cfg, err := channel.TLS{Certificate: ct.Source(p.ca.Issue("far.test", time.Time{})), Roots: p.ca.Pool}.Server()
	if err != nil {
		t.Fatal(err)
	}
	p.Listener = tls.NewListener(p.Listener, cfg) // httptest would put its own certificate first
	p.Start()
	p.URL = strings.Replace(p.URL, "http:", "https:", 1)
	t.Cleanup(p.Close)
	return p
}

// clientTLS is the sending side with a certificate of authority a.
func clientTLS(t *testing.T, a, trusts *ct.Authority) *tls.Config {
	t.Helper()
	c, err := channel.TLS{Certificate: ct.Source(a.Issue("lab.test", time.Time{})), Roots: trusts.Pool, ServerName: "far.test"}.Client()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (p *partner) transaction(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	p.mu.Lock()
	p.requests++
	p.ids = append(p.ids, r.Header.Get("X-Request-Id"))
	bearer, answer := p.bearer, p.answer
	p.mu.Unlock()
	if bearer != "" && r.Header.Get("Authorization") != "Bearer "+bearer {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	if answer != nil && answer(w, r) {
		return
	}
	if r.Header.Get("Content-Type") != fhir.ContentType {
		w.WriteHeader(http.StatusUnsupportedMediaType)
		return
	}
	var b struct {
		Entry []struct {
			Resource json.RawMessage
			Request  fhir.Request
		}
	}
	if json.Unmarshal(body, &b) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	var statuses []string
	for _, e := range b.Entry {
		key := e.Request.URL + "?" + e.Request.IfNoneExist
		_, have := p.held[key]
		switch {
		case e.Request.Method == "POST" && have:
			statuses = append(statuses, "200 OK")
			continue
		case have:
			statuses = append(statuses, "200 OK")
		default:
			statuses = append(statuses, "201 Created")
			p.order = append(p.order, key)
		}
		p.held[key] = e.Resource
	}
	writeResponse(w, statuses)
}

func writeResponse(w http.ResponseWriter, statuses []string) {
	w.Header().Set("Content-Type", fhir.ContentType+"; charset=utf-8")
	var entries []string
	for _, s := range statuses {
		entries = append(entries, fmt.Sprintf(`{"response":{"status":%q}}`, s))
	}
	fmt.Fprintf(w, `{"resourceType":"Bundle","type":"transaction-response","entry":[%s]}`, strings.Join(entries, ","))
}

// token checks the client assertion as RFC 7523 asks and gives token-1, token-2.
func (p *partner) token(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tokens++
	if p.tokenOut != nil && p.tokenOut(w, p.tokens) {
		return
	}
	if err := p.checkAssertion(r); err != nil {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"invalid_client","error_description":%q}`, err.Error())
		return
	}
	p.bearer = fmt.Sprintf("token-%d", p.tokens)
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":%q,"token_type":"bearer","expires_in":%d}`, p.bearer, p.life)
}

func (p *partner) checkAssertion(r *http.Request) error {
	parts := strings.Split(r.FormValue("client_assertion"), ".")
	if len(parts) != 3 || r.FormValue("grant_type") != "client_credentials" ||
		r.FormValue("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return fmt.Errorf("form")
	}
	sig, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || len(sig) != 96 {
		return fmt.Errorf("signature of %d bytes", len(sig))
	}
	sum := sha512.Sum384([]byte(parts[0] + "." + parts[1]))
	if !ecdsa.Verify(p.key, sum[:], new(big.Int).SetBytes(sig[:48]), new(big.Int).SetBytes(sig[48:])) {
		return fmt.Errorf("signature does not verify")
	}
	raw, _ := base64.RawURLEncoding.DecodeString(parts[1])
	var c struct {
		Iss, Sub, Aud, Jti string
		Exp, Iat           int64
	}
	if err := json.Unmarshal(raw, &c); err != nil || c.Iss != "lab" || c.Sub != "lab" || c.Aud != p.URL+"/token" ||
		c.Exp-c.Iat > 300 || c.Jti == "" || p.jtis[c.Jti] {
		return fmt.Errorf("claims")
	}
	p.jtis[c.Jti] = true
	return nil
}

func newSender(t *testing.T, p *partner, edit func(*Config)) *Sender {
	t.Helper()
	c := Config{URL: p.URL + "/r4", Name: "riverside", TLS: clientTLS(t, p.ca, p.ca), Timeout: 10 * time.Second}
	if edit != nil {
		edit(&c)
	}
	s, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

const patientName = "Quimby"

// message is a bundle of two entries with a name in it that must not leak.
func message(id string) channel.Message {
	return channel.Message{ID: id, ContentType: fhir.ContentType, Body: []byte(`{"resourceType":"Bundle","type":"transaction","entry":[` +
		`{"fullUrl":"urn:uuid:1","resource":{"resourceType":"Patient","name":[{"family":"` + patientName + `"}]},"request":{"method":"POST","url":"Patient","ifNoneExist":"identifier=a%7C1"}},` +
		`{"fullUrl":"urn:uuid:2","resource":{"resourceType":"DiagnosticReport","status":"final","code":{"text":"x"}},"request":{"method":"PUT","url":"DiagnosticReport?identifier=b%7C2"}}]}`)}
}
