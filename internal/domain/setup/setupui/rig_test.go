package setupui_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/setup/setuptest"
	"github.com/labwarden/labwarden/internal/domain/setup/setupui"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// rig serves the pages to people who say by a header who they are.
type rig struct {
	t       *testing.T
	now     time.Time
	lab     *setuptest.Lab
	service *setup.Service
	handler http.Handler
	server  *web.Server
	people  map[string]*authz.Subject
	facts   setup.Facts
	hub     *hub
}

func subject(n byte, account string, roles ...authz.Role) *authz.Subject {
	s := &authz.Subject{Person: event.ID{n}, Account: account, Name: account, Level: authz.LevelPasskey}
	for _, r := range roles {
		s.Grants = append(s.Grants, authz.Grant{Role: r})
	}
	return s
}

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 11, 21, 7, 40, 0, 0, time.UTC), lab: setuptest.New()}
	db := open(store.Options{})
	r.must(db.Migrate(t.Context(), bus.Migrations(), approval.Migrations(), setup.Migrations()))
	log, err := bus.New("test")
	r.must(err)
	log.Attach(db)
	v := vaulttest.New(t)
	r.must(v.EnsurePurpose(t.Context(), vault.PurposeConfig, r.now))
	clock := func() time.Time { return r.now }
	r.service = setup.New(setup.Deps{
		DB: db, Vault: v, Approvals: approval.New(db, v, clock), Config: r.lab, Read: setuptest.Read, Directing: r.lab, Replayer: r.lab, People: r.lab,
		NeverAlone: func(context.Context) (bool, error) { return r.lab.Never, nil }, Now: clock, Log: slog.New(slog.DiscardHandler),
	})
	r.people = map[string]*authz.Subject{
		"ann":    subject(1, "ann", authz.Administrator),
		"bob":    subject(2, "bob", authz.Administrator),
		"dr-lee": subject(3, "dr-lee", authz.Director),
		"sam":    subject(4, "sam", authz.SecurityOfficer),
		"tina":   subject(5, "tina", authz.Technologist),
		"paul":   subject(6, "paul", authz.ITPartner),
		"carl":   subject(7, "carl", authz.Counsel),
	}
	r.people["paul"].Grants[0].Until = r.now.Add(365 * 24 * time.Hour)
	r.people["tina"].Delegations = []authz.Delegation{{Permission: authz.RoutesApprove}}
	for _, p := range r.people {
		p.FreshAt = r.now
	}
	r.facts = setup.Facts{
		At: r.now, Lab: "Millbrook", Revision: 1, Seals: 2, Unattended: true, Shares: 5, Threshold: 3, SharesSet: "AB12CD34", SharesAt: r.now.Add(-90 * 24 * time.Hour),
		Administrators: 2, Appliers: 2, Directing: 1, Sources: []setup.Heard{{Key: "lis", Kind: "mllp", Last: r.now.Add(-time.Minute)}},
		Partners: []setup.Heard{{Key: "north", Name: "North", Kind: "mllp"}},
	}
	r.hub = &hub{now: r.now, secrets: map[string]string{}, made: make(chan bool, 10)}
	r.server = &web.Server{
		Pace: 1_000_000, // the test asks faster than people do
		Identify: func(q *http.Request) (*authz.Subject, error) {
			name := q.Header.Get("Who")
			if c, err := q.Cookie("who"); err == nil && name == "" {
				name = c.Value
			}
			return r.people[name], nil
		},
		Kinds: setupui.Kinds, SignIn: "/sign-in", StepUp: "/confirm", Now: clock, Log: slog.New(slog.DiscardHandler),
		Shell: func(_ *http.Request, who *authz.Subject) kit.Shell {
			sh := kit.Shell{Lab: "Millbrook Laboratory", Clock: "07:40", Nav: []kit.NavItem{
				{Name: "Today", Href: "/", Icon: "today"},
				{Name: "Results", Href: "/results", Icon: "results"},
				{Name: "Partners", Href: "/partners", Icon: "partners"},
				{Name: "Settings", Href: "/settings", Icon: "settings"},
			}}
			if who != nil {
				sh.Me = &kit.Me{Name: who.Name, Role: "Administrator"}
			}
			return sh
		},
	}
	r.server.Add(setupui.Routes(r.deps())...)
	r.handler = r.server.Handler()
	return r
}

func (r *rig) deps() setupui.Deps {
	return setupui.Deps{
		Setup: r.service, Config: r.lab, Facts: func(context.Context) (setup.Facts, error) { return r.facts, nil },
		Keys: r.hub, Secrets: r.hub, Dates: r.hub, Witnessing: r.hub,
		Bundles: &setup.BundleJob{Make: r.hub.bundle, Done: func() { r.hub.made <- true }, Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler)},
	}
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// page is an answer.
type page struct {
	t    *testing.T
	path string
	code int
	to   string
	body string
}

func (r *rig) do(who, method, path, contentType, body string) page {
	r.t.Helper()
	q := httptest.NewRequest(method, "https://hub.example"+path, strings.NewReader(body))
	q.Header.Set("Who", who)
	if contentType != "" {
		q.Header.Set("Content-Type", contentType)
	}
	w := httptest.NewRecorder()
	r.handler.ServeHTTP(w, q)
	b, err := io.ReadAll(w.Body)
	r.must(err)
	return page{r.t, method + " " + path, w.Code, w.Header().Get("Location"), string(b)}
}

func (r *rig) get(who, path string) page { r.t.Helper(); return r.do(who, "GET", path, "", "") }

func (r *rig) post(who, path string, form ...string) page {
	r.t.Helper()
	v := url.Values{}
	for i := 0; i+1 < len(form); i += 2 {
		v.Add(form[i], form[i+1])
	}
	return r.do(who, "POST", path, "application/x-www-form-urlencoded", v.Encode())
}

func (r *rig) api(who, method, path, body string) page {
	r.t.Helper()
	return r.do(who, method, "/api/v1"+path, "application/json", body)
}

// says checks status and words.
func (p page) says(code int, words ...string) page {
	p.t.Helper()
	if p.code != code {
		p.t.Fatalf("%s: %d, want %d\n%s", p.path, p.code, code, p.body)
	}
	for _, w := range words {
		if !strings.Contains(p.body, w) {
			p.t.Fatalf("%s does not say %q\n%s", p.path, w, p.body)
		}
	}
	return p
}

func (p page) without(words ...string) page {
	p.t.Helper()
	for _, w := range words {
		if strings.Contains(p.body, w) {
			p.t.Fatalf("%s says %q\n%s", p.path, w, p.body)
		}
	}
	return p
}

// goes checks that a form worked and leads there.
func (p page) goes(to string) page {
	p.t.Helper()
	if p.code != http.StatusSeeOther || p.to != to {
		p.t.Fatalf("%s: %d to %q, want %q\n%s", p.path, p.code, p.to, to, p.body)
	}
	return p
}

var hiddenField = regexp.MustCompile(`<input type="hidden" name="([^"]+)" value="([^"]*)"`)

// hidden is a form's hidden value.
func (p page) hidden(name string) string {
	p.t.Helper()
	for _, m := range hiddenField.FindAllStringSubmatch(p.body, -1) {
		if m[1] == name {
			return m[2]
		}
	}
	p.t.Fatalf("%s has no hidden %s\n%s", p.path, name, p.body)
	return ""
}
