package certificatesui_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/domain/certificates/certificatesui"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

type lab struct {
	t   *testing.T
	ca  *certificates.Service
	srv *httptest.Server
	c   *http.Client
	who authz.Role
	now time.Time
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
	check(t, db.Migrate(t.Context(), bus.Migrations(), certificates.Migrations()))
	log, err := bus.New("n1")
	check(t, err)
	log.Attach(db)
	l := &lab{t: t, who: authz.Administrator, now: time.Date(2026, 11, 3, 8, 0, 0, 0, time.UTC)}
	now := func() time.Time { return l.now }
	quiet := slog.New(slog.NewTextHandler(t.Output(), nil))
	l.ca = certificates.New(certificates.Options{DB: db, Vault: vaulttest.New(t), Lab: func() string { return "Millbrook Laboratory" }, Now: now, Log: quiet})
	check(t, l.ca.Load(t.Context()))
	d := certificatesui.Deps{
		Certificates: l.ca, Address: func() string { return "hub.millbrook.example:8446" }, Changed: func(context.Context) {}, Zone: time.UTC,
		Ends: func() []certificatesui.End {
			out := []certificatesui.End{
				{Of: "partner hillcrest", Kind: "exception", Words: "The exception of partner hillcrest ends on 2026-11-12, in 8 days.", Advice: "Mend its cause.", Owner: "M. Okafor", Ends: l.now.AddDate(0, 0, 9), Due: true},
				{Of: "node", Kind: "our certificate", Words: "The certificate of node ends on 2027-11-03, in 365 days.", Ends: l.now.AddDate(1, 0, 0)},
			}
			for _, p := range l.ca.Pins("partner riverside") {
				out = append(out, certificatesui.End{Of: p.Channel, Kind: "their certificate", Words: "Theirs.", Ends: p.Ends, Owner: p.Owner})
			}
			return out
		},
		Channels: func() [][2]string {
			return [][2]string{{"partner riverside", "Riverside Family Practice"}, {"source lis", "Source lis"}}
		},
	}
	s := &web.Server{
		Pace: 1_000_000,
		Identify: func(*http.Request) (*authz.Subject, error) {
			return &authz.Subject{Person: event.ID{1}, Account: "anna", Name: "Anna Admin", Level: authz.LevelPasskey, FreshAt: l.now, Grants: []authz.Grant{{Role: l.who, Until: l.now.AddDate(1, 0, 0)}}}, nil
		},
		Shell: func(*http.Request, *authz.Subject) kit.Shell {
			return kit.Shell{Lab: "Millbrook Laboratory", Clock: "08:00", Me: &kit.Me{Name: "Anna Admin"}, Nav: []kit.NavItem{
				{Name: "Today", Href: "/", Icon: "today"}, {Name: "Certificates", Href: "/certificates", Icon: "key"}, {Name: "Settings", Href: "/settings", Icon: "settings"},
			}}
		},
		SignIn: "/sign-in", StepUp: "/step-up", Live: web.NewLive(), Now: now, Log: quiet,
	}
	s.Add(certificatesui.Routes(d)...)
	l.srv = httptest.NewTLSServer(s.Handler())
	t.Cleanup(func() { s.Close(); l.srv.Close() })
	l.c = l.srv.Client()
	l.c.Jar, err = cookiejar.New(nil)
	check(t, err)
	l.c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return l
}

func (l *lab) authority() {
	l.t.Helper()
	by := certificates.By{Who: "anna"}
	csr, err := l.ca.Request(l.t.Context(), by)
	check(l.t, err)
	root, err := pki.NewRoot(pki.RootOptions{Lab: "Millbrook Laboratory", Now: l.now, Rand: rand.Reader})
	check(l.t, err)
	der, err := root.SignIntermediate(csr, l.now, rand.Reader)
	check(l.t, err)
	chain, err := pki.Certificates(pki.PEM(der, root.Cert.Raw))
	check(l.t, err)
	_, err = l.ca.Install(l.t.Context(), chain, false, by)
	check(l.t, err)
}

