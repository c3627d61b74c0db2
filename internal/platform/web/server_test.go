package web_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/a-h/templ"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

var now = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// site is a server in which X-Test-Role is who asks.
type site struct {
	*web.Server
	h   http.Handler
	log strings.Builder
	// refused are the reasons given to Refused.
	refused []error
}

func (s *site) identify(r *http.Request) (*authz.Subject, error) {
	switch v := r.Header.Get("X-Test-Role"); v {
	case "":
		return nil, nil
	case "broken":
		return nil, &web.Error{Kind: web.KindUnavailable, Message: "The sessions cannot be read."}
	default:
		g := authz.Grant{Role: authz.Role(v)}
		if p := r.Header.Get("X-Test-Partner"); p != "" {
			g.Partners = []string{p}
		}
		level, fresh := authz.LevelPasskey, now
		if r.Header.Get("X-Test-Stale") != "" {
			fresh = now.Add(-time.Hour)
		}
		if r.Header.Get("X-Test-Weak") != "" {
			level = authz.LevelTwo
		}
		return &authz.Subject{Account: v, Grants: []authz.Grant{g}, Level: level, FreshAt: fresh}, nil
	}
}

func logTo(w io.Writer) *slog.Logger { return slog.New(slog.NewTextHandler(w, nil)) }

func newSite(t *testing.T, routes ...web.Route) *site {
	t.Helper()
	return newSiteAt(t, func() time.Time { return now }, routes...)
}

func newSiteAt(t *testing.T, clock func() time.Time, routes ...web.Route) *site {
	t.Helper()
	s := &site{}
	s.Server = &web.Server{
		Identify: s.identify, Now: clock,
		Refused: func(_ context.Context, _ *authz.Subject, _ *http.Request, why error) {
			s.refused = append(s.refused, why)
		},
		Shell:  func(*http.Request, *authz.Subject) kit.Shell { return kit.Shell{Lab: "Millbrook"} },
		SignIn: "/sign-in", StepUp: "/step-up", Log: logTo(&s.log),
	}
	s.Add(routes...)
	s.h = s.Handler()
	return s
}

func (s *site) ask(method, path, body string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, "https://lab.example"+path, strings.NewReader(body))
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	s.h.ServeHTTP(w, r)
	return w
}

func says(text string) web.Handler {
	return func(w http.ResponseWriter, r *http.Request) error {
		return web.Render(w, r, kit.Page{Title: text, Lead: text, Body: templ.NopComponent})
	}
}

func TestARouteThatCouldLetSomebodyInByMistakeDoesNotStart(t *testing.T) {
	ok := says("x")
	for name, rt := range map[string]web.Route{
		"no permission":      {Pattern: "GET /x", Handle: ok},
		"unknown permission": {Pattern: "GET /x", Needs: "results.everything", Handle: ok},
		"no method":          {Pattern: "/x", Needs: authz.TodaySee, Handle: ok},
		"no handler":         {Pattern: "GET /x", Needs: authz.TodaySee},
		"open, no reason":    {Pattern: "GET /x", Access: web.Open, Handle: ok},
		"open and asking":    {Pattern: "GET /x", Access: web.Open, Why: "y", Needs: authz.TodaySee, Handle: ok},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("the route was taken")
				}
			}()
			(&web.Server{}).Add(rt)
		})
	}
}

func TestWhoMayPass(t *testing.T) {
	s := newSite(t,
		web.Route{Pattern: "GET /people", Needs: authz.PeopleSee, Handle: says("people")},
		web.Route{Pattern: "POST /people", Needs: authz.PeopleChange, Handle: says("changed")},
		web.Route{Pattern: "GET /results", Needs: authz.ResultsFind, Handle: says("results")},
		web.Route{Pattern: "GET /open", Access: web.Open, Why: "a test", Handle: says("open")},
	)
	for _, c := range []struct {
		what, method, path string
		headers            []string
		status             int
		location           string
	}{
		{what: "nobody", method: "GET", path: "/people", status: 303, location: "/sign-in?to=L3Blb3BsZQ"},
		{what: "nobody, open", method: "GET", path: "/open", status: 200},
		{what: "nobody, form", method: "POST", path: "/people", status: 401},
		{what: "administrator", method: "GET", path: "/people", headers: []string{"X-Test-Role", "administrator"}, status: 200},
		{what: "administrator without a passkey", method: "GET", path: "/people", headers: []string{"X-Test-Role", "administrator", "X-Test-Weak", "1"}, status: 303, location: "/step-up?to=L3Blb3BsZQ"},
		{what: "administrator, long ago", method: "POST", path: "/people", headers: []string{"X-Test-Role", "administrator", "X-Test-Stale", "1"}, status: 403},
		{what: "administrator, just now", method: "POST", path: "/people", headers: []string{"X-Test-Role", "administrator"}, status: 200},
		{what: "technologist", method: "GET", path: "/people", headers: []string{"X-Test-Role", "technologist"}, status: 403},
		{what: "a role that is none", method: "GET", path: "/people", headers: []string{"X-Test-Role", "root"}, status: 403},
		{what: "provider of a partner", method: "GET", path: "/results", headers: []string{"X-Test-Role", "provider", "X-Test-Partner", "riverside"}, status: 200},
		{what: "provider of none", method: "GET", path: "/results", headers: []string{"X-Test-Role", "provider"}, status: 403},
		{what: "the sessions cannot be read", method: "GET", path: "/people", headers: []string{"X-Test-Role", "broken"}, status: 503},
		{what: "no such page", method: "GET", path: "/nothing", status: 404},
		{what: "no such method", method: "DELETE", path: "/people", headers: []string{"X-Test-Role", "administrator"}, status: 404},
	} {
		t.Run(c.what, func(t *testing.T) {
			w := s.ask(c.method, c.path, "", c.headers...)
			if w.Code != c.status || w.Header().Get("Location") != c.location {
				t.Errorf("status %d to %q, want %d to %q", w.Code, w.Header().Get("Location"), c.status, c.location)
			}
		})
	}
	if len(s.refused) == 0 {
		t.Error("no refusal was recorded")
	}
}

