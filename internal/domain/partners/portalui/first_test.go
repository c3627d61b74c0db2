package portalui_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestFromLetterToOpenedResult is the practice's first morning, without JavaScript:
// letter, password, app, list, result; and the laboratory sees who opened it.
func TestFromLetterToOpenedResult(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		s.put("riverside", "01-bmp.hl7")
		s.put("riverside", "05-troponin-critical.hl7")
		s.put("northgate", "02-cmp.hl7")
		code := s.letter("riverside", "Dana Ruiz")
		b := s.browser()
		b.want(b.get("/"), http.StatusSeeOther, "/sign-in")
		b.want(b.get("/sign-in"), http.StatusOK, "Type the code of a letter")
		b.want(b.post("/letter", "code", "AAAA-AAAA-AAAA"), http.StatusUnprocessableEntity, "This code does not work")
		b.want(b.get("/letter/way"), http.StatusSeeOther, "/letter")
		b.want(b.post("/letter", "code", strings.ToLower(code)), http.StatusSeeOther, "/letter/way")
		b.want(b.post("/letter/password", "password", "short"), http.StatusUnprocessableEntity, "at least 15")
		seed := b.comeIn(code)

		r := b.want(b.get("/"), http.StatusOK, "2 new results.")
		b.want(r, http.StatusOK, "new, flagged critical by the laboratory's system")
		b.want(r, http.StatusOK, "The laboratory phones you about critical results. Opening this page does not replace the call.")
		if strings.Index(r.body, "Notreal") > strings.Index(r.body, "/results/") && !strings.Contains(r.body, "Clementine Notreal") {
			t.Fatal("the critical one does not stand first", r.body)
		}
		list := b.results(false)
		if len(list) != 2 {
			t.Fatal(list)
		}
		r = b.want(b.get(list[0]), http.StatusOK, "187")
		for _, want := range []string{"Clementine Notreal", "1990-05-05", "ng/L", "<14", "HH", "above the upper panic limit", "CRITICAL VALUE called to ED", "Dana Ruiz", "final"} {
			b.want(r, http.StatusOK, want)
		}
		b.want(b.get("/"), http.StatusOK, "1 new result.")
		b.want(b.get("/?show=all"), http.StatusOK, "by Dana Ruiz")
		if len(s.opened) != 1 || s.opened[0] != 2 {
			t.Fatal(s.opened)
		}
		l := s.lab()
		l.want(l.get("/portal/riverside"), http.StatusOK, "Opened by Dana Ruiz")
		l.want(l.get("/api/v1/portal/riverside"), http.StatusOK, `"how":"page"`)

		// The letter is used up; the session ends; in again.
		c := s.browser()
		c.want(c.post("/letter", "code", code), http.StatusUnprocessableEntity, "This code does not work")
		b.want(b.post("/sign-out"), http.StatusSeeOther, "/sign-in")
		b.want(b.get(list[0]), http.StatusSeeOther, "/sign-in?to=")
		s.forward(time.Minute)
		r = c.want(c.post("/sign-in", "account", "Dana.Ruiz", "password", okPassword), http.StatusSeeOther, "/sign-in/code")
		c.want(c.get("/"), http.StatusSeeOther, "/sign-in") // half is nothing
		c.want(c.post("/sign-in/code", "code", "000000"), http.StatusUnprocessableEntity, "did not match")
		c.want(c.post("/sign-in/code", "code", c.code(seed)), http.StatusSeeOther, "/")
		c.want(c.get("/"), http.StatusOK, "1 new result.")
		// Unused for a while: over.
		s.forward(11 * time.Minute)
		c.want(c.get("/"), http.StatusSeeOther, "/sign-in")
		_ = r
	})
}

// TestPasswordAloneOpensNothing: who stops half way has one factor and no session.
func TestPasswordAloneOpensNothing(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		code := s.letter("riverside", "Dana Ruiz")
		b := s.browser()
		b.want(b.post("/letter", "code", code), http.StatusSeeOther, "/letter/way")
		b.want(b.post("/letter/password", "password", okPassword), http.StatusOK, "Scan, then type the code.")
		b.want(b.get("/"), http.StatusSeeOther, "/sign-in")
		b.want(b.post("/sign-in", "account", "dana.ruiz", "password", okPassword), http.StatusUnprocessableEntity, "Your sign-in is not finished")
		b.want(b.get("/"), http.StatusSeeOther, "/sign-in")
		b.comeIn(code) // the letter is good until it is done
	})
}

