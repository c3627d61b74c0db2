package accessui_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestAProgramWaitsForItsYesByForm: made by an administrator, allowed or refused by
// the director, and its page says which.
func TestAProgramWaitsForItsYesByForm(t *testing.T) {
	x := newOffice(t)
	x.join("silva", role(authz.Director))
	w := x.post("okafor", "/people/tokens", "account", "ehr", "name", "EHR", "may-"+string(authz.ResultsReveal), "on")
	want(t, w, 303)
	page := w.Header().Get("Location")
	base := page[:len(page)-len("/account")]
	until := x.clock.now().Add(48 * time.Hour).Format(time.DateOnly)
	want(t, x.post("okafor", base+"/token", "name", "nightly", "may-"+string(authz.ResultsReveal), "on", "until", until), 200, "It works once the compliance officer")
	want(t, x.get("okafor", page), 200, "waits for a yes", "Ask again")
	want(t, x.get("okafor", "/people/tokens"), 200, "waits for a yes")
	want(t, x.get("okafor", "/people/programs"), 403)
	w = x.get("silva", "/people/programs")
	want(t, w, 200, "1 program waits for a yes.", "The token nightly of EHR", "Okafor")
	act := regexp.MustCompile(`/people/programs/[0-9a-f-]{36}/`).FindString(w.Body.String())
	want(t, x.get("silva", "/api/v1/people/programs"), 200, `"made_by":"okafor"`)
	want(t, x.post("okafor", act+"yes"), 403)
	want(t, x.post("silva", act+"no", "reason", "no"), 422, "10 to 500 characters")
	want(t, x.post("silva", act+"no", "reason", "Nobody told me what for."), 303)
	want(t, x.get("silva", "/people/programs"), 200, "0 programs wait for a yes.")
	again := regexp.MustCompile(`/people/tokens/[0-9a-f-]{36}/again`).FindString(x.get("okafor", page).Body.String())
	want(t, x.post("okafor", again), 303)
	want(t, x.post("silva", act+"yes"), 303)
	want(t, x.get("okafor", page), 200, "works")
	if w := x.get("okafor", page); regexp.MustCompile("waits for a yes").MatchString(w.Body.String()) {
		t.Error("still waits")
	}
}
