package accessui_test

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

func TestFirstAdministratorComesByTheConsolesLink(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		l, err := s.access.FirstAdminLink(t.Context())
		must(t, err)
		b := s.browser()
		b.want(b.get("/welcome"), http.StatusNotFound, "This link does not work")
		r := b.want(b.get(l.Path()), http.StatusSeeOther, "/welcome")
		if strings.Contains(r.to, l.Token) {
			t.Fatal("the token stays in the address")
		}
		r = b.want(b.get("/welcome"), http.StatusOK, "You are the first administrator.")
		if strings.Contains(r.body, "Or with a password") || strings.Contains(r.body, l.Token) {
			t.Fatal(r.body)
		}
		b.want(b.post("/welcome/password", "password", okPassword), http.StatusForbidden, "passkey")
		for name, more := range map[string]map[string]any{
			"account": {"account": "x y", "name": "N", "called": "k"}, "name": {"account": "admin", "name": " ", "called": "k"}, "called": {"account": "admin", "name": "N", "called": ""},
		} {
			if r := b.create("/welcome/passkey/begin", "/welcome/passkey/finish", more); r.status != http.StatusUnprocessableEntity || !strings.Contains(r.body, `"`+name+`"`) {
				t.Fatalf("%s: %d %s", name, r.status, r.body)
			}
		}
		if yes, err := s.access.HasAdministrator(t.Context()); err != nil || yes {
			t.Fatal("an administrator without a way in", err)
		}
		more := map[string]any{"account": "Admin", "name": "Ngozi Okafor", "called": "blue key"}
		b.want(b.create("/welcome/passkey/begin", "/welcome/passkey/finish", more), http.StatusOK, `"/me"`)
		b.want(b.get("/me"), http.StatusOK, "You sign in with a passkey.")
		b.want(b.get("/"), http.StatusOK, "Nothing needs you.")
		// Once.
		other := s.browser()
		other.want(other.get(l.Path()), http.StatusSeeOther, "/welcome")
		other.want(other.get("/welcome"), http.StatusNotFound, "This link does not work")
		other.want(other.create("/welcome/passkey/begin", "/welcome/passkey/finish", more), http.StatusNotFound, "")
		// Out, and in again by the passkey alone.
		b.want(b.post("/sign-out"), http.StatusSeeOther, "/sign-in")
		b.want(b.get("/"), http.StatusSeeOther, "/sign-in")
		b.want(b.get("/sign-in"), http.StatusOK, "With a passkey")
		b.want(b.press("/sign-in/passkey/begin", "/sign-in/passkey/finish"), http.StatusOK, `{"to":"/"}`)
		b.want(b.get("/"), http.StatusOK, "Nothing needs you.")
	})
}

func TestPasswordCodeAndRecoveryWithoutScript(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		s.administrator()
		b := s.technologist("lena")
		b.want(b.get("/me"), http.StatusOK, "Only a password protects you.")
		seed := b.app()
		// The session was opened with a password alone; what the app guards asks again.
		r := b.want(b.get("/me/recovery"), http.StatusSeeOther, "/step-up?to=")
		up := r.to
		b.want(b.get(up), http.StatusOK, "Confirm that it is you.")
		b.want(b.post(up, "password", "wrong"), http.StatusUnprocessableEntity, "did not match")
		r = b.want(b.post(up, "password", okPassword), http.StatusSeeOther, "/step-up/code?to=")
		b.want(b.get(r.to), http.StatusOK, "Now the code.")
		before := b.cookie(access.Cookie)
		b.want(b.post(r.to, "code", b.code(seed)), http.StatusSeeOther, "/me/recovery")
		if b.cookie(access.Cookie) == before {
			t.Fatal("the session's token stays the same after a step-up")
		}
		b.want(b.get("/me/recovery"), http.StatusOK, "You have no recovery codes.")
		r = b.want(b.post("/me/recovery"), http.StatusOK, "They are shown once.")
		if n := strings.Count(r.body, "-"); n < 10 {
			t.Fatal(r.body)
		}
		_, list, _ := strings.Cut(r.body, "<pre")
		_, list, _ = strings.Cut(list, ">")
		list, _, _ = strings.Cut(list, "</pre>")
		codes := strings.Fields(list)
		if len(codes) != 10 {
			t.Fatal(codes)
		}
		b.want(b.get("/me"), http.StatusOK, "10</strong> left")

		// Elsewhere, from the start.
		c := s.browser()
		b.forward(30 * time.Second)
		r = c.want(c.get("/me?x=1"), http.StatusSeeOther, "/sign-in?to=")
		to := r.to
		r = c.want(c.post(to, "account", "LENA", "password", okPassword), http.StatusSeeOther, "/sign-in/code?to=")
		c.want(c.get("/"), http.StatusSeeOther, "/sign-in") // half is nothing
		second := r.to
		r = c.want(c.post(second, "code", "123"), http.StatusUnprocessableEntity, "did not match")
		if !strings.Contains(r.body, "/sign-in/recovery?to=") {
			t.Fatal("no way to the recovery codes")
		}
		c.want(c.post(second, "code", c.code(seed)), http.StatusSeeOther, "/me?x=1")
		c.want(c.get("/me"), http.StatusOK, "The authenticator app was added to your account.")
		// By a recovery code.
		d := s.browser()
		d.want(d.post("/sign-in", "account", "lena", "password", okPassword), http.StatusSeeOther, "/sign-in/code")
		d.want(d.get("/sign-in/recovery"), http.StatusOK, "Now a recovery code.")
		d.want(d.post("/sign-in/recovery", "code", "XXXXX-XXXXX"), http.StatusUnprocessableEntity, "did not match")
		d.want(d.post("/sign-in/recovery", "code", codes[0]), http.StatusSeeOther, "/me")
		d.want(d.get("/me"), http.StatusOK, "9</strong> left")
	})
}

