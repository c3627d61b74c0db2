package postureui_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/pages"
	"github.com/labwarden/labwarden/internal/domain/partners/postureui"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/posture"
	"github.com/labwarden/labwarden/internal/platform/web"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

var at = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

func lines(context.Context) ([]posture.Line, error) {
	seen := func(s string) posture.Seen { return posture.Seen{Secured: s, At: at.Add(-2 * time.Hour)} }
	var out []posture.Line
	add := func(l posture.Line, c posture.Channel) {
		l.Settle(c, false)
		out = append(out, l)
	}
	own := posture.Date{Kind: "our certificate", Of: "hub.millbrook.example", From: at.AddDate(0, -10, 0), Ends: at.AddDate(0, 2, 0), Owner: "S. Lindqvist"}
	add(posture.Line{
		Channel: "partner riverside", Partner: "riverside", Name: "Riverside Family Practice", Way: "results to them by MLLP", Where: "hl7.riverside.example:2575", EndToEnd: "",
		Dates: []posture.Date{own, {Kind: "exception", Of: "TLS 1.2 (their engine is old)", Ends: at.AddDate(0, 0, 9), Owner: "M. Okafor", Due: true}},
	}, posture.Channel{Seen: seen("TLS 1.2 TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 CurveP256")})
	add(posture.Line{Channel: "partner northgate", Partner: "northgate", Name: "=Northgate Clinic", Way: "their box here by SFTP", Where: "0.0.0.0:2022", EndToEnd: "registered: age-pq"}, posture.Channel{SSH: true, Seen: seen("SSH mlkem768x25519-sha256 aes128-gcm@openssh.com")})
	add(posture.Line{Channel: "partner northgate", Partner: "northgate", Name: "=Northgate Clinic", Way: "their box here by FTPS", Where: "0.0.0.0:2121"}, posture.Channel{})
	add(posture.Line{Channel: "source lis", Name: "lis", Way: "messages from it by MLLP", Where: "10.1.0.4:2575", Dates: []posture.Date{{Kind: "exception", Of: "plaintext (being replaced)", Ends: at.AddDate(0, 0, -3), Owner: "M. Okafor", Due: true, Past: true}}}, posture.Channel{Plain: true, Seen: seen("")})
	add(posture.Line{Channel: "tunnel hilltop", Name: "hilltop", Way: "tunnel, wireguard", Dates: []posture.Date{{Kind: "tunnel keys", Of: "number 41", From: at.Add(-3 * time.Hour)}}}, posture.Channel{WireGuard: true, Seen: seen("WireGuard ChaCha20-Poly1305 X25519+mlkem-preshared-key")})
	add(posture.Line{Channel: "pages", Name: "Pages", Way: "the laboratory's own pages", Where: "https://hub.millbrook.example", Dates: []posture.Date{own}}, posture.Channel{Seen: seen("TLS 1.3 TLS_AES_128_GCM_SHA256 X25519MLKEM768")})
	return out, nil
}

func lab(t *testing.T, role authz.Role, partners ...string) *httptest.Server {
	s := &web.Server{
		Pace: 1_000_000,
		Identify: func(*http.Request) (*authz.Subject, error) {
			return &authz.Subject{Person: event.NewID(), Account: "dana", Name: "Dana Reyes", Level: authz.LevelPasskey, FreshAt: at, Grants: []authz.Grant{{Role: role, Until: at.AddDate(1, 0, 0), Partners: partners}}}, nil
		},
		Shell: func(_ *http.Request, who *authz.Subject) kit.Shell {
			return kit.Shell{Lab: "Millbrook Laboratory", Clock: "09:00", Me: &kit.Me{Name: who.Name, Role: string(role)}, Nav: []kit.NavItem{{Name: "Today", Href: "/", Icon: "today"}, {Name: "Posture", Href: "/posture", Icon: "shield-check"}}}
		},
		SignIn: "/sign-in", StepUp: "/step-up", Live: web.NewLive(), Now: func() time.Time { return at }, Log: slog.New(slog.NewTextHandler(t.Output(), nil)),
	}
	s.Add(postureui.Routes(postureui.Deps{Lines: lines, Trials: new(trials), Partners: func() map[string]string {
		return map[string]string{"riverside": "Riverside Family Practice", "northgate": "Northgate Clinic"}
	}})...)
	srv := httptest.NewUnstartedServer(s.Handler())
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(func() { s.Close(); srv.Close() })
	return srv
}

// trials are two, of which one was used.
type trials struct{ made []posture.NewTrial }

