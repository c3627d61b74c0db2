package accessui_test

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
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/pquerna/otp/totp"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accessui"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// doorway is a whole server of these pages on a database.
type doorway struct {
	t      *testing.T
	db     *store.DB
	access *access.Service
	signin *signin.Service
	url    string // as people type it
	addr   string // where it listens
	roots  *x509.CertPool
	mu     sync.Mutex
	ahead  time.Duration // of the clock
	openID *signin.Provider
}

func (s *doorway) now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return time.Now().Add(s.ahead)
}

func (s *doorway) forward(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ahead += d
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// newDoorway serves under a name: passkeys want one. The test certificate is of
// example.com.
func newDoorway(t *testing.T, open storetest.Opener, host string) *doorway {
	t.Helper()
	s := &doorway{t: t}
	dir := t.TempDir()
	must(t, vault.CreateKeyFile(filepath.Join(dir, "key"), rand.Reader))
	v, _, err := vault.Create(t.Context(), vault.NewFileBook(filepath.Join(dir, "book")), rand.Reader,
		vault.CreateOptions{Lab: "millbrook", Seals: []vault.Seal{vault.KeyFile(filepath.Join(dir, "key"))}, Now: time.Now()})
	must(t, err)
	s.db = open(store.Options{})
	must(t, s.db.Migrate(t.Context(), bus.Migrations(), access.Migrations(), approval.Migrations(), signin.Migrations()))
	log, err := bus.New("test")
	must(t, err)
	log.Attach(s.db)
	quiet := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))
	s.access = access.New(access.Deps{DB: s.db, Ledger: log, Keys: v, Now: s.now, Log: quiet})
	s.signin = signin.New(signin.Options{
		DB: s.db, Vault: v, People: accessui.SignInPeople(s.access, s.now), Now: s.now, Log: quiet,
		Provider: func() *signin.Provider { return s.openID }, Outside: accessui.SignInOutside(s.access, s.now), Tell: accessui.SignInTeller(s.access),
		Hasher: signin.NewHasher(signin.HasherOptions{Costs: signin.Costs{Memory: 64, Time: 1, Rounds: 10}}),
	})
	server := &web.Server{
		Pace:     1_000_000, // the test asks faster than people do
		Identify: s.access.Identify, SignIn: "/sign-in", StepUp: "/step-up", Live: web.NewLive(), Now: s.now, Log: quiet,
		Shell: func(_ *http.Request, who *authz.Subject) kit.Shell {
			sh := kit.Shell{Lab: "Millbrook Laboratory", Clock: "07:40"}
			if who != nil {
				sh.Me, sh.Nav = &kit.Me{Name: who.Name, Role: "Somebody"}, []kit.NavItem{{Name: "Today", Href: "/", Icon: "today"}}
			}
			return sh
		},
	}
	server.Kinds = accessui.Kinds
	server.Add(accessui.SignRoutes(accessui.SignDeps{Access: s.access, SignIn: s.signin, DB: s.db})...)
	server.Add(accessui.Routes(accessui.Deps{Access: s.access, SignIn: s.signin})...)
	page := func(pattern string, needs authz.Permission, lead string) web.Route {
		return web.Route{Pattern: pattern, Needs: needs, Handle: func(w http.ResponseWriter, r *http.Request) error {
			return web.Render(w, r, kit.Page{Title: "Today", Lead: lead, Nav: "/"})
		}}
	}
	server.Add(page("GET /{$}", authz.TodaySee, "Nothing needs you."), page("GET /sessions", authz.SessionsEnd, "Everybody's sessions."))
	srv := httptest.NewUnstartedServer(server.Handler())
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(func() { server.Close(); srv.Close() })
	s.roots = x509.NewCertPool()
	s.roots.AddCert(srv.Certificate())
	s.addr = srv.Listener.Addr().String()
	_, port, err := net.SplitHostPort(s.addr)
	must(t, err)
	s.url = "https://" + net.JoinHostPort(host, port)
	s.signin.Apply(signin.Settings{PublicURL: s.url, Lab: "Millbrook Laboratory"})
	return s
}

func each(t *testing.T, run func(t *testing.T, s *doorway)) {
	t.Helper()
	storetest.Each(t, func(t *testing.T, open storetest.Opener) { run(t, newDoorway(t, open, "example.com")) })
}

// browser keeps cookies and follows no redirect by itself.
type browser struct {
	*doorway
	http *http.Client
	jar  *cookiejar.Jar
	keys []*key
}

type key struct {
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
}

