package accessui_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access/accessui"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestTwoPeopleLetTheDirectorInAgain: one asks, another makes the link, and whoever
// was let in by one hand is confirmed by another.
func TestTwoPeopleLetTheDirectorInAgain(t *testing.T) {
	x := newOffice(t)
	director, lind, tech := x.join("silva", role(authz.Director)), x.join("lind", role(authz.SecurityOfficer)), x.join("sam", role(authz.Technologist))
	page := "/people/" + director.ID.String()
	want(t, x.get("okafor", page), 200, "Ask for a recovery link", "labwarden access recover silva")
	want(t, x.post("okafor", page+"/recover"), 409, "labwarden access recover")
	want(t, x.get("okafor", page+"/recover/ask"), 200, "What happened")
	want(t, x.post("okafor", page+"/recover/ask", "reason", "key"), 422, "10 to 500 characters")
	want(t, x.post("lind", page+"/recover/ask", "reason", "She lost her key."), 403)
	want(t, x.post("okafor", page+"/recover/ask", "reason", "She lost her key on a trip."), 303)
	if w := x.get("okafor", page); strings.Contains(w.Body.String(), "Make the link") {
		t.Error("whoever asks is offered the link")
	}
	want(t, x.post("okafor", page+"/recover/allow"), 409, "a second person has to look at it")
	want(t, x.post("silva", page+"/recover/allow"), 403)
	items := func() string {
		t.Helper()
		var out []string
		for _, src := range accessui.Today(accessui.Deps{Access: x.s}) {
			who := &authz.Subject{Person: lind.ID, Account: "lind", Level: authz.LevelPasskey, FreshAt: x.clock.now(), Grants: []authz.Grant{role(authz.SecurityOfficer)}}
			all, err := src.Look(t.Context(), who, x.clock.now())
			check(t, err)
			for _, it := range all {
				out = append(out, it.Title)
			}
		}
		return strings.Join(out, "; ")
	}
	if got := items(); !strings.Contains(got, "okafor asks for a recovery link for Silva") {
		t.Errorf("Today: %s", got)
	}
	want(t, x.get("lind", page), 200, "She lost her key on a trip.", "Make the link")
	want(t, x.post("lind", page+"/recover/refuse", "reason", ""), 422, "Say why")
	w := x.post("lind", page+"/recover/allow")
	want(t, w, 200, "recovery link")
	link(t, w)
	want(t, x.post("lind", page+"/confirm"), 409, "labwarden access confirm")
	want(t, x.get("okafor", page), 200, "let them in anew", "Confirm that it is them")
	want(t, x.post("okafor", page+"/confirm"), 303)
	want(t, x.get("okafor", page), 200, "that this account is in their hands")

	// Of no weight: the link at once, the role only after a second person's word.
	page = "/people/" + tech.ID.String()
	w = x.post("okafor", page+"/recover")
	want(t, w, 200)
	link(t, w)
	if got := items(); !strings.Contains(got, "Is the account of Sam in their hands?") {
		t.Errorf("Today: %s", got)
	}
	want(t, x.post("okafor", page+"/roles/add", "role", string(authz.Director)), 409, "labwarden access confirm")
	want(t, x.json("lind", http.MethodPost, "/api/v1"+page+"/confirm", map[string]any{}), 200)
	want(t, x.post("okafor", page+"/roles/add", "role", string(authz.Director)), 303)
	want(t, x.json("okafor", http.MethodPost, "/api/v1"+page+"/recover/ask", map[string]any{"reason": "She lost her key."}), 200)
	want(t, x.json("lind", http.MethodPost, "/api/v1"+page+"/recover/refuse", map[string]any{"reason": "She has it here."}), 200)
	want(t, x.json("lind", http.MethodPost, "/api/v1"+page+"/recover/allow", map[string]any{}), 404)
}
