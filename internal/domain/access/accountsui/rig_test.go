package accountsui_test

import (
	"bytes"
	"context"
	"crypto/sha256"
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

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/domain/access/accountsui"
	"github.com/labwarden/labwarden/internal/domain/access/record"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

var start = time.Date(2026, 11, 3, 8, 0, 0, 0, time.UTC)

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

// lab is a laboratory with people, and a server for its pages.
type lab struct {
	t      *testing.T
	srv    *httptest.Server
	deps   accountsui.Deps
	db     *store.DB
	log    *bus.Log
	people []accounts.Person
	roles  map[string]authz.Role
	me     string // whose requests these are
	at     time.Time
	found  []record.Message
	held   []accounts.Holding
	jar    *http.Client
	routes []web.Route
}

func (l *lab) Staff(context.Context) ([]accounts.Person, error) { return l.people, nil }

func (l *lab) Held(context.Context) ([]accounts.Holding, error)                  { return l.held, nil }
func (l *lab) Remove(context.Context, string, string, accounts.By, string) error { return nil }
func (l *lab) OfPatient(_ context.Context, id, _ string, _ int64, _ int) ([]record.Message, int64, bool, error) {
	if id != "PA17" {
		return nil, 0, true, nil
	}
	return l.found, 0, true, nil
}

func (l *lab) subject(account string) *authz.Subject {
	for _, p := range l.people {
		if p.Account == account {
			return &authz.Subject{Person: p.ID, Account: p.Account, Name: p.Name, Level: authz.LevelPasskey, FreshAt: l.at, Grants: []authz.Grant{{Role: l.roles[account], Until: start.AddDate(1, 0, 0)}}}
		}
	}
	return nil
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
	check(t, db.Migrate(t.Context(), bus.Migrations(), accounts.Migrations(), record.Migrations()))
	l := &lab{t: t, db: db, at: start, me: "anna", roles: map[string]authz.Role{}}
	l.log, err = bus.New("n1")
	check(t, err)
	l.log.Attach(db)
	for _, p := range []struct {
		account, name string
		role          authz.Role
		active        bool
	}{
		{"anna", "Anna Admin", authz.Administrator, true},
		{"sofia", "Sofia Officer", authz.SecurityOfficer, true},
		{"carla", "Carla Compliance", authz.ComplianceOfficer, true},
		{"audrey", "Audrey Auditor", authz.Auditor, true},
		{"jdoe", "Jane Doe", authz.Technologist, true},
		{"gone", "Gordon One", authz.Technologist, false},
	} {
		l.people = append(l.people, accounts.Person{ID: event.NewID(), Account: p.account, Name: p.name, Mail: p.account + "@lab.example", Active: p.active})
		l.roles[p.account] = p.role
	}
	now, log := func() time.Time { return l.at }, slog.New(slog.NewTextHandler(t.Output(), nil))
	l.deps = accountsui.Deps{
		Accounts: accounts.New(db, keys{}, l.log, l, l, now, log), Record: record.New(db, keys{}, l.log, l, now, log),
		Hub: func() record.Hub { return record.Hub{Lab: "Millbrook Laboratory", Host: "lab.example"} }, Partners: func() [][2]string { return [][2]string{{"riverside", "Riverside Family Practice"}} }, Zone: time.UTC,
	}
	s := &web.Server{
		Pace:     1_000_000, // the test asks faster than people do
		Identify: func(*http.Request) (*authz.Subject, error) { return l.subject(l.me), nil },
		Shell: func(_ *http.Request, who *authz.Subject) kit.Shell {
			return kit.Shell{
				Lab: "Millbrook Laboratory", Clock: "08:00", Me: &kit.Me{Name: who.Name, Role: string(l.roles[who.Account])},
				Nav: []kit.NavItem{{Name: "Today", Href: "/", Icon: "today"}, {Name: "Other accounts", Href: "/accounts", Icon: "access"}, {Name: "Record", Href: "/record", Icon: "record"}},
			}
		},
		SignIn: "/sign-in", StepUp: "/step-up", Live: web.NewLive(), Now: now, Log: log,
	}
	s.Add(accountsui.Routes(l.deps)...)
	l.srv = httptest.NewUnstartedServer(s.Handler())
	l.srv.EnableHTTP2 = true
	l.srv.StartTLS()
	t.Cleanup(func() { s.Close(); l.srv.Close() })
	l.routes = s.Routes()
	l.jar = l.srv.Client()
	l.jar.Jar, err = cookiejar.New(nil)
	check(t, err)
	l.jar.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return l
}

func (l *lab) as(account string) *lab { l.me = account; return l }

// follow has the record read all.
func (l *lab) follow() {
	l.t.Helper()
	for more := true; more; {
		var err error
		more, err = l.deps.Record.Step(l.t.Context())
		check(l.t, err)
	}
}

func (l *lab) do(req *http.Request, status int) (body, location string) {
	l.t.Helper()
	res, err := l.jar.Do(req)
	check(l.t, err)
	b, err := io.ReadAll(res.Body)
	check(l.t, err)
	check(l.t, res.Body.Close())
	if res.StatusCode != status {
		l.t.Fatalf("%s %s as %s: %d, want %d\n%s", req.Method, req.URL.Path, l.me, res.StatusCode, status, tail(string(b)))
	}
	return string(b), res.Header.Get("Location")
}

func tail(v string) string { return v[max(0, len(v)-600):] }

func (l *lab) get(path string) string {
	l.t.Helper()
	return l.getStatus(path, http.StatusOK)
}

func (l *lab) getStatus(path string, status int) string {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodGet, l.srv.URL+path, nil)
	check(l.t, err)
	b, _ := l.do(req, status)
	return b
}

