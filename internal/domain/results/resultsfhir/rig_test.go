package resultsfhir

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/fhir"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/convert/hl7fhir"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

const testBase = "https://lab.example/fhir"

type clock struct {
	mu sync.Mutex
	at time.Time
}

func (c *clock) now() time.Time { c.mu.Lock(); defer c.mu.Unlock(); return c.at }

func (c *clock) add(d time.Duration) { c.mu.Lock(); c.at = c.at.Add(d); c.mu.Unlock() }

// lab is a laboratory with two partners that pull, on a real database.
type lab struct {
	t       testing.TB
	fhir    *Service
	results *results.Service
	db      *store.DB
	log     *bus.Log
	vault   *vault.Vault
	clock   *clock
	keys    map[string]crypto.Signer
	set     Settings
	routes  results.Settings
	h       http.Handler
	picked  picked
	said    *lines
	n       int
}

type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.b.Write(p) }

func (l *lines) String() string { l.mu.Lock(); defer l.mu.Unlock(); return l.b.String() }

// picked keeps what was picked up.
type picked struct {
	mu  sync.Mutex
	all []int64
}

func (p *picked) PickedUp(_ context.Context, d int64, _ time.Time, _ string) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, d)
	return nil
}

func (p *picked) count() int { p.mu.Lock(); defer p.mu.Unlock(); return len(p.all) }

// render is what package app gives a partner that takes FHIR, without a signature.
func render(r results.Rendering) (channel.Message, error) {
	out := r.Message
	m, err := hl7.ParseAssuming(out.Body, hl7.Limits{}, r.Charset)
	if err != nil {
		return out, err
	}
	b, _, err := hl7fhir.Convert(m, hl7fhir.Options{Recorded: r.ReceivedAt})
	if err != nil {
		return out, err
	}
	out.ContentType = fhir.ContentType
	out.Body, err = hl7fhir.Encode(b)
	return out, err
}

func newLab(t testing.TB, open storetest.Opener) *lab {
	t.Helper()
	l := &lab{
		t: t, vault: vaulttest.New(t), clock: &clock{at: time.Date(2026, 3, 4, 8, 0, 0, 123456000, time.UTC)}, keys: map[string]crypto.Signer{}, said: &lines{},
	}
	l.db = open(store.Options{})
	if err := l.db.Migrate(t.Context(), bus.Migrations(), results.Migrations(), Migrations()); err != nil {
		t.Fatal(err)
	}
	log, err := bus.New("test")
	if err != nil {
		t.Fatal(err)
	}
	log.Bind(l.vault)
	log.Attach(l.db)
	l.log = log
	slogger := slog.New(slog.NewTextHandler(l.said, nil))
	if l.results, err = results.New(t.Context(), l.db, log, l.vault, l.clock.now, slogger); err != nil {
		t.Fatal(err)
	}
	l.fhir = New(Deps{DB: l.db, Vault: l.vault, Looks: l.results, PickUps: &l.picked, Now: l.clock.now, Log: slogger, Version: "test"})
	l.results.AlsoErase(l.fhir.EraseMessage)
	ec, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	l.keys["north"], l.keys["south"] = ec, rs
	l.set = Settings{Base: testBase, Lab: "Test Laboratory", Clients: map[string]*Client{}}
	for _, p := range []string{"north", "south"} {
		keys, err := ParseKeys(jwks(l.keys[p], p+"-1"))
		if err != nil {
			t.Fatal(err)
		}
		l.set.Clients[p+"-client"] = &Client{
			ID: p + "-client", Partner: p, Name: p, Keys: keys, Scopes: []string{"system/*.rs", "system/Subscription.cruds"}, Pace: 1000000,
		}
	}
	l.fhir.Apply(&l.set)
	l.routes = results.Settings{
		Revision: strings.Repeat("0a", 32),
		Sources:  map[string]results.Source{"lis": {Name: "lis", Window: 24 * time.Hour}},
		Partners: map[string]*results.Partner{},
		Routes: []results.Route{
			{Name: "all", From: "lis", To: []string{"north"}, Stage: results.Carry, When: toPartner("SOUTH", false)},
			{Name: "south", From: "lis", To: []string{"south"}, Stage: results.Carry, When: toPartner("SOUTH", true)},
		},
	}
	for _, p := range []string{"north", "south"} {
		l.routes.Partners[p] = &results.Partner{Key: p, Name: p, Sender: l.fhir.For(p), Render: render}
	}
	l.results.Apply(&l.routes)
	l.h = l.fhir.Handler()
	return l
}