// TestWordsStatusAndHeadersAreTheSameForStrangers: nothing of the answer tells
// whether an account exists.
func TestWordsStatusAndHeadersAreTheSameForStrangers(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		s.administrator()
		b := s.technologist("lena")
		b.app()
		seen := func(account string) (out []string) {
			c := s.browser()
			for range 8 {
				r := c.post("/sign-in", "account", account, "password", "not this one, surely")
				h := r.head.Clone()
				for _, gone := range []string{"Date", "Content-Security-Policy", "Content-Length"} {
					h.Del(gone)
				}
				body := strings.ReplaceAll(r.body, account, "ACCOUNT")
				_, nonce, _ := strings.Cut(r.head.Get("Content-Security-Policy"), "nonce-")
				nonce, _, _ = strings.Cut(nonce, "'")
				out = append(out, fmt.Sprint(r.status, h, strings.ReplaceAll(body, nonce, "NONCE")))
			}
			return out
		}
		known, unknown := seen("lena"), seen("lina")
		for i := range known {
			if known[i] != unknown[i] {
				t.Errorf("try %d:\n%s\n%s", i, known[i], unknown[i])
			}
		}
		if !strings.HasPrefix(known[7], "429 ") || !strings.Contains(known[7], "Too many tries") || !strings.Contains(known[7], "Retry-After") {
			t.Fatal(known[7])
		}
	})
}

// TestSessionFixation: what a browser held before is worth nothing after, neither
// from outside nor at the step-up.
func TestSessionFixation(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		admin := s.administrator()
		s.technologist("lena")
		victim, thief := s.browser(), s.browser()
		u, err := url.Parse(s.url)
		must(t, err)
		// The thief's own session, planted in the victim's browser.
		thief.want(thief.post("/sign-in", "account", "lena", "password", okPassword), http.StatusSeeOther, "/")
		planted := thief.cookie(access.Cookie)
		victim.jar.SetCookies(u, []*http.Cookie{{Name: access.Cookie, Value: planted, Path: "/", Secure: true}})
		victim.keys = admin.keys
		victim.want(victim.press("/sign-in/passkey/begin", "/sign-in/passkey/finish"), http.StatusOK, `"/"`)
		if victim.cookie(access.Cookie) == planted {
			t.Fatal("the planted token became the session's")
		}
		thief.want(thief.get("/"), http.StatusSeeOther, "/sign-in")
		// A token stolen before the step-up is worth nothing after it.
		old := victim.cookie(access.Cookie)
		thief.jar.SetCookies(u, []*http.Cookie{{Name: access.Cookie, Value: old, Path: "/", Secure: true}})
		thief.want(thief.get("/me"), http.StatusOK, "")
		victim.want(victim.press("/step-up/passkey/begin", "/step-up/passkey/finish"), http.StatusOK, "")
		thief.want(thief.get("/me"), http.StatusSeeOther, "/sign-in")
	})
}