func (l *lab) enrol(name string) certificates.Issued {
	l.t.Helper()
	text, _, err := l.ca.Token(l.t.Context(), certificates.Ask{Identity: pki.Identity{Kind: pki.Service, Name: name}, Address: "h:1"}, certificates.By{Who: "anna"})
	check(l.t, err)
	return l.spend(text)
}

func (l *lab) spend(text string) certificates.Issued {
	l.t.Helper()
	tok, err := pki.ParseToken(text)
	check(l.t, err)
	_, csr, err := pki.Request(rand.Reader)
	check(l.t, err)
	_, err = l.ca.Enrol(l.t.Context(), tok.Secret, csr)
	check(l.t, err)
	all, err := l.ca.List(l.t.Context(), false)
	check(l.t, err)
	return all[len(all)-1]
}

func (l *lab) ask(method, path string, form url.Values, body any) (int, string) {
	l.t.Helper()
	var in io.Reader
	kind := ""
	switch {
	case form != nil:
		in, kind = strings.NewReader(form.Encode()), "application/x-www-form-urlencoded"
	case body != nil:
		b, err := json.Marshal(body)
		check(l.t, err)
		in, kind = strings.NewReader(string(b)), "application/json"
	}
	r, err := http.NewRequestWithContext(l.t.Context(), method, l.srv.URL+path, in)
	check(l.t, err)
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	resp, err := l.c.Do(r)
	check(l.t, err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	check(l.t, err)
	return resp.StatusCode, string(b)
}

func (l *lab) says(method, path string, form url.Values, status int, words ...string) string {
	l.t.Helper()
	got, text := l.ask(method, path, form, nil)
	if got != status {
		l.t.Errorf("%s %s: %d\n%s", method, path, got, text)
	}
	for _, w := range words {
		if !strings.Contains(text, w) {
			l.t.Errorf("%s %s does not say %q\n%s", method, path, w, text)
		}
	}
	return text
}

var tokenText = regexp.MustCompile(`lwenrol1_[A-Za-z0-9_-]+`)

func TestThePagesOfCertificates(t *testing.T) {
	l := newLab(t)
	l.says("GET", "/certificates", nil, 200, "There is none yet", "labwarden ca init", "1 end needs somebody.", "Pin one of theirs")
	l.authority()
	l.says("GET", "/certificates", nil, 200, "SHA-256 of the root", "hub.millbrook.example:8446", "Make a token")

	// A token, shown once.
	l.says("POST", "/certificates/token", url.Values{"kind": {"service"}, "name": {"The LIS"}, "days": {"x"}}, 422, "small letters", "whole number")
	l.says("POST", "/certificates/token", url.Values{"kind": {"service"}, "name": {"lis"}, "days": {"300"}}, 422, "lives from 1 to 90 days")
	text := l.says("POST", "/certificates/token", url.Values{"kind": {"service"}, "name": {"lis"}, "names": {"lis.example"}, "days": {"30"}}, 200, "not shown again")
	x := l.spend(tokenText.FindString(text))
	l.says("GET", "/certificates", nil, 200, "service lis", "not renewed yet", "Revoke")
	l.says("GET", "/certificates/issued/"+x.Serial, nil, 200, "lis.example", "Revoke all of service lis")

	// Revoking takes a reason and a yes.
	at := "/certificates/issued/" + x.Serial + "/revoke"
	l.says("GET", at+"?all=yes", nil, 200, "Yes, revoke all")
	l.says("POST", at, url.Values{"confirm": {"yes"}}, 422, "Say why")
	l.says("POST", at, url.Values{"reason": {"lost"}, "all": {"yes"}}, 422, "Yes, revoke all")
	l.says("POST", at, url.Values{"confirm": {"yes"}, "reason": {"lost"}, "all": {"yes"}}, 303)
	l.says("GET", "/certificates/issued/"+x.Serial, nil, 200, "Revoked on", "lost")
	l.says("GET", "/certificates?all=yes", nil, 200, "Revoked on")
	l.says("GET", "/certificates/issued/00", nil, 404)

	// SSH.
	pub, _, err := ed25519.GenerateKey(rand.Reader)
	check(t, err)
	key, err := ssh.NewPublicKey(pub)
	check(t, err)
	line := string(ssh.MarshalAuthorizedKey(key))
	l.says("POST", "/certificates/ssh", url.Values{"partner": {"riverside"}, "key": {"x"}, "days": {"30"}}, 422, "no SSH public key")
	l.says("POST", "/certificates/ssh", url.Values{"partner": {"nobody"}, "key": {line}, "days": {"30"}}, 422, "no such channel")
	l.says("POST", "/certificates/ssh", url.Values{"partner": {"riverside"}, "key": {line}, "days": {"30"}}, 200, "-cert-v01@openssh.com")

	// Pins.
	theirs, err := pki.New(pki.Options{Name: "Theirs", Now: l.now, Life: 400 * 24 * time.Hour, Rand: rand.Reader})
	check(t, err)
	pem, _, err := theirs.Issue("riverside.example")
	check(t, err)
	l.says("POST", "/certificates/pin", url.Values{"channel": {"partner riverside"}, "certificate": {"x"}}, 422, "there is none in it")
	l.says("POST", "/certificates/pin", url.Values{"channel": {"partner riverside"}, "certificate": {string(theirs.RootPEM())}}, 422, "authority")
	l.says("POST", "/certificates/pin", url.Values{"channel": {"partner riverside"}, "certificate": {string(pem)}, "owner": {"M. Okafor"}}, 303)
	pins := l.ca.Pins("partner riverside")
	if len(pins) != 1 {
		t.Fatal(pins)
	}
	l.says("GET", "/certificates", nil, 200, "Take out")
	l.says("POST", "/certificates/pins/"+pins[0].ID+"/remove", url.Values{"confirm": {"yes"}}, 422, "Say why")
	l.says("POST", "/certificates/pins/"+pins[0].ID+"/remove", url.Values{"confirm": {"yes"}, "reason": {"renewed"}}, 303)
	if len(l.ca.Pins("partner riverside")) != 0 {
		t.Error("still pinned")
	}

	// Our own.
	own, err := l.ca.Own("node-1", []string{"hub"})
	check(t, err)
	l.says("POST", "/certificates/own/renew", url.Values{}, 303)
	if again, err := l.ca.Own("node-1", []string{"hub"}); err != nil || sameCert(own, again) {
		t.Error("not renewed", err)
	}

	// Who may see, may not issue.
	l.who = authz.Auditor
	if text := l.says("GET", "/certificates", nil, 200); strings.Contains(text, "Make a token") {
		t.Error("an auditor is offered a token")
	}
	l.says("GET", "/certificates/token", nil, 403)
	l.who = authz.Technologist
	l.says("GET", "/certificates", nil, 403)
}

func sameCert(a, b *tls.Certificate) bool {
	return string(a.Certificate[0]) == string(b.Certificate[0])
}

func TestTheAPIOfCertificates(t *testing.T) {
	l := newLab(t)
	l.authority()
	x := l.enrol("lis")
	status, text := l.ask("POST", "/api/v1/certificates/token", nil, map[string]any{"kind": "device", "name": "analyzer-7"})
	if status != 200 || tokenText.FindString(text) == "" {
		t.Errorf("%d %s", status, text)
	}
	for _, path := range []string{"", "/authorities", "/issued", "/issued/" + x.Serial, "/pins"} {
		if status, text := l.ask("GET", "/api/v1/certificates"+path, nil, nil); status != 200 {
			t.Errorf("%s: %d %s", path, status, text)
		}
	}
	at := "/api/v1/certificates/issued/" + x.Serial + "/revoke"
	if status, text := l.ask("POST", at, nil, map[string]any{"reason": " "}); status != 400 && status != 422 {
		t.Errorf("without a reason: %d %s", status, text)
	}
	if status, text := l.ask("POST", at, nil, map[string]any{"reason": "lost", "all": true}); status != 200 || !strings.Contains(text, `"revoked_by":"anna"`) {
		t.Errorf("%d %s", status, text)
	}
	if status, _ := l.ask("POST", at, nil, map[string]any{"reason": "again"}); status != 409 {
		t.Errorf("twice: %d", status)
	}
}