// toPartner routes by the receiving facility, MSH-6.
func toPartner(facility string, is bool) func(results.Look) (bool, error) {
	return func(m results.Look) (bool, error) {
		return strings.HasPrefix(string(m.Header().ReceivingFacility), facility) == is, nil
	}
}

// run delivers until the test ends.
func (l *lab) run() {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() { defer close(done); _ = l.results.Run(ctx) }()
	l.t.Cleanup(func() { cancel(); <-done })
}

func (l *lab) take(body string) {
	l.t.Helper()
	reply, err := l.results.Intake("lis").Handle(l.t.Context(), channel.Peer{Name: "lis", Proof: "certificate"}, []byte(body))
	if err != nil || !strings.Contains(string(reply.Body), "MSA|AA") {
		l.t.Fatalf("not taken: %v %s", err, reply.Body)
	}
}

func (l *lab) placed() int64 {
	l.t.Helper()
	var n int64
	if err := l.db.QueryRow(l.t.Context(), "SELECT count(*) FROM results_fhir_placed").Scan(&n); err != nil {
		l.t.Fatal(err)
	}
	return n
}

// deliver takes messages in and waits until they are placed.
func (l *lab) deliver(bodies ...string) {
	l.t.Helper()
	want := l.placed() + int64(len(bodies))
	for _, b := range bodies {
		l.take(b)
	}
	l.until("placed", func() bool { return l.placed() == want })
}

func (l *lab) until(what string, ok func() bool) {
	l.t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(20 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-end:
			l.t.Fatalf("waited in vain: %s\n%s", what, l.said)
		}
	}
}