// post sends a form; it returns the page or where it leads.
func (l *lab) post(path string, status int, form ...string) (body, location string) {
	l.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		v.Add(form[i], form[i+1])
	}
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, l.srv.URL+path, strings.NewReader(v.Encode()))
	check(l.t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return l.do(req, status)
}

// upload offers a list and returns where its difference is.
func (l *lab) upload(system, list string, status int) (body, location string) {
	l.t.Helper()
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	f, err := m.CreateFormFile("file", "accounts.csv")
	check(l.t, err)
	_, err = io.WriteString(f, list)
	check(l.t, err)
	check(l.t, m.WriteField("as_of", l.at.Format(time.DateOnly)))
	check(l.t, m.Close())
	req, err := http.NewRequestWithContext(l.t.Context(), http.MethodPost, l.srv.URL+"/accounts/systems/"+system+"/list", &b)
	check(l.t, err)
	req.Header.Set("Content-Type", m.FormDataContentType())
	return l.do(req, status)
}

func (l *lab) api(method, path, body string, status int) string {
	l.t.Helper()
	req, err := http.NewRequestWithContext(l.t.Context(), method, l.srv.URL+path, strings.NewReader(body))
	check(l.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	b, _ := l.do(req, status)
	return b
}

// happen writes events.
func (l *lab) happen(events ...ledger.Event) {
	l.t.Helper()
	check(l.t, l.db.Do(l.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		for _, e := range events {
			e.At = l.at.UnixMicro()
			if _, err := bus.Publish(ctx, tx, e); err != nil {
				return err
			}
		}
		return nil
	}))
}

const list = "SamAccountName;DisplayName;EmailAddress;Enabled;LastLogonDate;MemberOf\n" +
	"anna;Anna Admin;anna@lab.example;True;2026-10-30;CN=Domain Admins,CN=Users,DC=lab,DC=example\n" +
	"gone;Gordon One;gone@lab.example;True;2026-08-01;\n" +
	"bench1;Bench 1;;True;2026-11-02;\n" +
	"<script>alert(1)</script>;<b>x</b>;;True;2026-11-02;\n" +
	"=HYPERLINK(1);=cmd;;True;2026-11-02;\n" +
	"j.doe;Jane Doe;;True;2026-11-02;\n"

// furnished has a system with a list, a vendor, an open review and things in the
// record.
func furnished(t *testing.T) *lab {
	t.Helper()
	l := newLab(t)
	ctx, anna := t.Context(), accounts.By{Person: l.people[0].ID, Account: "anna", Name: "Anna Admin"}
	check(t, l.deps.Accounts.AddSystem(ctx, accounts.System{Key: "windows", Name: "Windows domain", Kind: "directory", Owner: "anna", EveryDays: 100}, anna))
	check(t, l.deps.Accounts.AddSystem(ctx, accounts.System{Key: "vpn", Name: "VPN", Kind: "vpn", Owner: "sofia", EveryDays: 100}, anna))
	p, err := l.deps.Accounts.Offer(ctx, "windows", []byte(list), l.at, anna)
	check(t, err)
	_, err = l.deps.Accounts.Take(ctx, p.Import.ID, false, anna)
	check(t, err)
	_, err = l.deps.Accounts.AddVendor(ctx, accounts.Vendor{
		Name: "Analyzer Service Inc", Purpose: "Remote service of analyzers", Associate: accounts.Yes, PHI: accounts.Yes, Agreed: start.AddDate(-1, 0, 0), Ends: start.AddDate(0, 0, 12), Owner: "carla", Channels: []string{"riverside"},
	}, anna)
	check(t, err)
	_, err = l.deps.Accounts.AddVendor(ctx, accounts.Vendor{Name: "Courier Ltd", Purpose: "Carries samples", Owner: "carla"}, anna)
	check(t, err)
	for _, p := range l.people[:5] {
		l.held = append(l.held, accounts.Holding{Kind: "grant", ID: event.NewID().String(), Person: p.ID, Account: p.Account, Name: p.Name, What: string(l.roles[p.Account]), Detail: "Everywhere, without an end."})
	}
	check(t, l.deps.Accounts.Tick(ctx))
	message := event.NewID().String()
	l.found = []record.Message{{ID: message, Source: "lis", Received: l.at, Deliveries: []record.Delivery{{Number: 1, Partner: "riverside", State: "done", Accepted: l.at}}}}
	l.happen(
		ledger.Event{Kind: "session.started", IDs: ledger.Pairs{{K: "by", V: "jdoe"}, {K: "session", V: event.NewID().String()}}, Codes: ledger.Pairs{{K: "method", V: "passkey"}, {K: "network", V: "10.0.0.7"}}},
		ledger.Event{Kind: "result.viewed", IDs: ledger.Pairs{{K: "message", V: message}, {K: "by", V: "jdoe"}}, Codes: ledger.Pairs{{K: "reason", V: "asked-by-the-ward"}}},
		ledger.Event{Kind: "signin.refused", IDs: ledger.Pairs{{K: "from", V: "10.0.0.9"}}, Codes: ledger.Pairs{{K: "way", V: "password"}}},
	)
	l.follow()
	return l
}

// damage makes a row of the record's table somebody else's.
func damage(ctx context.Context, tx *store.Tx) error {
	_, err := tx.Exec(ctx, "UPDATE record_events SET who = 'nobody' WHERE kind = 'result.viewed'")
	return err
}