func (s *trials) Make(_ context.Context, q posture.NewTrial, who string) (posture.MadeTrial, error) {
	if q.Minutes > 1440 {
		return posture.MadeTrial{}, wrong("a trial lasts from 1 to 1440 minutes")
	}
	s.made = append(s.made, q)
	return posture.MadeTrial{
		Trial: posture.Trial{Name: "try.k7m2p4q6rs", Partner: q.Partner, Made: at, By: who, Ends: at.Add(time.Hour)}, Code: "jbswy3dpehpk3pxpjbswy3dpeh",
		Ways: []posture.TrialWay{{What: "SFTP", Line: "sftp -P 22 try.k7m2p4q6rs@lab.example"}, {What: "the portal", Line: "https://results.lab.example/try/try.k7m2p4q6rs"}},
	}, nil
}

func (s *trials) List(context.Context) ([]posture.Trial, error) {
	return []posture.Trial{
		{Name: "try.aaaaaaaaaa", Partner: "northgate", Made: at, Ends: at.Add(time.Hour), Tried: []posture.Tried{{At: at, Protocol: "SFTP", Secured: "SSH curve25519-sha256 aes128-gcm@openssh.com", Client: "OpenSSH_9.2p1", Proof: "password"}}, Did: []string{"A file of 12 bytes was put into /inbox and came whole; it is not kept."}},
		{Name: "try.bbbbbbbbbb", Made: at, Ends: at.Add(time.Hour)},
	}, nil
}

func (s *trials) Report(t *posture.Trial) string { return t.Report("Millbrook Laboratory", false) }

type wrong string

func (w wrong) Error() string { return string(w) }
func (w wrong) Wrong() string { return string(w) }

func post(t *testing.T, srv *httptest.Server, path string, form url.Values) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, srv.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

// A trial is made by who may test partners, told once, and its report is on the page.
func TestTrialPage(t *testing.T) {
	srv := lab(t, authz.Administrator)
	if page := get(t, srv, "/posture"); !strings.Contains(page, "/posture/trials") {
		t.Error("the posture does not lead to the trial")
	}
	if page := get(t, lab(t, authz.Auditor), "/posture"); strings.Contains(page, "/posture/trials") {
		t.Error("who may not make a trial is led there")
	}
	page := get(t, srv, "/posture/trials")
	for _, want := range []string{"Riverside Family Practice", "Nobody in particular", "OpenSSH_9.2p1", "No connection came yet", "OpenSSH from 9.9"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if code, page := post(t, srv, "/posture/trials", url.Values{"partner": {"riverside"}, "minutes": {"60"}}); code != http.StatusOK || !strings.Contains(page, "jbswy3dpehpk3pxpjbswy3dpeh") || !strings.Contains(page, "sftp -P 22") {
		t.Error(code, page)
	}
	for _, minutes := range []string{"", "x", "0", "9999"} {
		if code, page := post(t, srv, "/posture/trials", url.Values{"minutes": {minutes}}); code != http.StatusUnprocessableEntity || !strings.Contains(page, "minutes") {
			t.Error(minutes, code)
		}
	}
	if api := get(t, srv, "/api/v1/posture/trials"); strings.Count(api, `"report"`) != 2 {
		t.Error(api)
	}
}

func get(t *testing.T, srv *httptest.Server, path string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, srv.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := srv.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		t.Fatal(path, res.StatusCode, err, string(b))
	}
	return string(b)
}

func TestPosturePage(t *testing.T) {
	srv := lab(t, authz.SecurityOfficer)
	page := get(t, srv, "/posture")
	for _, want := range []string{"1 way does not meet the guidance of HHS.", "no connection was seen yet", "not seen yet", "TLS 1.2, ECDHE-RSA-WITH-AES-128-GCM-SHA256", "SSH, aes128-gcm", "mlkem768x25519-sha256", "registered: age-pq", "M. Okafor", "WireGuard is not named"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	csv := get(t, srv, "/posture?format=csv")
	if !strings.Contains(csv, "'=Northgate") || !strings.Contains(csv, "not seen yet") || strings.Count(csv, "\n") != 8 {
		t.Error(csv)
	}
	if api := get(t, srv, "/api/v1/posture"); !strings.Contains(api, `"fips_build":false`) || strings.Count(api, `"channel"`) != 6 {
		t.Error(api)
	}
	// A practice sees its own ways and none of the laboratory's.
	mine := get(t, lab(t, authz.Provider, "northgate"), "/posture")
	if !strings.Contains(mine, "Northgate") || strings.Contains(mine, "Riverside") || strings.Contains(mine, "own pages") || strings.Contains(mine, "hilltop") {
		t.Error(mine)
	}
}

// The page with a browser: both themes, wide and narrow, axe-core, no script.
func TestPostureInABrowser(t *testing.T) {
	plan := pages.Plan{Base: lab(t, authz.Administrator).URL, Pages: []pages.Page{{Name: "posture", Path: "/posture", Narrow: true, Print: true}, {Name: "try", Path: "/posture/trials", Narrow: true}}}
	if r := pages.Look(t, plan); len(r.Measured) != 2 {
		t.Error("the page was not looked at")
	}
}
