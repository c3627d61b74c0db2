package attacks

import (
	"encoding/base64"
	"net/http"
	"strings"
	"testing"
)

// elsewhere are places that a link of ours must not lead to.
var elsewhere = []string{
	"https://evil.example/", "//evil.example/", "///evil.example", "/\\evil.example", "\\\\evil.example", "/\t/evil.example", "/\r\n/evil.example", "javascript:alert(1)",
	"data:text/html,x", "/\r\nSet-Cookie: __Host-lw=stolen", "/%0d%0aX-Injected: yes", "https:evil.example", " //evil.example", "/.//evil.example", "/../..//evil.example", "@evil.example",
	"/\x00/evil.example", "{{7*7}}", "/${7*7}",
}

// ours fails where an address does not lead to this site.
func (h *hub) ours(what, to string) {
	h.t.Helper()
	if to != "" && (!strings.HasPrefix(to, "/") || len(to) > 1 && strings.ContainsAny(to[1:2], "/\\\t\r\n")) || strings.ContainsAny(to, "\r\n\\\x00") {
		h.t.Errorf("%s leads to %q", what, to)
	}
}

// No parameter of a sign-in or step-up leads elsewhere, sets a header or a cookie,
// signed in or not, as it is and encoded as ours are.
func TestNobodyIsLedElsewhere(t *testing.T) {
	t.Parallel()
	h := newHub(t, quietPartner, "quiet")
	dana := h.administrator()
	lena := dana.invite("lena", "Lena Hahn", "laboratory-director", "")
	tried := 0
	for _, e := range elsewhere {
		for _, value := range []string{e, base64.RawURLEncoding.EncodeToString([]byte(e))} {
			for _, name := range []string{"to", "next", "return", "redirect", "url"} {
				q := "?" + name + "=" + strings.NewReplacer("%", "%25", "&", "%26", "+", "%2b", " ", "%20", "\r", "%0d", "\n", "%0a", "\t", "%09", "\x00", "%00", "{", "%7b", "}", "%7d", "\\", "%5c", "#", "%23").Replace(value)
				stranger := h.browser()
				replies := map[string]reply{
					"sign-in, signed in":     lena.get("/sign-in" + q),
					"sign-in, a stranger":    stranger.get("/sign-in" + q),
					"step-up":                lena.get("/step-up" + q),
					"a page with it":         stranger.get("/results" + q),
					"a form with it":         lena.post("/sign-out/none"+q, name, value),
					"a welcome":              stranger.get("/welcome" + q),
					"results searched there": lena.post("/results/search"+q, name, value, "last", "x"),
				}
				stranger.http.CloseIdleConnections() // one address has only so many
				for what, r := range replies {
					tried++
					h.ours(what+" with "+e, r.to)
					if r.status >= 500 || r.head.Get("X-Injected") != "" || strings.Contains(strings.Join(r.head.Values("Set-Cookie"), ""), "stolen") {
						t.Errorf("%s with %q: %d %v", what, e, r.status, r.head)
					}
					for _, bad := range []string{`href="javascript:`, `href="//`, `action="//`, `href="https://evil`, `action="https://evil`, ">49<"} {
						if strings.Contains(r.body, bad) {
							t.Errorf("%s with %q: the page has %s", what, e, bad)
						}
					}
				}
			}
		}
	}
	// The whole way: who signs in by such an address arrives here.
	for _, e := range elsewhere[:6] {
		to := base64.RawURLEncoding.EncodeToString([]byte(e))
		r := lena.press("/sign-in/passkey/begin", "/sign-in/passkey/finish?to="+to)
		if r.status != http.StatusOK || strings.TrimSpace(r.body) != `{"to":"/"}` {
			t.Errorf("signed in by %q: %d %s", e, r.status, r.body)
		}
	}
	// A notice is a cookie: what somebody plants there is text.
	lena.jar.SetCookies(mustURL(t, h.url), []*http.Cookie{{Name: "__Host-lw-notice", Value: base64.RawURLEncoding.EncodeToString([]byte(`<script>alert(1)</script>`)), Path: "/", Secure: true}})
	if r := lena.get("/"); strings.Contains(r.body, "<script>alert") {
		t.Error("a planted notice runs")
	}
	t.Logf("%d requests, none led elsewhere", tried)
}

