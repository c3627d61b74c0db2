package portalui_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/pquerna/otp/totp"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/domain/partners/portalui"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// place is a laboratory with a portal: both sites, on a database.
type place struct {
	t        *testing.T
	db       *store.DB
	portal   *portal.Service
	signin   *signin.Service
	settings portal.Settings
	labURL   string
	url      string // as practices type it
	host     string
	paper    string
	addr     string
	roots    *x509.CertPool

	mu     sync.Mutex
	ahead  time.Duration
	still  bool // the clock stands
	stood  time.Time
	bodies map[int64][]byte
	opened []int64
	asked  []int64 // deliveries that are to be sent again
	refuse error   // what Again answers
	raised []alarm.Alarm
	role   authz.Role
	seq    int64
}

func (s *place) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.still {
		if s.stood.IsZero() {
			s.stood = time.Now().Add(s.ahead)
		}
		return s.stood
	}
	return time.Now().Add(s.ahead)
}

func (s *place) forward(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

func (s *place) Sent(_ context.Context, delivery int64) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if b, ok := s.bodies[delivery]; ok {
		return b, nil
	}
	return nil, portal.ErrGone
}

func (s *place) Opened(_ context.Context, delivery int64, _ time.Time, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.opened = append(s.opened, delivery)
	return nil
}

// Again notes what is to be sent again; a test places it (see again).
func (s *place) Again(_ context.Context, delivery int64, _ string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, delivery)
	return s.refuse
}

func (s *place) OnItsWay(context.Context, event.ID, string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.asked) > 0 && s.refuse == nil, nil
}

func (s *place) Raise(_ context.Context, a alarm.Alarm) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.raised = append(s.raised, a)
}

func (s *place) Over(context.Context, alarm.Key) {}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// certHost is what the test server's certificate is of.
const certHost = "example.com"

func newPlace(t *testing.T, open storetest.Opener) *place {
	t.Helper()
	return newPlaceAt(t, open, certHost)
}

// newPlaceAt serves under a name: passkeys want one.
func newPlaceAt(t *testing.T, open storetest.Opener, host string) *place {
	t.Helper()
	s := &place{t: t, host: host, bodies: map[int64][]byte{}, role: authz.FrontDesk, settings: portal.Settings{
		Partners: map[string]string{"riverside": "Riverside Family Practice", "northgate": "Northgate Clinic"}, Letter: 14 * 24 * time.Hour, Idle: 10 * time.Minute,
	}}
	dir := t.TempDir()
	must(t, vault.CreateKeyFile(filepath.Join(dir, "key"), rand.Reader))
	v, _, err := vault.Create(t.Context(), vault.NewFileBook(filepath.Join(dir, "book")), rand.Reader,
		vault.CreateOptions{Lab: "millbrook", Seals: []vault.Seal{vault.KeyFile(filepath.Join(dir, "key"))}, Now: time.Now()})
	must(t, err)
	must(t, v.EnsurePurpose(t.Context(), vault.PurposeBodies, time.Now()))
	s.db = open(store.Options{})
	must(t, s.db.Migrate(t.Context(), bus.Migrations(), signin.Migrations(), portal.Migrations()))
	log, err := bus.New("test")
	must(t, err)
	log.Attach(s.db)
	quiet := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	s.portal = portal.New(portal.Deps{DB: s.db, Vault: v, Results: s, Raise: s, Now: s.now, Log: quiet, Settings: func() portal.Settings { return s.settings }})
	s.signin = signin.New(signin.Options{
		DB: s.db, Vault: v, Realm: "portal", People: s.portal, Now: s.now, Log: quiet, Tell: s.portal,
		Hasher: signin.NewHasher(signin.HasherOptions{Costs: signin.Costs{Memory: 64, Time: 1, Rounds: 10}}),
	})
	s.portal.With(s.signin)
	d := portalui.Deps{
		Portal: s.portal, SignIn: s.signin, Lab: func() string { return "Millbrook Laboratory" }, Phone: func() string { return "+1 555 0142" },
		Sender: func() string { return "12 Mill Lane, Millbrook, MA 01234" }, Paper: func() string { return s.paper },
		Address: func() string { return "results.millbrook.example" }, Now: s.now, Log: quiet, Zone: time.UTC,
	}
	site := portalui.Site(d)
	site.Pace = 1_000_000 // the test asks faster than people do
	s.roots = x509.NewCertPool()
	serve := func(h http.Handler) string {
		srv := httptest.NewUnstartedServer(h)
		srv.EnableHTTP2 = true
		srv.StartTLS()
		t.Cleanup(srv.Close)
		s.roots.AddCert(srv.Certificate())
		return srv.Listener.Addr().String()
	}
	s.addr = serve(site.Handler())
	_, port, err := net.SplitHostPort(s.addr)
	must(t, err)
	s.url = "https://" + net.JoinHostPort(host, port)
	s.signin.Apply(signin.Settings{PublicURL: s.url, Lab: "Millbrook Laboratory"})
	lab := &web.Server{
		Pace: 1_000_000, Now: s.now, Log: quiet, Live: web.NewLive(), Kinds: portalui.Kinds,
		Identify: func(*http.Request) (*authz.Subject, error) {
			if s.role == "" {
				return nil, nil
			}
			return &authz.Subject{Person: event.ID{1}, Account: "r.okafor", Name: "Rosa Okafor", Level: authz.LevelPasskey, FreshAt: s.now(), Grants: []authz.Grant{{Role: s.role}}}, nil
		},
		Shell: func(_ *http.Request, who *authz.Subject) kit.Shell {
			sh := kit.Shell{Lab: "Millbrook Laboratory", Clock: "07:40"}
			if who != nil {
				sh.Me, sh.Nav = &kit.Me{Name: who.Name, Role: "Front desk"}, []kit.NavItem{{Name: "Today", Href: "/", Icon: "today"}, {Name: "Portal", Href: "/portal", Icon: "inbox"}}
			}
			return sh
		},
	}
	lab.Add(portalui.LabRoutes(d)...)
	s.labURL = "https://" + serve(lab.Handler())
	return s
}