func (s *doorway) browser() *browser {
	jar, err := cookiejar.New(nil)
	must(s.t, err)
	dial := &net.Dialer{}
	t := &http.Transport{
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return dial.DialContext(ctx, network, s.addr)
		},
		TLSClientConfig: &tls.Config{RootCAs: s.roots, ServerName: "example.com"},
	}
	s.t.Cleanup(t.CloseIdleConnections)
	return &browser{doorway: s, jar: jar, http: &http.Client{Jar: jar, Transport: t, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// reply is an answer as tests look at it.
type reply struct {
	status int
	to     string // where it leads
	body   string
	head   http.Header
}

func (b *browser) do(method, path, ct string, body io.Reader) reply {
	b.t.Helper()
	req, err := http.NewRequestWithContext(b.t.Context(), method, b.url+path, body)
	must(b.t, err)
	if ct != "" {
		req.Header.Set("Content-Type", ct)
	}
	req.Header.Set("User-Agent", "Chrome/130 Linux")
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

func (b *browser) rp() virtualwebauthn.RelyingParty {
	u, err := url.Parse(b.url)
	must(b.t, err)
	return virtualwebauthn.RelyingParty{ID: u.Hostname(), Name: "x", Origin: b.url}
}

type begun struct {
	Token   string          `json:"token"`
	Options json.RawMessage `json:"options"`
}

// create makes a passkey as the script does; more goes along with both requests.
func (b *browser) create(begin, finish string, more map[string]any) reply {
	b.t.Helper()
	var c begun
	if r := b.json(begin, more, &c); r.status != http.StatusOK {
		return r
	}
	o, err := virtualwebauthn.ParseAttestationOptions(string(c.Options))
	must(b.t, err)
	handle, err := base64.RawURLEncoding.DecodeString(o.UserID)
	if err != nil {
		handle = []byte(o.UserID)
	}
	k := &key{auth: virtualwebauthn.NewAuthenticatorWithOptions(virtualwebauthn.AuthenticatorOptions{UserHandle: handle}), cred: virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)}
	for len(k.cred.Key.AttestationData()) != 77 { // the library drops leading zeros
		k.cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	in := map[string]any{"token": c.Token, "answer": json.RawMessage(virtualwebauthn.CreateAttestationResponse(b.rp(), k.auth, k.cred, *o))}
	for n, v := range more {
		in[n] = v
	}
	r := b.json(finish, in, nil)
	if r.status == http.StatusOK {
		b.keys = append(b.keys, k)
	}
	return r
}

// press proves with the first passkey.
func (b *browser) press(begin, finish string) reply {
	b.t.Helper()
	var c begun
	if r := b.json(begin, map[string]any{}, &c); r.status != http.StatusOK {
		return r
	}
	o, err := virtualwebauthn.ParseAssertionOptions(string(c.Options))
	must(b.t, err)
	k := b.keys[0]
	k.cred.Counter++
	return b.json(finish, map[string]any{"token": c.Token, "answer": json.RawMessage(virtualwebauthn.CreateAssertionResponse(b.rp(), k.auth, k.cred, *o))}, nil)
}

// cookie is what the browser holds, empty for none.
func (b *browser) cookie(name string) string {
	u, err := url.Parse(b.url)
	must(b.t, err)
	for _, c := range b.jar.Cookies(u) {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// later lets time pass while the person works: the session stays open.
func (b *browser) later(d time.Duration) {
	b.t.Helper()
	for ; d > 0; d -= 4 * time.Minute {
		b.forward(min(d, 4*time.Minute))
		b.want(b.get("/"), http.StatusOK, "")
	}
}

func (b *browser) code(seed string) string {
	b.t.Helper()
	code, err := totp.GenerateCode(seed, b.now())
	must(b.t, err)
	return code
}

// administrator comes by the console's link and makes a passkey.
func (s *doorway) administrator() *browser {
	s.t.Helper()
	l, err := s.access.FirstAdminLink(s.t.Context())
	must(s.t, err)
	b := s.browser()
	b.want(b.get(l.Path()), http.StatusSeeOther, "/welcome")
	b.want(b.get("/welcome"), http.StatusOK, "You are the first administrator.")
	r := b.create("/welcome/passkey/begin", "/welcome/passkey/finish", map[string]any{"account": "admin", "name": "Ngozi Okafor", "called": "blue key"})
	b.want(r, http.StatusOK, `"/me"`)
	return b
}

// invite adds a person and returns their link.
func (s *doorway) invite(account, name string, roles ...authz.Role) access.Link {
	s.t.Helper()
	admin, err := s.access.PersonByAccount(s.t.Context(), "admin")
	must(s.t, err)
	who := &authz.Subject{Person: admin.ID, Account: "admin", Level: authz.LevelPasskey, FreshAt: s.now(), Grants: []authz.Grant{{Role: authz.Administrator}}}
	n := access.NewPerson{Account: account, Name: name}
	for _, r := range roles {
		n.Grants = append(n.Grants, authz.Grant{Role: r})
	}
	_, l, err := s.access.Invite(s.t.Context(), who, n)
	must(s.t, err)
	return l
}

const okPassword = "gravel teacup orbit lantern"

// technologist comes by a link with a password.
func (s *doorway) technologist(account string) *browser {
	s.t.Helper()
	b := s.browser()
	b.want(b.get(s.invite(account, "Lena Hahn", authz.Technologist).Path()), http.StatusSeeOther, "/welcome")
	b.want(b.get("/welcome"), http.StatusOK, "Welcome, Lena Hahn.")
	b.want(b.post("/welcome/password", "password", okPassword), http.StatusSeeOther, "/me")
	return b
}

var keyShown = regexp.MustCompile(`this key: <span class="mono">([A-Z2-7 ]+)</span>`)

var tokenShown = regexp.MustCompile(`name="token" value="([^"]+)"`)

// app sets an authenticator app up and returns its seed.
func (b *browser) app() string {
	b.t.Helper()
	r := b.want(b.post("/me/app"), http.StatusOK, "Scan, then type the code.")
	seed := strings.ReplaceAll(keyShown.FindStringSubmatch(r.body)[1], " ", "")
	token := tokenShown.FindStringSubmatch(r.body)[1]
	b.want(b.post("/me/app/confirm", "token", token, "code", "000000"), http.StatusUnprocessableEntity, "did not match")
	b.want(b.post("/me/app/confirm", "token", token, "code", b.code(seed)), http.StatusSeeOther, "/me")
	b.forward(30 * time.Second)
	return seed
}