// A Host of somebody else's comes back nowhere: neither in links nor in redirects,
// also with the headers of proxies; links for others are of node.web.public_url.
func TestHostOfSomebodyElse(t *testing.T) {
	t.Parallel()
	h := newHub(t, quietPartner, "quiet")
	dana := h.administrator()
	session := "__Host-lw=" + dana.cookie("__Host-lw") // a browser would not send it there
	pages := []string{"/", "/people", "/people/new", "/results", "/quarantine", "/partners", "/partners/quiet", "/routes", "/config", "/me", "/record", "/settings", "/api", "/api/v1/openapi.json", "/sign-in", "/none", "/step-up"}
	for _, p := range pages {
		r := dana.get(p, "Cookie", session, "Host", "evil.example", "X-Forwarded-Host", "evil.example", "X-Forwarded-Proto", "http", "Forwarded", "host=evil.example", "X-Original-URL", "/settings", "X-Rewrite-URL", "/settings", "X-HTTP-Method-Override", "POST")
		if r.status >= 500 || r.status == http.StatusUnauthorized || strings.HasPrefix(r.to, "/sign-in?") || strings.Contains(r.body+r.to, "evil.example") {
			t.Errorf("%s: %d, to %q, or the host stands in the page", p, r.status, r.to)
		}
		h.ours(p, r.to)
	}
	r := dana.do(http.MethodPost, "/people", strings.NewReader("account=otto&name=Otto&role=technologist"), "Content-Type", "application/x-www-form-urlencoded", "Cookie", session, "Host", "evil.example", "X-Forwarded-Host", "evil.example", "Sec-Fetch-Site", "same-origin")
	if !strings.Contains(r.body, h.url+"/welcome?t=") || strings.Contains(r.body, "evil.example") {
		t.Errorf("the link for a new person is not of the public address: %d", r.status)
	}
}

// Every Set-Cookie is for this host and TLS alone, hidden from scripts and not sent
// along by others' forms; every page is kept by nobody.
func TestCookiesAndCaching(t *testing.T) {
	t.Parallel()
	h := newHub(t, quietPartner, "quiet")
	dana := h.administrator()
	lena := dana.invite("lena", "Lena Hahn", "laboratory-director", "")
	for _, p := range []string{"/", "/people", "/results", "/me", "/me/app", "/record/mine", "/api/v1/today", "/api/v1/people", "/none", "/results/none", "/step-up", "/results?format=csv", "/quarantine?format=csv", "/people?format=csv"} {
		for _, b := range []*browser{dana, lena} {
			r := b.get(p)
			if cc := r.head.Get("Cache-Control"); cc != "no-store" {
				t.Errorf("%s: Cache-Control %q", p, cc)
			}
			for name, want := range map[string]string{"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Strict-Transport-Security": "max-age=31536000", "Cross-Origin-Opener-Policy": "same-origin"} {
				if got := r.head.Get(name); got != want {
					t.Errorf("%s: %s is %q", p, name, got)
				}
			}
			if csp := r.head.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") || r.head.Get("Server") != "" || r.head.Get("X-Powered-By") != "" {
				t.Errorf("%s: %v", p, r.head)
			}
		}
	}
	lena.want(lena.press("/step-up/passkey/begin", "/step-up/passkey/finish"), http.StatusOK, "")
	lena.want(lena.post("/sign-out"), http.StatusSeeOther, "/sign-in")
	lena.get("/sign-in")
	all := append(dana.seen.all, lena.seen.all...)
	names := map[string]int{}
	for _, c := range all {
		name, _, _ := strings.Cut(c, "=")
		names[name]++
		for _, want := range []string{"Path=/", "HttpOnly", "Secure", "SameSite="} {
			if !strings.Contains(c, want) {
				t.Errorf("%s without %s", c, want)
			}
		}
		if !strings.HasPrefix(name, "__Host-") || strings.Contains(c, "Domain=") || strings.Contains(c, "SameSite=None") {
			t.Errorf("%s", c)
		}
	}
	if len(names) < 3 {
		t.Errorf("only %v were seen", names)
	}
	t.Logf("%d Set-Cookie: %v", len(all), names)
}
