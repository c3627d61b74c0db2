package web_test

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// paceSite: X-Account asks, in the session that X-Session numbers.
func paceSite(t *testing.T, clock func() time.Time) *site {
	t.Helper()
	s := &site{}
	s.Server = &web.Server{Now: clock, Log: logTo(&s.log), SignIn: "/sign-in", Shell: func(*http.Request, *authz.Subject) kit.Shell { return kit.Shell{Lab: "Millbrook"} }, Pace: 600}
	s.Identify = func(r *http.Request) (*authz.Subject, error) {
		account := r.Header.Get("X-Account")
		if account == "" {
			return nil, nil
		}
		n, err := strconv.Atoi(r.Header.Get("X-Session"))
		return &authz.Subject{Account: account, Person: event.ID{1}, Session: event.ID{byte(n)}, Level: authz.LevelPasskey, FreshAt: clock(), Grants: []authz.Grant{{Role: authz.Administrator}}}, err
	}
	s.Add(
		web.Route{Pattern: "GET /people", Needs: authz.PeopleSee, Handle: says("people")},
		web.Route{Pattern: "GET /results", Needs: authz.ResultsReveal, Handle: says("not theirs")},
		web.Route{Pattern: "POST /export", Needs: authz.PeopleSee, Handle: says("export"), Stream: true},
		web.Route{Pattern: "GET /open", Access: web.Open, Why: "a test", Handle: says("open")},
		web.Op[struct{}, struct{}]{Pattern: "GET /api/v1/people", Needs: authz.PeopleSee, Tag: "people", Summary: "none", Do: func(*http.Request, struct{}) (struct{}, error) { return struct{}{}, nil }}.Route(),
	)
	s.h = s.Handler()
	return s
}

// TestAnAccountThatAsksTooOften: it is told when to come back, whatever it asks
// and by however many sessions or tokens; nobody else notices.
func TestAnAccountThatAsksTooOften(t *testing.T) {
	at := now
	s := paceSite(t, func() time.Time { return at })
	n := 0
	ask := func(account, method, path string) int {
		n++
		w := s.ask(method, path, "", "X-Account", account, "X-Session", strconv.Itoa(n%100))
		if w.Code == http.StatusTooManyRequests && w.Header().Get("Retry-After") == "" {
			t.Errorf("%s %s: it is not said when to come back", method, path)
		}
		return w.Code
	}
	for i := range 120 {
		path, want := "/people", http.StatusOK
		if i%2 == 1 { // what is refused counts as well
			path, want = "/results", http.StatusForbidden
		}
		if got := ask("a", "GET", path); got != want {
			t.Fatalf("request %d: %d", i, got)
		}
	}
	for _, path := range []string{"/people", "/results", "/api/v1/people"} {
		if got := ask("a", "GET", path); got != http.StatusTooManyRequests {
			t.Errorf("one too many: %s: %d", path, got)
		}
	}
	if w := s.ask("GET", "/api/v1/people", "", "X-Account", "a", "X-Session", "1"); w.Header().Get("Content-Type") != "application/json" || !strings.Contains(w.Body.String(), `"kind":"busy"`) {
		t.Errorf("a program reads %s", w.Body)
	}
	if a, b, c := ask("b", "GET", "/people"), ask("a", "GET", "/open"), ask("", "GET", "/open"); a != 200 || b != 200 || c != 200 {
		t.Errorf("somebody else %d, an open page %d, nobody %d", a, b, c)
	}
	// Live hints go on: this one names nothing to watch, and is judged for that alone.
	if got := ask("a", "GET", "/live"); got != http.StatusUnprocessableEntity {
		t.Errorf("live hints: %d", got)
	}
	if got := strings.Count(s.log.String(), "faster than it may"); got != 1 {
		t.Errorf("the log says it %d times", got)
	}
	// A tenth of a second later there is room for one, a rest later for all.
	at = at.Add(100 * time.Millisecond)
	if a, b := ask("a", "GET", "/people"), ask("a", "GET", "/people"); a != 200 || b != 429 {
		t.Errorf("a tenth of a second later: %d, %d", a, b)
	}
	at = at.Add(time.Hour)
	for range 2 {
		if got := ask("a", "POST", "/export"); got != 200 {
			t.Errorf("an export: %d", got)
		}
	}
	if got := ask("a", "POST", "/export"); got != 429 {
		t.Errorf("exports one after the other: %d", got)
	}
	// A clock that was set back keeps nobody out.
	at = at.Add(-24 * time.Hour)
	if got := ask("a", "GET", "/people"); got != 200 {
		t.Errorf("the clock was set back: %d", got)
	}
}

// TestWhatIsUsualIsNotTooOften: the pace that holds where nothing else is said.
func TestWhatIsUsualIsNotTooOften(t *testing.T) {
	at := now
	s := newSiteAt(t, func() time.Time { return at }, web.Route{Pattern: "GET /people", Needs: authz.PeopleSee, Handle: says("people")})
	for i := range 60 * 40 { // ten open pages that redraw themselves four times a second
		if w := s.ask("GET", "/people", "", "X-Test-Role", "administrator"); w.Code != 200 {
			t.Fatalf("request %d: %d", i, w.Code)
		}
		at = at.Add(time.Second / 40)
	}
	refused := 0
	for range 1000 {
		if s.ask("GET", "/people", "", "X-Test-Role", "administrator").Code == 429 {
			refused++
		}
	}
	if refused != 400 {
		t.Errorf("%d of 1000 at once were refused", refused)
	}
}