// message is a result: facility tells whose, status is OBR-25 and OBX-11.
func (l *lab) message(facility, patient, order, status, value string) string {
	l.n++
	return strings.Join([]string{
		fmt.Sprintf("MSH|^~\\&|LIS|LAB|EHR|%s|20260304080000+0000||ORU^R01^ORU_R01|C%05d|P|2.5.1", facility, l.n),
		"PID|1||" + patient + "^^^LAB^MR||DOE" + patient + "^JANE||19700102|F",
		"ORC|RE|PL" + order + "|FI" + order,
		"OBR|1|PL" + order + "|FI" + order + "|2345-7^Glucose^LN|||20260304070000+0000|||||||||1234567893^Smith^^^^^^^NPI||||||20260304075900+0000||CH|" + status,
		"SPM|1|SP" + order + "||SER^Serum^HL70487",
		"OBX|1|NM|2345-7^Glucose^LN||" + value + "|mg/dL|70-99|N|||" + status,
		"OBX|2|NM|2951-2^Sodium^LN||140|mmol/L|135-145|N|||" + status,
	}, "\r") + "\r"
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func jwks(key crypto.Signer, kid string) []byte {
	var k map[string]any
	switch p := key.Public().(type) {
	case *ecdsa.PublicKey:
		raw, err := p.Bytes()
		if err != nil {
			panic(err)
		}
		k = map[string]any{"kty": "EC", "crv": "P-384", "x": b64(raw[1:49]), "y": b64(raw[49:]), "kid": kid, "alg": "ES384"}
	case *rsa.PublicKey:
		k = map[string]any{"kty": "RSA", "n": b64(p.N.Bytes()), "e": "AQAB", "kid": kid, "alg": "RS384"}
	}
	out, _ := json.Marshal(map[string]any{"keys": []any{k}})
	return out
}

// assertion is a good one; edit makes it another.
func (l *lab) assertion(partner string, edit func(head, body map[string]any)) string {
	l.t.Helper()
	key := l.keys[partner]
	alg := "ES384"
	if _, ok := key.(*rsa.PrivateKey); ok {
		alg = "RS384"
	}
	var id [16]byte
	_, _ = rand.Read(id[:])
	head := map[string]any{"alg": alg, "kid": partner + "-1", "typ": "JWT"}
	body := map[string]any{
		"iss": partner + "-client", "sub": partner + "-client", "aud": testBase + "/token", "jti": b64(id[:]), "exp": l.clock.now().Add(4 * time.Minute).Unix(),
	}
	if edit != nil {
		edit(head, body)
	}
	h, _ := json.Marshal(head)
	b, _ := json.Marshal(body)
	text := b64(h) + "." + b64(b)
	return text + "." + b64(l.sign(key, text))
}

func (l *lab) sign(key crypto.Signer, text string) []byte {
	l.t.Helper()
	sum := sha512.Sum384([]byte(text))
	switch k := key.(type) {
	case *ecdsa.PrivateKey:
		r, s, err := ecdsa.Sign(rand.Reader, k, sum[:])
		if err != nil {
			l.t.Fatal(err)
		}
		out := make([]byte, 96)
		r.FillBytes(out[:48])
		s.FillBytes(out[48:])
		return out
	case *rsa.PrivateKey:
		out, err := rsa.SignPKCS1v15(nil, k, crypto.SHA384, sum[:])
		if err != nil {
			l.t.Fatal(err)
		}
		return out
	}
	return nil
}

func (l *lab) ask(assertion, scope string) (int, map[string]any) {
	l.t.Helper()
	form := url.Values{
		"grant_type": {"client_credentials"}, "scope": {scope}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
	r := httptest.NewRequest(http.MethodPost, testBase+"/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	w := httptest.NewRecorder()
	l.h.ServeHTTP(w, r)
	var out map[string]any
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil {
		l.t.Fatal(err, w.Body)
	}
	return w.Code, out
}

// caller is a client with a token.
type caller struct {
	l     *lab
	token string
}

func (l *lab) as(partner string, scopes ...string) *caller {
	l.t.Helper()
	scope := "system/*.rs system/Subscription.cruds"
	if len(scopes) > 0 {
		scope = strings.Join(scopes, " ")
	}
	code, out := l.ask(l.assertion(partner, nil), scope)
	if code != http.StatusOK {
		l.t.Fatalf("token for %s: %d %v", partner, code, out)
	}
	return &caller{l, out["access_token"].(string)}
}

func (c *caller) do(method, path, body string, header ...string) *httptest.ResponseRecorder {
	c.l.t.Helper()
	r := httptest.NewRequest(method, "https://lab.example"+path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+c.token)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	c.l.h.ServeHTTP(w, r)
	return w
}

func (c *caller) get(path string, header ...string) *httptest.ResponseRecorder {
	c.l.t.Helper()
	return c.do(http.MethodGet, path, "", header...)
}

type wireBundle struct {
	ResourceType string
	Type         string
	Link         []struct{ Relation, URL string }
	Entry        []struct {
		FullURL  string
		Resource json.RawMessage
		Search   struct{ Mode string }
	}
}

func (b *wireBundle) next() string {
	for _, x := range b.Link {
		if x.Relation == "next" {
			return strings.TrimPrefix(x.URL, "https://lab.example")
		}
	}
	return ""
}

func (b *wireBundle) ids(mode string) (out []string) {
	for _, e := range b.Entry {
		if e.Search.Mode == mode {
			out = append(out, strings.TrimPrefix(e.FullURL, testBase+"/"))
		}
	}
	return out
}

func (c *caller) bundle(path string, header ...string) *wireBundle {
	c.l.t.Helper()
	w := c.get(path, header...)
	if w.Code != http.StatusOK {
		c.l.t.Fatalf("GET %s: %d %s", path, w.Code, w.Body)
	}
	var b wireBundle
	if err := json.Unmarshal(w.Body.Bytes(), &b); err != nil || b.ResourceType != "Bundle" {
		c.l.t.Fatalf("GET %s: %v %s", path, err, w.Body)
	}
	return &b
}

// one is the only match of a search.
func (c *caller) one(path string) map[string]any {
	c.l.t.Helper()
	b := c.bundle(path)
	if len(b.ids("match")) != 1 {
		c.l.t.Fatalf("GET %s: %v", path, b.ids("match"))
	}
	var out map[string]any
	if err := json.Unmarshal(b.Entry[0].Resource, &out); err != nil {
		c.l.t.Fatal(err)
	}
	return out
}