func TestPasskeyByLetterAndSwitchAtASharedDesk(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		s.put("riverside", "01-bmp.hl7")
		dana, omar := s.browser(), s.browser()
		for b, name := range map[*browser]string{dana: "Dana Ruiz", omar: "Omar Haddad"} {
			b.want(b.post("/letter", "code", s.letter("riverside", name)), http.StatusSeeOther, "/letter/way")
			b.want(b.makeKey("/letter/passkey/begin", "/letter/passkey/finish"), http.StatusOK, `"to":"/"`)
			b.want(b.get("/"), http.StatusOK, name)
			b.want(b.post("/sign-out"), http.StatusSeeOther, "/sign-in")
		}
		desk := s.browser() // one machine
		desk.want(desk.useKey(dana), http.StatusOK, `"to":"/"`)
		desk.want(desk.get("/"), http.StatusOK, "Dana Ruiz")
		before := desk.cookie("__Host-lwp")
		desk.want(desk.get("/switch"), http.StatusOK, "Sign Dana Ruiz out")
		desk.want(desk.post("/switch"), http.StatusSeeOther, "/sign-in")
		desk.want(desk.useKey(omar), http.StatusOK, `"to":"/"`)
		r := desk.want(desk.get("/"), http.StatusOK, "Omar Haddad")
		if strings.Contains(r.body, "Dana") || desk.cookie("__Host-lwp") == before {
			t.Fatal("the session of the one before goes on")
		}
		desk.want(desk.get(desk.results(false)[0]), http.StatusOK, "Opened now by")
		l := s.lab()
		r = l.want(l.get("/portal/riverside"), http.StatusOK, "Opened by Omar Haddad")
		if strings.Contains(r.body, "Opened by Dana") {
			t.Fatal(r.body)
		}
		desk.want(desk.get("/me"), http.StatusOK, "front desk</a>")
	})
}

// TestGuessingCodes: ten wrong tries at a letter end it, whoever's browser it is, and
// who guesses waits.
func TestGuessingCodes(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		code := s.letter("riverside", "Dana Ruiz")
		b := s.browser()
		wait := false
		for range 12 {
			r := b.post("/letter", "code", code[:4]+"-0000-0000")
			wait = wait || r.status == http.StatusTooManyRequests && r.head.Get("Retry-After") != ""
			s.forward(13 * time.Hour) // longer than any wait
			if r.status != http.StatusUnprocessableEntity && r.status != http.StatusTooManyRequests {
				t.Fatal(r.status, r.body)
			}
		}
		b.want(b.post("/letter", "code", code), http.StatusUnprocessableEntity, "This code does not work")
		c := s.browser()
		again := s.letter("riverside", "Omar Haddad")
		for range 6 {
			c.post("/letter", "code", again[:4]+"-1111-1111")
		}
		c.want(c.post("/letter", "code", again[:4]+"-1111-1111"), http.StatusTooManyRequests, "Too many tries")
		c.want(c.post("/letter", "code", again), http.StatusTooManyRequests, "Too many tries")
		s.forward(time.Hour)
		c.want(c.post("/letter", "code", again), http.StatusSeeOther, "/letter/way")
		s.forward(15 * 24 * time.Hour)
		c.want(c.get("/letter/way"), http.StatusSeeOther, "/letter")
		_ = wait
	})
}

func TestSessionFixationAndOtherSites(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		s.put("riverside", "01-bmp.hl7")
		b := s.browser()
		code := s.letter("riverside", "Dana Ruiz")
		b.comeIn(code)
		path := b.results(false)[0]
		for _, r := range []reply{
			b.do(http.MethodPost, path+"/missing", "application/x-www-form-urlencoded", strings.NewReader(""), "Sec-Fetch-Site", "cross-site"),
			b.do(http.MethodPost, "/fetch", "application/x-www-form-urlencoded", strings.NewReader(""), "Origin", "https://evil.example"),
			b.do(http.MethodPost, path+"/wrong", "application/x-www-form-urlencoded", strings.NewReader("fate=destroyed"), "Sec-Fetch-Site", "same-site"),
		} {
			b.want(r, http.StatusForbidden, "another site")
		}
		b.want(b.do(http.MethodGet, path, "", nil, "Sec-Purpose", "prefetch"), http.StatusConflict, "opened by a person")
		b.want(b.get("/"), http.StatusOK, "1 new result.")
		// A cookie somebody planted opens nothing, and is not the session after a sign-in.
		c := s.browser()
		r := c.do(http.MethodGet, "/", "", nil, "Cookie", "__Host-lwp="+strings.Repeat("A", 43))
		c.want(r, http.StatusSeeOther, "/sign-in")
		// The session belongs to the browser it was opened in.
		r = b.do(http.MethodGet, "/", "", nil, "User-Agent", "Firefox/140")
		b.want(r, http.StatusSeeOther, "/sign-in")
		// What the pages have, the portal has not.
		for _, path := range []string{"/api", "/api/v1/openapi.json", "/live?t=x", "/portal/riverside", "/people"} {
			if r := b.get(path); r.status != http.StatusNotFound {
				t.Error(path, r.status)
			}
		}
		// Ended: out with the next click.
		l := s.lab()
		page := l.get("/portal/riverside").body
		_, rest, _ := strings.Cut(page, `action="/portal/riverside/members/`)
		l.want(l.post("/portal/riverside/members/"+rest[:36]+"/end"), http.StatusOK, "End it now?")
		b.want(b.get("/"), http.StatusOK, "")
		l.want(l.post("/portal/riverside/members/"+rest[:36]+"/end", "confirm", "yes"), http.StatusSeeOther, "/portal/riverside")
		b.want(b.get("/"), http.StatusSeeOther, "/sign-in")
		b.want(b.post("/sign-in", "account", "dana.ruiz", "password", okPassword), http.StatusUnprocessableEntity, "did not match")
	})
}