func TestARequestFromAnotherSiteChangesNothing(t *testing.T) {
	done := 0
	s := newSite(t, web.Route{Pattern: "POST /do", Needs: authz.TodaySee, Handle: func(w http.ResponseWriter, r *http.Request) error {
		done++
		return web.Done(w, r, "/", "Done.")
	}})
	role := []string{"X-Test-Role", "technologist"}
	for _, h := range [][]string{
		{"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"}, {"Origin", "https://evil.example"}, {"Origin", "null"},
	} {
		if w := s.ask("POST", "/do", "", append(h, role...)...); w.Code != 403 {
			t.Errorf("%v: %d", h, w.Code)
		}
	}
	if done != 0 {
		t.Fatalf("%d requests of another site were carried out", done)
	}
	if w := s.ask("POST", "/do", "", append([]string{"Sec-Fetch-Site", "same-origin"}, role...)...); w.Code != 303 || done != 1 {
		t.Errorf("our own form: %d", w.Code)
	}
}

func TestWhatEveryAnswerCarries(t *testing.T) {
	s := newSite(t, web.Route{Pattern: "GET /x", Needs: authz.TodaySee, Handle: says("x")})
	nonces := map[string]bool{}
	for _, path := range []string{"/x", "/x", "/nothing", "/assets/labwarden.css"} {
		h := s.ask("GET", path, "", "X-Test-Role", "technologist", "Origin", "https://evil.example").Header()
		for name := range h {
			if strings.HasPrefix(name, "Access-Control-") {
				t.Errorf("%s: scripts of other sites may read it: %s", path, name)
			}
		}
		if kind := h.Get("Content-Type"); kind != "text/html; charset=utf-8" && kind != "text/css; charset=utf-8" {
			t.Errorf("%s: Content-Type %q", path, kind)
		}
		csp := h.Get("Content-Security-Policy")
		for _, part := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'", "form-action 'self'", "require-trusted-types-for 'script'", "style-src 'self'"} {
			if !strings.Contains(csp, part) {
				t.Errorf("%s: the policy %q does not say %s", path, csp, part)
			}
		}
		if strings.Contains(csp, "unsafe") {
			t.Errorf("%s: %s", path, csp)
		}
		nonces[csp] = true
		if h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Referrer-Policy") != "no-referrer" || h.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: %v", path, h)
		}
	}
	if len(nonces) != 4 {
		t.Error("two answers share a nonce")
	}
	for _, path := range []string{"/assets", "/assets/", "/assets/../", "/assets/.", "/.git/config", "/assets/%2e%2e/"} {
		if w := s.ask("GET", path, "", "X-Test-Role", "technologist"); w.Code == 200 || strings.Contains(w.Body.String(), "labwarden.css\n") {
			t.Errorf("%s lists what there is: %d", path, w.Code)
		}
	}
	if c := s.ask("GET", "/x", "", "X-Test-Role", "technologist").Header().Get("Cache-Control"); c != "no-store" {
		t.Errorf("a page may be kept: %q", c)
	}
}

