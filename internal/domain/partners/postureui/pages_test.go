package postureui_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
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
	s.Add(postureui.Routes(postureui.Deps{Lines: lines})...)
	srv := httptest.NewUnstartedServer(s.Handler())
	srv.EnableHTTP2 = true
	srv.StartTLS()
	t.Cleanup(func() { s.Close(); srv.Close() })
	return srv
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
	plan := pages.Plan{Base: lab(t, authz.SecurityOfficer).URL, Pages: []pages.Page{{Name: "posture", Path: "/posture", Narrow: true, Print: true}}}
	if r := pages.Look(t, plan); len(r.Measured) != 1 {
		t.Error("the page was not looked at")
	}
}
