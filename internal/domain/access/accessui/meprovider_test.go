package accessui_test

import (
	"net/http"
	"strings"
	"testing"
	"time"
)

func (s *doorway) person(account string) string {
	s.t.Helper()
	p, err := s.access.PersonByAccount(s.t.Context(), account)
	must(s.t, err)
	return p.ID.String()
}

// TestLinkOneself: who came by hand signs in at the provider once from their own
// page, and by it from then on; nobody else's answer links them.
func TestLinkOneself(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		admin, b := s.administrator(), s.technologist("lena")
		b.want(b.get("/me/provider"), http.StatusOK, "No sign-in provider is configured.")
		b.want(b.post("/me/provider"), http.StatusConflict, "Begin again")
		p := s.provider()
		p.claims = map[string]any{"sub": "00u-7", "preferred_username": "somebody.else", "name": "Another"}
		b.want(b.get("/me"), http.StatusOK, "Not linked")
		b.want(b.get("/me/provider"), http.StatusOK, "Let Millbrook ID sign you in.")
		home := p.leave(b, "/me", "")
		if p.asked.Get("prompt") != "login" || !strings.HasPrefix(p.asked.Get("state"), "ln.") {
			t.Errorf("asked %v", p.asked)
		}
		s.browser().want(s.browser().get(home), http.StatusSeeOther, "/sign-in")
		admin.want(admin.get(home), http.StatusConflict, "Begin again")
		// The answer is no sign-in, whatever its state is made to say.
		b.want(b.get(strings.Replace(home, "state=ln.", "state=in.", 1)), http.StatusConflict, "Begin again")
		b.want(b.get(p.leave(b, "/me", "")), http.StatusSeeOther, "/me")
		b.want(b.get("/me/provider"), http.StatusOK, "00u-7")

		in := s.browser()
		in.want(in.get(p.leave(in, "/sign-in", "")), http.StatusSeeOther, "/")
		in.want(in.get("/me"), http.StatusOK, "Your account was linked to the sign-in provider.")
		in.want(in.get("/me"), http.StatusOK, "Lena Hahn")
		in.want(in.get("/step-up"), http.StatusOK, "Confirm with Millbrook ID")
		if r := b.get("/me"); strings.Contains(r.body, "Your account was linked") {
			t.Error("asked in the session that did it")
		}
		// One subject is one person.
		admin.want(admin.get(p.leave(admin, "/me", "")), http.StatusConflict, "somebody's already")

		b.want(b.post("/me/provider/unlink", "confirm", "yes"), http.StatusSeeOther, "/me")
		in.want(in.get("/"), http.StatusSeeOther, "/sign-in")
		out := s.browser()
		out.want(out.get(p.leave(out, "/sign-in", "")), http.StatusUnprocessableEntity, "Labwarden does not know you yet")

		// An old proof changes nothing.
		b.later(16 * time.Minute)
		b.want(b.post("/me/provider"), http.StatusForbidden, "Confirm")
	})
}

// TestLinkByAnAdministrator: by the subject, told to the person by name, and ended
// again.
func TestLinkByAnAdministrator(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		admin, b := s.administrator(), s.technologist("lena")
		at := "/people/" + s.person("lena")
		p := s.provider()
		p.claims = map[string]any{"sub": "00u-7"}
		admin.want(admin.get(at), http.StatusOK, "Not linked: Millbrook ID does not sign them in.")
		admin.want(admin.get(at+"/provider"), http.StatusOK, "Who is Lena Hahn at Millbrook ID?")
		admin.want(admin.post(at+"/provider", "subject", "lena hahn"), http.StatusUnprocessableEntity, "without blanks")
		b.want(b.post(at+"/provider", "subject", "00u-7"), http.StatusForbidden, "")
		admin.want(admin.post("/people/"+s.person("admin")+"/provider", "subject", "00u-8"), http.StatusConflict, "Nobody changes their own")
		admin.want(admin.post(at+"/provider", "subject", "00u-7"), http.StatusSeeOther, at)
		admin.want(admin.get(at), http.StatusOK, "00u-7")
		b.want(b.get("/me"), http.StatusOK, "Ngozi Okafor linked your account to the sign-in provider.")
		b.want(b.get("/me"), http.StatusOK, "I did not expect it: end my other sessions")
		in := s.browser()
		in.want(in.get(p.leave(in, "/sign-in", "")), http.StatusSeeOther, "/")
		admin.want(admin.post(at+"/provider/unlink"), http.StatusSeeOther, at)
		in.want(in.get("/"), http.StatusSeeOther, "/sign-in")
		b.want(b.get("/me"), http.StatusOK, "Ngozi Okafor unlinked your account")
	})
}