func TestAPanicHurtsNobodyElseAndAnErrorSaysNothingItShouldNot(t *testing.T) {
	s := newSite(t,
		web.Route{Pattern: "GET /panic", Needs: authz.TodaySee, Handle: func(http.ResponseWriter, *http.Request) error { panic("boom at 10.1.2.3") }},
		web.Route{Pattern: "GET /error", Needs: authz.TodaySee, Handle: func(http.ResponseWriter, *http.Request) error {
			return errors.New("open /var/lib/secret: permission denied")
		}},
	)
	counted := 0
	s.OnPanic(func() { counted++ })
	for _, path := range []string{"/panic", "/error"} {
		w := s.ask("GET", path, "", "X-Test-Role", "technologist")
		if w.Code != 500 || strings.Contains(w.Body.String(), "10.1.2.3") || strings.Contains(w.Body.String(), "secret") || !strings.Contains(w.Body.String(), "reference") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
	if counted != 1 || !strings.Contains(s.log.String(), "boom") || !strings.Contains(s.log.String(), "permission denied") {
		t.Errorf("%d panics counted; log: %s", counted, s.log.String())
	}
}

func TestABodyThatIsTooLargeIsRefused(t *testing.T) {
	s := newSite(t, web.Route{Pattern: "POST /form", Needs: authz.TodaySee, MaxBody: 100, Handle: func(w http.ResponseWriter, r *http.Request) error {
		if err := r.ParseForm(); err != nil {
			return err
		}
		return web.Done(w, r, "/", "")
	}})
	h := []string{"X-Test-Role", "technologist", "Content-Type", "application/x-www-form-urlencoded"}
	if w := s.ask("POST", "/form", "a="+strings.Repeat("x", 200), h...); w.Code != 413 {
		t.Errorf("200 bytes: %d", w.Code)
	}
	if w := s.ask("POST", "/form", "a=x", h...); w.Code != 303 {
		t.Errorf("3 bytes: %d", w.Code)
	}
}

func TestNobodyIsLedElsewhere(t *testing.T) {
	for _, p := range []string{"//evil.example", "https://evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "", "/a\r\nSet-Cookie: x=y", "/\tx"} {
		if got := web.Local(p); got != "/" {
			t.Errorf("%q leads to %q", p, got)
		}
	}
	if got := web.Local("/results?state=waiting"); got != "/results?state=waiting" {
		t.Errorf("our own path became %q", got)
	}
}

type echoIn struct {
	ID    string `path:"id" doc:"which"`
	Limit int    `query:"limit" doc:"how many"`
	Note  string `json:"note" doc:"a note"`
}

func TestOperations(t *testing.T) {
	s := newSite(t, web.Op[echoIn, echoIn]{
		Pattern: "POST /api/v1/echo/{id}", Needs: authz.TodaySee, Tag: "test", Summary: "Echo",
		Do: func(_ *http.Request, in echoIn) (echoIn, error) { return in, nil },
	}.Route())
	h := []string{"X-Test-Role", "technologist", "Content-Type", "application/json"}
	w := s.ask("POST", "/api/v1/echo/a?limit=3", `{"note":"n","ID":"b","Limit":9}`, h...)
	var out echoIn
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || w.Code != 200 {
		t.Fatalf("%d %s: %v", w.Code, w.Body, err)
	}
	if out.ID != "a" || out.Limit != 3 || out.Note != "n" {
		t.Errorf("path and query lost against the body: %+v", out)
	}
	// Said twice, the first counts, wherever it is asked for.
	w = s.ask("POST", "/api/v1/echo/a?limit=3&limit=9&Limit=7", `{"note":"n"}`, h...)
	if err := json.Unmarshal(w.Body.Bytes(), &out); err != nil || out.Limit != 3 {
		t.Errorf("said twice: %+v %v", out, err)
	}
	for what, c := range map[string]struct {
		path, body string
		headers    []string
		status     int
	}{
		"unknown field":  {"/api/v1/echo/a", `{"other":1}`, h, 422},
		"no JSON":        {"/api/v1/echo/a", `note=n`, h, 422},
		"two values":     {"/api/v1/echo/a", `{} {}`, h, 422},
		"a form":         {"/api/v1/echo/a", `{}`, []string{"X-Test-Role", "technologist", "Content-Type", "text/plain"}, 422},
		"no number":      {"/api/v1/echo/a?limit=many", `{}`, h, 422},
		"nobody":         {"/api/v1/echo/a", `{}`, h[2:], 401},
		"no such thing":  {"/api/v1/other", `{}`, h, 404},
		"another's site": {"/api/v1/echo/a", `{}`, append([]string{"Origin", "https://evil.example"}, h...), 403},
	} {
		w := s.ask("POST", c.path, c.body, c.headers...)
		var e struct {
			Error struct{ Kind, Message string }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &e); err != nil || w.Code != c.status || e.Error.Message == "" {
			t.Errorf("%s: %d %s (%v)", what, w.Code, w.Body, err)
		}
	}
}

func TestAPageHearsThatSomethingChanged(t *testing.T) {
	s := newSite(t)
	srv := httptest.NewServer(s.h)
	defer srv.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+"/live?t=results", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Test-Role", "technologist")
	resp, err := srv.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	read := make(chan string)
	go func() {
		b := make([]byte, 1000)
		for {
			n, err := resp.Body.Read(b)
			if n > 0 {
				read <- string(b[:n])
			}
			if err != nil {
				close(read)
				return
			}
		}
	}()
	<-read // it is listening
	began := time.Now()
	s.Live.Say("alarms")
	s.Live.Say("results")
	if got := <-read; !strings.Contains(got, "event: changed") {
		t.Errorf("it heard %q", got)
	}
	if d := time.Since(began); d > time.Second {
		t.Errorf("after %v", d)
	}
	s.Close()
	for range read {
		continue // until the stream ends
	}
	if s.Live.Open() != 0 {
		t.Error("the page is still listened for")
	}
	_, _ = io.Copy(io.Discard, resp.Body)
}