func TestStepUpIsAskedForAndLeadsBack(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		b := s.administrator()
		b.want(b.get("/sessions"), http.StatusOK, "Everybody's sessions.")
		b.later(authz.StepUp + time.Minute)
		r := b.want(b.get("/sessions"), http.StatusSeeOther, "/step-up?to=")
		page := b.want(b.get(r.to), http.StatusOK, "Confirm that it is you.")
		if strings.Contains(page.body, `type="password"`) {
			t.Fatal("a weaker proof is offered")
		}
		_, to, _ := strings.Cut(r.to, "?")
		b.want(b.press("/step-up/passkey/begin", "/step-up/passkey/finish?"+to), http.StatusOK, `{"to":"/sessions"}`)
		b.want(b.get("/sessions"), http.StatusOK, "Everybody's sessions.")
		// Somebody else's passkey does not confirm.
		other := s.browser()
		other.want(other.get(s.invite("second", "Second One", authz.Administrator).Path()), http.StatusSeeOther, "")
		other.want(other.create("/welcome/passkey/begin", "/welcome/passkey/finish", map[string]any{"called": "x"}), http.StatusOK, "")
		mine := b.keys
		b.keys = other.keys
		b.want(b.press("/step-up/passkey/begin", "/step-up/passkey/finish"), http.StatusUnprocessableEntity, "did not match")
		b.keys = mine
		// Without a session there is nothing to confirm.
		none := s.browser()
		none.want(none.get("/step-up"), http.StatusSeeOther, "/sign-in")
		none.want(none.post("/step-up", "password", "x"), http.StatusUnauthorized, "Sign in first.")
	})
}

func TestSignInLeadsNowhereElse(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		s.administrator()
		s.technologist("lena")
		for _, to := range []string{"https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)", "/x\r\nSet-Cookie: a=b"} {
			b := s.browser()
			r := b.post("/sign-in?to="+encoded(to), "account", "lena", "password", okPassword)
			b.want(r, http.StatusSeeOther, "/")
			if r.to != "/" {
				t.Errorf("%q leads to %q", to, r.to)
			}
		}
	})
}

// TestOtherSitesCannotSignAnybodyInOrOut: every POST of these pages.
func TestOtherSitesCannotSignAnybodyInOrOut(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		b := s.administrator()
		for _, path := range []string{
			"/sign-in", "/sign-in/code", "/sign-in/recovery", "/sign-in/passkey/begin", "/sign-in/passkey/finish", "/sign-out",
			"/step-up", "/step-up/code", "/step-up/recovery", "/step-up/passkey/begin", "/step-up/passkey/finish",
			"/welcome/password", "/welcome/passkey/begin", "/welcome/passkey/finish",
			"/me/password", "/me/password/remove", "/me/app", "/me/app/confirm", "/me/app/remove", "/me/recovery", "/me/sessions/end-others",
			"/me/passkeys/begin", "/me/passkeys/finish",
		} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.url+path, strings.NewReader("password=x"))
			must(t, err)
			req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			req.Header.Set("Sec-Fetch-Site", "cross-site")
			req.Header.Set("Origin", "https://evil.example")
			res, err := b.http.Do(req)
			must(t, err)
			_ = res.Body.Close()
			if res.StatusCode != http.StatusForbidden {
				t.Errorf("%s answers %d", path, res.StatusCode)
			}
		}
		b.want(b.get("/me"), http.StatusOK, "")
	})
}

func TestRecoveryLinkReplacesEveryWay(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		lost := s.administrator()
		l, err := s.access.RecoverAtConsole(t.Context(), "admin", "root")
		must(t, err)
		b := s.browser()
		b.want(b.get(l.Path()), http.StatusSeeOther, "/welcome")
		b.want(b.get("/welcome"), http.StatusOK, "Make a new way in, Ngozi Okafor.")
		b.want(b.create("/welcome/passkey/begin", "/welcome/passkey/finish", map[string]any{"called": "new key"}), http.StatusOK, `"/me"`)
		r := b.want(b.get("/me"), http.StatusOK, "new key")
		if strings.Contains(r.body, "blue key") {
			t.Fatal("the lost passkey is still there")
		}
		lost.want(lost.get("/me"), http.StatusSeeOther, "/sign-in")
		lost.want(lost.press("/sign-in/passkey/begin", "/sign-in/passkey/finish"), http.StatusUnprocessableEntity, "did not match")
	})
}