// TestToldOfNewFactors: a factor that is added, changed or removed is asked about in
// the next session, not in the one that did it.
func TestToldOfNewFactors(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		s.administrator()
		b := s.technologist("lena")
		if r := b.get("/me"); strings.Contains(r.body, "Was that you?") {
			t.Error("asked about the first way of all")
		}
		seed := b.app()
		up := b.want(b.post("/step-up", "password", okPassword), http.StatusSeeOther, "/step-up/code")
		b.want(b.post(up.to, "code", b.code(seed)), http.StatusSeeOther, "/")
		b.want(b.post("/me/recovery"), http.StatusOK, "They are shown once.")
		b.want(b.create("/me/passkeys/begin", "/me/passkeys/finish", map[string]any{"called": "blue key"}), http.StatusOK, "")
		if r := b.get("/me"); strings.Contains(r.body, "Was that you?") {
			t.Error("asked in the session that did it")
		}
		b.forward(30 * time.Second)
		next := s.browser()
		r := next.want(next.post("/sign-in", "account", "lena", "password", okPassword), http.StatusSeeOther, "/sign-in/code")
		next.want(next.post(r.to, "code", next.code(seed)), http.StatusSeeOther, "/")
		for _, text := range []string{"The authenticator app was added to your account.", "The recovery codes were added to your account.", "A passkey was added to your account."} {
			next.want(next.get("/me"), http.StatusOK, text)
		}
	})
}

// TestUnlock: who waits after wrong tries is on the pages about people, with the
// minute it ends, and an administrator lifts it.
func TestUnlock(t *testing.T) {
	each(t, func(t *testing.T, s *doorway) {
		admin, b := s.administrator(), s.technologist("lena")
		at := "/people/" + s.person("lena")
		if r := admin.get("/people"); strings.Contains(r.body, "Sign-ins that wait") {
			t.Error("somebody waits who does not")
		}
		thief := s.browser()
		for range 6 {
			thief.post("/sign-in", "account", "lena", "password", "wrong and wrong again")
			s.forward(45 * time.Second)
		}
		thief.post("/sign-in", "account", "lena", "password", "wrong and wrong again")
		thief.want(thief.post("/sign-in", "account", "lena", "password", okPassword), http.StatusTooManyRequests, "Too many tries")
		admin.want(admin.get("/people"), http.StatusOK, "Sign-in for Lena Hahn")
		admin.want(admin.get(at), http.StatusOK, "Sign-in for Lena Hahn waits until ")
		admin.want(admin.get(at), http.StatusOK, " after 6 wrong tries")
		b.want(b.post(at+"/unlock"), http.StatusForbidden, "")
		admin.want(admin.post("/people/"+s.person("admin")+"/unlock"), http.StatusConflict, "Nobody changes their own")
		admin.want(admin.post(at+"/unlock"), http.StatusSeeOther, at)
		if r := admin.get(at); strings.Contains(r.body, "waits until") {
			t.Error("it waits still")
		}
		thief.want(thief.post("/sign-in", "account", "lena", "password", okPassword), http.StatusSeeOther, "/")
		var n int64
		must(t, s.db.QueryRow(t.Context(), "SELECT count(*) FROM signin_attempts WHERE failures > 5").Scan(&n))
		if n != 1 { // the network's stays
			t.Errorf("%d counts are left", n)
		}
	})
}
