package accessui_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// bench makes a browser a shared bench.
func (b *browser) bench(name string) {
	b.t.Helper()
	admin, err := b.access.PersonByAccount(b.t.Context(), "admin")
	must(b.t, err)
	who := &authz.Subject{Person: admin.ID, Account: "admin", Level: authz.LevelPasskey, FreshAt: b.now(), Grants: []authz.Grant{{Role: authz.Administrator}}}
	_, token, err := b.access.PairBench(b.t.Context(), who, name, "main")
	must(b.t, err)
	u, err := url.Parse(b.url)
	must(b.t, err)
	b.jar.SetCookies(u, []*http.Cookie{{Name: access.BenchCookie, Value: token, Path: "/", Secure: true}})
}

// TestABenchGivesNoAccountAway: whoever sits down where somebody is signed in can
// neither make nor take a way to sign in, fresh or not.
func TestABenchGivesNoAccountAway(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		s.administrator()
		s.technologist("lena")
		b := s.browser()
		b.bench("Chemistry bench")
		b.want(b.post("/sign-in", "account", "lena", "password", okPassword), http.StatusSeeOther, "/")
		const no = "not done at a shared bench"
		me := b.want(b.get("/me"), http.StatusOK, "At a shared bench you change nothing about how you sign in")
		for _, path := range []string{"/me/password", "/me/app", "/me/recovery", "/me/passkeys/new", "/me/provider"} {
			if strings.Contains(me.body, `href="`+path+`"`) {
				t.Errorf("the page offers %s", path)
			}
			b.want(b.get(path), http.StatusForbidden, no)
		}
		for _, path := range []string{"/me/password", "/me/app", "/me/app/confirm", "/me/recovery", "/me/app/remove", "/me/password/remove", "/me/provider", "/me/provider/unlink"} {
			b.want(b.post(path, "confirm", "yes", "password", okPassword), http.StatusForbidden, no)
		}
		b.want(b.json("/me/passkeys/begin", map[string]any{"called": "x"}, nil), http.StatusForbidden, no)
		b.want(b.json("/me/passkeys/finish", map[string]any{"called": "x"}, nil), http.StatusForbidden, no)
		b.want(b.get("/step-up"), http.StatusOK, "At a shared bench it counts for two minutes.")
	})
}

// TestNewWaysWantAProofOfTheLastMinutes: the quarter of an hour that other acts
// allow is too long where a session becomes a key.
func TestNewWaysWantAProofOfTheLastMinutes(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		b := s.administrator()
		b.later(3 * time.Minute)
		b.want(b.get("/sessions"), http.StatusOK, "Everybody's sessions.")
		for _, path := range []string{"/me/password", "/me/app", "/me/recovery", "/me/passkeys/new"} {
			b.want(b.get(path), http.StatusSeeOther, "/step-up?to="+encoded(path))
		}
		for _, path := range []string{"/me/password", "/me/app", "/me/recovery"} {
			b.want(b.post(path, "password", okPassword), http.StatusForbidden, "Confirm that it is you")
		}
		b.want(b.json("/me/passkeys/begin", map[string]any{"called": "x"}, nil), http.StatusConflict, "Confirm first")
	})
}

// TestLinksDoNotOpenAtABench: a one-time link makes a key and a whole session, and
// neither belongs to a shared device. The link is not used up by it.
func TestLinksDoNotOpenAtABench(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		s.administrator()
		const no = "This device is a shared bench."
		l := s.invite("lena", "Lena Hahn", authz.Technologist)
		b := s.browser()
		b.want(b.get(l.Path()), http.StatusSeeOther, "/welcome") // somebody opened it before the pairing
		b.bench("Chemistry bench")
		b.want(b.get(l.Path()), http.StatusForbidden, no)
		b.want(b.get("/welcome"), http.StatusForbidden, no)
		b.want(b.post("/welcome/password", "password", okPassword), http.StatusForbidden, no)
		b.want(b.json("/welcome/passkey/begin", map[string]any{"called": "x"}, nil), http.StatusForbidden, no)
		b.want(b.json("/welcome/passkey/finish", map[string]any{"called": "x"}, nil), http.StatusForbidden, no)
		if b.cookie(access.Cookie) != "" {
			t.Fatal("a session was opened")
		}
		own := s.browser()
		own.want(own.get(l.Path()), http.StatusSeeOther, "/welcome")
		own.want(own.post("/welcome/password", "password", okPassword), http.StatusSeeOther, "/me")
	})
}
