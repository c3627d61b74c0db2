package app

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/web"
)

// doors is the whole of what the hub serves, asked as anybody.
type doors struct {
	t   *testing.T
	h   *Hub
	s   *web.Server
	all http.Handler
	as  *authz.Subject
	ids map[string]string
}

func newDoors(t *testing.T) *doors {
	t.Helper()
	return newDoorsAt(t, 1_000_000) // the tests ask faster than people do
}

// newDoorsAt lets one account ask so often in a minute.
func newDoorsAt(t *testing.T, pace int) *doors {
	t.Helper()
	s := newSite(t, "")
	h := fullHub(t, s)
	c := s.parse(strings.Replace(s.source("  p: {name: P, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n", "p", "shadow"), "  seals:", "  web: {listen: \"127.0.0.1:0\"}\n  enrol: {address: \"hub.example:8446\"}\n  seals:", 1))
	d := &doors{t: t, h: h, ids: map[string]string{}}
	if c.Node.Web.Pace != 3000 {
		t.Errorf("one account may ask %d times a minute", c.Node.Web.Pace)
	}
	c.Node.Web.Pace = pace
	d.s = h.newWeb(c)
	d.s.Identify = func(*http.Request) (*authz.Subject, error) { return d.as, nil }
	d.all = d.s.Handler()
	id := func(query string) string {
		var b []byte
		if err := h.DB.QueryRow(t.Context(), query).Scan(&b); err != nil {
			t.Fatalf("%s: %v", query, err)
		}
		x, err := event.IDFromBytes(b)
		if err != nil {
			t.Fatal(err)
		}
		return x.String()
	}
	d.ids["results"] = id("SELECT id FROM results_messages ORDER BY id LIMIT 1")
	d.ids["quarantine"] = id("SELECT id FROM results_quarantine ORDER BY id LIMIT 1")
	d.ids["calls"] = id("SELECT id FROM results_calls ORDER BY id LIMIT 1")
	d.ids["stops"] = id("SELECT id FROM results_stops ORDER BY id LIMIT 1")
	var seq int64
	if err := h.DB.QueryRow(t.Context(), "SELECT seq FROM results_deliveries ORDER BY seq LIMIT 1").Scan(&seq); err != nil {
		t.Fatal(err)
	}
	d.ids["deliveries"] = fmt.Sprint(seq)
	return d
}

// path fills a pattern's parameters with things that exist and belong to
// partners good, strict and away.
func (d *doors) path(pattern string) (method, path string, object bool) {
	method, path, _ = strings.Cut(pattern, " ")
	parts := strings.Split(path, "/")
	what := ""
	for i, p := range parts {
		if !strings.HasPrefix(p, "{") {
			if d.ids[p] != "" {
				what = p
			}
			continue
		}
		switch p {
		case "{$}":
			parts[i] = ""
			continue
		case "{key}":
			parts[i] = "good"
		case "{name}", "{name...}":
			parts[i] = "all"
		case "{number}":
			parts[i] = "1"
			if what == "deliveries" || what == "results" {
				parts[i] = d.ids["deliveries"]
			}
		case "{quarter}":
			parts[i] = "2026-4"
		default:
			parts[i] = event.NewID().String()
			if what != "" && what != "deliveries" {
				parts[i] = d.ids[what]
			}
		}
		object = true
	}
	return method, strings.Join(parts, "/"), object
}

