package portalui_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/portal"
	"github.com/labwarden/labwarden/internal/domain/partners/portalui"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// confirm proves with password and app once more who one is.
func (b *browser) confirm(seed string) {
	b.t.Helper()
	b.forward(time.Minute) // each code is taken once
	b.want(b.post("/confirm", "password", okPassword), http.StatusSeeOther, "/confirm/code")
	b.want(b.post("/confirm/code", "code", b.code(seed)), http.StatusSeeOther, "/")
}

// TestPeopleChangeTheirOwnWays: each way added, changed and removed by the person,
// after a fresh proof, never down to less than two factors; recorded; the others of
// their sessions end; the practice's manager is asked.
func TestPeopleChangeTheirOwnWays(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		manager, b, desk := s.browser(), s.browser(), s.browser()
		manager.comeIn(s.letter("riverside", "Rosa Vale", "manager", "yes"))
		seed := b.comeIn(s.letter("riverside", "Dana Ruiz"))
		s.forward(time.Minute)
		desk.want(desk.post("/sign-in", "account", "dana.ruiz", "password", okPassword), http.StatusSeeOther, "/sign-in/code")
		desk.want(desk.post("/sign-in/code", "code", desk.code(seed)), http.StatusSeeOther, "/")
		manager.want(manager.get("/"), http.StatusOK, "No new results.") // a first letter is nothing to ask about

		// A session that was left open changes nothing.
		s.forward(3 * time.Minute)
		for _, page := range []string{"/me/passkeys/new", "/me/password", "/me/app"} {
			b.want(b.get(page), http.StatusSeeOther, "/confirm?to=")
		}
		if r := b.post("/me/password", "password", "otter blanket seven rivers"); r.status == http.StatusSeeOther && !strings.HasPrefix(r.to, "/confirm") {
			t.Fatal("a stale session set a password", r)
		}
		b.want(b.json("/me/passkeys/begin", map[string]any{"called": "mine"}, nil), http.StatusConflict, "Confirm first")
		b.want(b.post("/me/app"), http.StatusForbidden, "")
		before := b.cookie("__Host-lwp")
		b.want(b.get("/confirm"), http.StatusOK, "Confirm that it is you.")
		b.want(b.post("/confirm", "password", "wrong wrong wrong wrong"), http.StatusUnprocessableEntity, "did not match")
		b.confirm(seed)
		if b.cookie("__Host-lwp") == before {
			t.Fatal("the session goes on under its old token")
		}

		// The last two factors stay.
		b.want(b.post("/me/app/remove", "confirm", "yes"), http.StatusConflict, "could no longer sign in")
		b.want(b.post("/me/password/remove", "confirm", "yes"), http.StatusConflict, "could no longer sign in")

		// A new password: not a short one; the session at the desk ends, this one goes on.
		b.want(b.get("/me/password"), http.StatusOK, "Change your password.")
		b.want(b.post("/me/password", "password", "short1!"), http.StatusUnprocessableEntity, "at least 15")
		desk.want(desk.get("/"), http.StatusOK, "Dana Ruiz")
		b.want(b.post("/me/password", "password", "otter blanket seven rivers"), http.StatusSeeOther, "/me")
		desk.want(desk.get("/"), http.StatusSeeOther, "/sign-in")
		b.want(b.get("/me"), http.StatusOK, "The password was changed")

		// A new phone: the old code counts until the new one is confirmed.
		r := b.want(b.post("/me/app"), http.StatusOK, "Scan, then type the code.")
		token := tokOn.FindStringSubmatch(r.body)[1]
		b.want(b.post("/me/app/confirm", "token", token, "code", "000000"), http.StatusUnprocessableEntity, "did not match")
		newSeed := strings.ReplaceAll(keyOn.FindStringSubmatch(r.body)[1], " ", "")
		b.want(b.post("/me/app/confirm", "token", token, "code", b.code(newSeed)), http.StatusSeeOther, "/me")

		// A passkey; then password and app may go, and the passkey may not.
		b.want(b.makeKey("/me/passkeys/begin", "/me/passkeys/finish"), http.StatusOK, `"to":"/me"`)
		r = b.want(b.get("/me"), http.StatusOK, "You have more than one way to sign in.")
		i := strings.Index(r.body, "/me/passkeys/")
		for strings.HasPrefix(r.body[i:], "/me/passkeys/new") {
			i += 10 + strings.Index(r.body[i+10:], "/me/passkeys/")
		}
		key := r.body[i : i+len("/me/passkeys/")+36]
		b.want(b.post(key+"/name", "called", "blue key"), http.StatusSeeOther, "/me")
		b.want(b.post("/me/app/remove"), http.StatusOK, "Remove the app?") // not without a yes
		b.want(b.post("/me/app/remove", "confirm", "yes"), http.StatusSeeOther, "/me")
		b.want(b.get("/me"), http.StatusOK, "Alone it opens nothing")
		b.want(b.post(key+"/remove", "confirm", "yes"), http.StatusConflict, "could no longer sign in")
		b.want(b.post("/me/password/remove", "confirm", "yes"), http.StatusSeeOther, "/me")
		b.want(b.post(key+"/remove", "confirm", "yes"), http.StatusConflict, "could no longer sign in")
		b.want(b.get("/me"), http.StatusOK, "blue key")
		// Somebody else's passkey is none.
		r = manager.get(key)
		if r.status != http.StatusNotFound && !strings.HasPrefix(r.to, "/confirm") {
			t.Fatal(r)
		}

		// The manager is asked; who changed is not, and nobody of another practice.
		manager = s.browser()
		manager.comeIn(s.letter("riverside", "Ada Brandt", "manager", "yes"))
		manager.want(manager.get("/"), http.StatusOK, "Dana Ruiz changed how they sign in")
		r = manager.want(manager.get("/colleagues"), http.StatusOK, "Was that them?")
		for _, want := range []string{"The password was changed", "The authenticator app was changed", "A passkey was added", "The authenticator app was removed", "The password was removed"} {
			manager.want(r, http.StatusOK, want)
		}
		all, err := s.portal.Changes(t.Context(), "riverside")
		must(t, err)
		if len(all) != 5 {
			t.Fatalf("%d changes: %+v", len(all), all)
		}
		at := "/changes/" + all[4].ID.String()
		b.want(b.post(at, "of", "riverside", "known", "yes"), http.StatusNotFound, "")
		stranger := s.browser()
		stranger.comeIn(s.letter("northgate", "Nadia Petrov", "manager", "yes"))
		stranger.want(stranger.post(at, "of", "northgate", "known", "no"), http.StatusNotFound, "")
		stranger.want(stranger.post(at, "of", "riverside", "known", "no"), http.StatusNotFound, "")
		manager.want(manager.post(at, "of", "riverside", "known", "maybe"), http.StatusUnprocessableEntity, "Answer whether")
		manager.want(manager.post(at, "of", "riverside", "known", "yes"), http.StatusSeeOther, "/colleagues")
		manager.want(manager.post(at, "of", "riverside", "known", "no"), http.StatusNotFound, "") // answered
		b.want(b.get("/"), http.StatusOK, "Dana Ruiz")

		// Not expected: out at once, and no way in is left; the laboratory is alarmed.
		manager.want(manager.post("/changes/"+all[0].ID.String(), "of", "riverside", "known", "no"), http.StatusSeeOther, "/colleagues")
		b.want(b.get("/"), http.StatusSeeOther, "/sign-in")
		b.want(b.useKey(b), http.StatusUnprocessableEntity, "")
		if len(s.raised) != 1 || s.raised[0].Kind != "portal.way_unexpected" || strings.Contains(s.raised[0].Sentence, "Dana") {
			t.Fatal(s.raised)
		}
		items := s.today(portalui.Today(portalui.Deps{Portal: s.portal, Zone: time.UTC}, func() map[string]time.Duration { return nil }))
		if !strings.Contains(items, "Riverside Family Practice did not expect how Dana Ruiz signs in now") {
			t.Fatal(items)
		}
		l := s.lab()
		s.role = authz.Technologist
		l.want(l.get("/portal/riverside"), http.StatusOK, "not expected; locked out by portal:ada.brandt")
		l.want(l.get("/api/v1/portal/riverside"), http.StatusOK, `"answer":"unexpected"`)
		l.want(l.post("/portal/northgate/changes/"+all[0].ID.String()), http.StatusNotFound, "")
		l.want(l.post("/portal/riverside/changes/"+all[0].ID.String()), http.StatusSeeOther, "/portal/riverside")
		s.role = authz.FrontDesk
		b = s.browser()
		code := codeOn.FindStringSubmatch(l.want(l.post("/portal/riverside/people/"+all[0].Person.String()+"/letter"), http.StatusOK, "Dear Dana Ruiz").body)[1]
		b.comeIn(code)
		list, err := s.portal.Changes(t.Context(), "riverside")
		must(t, err)
		if list[0].What != portal.ByLetter {
			t.Fatalf("a letter after the first is told once: %+v", list[0])
		}
	})
}

// TestChangesWithoutAManagerAreTheLaboratorys: where nobody looks after colleagues, the
// laboratory asks.
func TestChangesWithoutAManagerAreTheLaboratorys(t *testing.T) {
	each(t, func(t *testing.T, s *place) {
		b := s.browser()
		seed := b.comeIn(s.letter("riverside", "Dana Ruiz"))
		b.confirm(seed)
		b.want(b.post("/me/password", "password", "otter blanket seven rivers"), http.StatusSeeOther, "/me")
		list, err := s.portal.ForLab(t.Context())
		must(t, err)
		if len(list) != 1 || list[0].Name != "Dana Ruiz" {
			t.Fatal(list)
		}
		s.role = authz.Technologist
		l := s.lab()
		l.want(l.json("/api/v1/portal/riverside/changes/"+list[0].ID.String(), map[string]any{}, nil), http.StatusOK, "true")
		if list, err = s.portal.ForLab(t.Context()); err != nil || len(list) != 0 {
			t.Fatal(list, err)
		}
	})
}
