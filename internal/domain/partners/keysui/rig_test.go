package keysui_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"mime/multipart"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/keys"
	"github.com/labwarden/labwarden/internal/domain/partners/keysui"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

var start = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

type binds struct{}

func (binds) Index(domain string, parts ...[]byte) (out [16]byte) {
	h := sha256.New()
	for _, p := range append([][]byte{[]byte(domain)}, parts...) {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	copy(out[:], h.Sum(nil))
	return out
}

func (b binds) IndexVersions(domain string, parts ...[]byte) [][16]byte {
	return [][16]byte{b.Index(domain, parts...)}
}

type hands struct{}

func (hands) OneHand(_ context.Context, _ store.Queryer, a, b string) (bool, error) {
	return a == b, nil
}

// lab is a laboratory with people, and a server for its pages.
type lab struct {
	t    *testing.T
	srv  *httptest.Server
	keys *keys.Service
	deps keysui.Deps
	me   string
	at   time.Time
	jar  *http.Client
}

var roles = map[string]authz.Role{"dana": authz.ITPartner, "sofia": authz.SecurityOfficer, "audrey": authz.Auditor, "pat": authz.Provider}

func (l *lab) subject(account string) *authz.Subject {
	g := authz.Grant{Role: roles[account], Until: start.AddDate(1, 0, 0)}
	if account == "pat" {
		g.Partners = []string{"north"}
	}
	return &authz.Subject{Person: event.NewID(), Account: account, Name: account, Level: authz.LevelPasskey, FreshAt: l.at, Grants: []authz.Grant{g}}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newLab(t *testing.T) *lab {
	t.Helper()
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "x.db"), store.Options{})
	check(t, err)
	t.Cleanup(func() { _ = db.Close() })
	check(t, db.Migrate(t.Context(), bus.Migrations(), keys.Migrations()))
	l := &lab{t: t, at: start, me: "dana"}
	log, err := bus.New("n1")
	check(t, err)
	log.Attach(db)
	now := func() time.Time { return l.at }
	partners := map[string]keysui.Partner{
		"riverside": {Key: "riverside", Name: "Riverside Family Practice", Contact: "Pat Ruiz", Phone: "+1 555 0100", Registered: true},
		"north":     {Key: "north", Name: "North Clinic"},
	}
	l.keys = keys.New(keys.Deps{DB: db, Tags: binds{}, Hands: hands{}, Now: now, Has: func(p string) bool { return partners[p].Name != "" }, Read: func(b []byte, now time.Time) (keys.Material, error) {
		text := string(b)
		if !strings.HasPrefix(text, "age1") {
			return keys.Material{}, errors.New("this is a private key: it was not stored")
		}
		sum := sha256.Sum256(b)
		return keys.Material{Kind: "age", Fingerprint: hex.EncodeToString(sum[:]), Bytes: b, Name: "<i>Riverside</i>", Strength: "X25519", Ends: now.AddDate(1, 0, 0)}, nil
	}})
	l.deps = keysui.Deps{
		Keys: l.keys, Own: func() []string { return []string{"lab.example/ledger+0a1b2c3d+AYxq"} },
		Partner: func(key string) (keysui.Partner, bool) { p, ok := partners[key]; return p, ok },
		Called:  func(account string) string { return strings.ToUpper(account[:1]) + account[1:] + " Ross" },
	}
	s := &web.Server{
		Pace:     1_000_000, // the test asks faster than people do
		Identify: func(*http.Request) (*authz.Subject, error) { return l.subject(l.me), nil },
		Shell: func(_ *http.Request, who *authz.Subject) kit.Shell {
			return kit.Shell{
				Lab: "Millbrook Laboratory", Clock: "09:00", Me: &kit.Me{Name: who.Name, Role: string(roles[who.Account])},
				Nav: []kit.NavItem{{Name: "Today", Href: "/", Icon: "today"}, {Name: "Results", Href: "/results", Icon: "results"}, {Name: "Partners", Href: "/partners", Icon: "partners"}},
			}
		},
		SignIn: "/sign-in", StepUp: "/step-up", Live: web.NewLive(), Now: now, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	s.Add(keysui.Routes(l.deps)...)
	l.srv = httptest.NewUnstartedServer(s.Handler())
	l.srv.EnableHTTP2 = true
	l.srv.StartTLS()
	t.Cleanup(func() { s.Close(); l.srv.Close() })
	l.jar = l.srv.Client()
	l.jar.Jar, err = cookiejar.New(nil)
	check(t, err)
	l.jar.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return l
}

func (l *lab) as(account string) *lab { l.me = account; return l }

func (l *lab) do(req *http.Request, status int) (body, location string) {
	l.t.Helper()
	res, err := l.jar.Do(req)
	check(l.t, err)
	b, err := io.ReadAll(res.Body)
	check(l.t, errors.Join(err, res.Body.Close()))
	if res.StatusCode != status {
		l.t.Fatalf("%s %s as %s: %d, want %d\n%s", req.Method, req.URL.Path, l.me, res.StatusCode, status, b[max(0, len(b)-600):])
	}
	return string(b), res.Header.Get("Location")
}

func (l *lab) send(method, path, kind string, body io.Reader, status int) (page, location string) {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.srv.URL+path, body)
	check(l.t, err)
	if kind != "" {
		req.Header.Set("Content-Type", kind)
	}
	return l.do(req, status)
}

func (l *lab) get(path string, status int) string {
	l.t.Helper()
	b, _ := l.send(http.MethodGet, path, "", nil, status)
	return b
}

func (l *lab) post(path string, status int, form ...string) (page, location string) {
	l.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		v.Add(form[i], form[i+1])
	}
	return l.send(http.MethodPost, path, "application/x-www-form-urlencoded", strings.NewReader(v.Encode()), status)
}

func (l *lab) upload(path, file string, status int) (page, location string) {
	l.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	f, err := m.CreateFormFile("file", "key.txt")
	check(l.t, err)
	_, err = io.WriteString(f, file)
	check(l.t, errors.Join(err, m.Close()))
	return l.send(http.MethodPost, path, m.FormDataContentType(), &b, status)
}

func (l *lab) api(method, path, body string, status int) string {
	l.t.Helper()
	b, _ := l.send(method, path, "application/json", strings.NewReader(body), status)
	return b
}

// half is what the partner reads out.
func half(fingerprint string) string {
	_, theirs := keys.Halves(fingerprint)
	return strings.Join(theirs, " ")
}

func (l *lab) one(partner string) keys.Key {
	l.t.Helper()
	all, err := l.keys.Of(l.t.Context(), partner)
	check(l.t, err)
	if len(all) == 0 {
		l.t.Fatal("no key")
	}
	return all[0]
}