func (d *doors) ask(who *authz.Subject, rt *web.Route) int {
	d.as = who
	method, path, _ := d.path(rt.Pattern)
	limit := 5 * time.Second
	if path == "/live" { // hints never end by themselves
		path, limit = "/live?t=results", 50*time.Millisecond
	}
	ctx, cancel := context.WithTimeout(d.t.Context(), limit)
	defer cancel()
	r := httptest.NewRequestWithContext(ctx, method, "https://localhost"+path, strings.NewReader("{}"))
	if rt.Doc != nil {
		r.Header.Set("Content-Type", "application/json")
	} else {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	d.all.ServeHTTP(w, r)
	return w.Code
}

// Every role on every route, with what belongs to somebody else: whoever the
// matrix does not name is refused, whoever is narrowed to another partner sees
// and changes nothing, and nobody who is not signed in gets in.
func TestEveryRoleOnEveryRoute(t *testing.T) {
	d := newDoors(t)
	now := time.Now()
	person, link, err := d.h.Access.Invite(t.Context(), holdings{d.h}.inTheNameOf(accounts.By{Account: "first"}), access.NewPerson{
		Account: "somebody", Name: "Somebody", Grants: []authz.Grant{{Role: authz.Technologist}},
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.h.DB.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
		_, _, err := d.h.Access.UseLink(ctx, tx, link.Token, access.NewPerson{})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	subject := func(role authz.Role, partners ...string) *authz.Subject {
		return &authz.Subject{
			Person: person.ID, Account: "somebody", Name: "Somebody", Level: authz.LevelPasskey, FreshAt: now, Session: event.NewID(),
			Grants: []authz.Grant{{Role: role, Partners: partners, Until: now.Add(time.Hour)}},
		}
	}
	type asker struct {
		name     string
		who      *authz.Subject
		narrowed bool
	}
	askers := []asker{{name: "nobody"}}
	for _, info := range authz.Roles() {
		if info.Scoped {
			askers = append(askers, asker{string(info.Role) + " of another practice", subject(info.Role, "elsewhere"), true})
			continue
		}
		away := subject(info.Role)
		away.Grants[0].Sites = []string{"south"} // everything is of north
		askers = append(askers, asker{string(info.Role), subject(info.Role), false}, asker{string(info.Role) + " of another partner", subject(info.Role, "elsewhere"), true},
			asker{string(info.Role) + " of another site", away, true})
	}
	token := subject(authz.Administrator)
	token.Only = []authz.Permission{authz.TodaySee}
	askers = append(askers, asker{"token for Today alone", token, false})
	weak := subject(authz.Administrator)
	weak.Level = authz.LevelTwo
	askers = append(askers, asker{"administrator without a passkey", weak, false})

	tried, allowed, refused, hidden := 0, 0, 0, 0
	routes := d.s.Routes()
	for i := range routes {
		rt := &routes[i]
		if rt.Access == web.Open {
			continue
		}
		info, _ := authz.Of(rt.Needs)
		_, _, object := d.path(rt.Pattern)
		for _, a := range askers {
			tried++
			status := d.ask(a.who, rt)
			fail := func(want string) { t.Errorf("%s as %s: %d, want %s", rt.Pattern, a.name, status, want) }
			switch {
			case status >= 500:
				fail("no failure")
			case a.who == nil:
				refused++
				if status != http.StatusUnauthorized && status != http.StatusSeeOther {
					fail("401, or the sign-in")
				}
			case a.who.Scope(rt.Needs, now).Empty():
				refused++
				if status != http.StatusForbidden && status != http.StatusSeeOther {
					fail("403")
				}
				if status == http.StatusSeeOther && a.who != weak {
					fail("403")
				}
			case a.narrowed && info.Scoped && object && !strings.HasPrefix(rt.Pattern, "GET /api/v1/openapi"):
				hidden++
				if status == http.StatusSeeOther && strings.HasPrefix(rt.Pattern, "GET ") {
					continue // to the page above, which is asked for itself
				}
				if !slices.Contains([]int{http.StatusNotFound, http.StatusForbidden, http.StatusUnprocessableEntity}, status) {
					fail("404: it belongs to somebody else")
				}
			default:
				allowed++
				if status == http.StatusUnauthorized {
					fail("something else")
				}
			}
		}
	}
	// At its own site it is there.
	for site, want := range map[string]int{"north": http.StatusOK, "south": http.StatusNotFound} {
		who := subject(authz.Technologist)
		who.Grants[0].Sites = []string{site}
		for _, pattern := range []string{"GET /results/{id}", "GET /quarantine/{id}", "GET /calls/{id}", "GET /partners/{key}", "GET /api/v1/results/{id}"} {
			i := slices.IndexFunc(routes, func(rt web.Route) bool { return rt.Pattern == pattern })
			if status := d.ask(who, &routes[i]); status != want {
				t.Errorf("%s as technologist of %s: %d, want %d", pattern, site, status, want)
			}
		}
	}
	if len(askers) != 34 {
		t.Errorf("%d askers", len(askers))
	}
	t.Logf("%d routes x %d askers = %d: %d allowed, %d refused, %d hidden", len(routes), len(askers), tried, allowed, refused, hidden)
	open := 0
	for i := range routes {
		if routes[i].Access == web.Open {
			open++
		}
	}
	if want := (len(routes) - open) * len(askers); tried != want || refused == 0 || hidden == 0 || allowed == 0 {
		t.Errorf("%d tried, want %d", tried, want)
	}
}
