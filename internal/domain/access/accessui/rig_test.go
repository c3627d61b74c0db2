package accessui_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accessui"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// keys tags rows as a vault would.
type keys struct{}

func (keys) Index(domain string, parts ...[]byte) (out [16]byte) {
	h := sha256.New()
	for _, p := range append([][]byte{[]byte(domain)}, parts...) {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	copy(out[:], h.Sum(nil))
	return out
}

func (k keys) IndexVersions(domain string, parts ...[]byte) [][16]byte {
	return [][16]byte{k.Index(domain, parts...)}
}

type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) forward(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// office is the pages on a real server without a network.
type office struct {
	t      *testing.T
	db     *store.DB
	s      *access.Service
	server *web.Server
	h      http.Handler
	clock  *clock
	// people by account, and their session tokens.
	people map[string]access.Person
	tokens map[string]string
	n      int
}

func newOffice(t *testing.T) *office {
	t.Helper()
	x := &office{t: t, clock: &clock{t: time.Date(2026, 5, 4, 6, 52, 0, 0, time.Local)}, people: map[string]access.Person{}, tokens: map[string]string{}}
	var err error
	x.db, err = store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "test.db"), store.Options{})
	check(t, err)
	t.Cleanup(func() { _ = x.db.Close() })
	check(t, x.db.Migrate(t.Context(), bus.Migrations(), access.Migrations(), approval.Migrations()))
	log, err := bus.New("test")
	check(t, err)
	log.Attach(x.db)
	x.s = access.New(access.Deps{DB: x.db, Ledger: log, Keys: keys{}, Now: x.clock.now, Log: slog.New(slog.DiscardHandler)})
	d := accessui.Deps{
		Access: x.s, Lab: func() string { return "Millbrook Laboratory" }, PublicURL: func() string { return "https://lab.example" },
		Partners: func() []accessui.Place {
			return []accessui.Place{{Key: "riverside", Name: "Riverside"}, {Key: "northgate", Name: "Northgate"}}
		},
		Sites: func() []accessui.Place {
			return []accessui.Place{{Key: "main", Name: "Main laboratory"}, {Key: "north", Name: "Hill Street"}}
		},
	}
	x.server = &web.Server{
		Pace:     1_000_000, // the test asks faster than people do
		Identify: x.s.Identify, Kinds: accessui.Kinds, Now: x.clock.now, SignIn: "/sign-in", StepUp: "/step-up", Log: slog.New(slog.DiscardHandler),
		Shell: func(*http.Request, *authz.Subject) kit.Shell { return kit.Shell{Lab: "Millbrook Laboratory"} },
	}
	x.server.Add(accessui.Routes(d)...)
	x.h = x.server.Handler()
	l, err := x.s.FirstAdminLink(t.Context())
	check(t, err)
	x.people["okafor"] = x.use(l.Token, access.NewPerson{Account: "okafor", Name: "Ngozi Okafor"})
	return x
}

func (x *office) use(token string, first access.NewPerson) (p access.Person) {
	x.t.Helper()
	check(x.t, x.db.Do(x.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		var err error
		p, _, err = x.s.UseLink(ctx, tx, token, first)
		return err
	}))
	return p
}

// join has somebody come in with roles.
func (x *office) join(account string, grants ...authz.Grant) access.Person {
	x.t.Helper()
	admin := &authz.Subject{Account: "okafor", Person: x.people["okafor"].ID, Level: authz.LevelPasskey, FreshAt: x.clock.now(), Grants: []authz.Grant{{Role: authz.Administrator}}}
	_, l, err := x.s.Invite(x.t.Context(), admin, access.NewPerson{Account: account, Name: strings.ToUpper(account[:1]) + account[1:], Grants: grants})
	check(x.t, err)
	p := x.use(l.Token, access.NewPerson{})
	x.people[account] = p
	if w, err := x.s.Weighs(x.t.Context(), p.ID); err != nil || w { // all come in by one hand
		check(x.t, err)
		check(x.t, x.s.ConfirmAtConsole(x.t.Context(), account, "ngozi"))
	}
	return p
}

const firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

// as sends a request as somebody, with a fresh session of theirs; nobody is "".
func (x *office) as(account, method, path string, body io.Reader, kind string) *httptest.ResponseRecorder {
	x.t.Helper()
	r := httptest.NewRequest(method, path, body)
	r.RemoteAddr = "192.0.2.7:40000"
	r.Header.Set("User-Agent", firefox)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	if account != "" {
		r.AddCookie(&http.Cookie{Name: access.Cookie, Value: x.token(account)})
	}
	w := httptest.NewRecorder()
	x.h.ServeHTTP(w, r)
	x.n++
	return w
}

func (x *office) token(account string) string {
	x.t.Helper()
	if x.tokens[account] == "" {
		p, ok := x.people[account]
		if !ok {
			x.t.Fatalf("nobody is called %s", account)
		}
		t, err := x.s.Start(x.t.Context(), access.Start{Person: p.ID, Level: authz.LevelPasskey, Method: "passkey", Device: access.Device{Name: "Firefox on Linux", Network: "192.0.2.7"}})
		check(x.t, err)
		x.tokens[account] = t.Token
	}
	return x.tokens[account]
}

func (x *office) get(account, path string) *httptest.ResponseRecorder {
	x.t.Helper()
	return x.as(account, http.MethodGet, path, nil, "")
}

func (x *office) post(account, path string, form ...string) *httptest.ResponseRecorder {
	x.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		v.Add(form[i], form[i+1])
	}
	return x.as(account, http.MethodPost, path, strings.NewReader(v.Encode()), "application/x-www-form-urlencoded")
}

func (x *office) json(account, method, path string, in any) *httptest.ResponseRecorder {
	x.t.Helper()
	b, err := json.Marshal(in)
	check(x.t, err)
	return x.as(account, method, path, strings.NewReader(string(b)), "application/json")
}

// want checks status and what stands in the answer.
func want(t *testing.T, w *httptest.ResponseRecorder, status int, texts ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d: %s", w.Code, status, short(w.Body.String()))
	}
	for _, text := range texts {
		if !strings.Contains(w.Body.String(), text) {
			t.Errorf("%q is not in the answer: %s", text, short(w.Body.String()))
		}
	}
}

func short(s string) string {
	if i := strings.Index(s, "<main"); i >= 0 {
		s = s[i:]
	}
	s = strings.Join(strings.Fields(regexp.MustCompile(`<[^>]*>`).ReplaceAllString(s, " ")), " ")
	return s[:min(len(s), 700)]
}

var linkPattern = regexp.MustCompile(`https://lab\.example/welcome\?t=([A-Za-z0-9_-]{43})`)

// link finds the one-time link in an answer.
func link(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	m := linkPattern.FindStringSubmatch(w.Body.String())
	if m == nil {
		t.Fatalf("no link: %s", short(w.Body.String()))
	}
	return m[1]
}

func newRequest(method, path, body string) *http.Request {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	r.RemoteAddr = "192.0.2.9:40000"
	r.Header.Set("Content-Type", "application/scim+json")
	return r
}

func serve(x *office, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	x.h.ServeHTTP(w, r)
	return w
}

// anybody lets everybody in as one subject, with a proof of this moment.
func (x *office) anybody(who *authz.Subject) func(*http.Request) (*authz.Subject, error) {
	return func(*http.Request) (*authz.Subject, error) {
		one := *who
		one.FreshAt = x.clock.now()
		return &one, nil
	}
}