func each(t *testing.T, run func(t *testing.T, s *place)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, open storetest.Opener) { run(t, newPlace(t, open)) })
}

// put places a message of the demo's in a practice's portal.
func (s *place) put(partner, file string) int64 {
	s.t.Helper()
	body, err := os.ReadFile(filepath.Join("../../../demo/messages", file))
	must(s.t, err)
	s.mu.Lock()
	s.seq++
	seq := s.seq
	s.bodies[seq] = body
	s.mu.Unlock()
	_, err = s.portal.Place(s.t.Context(), portal.Parcel{Delivery: seq, Message: event.NewID(), Partner: partner, Body: body})
	must(s.t, err)
	return seq
}

// browser keeps cookies and follows no redirect by itself.
type browser struct {
	*place
	base string
	http *http.Client
	jar  *cookiejar.Jar
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
}

func (s *place) browserAt(base string) *browser {
	jar, err := cookiejar.New(nil)
	must(s.t, err)
	dial := &net.Dialer{}
	t := &http.Transport{
		ForceAttemptHTTP2: true,
		DialContext: func(ctx context.Context, network, to string) (net.Conn, error) {
			if base == s.url {
				to = s.addr
			}
			return dial.DialContext(ctx, network, to)
		},
		TLSClientConfig: &tls.Config{RootCAs: s.roots, ServerName: certHost},
	}
	s.t.Cleanup(t.CloseIdleConnections)
	return &browser{place: s, base: base, jar: jar, http: &http.Client{Jar: jar, Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

func (s *place) browser() *browser { return s.browserAt(s.url) }
func (s *place) lab() *browser     { return s.browserAt(s.labURL) }

type reply struct {
	status int
	to     string
	body   string
	head   http.Header
}

func (b *browser) do(method, path, ct string, body io.Reader, heads ...string) reply {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.base+path, body)
	must(b.t, err)
	if ct != "" {
		req.Header.Set("Content-Type", ct)
	}
	req.Header.Set("User-Agent", "Chrome/130 Linux")
	for i := 0; i < len(heads); i += 2 {
		req.Header.Set(heads[i], heads[i+1])
	}
	res, err := b.http.Do(req)
	must(b.t, err)
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	must(b.t, err)
	return reply{res.StatusCode, res.Header.Get("Location"), string(text), res.Header}
}

func (b *browser) get(path string) reply {
	b.t.Helper()
	return b.do(http.MethodGet, path, "", nil)
}

func (b *browser) post(path string, pairs ...string) reply {
	b.t.Helper()
	form := url.Values{}
	for i := 0; i < len(pairs); i += 2 {
		form.Set(pairs[i], pairs[i+1])
	}
	return b.do(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(form.Encode()))
}

func (b *browser) json(path string, in, out any) reply {
	b.t.Helper()
	text, err := json.Marshal(in)
	must(b.t, err)
	r := b.do(http.MethodPost, path, "application/json", bytes.NewReader(text))
	if r.status == http.StatusOK && out != nil {
		must(b.t, json.Unmarshal([]byte(r.body), out))
	}
	return r
}

func (b *browser) want(r reply, status int, text string) reply {
	b.t.Helper()
	if r.status != status || !strings.Contains(html.UnescapeString(r.body)+r.to, text) {
		b.t.Fatalf("status %d, to %q, want %d with %q\n%s", r.status, r.to, status, text, r.body)
	}
	return r
}

func (b *browser) cookie(name string) string {
	u, err := url.Parse(b.base)
	must(b.t, err)
	for _, c := range b.jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

var (
	codeOn = regexp.MustCompile(`<strong>([0-9A-Z]{4}-[0-9A-Z]{4}-[0-9A-Z]{4})</strong>`)
	keyOn  = regexp.MustCompile(`type this key: <span class="mono">([A-Z2-7 ]+)</span>`)
	tokOn  = regexp.MustCompile(`name="token" value="([^"]+)"`)
	resOn  = regexp.MustCompile(`href="(/results/[0-9a-f-]{36})"`)
)

// letter has the laboratory invite somebody, and returns the code on the letter.
func (s *place) letter(partner, name string, more ...string) string {
	s.t.Helper()
	l := s.lab()
	r := l.want(l.post("/portal/"+partner+"/invite", append([]string{"name", name}, more...)...), http.StatusOK, "Dear "+name)
	return codeOn.FindStringSubmatch(r.body)[1]
}

const okPassword = "gravel teacup orbit lantern"

// comeIn is the whole first sign-in with password and app.
func (b *browser) comeIn(code string) (seed string) {
	b.t.Helper()
	b.want(b.post("/letter", "code", code), http.StatusSeeOther, "/letter/way")
	b.want(b.get("/letter/way"), http.StatusOK, "Welcome")
	r := b.want(b.post("/letter/password", "password", okPassword), http.StatusOK, "Scan, then type the code.")
	seed = strings.ReplaceAll(keyOn.FindStringSubmatch(r.body)[1], " ", "")
	b.want(b.post("/letter/app", "token", tokOn.FindStringSubmatch(r.body)[1], "code", b.code(seed)), http.StatusSeeOther, "/")
	b.want(b.get("/"), http.StatusOK, "You are in.")
	return seed
}

func (b *browser) code(seed string) string {
	b.t.Helper()
	code, err := totp.GenerateCode(seed, b.now())
	must(b.t, err)
	return code
}

// results are the addresses on the list.
func (b *browser) results(all bool) []string {
	b.t.Helper()
	path := "/"
	if all {
		path = "/?show=all"
	}
	r := b.want(b.get(path), http.StatusOK, "Results")
	var out []string
	for _, m := range resOn.FindAllStringSubmatch(r.body, -1) {
		out = append(out, m[1])
	}
	return out
}

func (b *browser) rp() virtualwebauthn.RelyingParty {
	return virtualwebauthn.RelyingParty{ID: b.host, Name: "x", Origin: b.url}
}

type begun struct {
	Token   string          `json:"token"`
	Options json.RawMessage `json:"options"`
}

// makeKey makes a passkey as the script does.
func (b *browser) makeKey(begin, finish string) reply {
	b.t.Helper()
	var c begun
	b.want(b.json(begin, map[string]any{"called": "front desk"}, &c), http.StatusOK, "")
	o, err := virtualwebauthn.ParseAttestationOptions(string(c.Options))
	must(b.t, err)
	handle, err := base64.RawURLEncoding.DecodeString(o.UserID)
	if err != nil {
		handle = []byte(o.UserID)
	}
	b.auth, b.cred = virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: handle}), virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	for len(b.cred.Key.AttestationData()) != 77 { // the library drops leading zeros
		b.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return b.json(finish, map[string]any{"called": "front desk", "token": c.Token, "answer": json.RawMessage(virtualwebauthn.CreateAttestationResponse(b.rp(), b.auth, b.cred, *o))}, nil)
}

// useKey signs in with it.
func (b *browser) useKey(of *browser) reply {
	b.t.Helper()
	var c begun
	b.want(b.json("/sign-in/passkey/begin", map[string]any{}, &c), http.StatusOK, "")
	o, err := virtualwebauthn.ParseAssertionOptions(string(c.Options))
	must(b.t, err)
	of.cred.Counter++
	return b.json("/sign-in/passkey/finish", map[string]any{"token": c.Token, "answer": json.RawMessage(virtualwebauthn.CreateAssertionResponse(b.rp(), of.auth, of.cred, *o))}, nil)
}

// today is what stands on Today, as text.
func (s *place) today(sources []today.Source) string {
	s.t.Helper()
	var b strings.Builder
	for _, x := range sources {
		items, err := x.Look(s.t.Context(), nil, s.now())
		must(s.t, err)
		for i := range items {
			b.WriteString(items[i].Title + "\n" + items[i].Text + "\n")
		}
	}
	return b.String()
}

// newPlaceSQLite is one for tests of what pages show, not of what is stored.
func newPlaceSQLite(t *testing.T, host string) *place {
	t.Helper()
	path := filepath.Join(t.TempDir(), "test.db")
	return newPlaceAt(t, func(o store.Options) *store.DB {
		db, err := store.OpenSQLite(t.Context(), path, o)
		must(t, err)
		t.Cleanup(func() { _ = db.Close() })
		return db
	}, host)
}
