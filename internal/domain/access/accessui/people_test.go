package accessui_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestPeopleByForm: add, change, give and take a role, end, let in again.
func TestPeopleByForm(t *testing.T) {
	x := newOffice(t)
	want(t, x.get("okafor", "/people"), 200, "1 person may sign in.", "Ngozi Okafor", "Administrator")
	want(t, x.get("okafor", "/people/new"), 200, "Who comes to work", `name="account"`)
	// What is wrong stands beside its field, and nothing is lost.
	w := x.post("okafor", "/people", "account", "Bad Account", "name", "Maria", "starts", "soon")
	want(t, w, 422, "Write the day like 2026-05-04.", `value="Maria"`)
	w = x.post("okafor", "/people", "account", "Bad Account", "name", "Maria")
	want(t, w, 422, "An account begins with")
	w = x.post("okafor", "/people", "account", "maria", "name", "Maria", "role", "provider", "partners", "elsewhere")
	want(t, w, 422, "There is no partner with the key elsewhere.")
	w = x.post("okafor", "/people", "account", "maria", "name", "Maria", "role", "technologist", "sites", "south")
	want(t, w, 422, "There is no site with the key south.")
	if n := strings.Count(w.Body.String(), "There is no site with the key south."); n > 2 { // above the form and beside the first box
		t.Errorf("it is said %d times", n)
	}
	w = x.post("okafor", "/people", "account", "maria", "name", "Maria", "role", "nobody", "partners", "northgate", "sites", "main", "sites", "north")
	want(t, w, 422, `name="sites" value="main" checked`, `name="sites" value="north" checked`, "Only at these sites", "Hill Street")
	w = x.post("okafor", "/people", "account", "maria", "name", "Maria", "role", "auditor")
	want(t, w, 422, "Auditor needs an end date.")

	w = x.post("okafor", "/people", "account", "maria", "name", "Maria Silva", "role", "technologist", "sites", "main", "sites", "north", "ends", "2026-12-31")
	want(t, w, 200, "This is the invitation of Maria Silva.", "shown this once")
	token := link(t, w)
	if w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("Set-Cookie") != "" {
		t.Error("the link can be kept by the browser")
	}
	x.people["maria"] = x.use(token, access.NewPerson{})
	id := x.people["maria"].ID.String()
	want(t, x.get("okafor", "/people/"+id), 200, "active until 31 Dec 2026", "Technologist, site main, north", "They have not signed in")
	if strings.Contains(x.get("okafor", "/people/"+id).Body.String(), token) {
		t.Error("the link is shown again")
	}
	w = x.get("okafor", "/people/"+id+"/change")
	want(t, w, 200, `value="2026-12-31"`, `name="revision"`)
	rev := regexp.MustCompile(`name="revision" value="(\d+)"`).FindStringSubmatch(w.Body.String())[1]
	want(t, x.post("okafor", "/people/"+id+"/change", "name", "Maria S.", "mail", "maria@lab.example", "revision", rev), 303)
	want(t, x.post("okafor", "/people/"+id+"/change", "name", "Maria T.", "revision", rev), 409, "Somebody changed this meanwhile")
	want(t, x.post("okafor", "/people/"+id+"/change", "name", "", "revision", "0"), 422)
	want(t, x.get("okafor", "/people?q=maria%40lab"), 200, "Maria S.")
	want(t, x.get("okafor", "/people?role=technologist"), 200, "Maria S.")
	if strings.Contains(x.get("okafor", "/people?role=technologist").Body.String(), "Ngozi Okafor</a>") {
		t.Error("the filter shows others")
	}

	want(t, x.get("okafor", "/people/"+id+"/roles/add"), 200, "What does Maria S. do here?")
	want(t, x.post("okafor", "/people/"+id+"/roles/add"), 422, "Choose a role.")
	want(t, x.post("okafor", "/people/"+id+"/roles/add", "role", "front-desk", "until", "2026-06-30"), 303)
	p, err := x.s.Person(t.Context(), x.people["maria"].ID)
	check(t, err)
	if len(p.Grants) != 2 || !p.Grants[1].Until.Equal(time.Date(2026, 7, 1, 0, 0, 0, 0, time.Local)) {
		t.Errorf("%+v", p.Grants)
	}
	end := "/people/" + id + "/roles/" + p.Grants[1].ID.String() + "/end"
	want(t, x.get("okafor", end), 200, "Take Phlebotomist or front desk from Maria S.?")
	want(t, x.post("okafor", end), 200, "Take Phlebotomist")
	want(t, x.post("okafor", end, "confirm", "yes"), 303)
	want(t, x.get("okafor", "/people/"+id), 200, "Earlier roles")

	// Nobody does this to themselves, nor to the last administrator.
	own := "/people/" + x.people["okafor"].ID.String()
	want(t, x.post("okafor", own+"/end", "confirm", "yes"), 409, "Nobody changes their own roles")
	want(t, x.post("okafor", own+"/roles/add", "role", "laboratory-director"), 409, "Nobody changes their own roles")
	if strings.Contains(x.get("okafor", own).Body.String(), "/roles/add") {
		t.Error("one's own page offers to give a role")
	}

	x.token("maria")
	want(t, x.get("okafor", "/people/"+id+"/end"), 200, "End Maria S.?")
	want(t, x.post("okafor", "/people/"+id+"/end"), 200, "End Maria S.?")
	want(t, x.post("okafor", "/people/"+id+"/end", "confirm", "yes"), 303)
	want(t, x.get("maria", "/people/roles"), 303)
	want(t, x.get("okafor", "/people"), 200)
	if strings.Contains(x.get("okafor", "/people").Body.String(), "Maria S.") {
		t.Error("who has ended stands among the others")
	}
	want(t, x.get("okafor", "/people?state=ended"), 200, "Maria S.")
	w = x.post("okafor", "/people/"+id+"/return")
	want(t, w, 200, "This is the invitation of Maria S.")
	first := link(t, w)
	w = x.post("okafor", "/people/"+id+"/link")
	want(t, w, 200)
	if link(t, w) == first {
		t.Error("the same link again")
	}
	x.use(link(t, w), access.NewPerson{})
	want(t, x.post("okafor", "/people/"+id+"/recover"), 200, "This is the recovery link")
	want(t, x.post("okafor", "/people/"+own[8:]+"/recover"), 409)

	// After a quarter of an hour, a fresh proof is asked for.
	x.clock.forward(14 * time.Minute)
	want(t, x.get("okafor", "/people"), 200)
	x.clock.forward(2 * time.Minute)
	w = x.get("okafor", "/people/new")
	if w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/step-up") {
		t.Errorf("%d to %s", w.Code, w.Header().Get("Location"))
	}
	want(t, x.post("okafor", "/people", "account", "late", "name", "Late"), 403, "confirm first that it is you")
}

// TestRolesPage prints the matrix as authz has it.
func TestRolesPage(t *testing.T) {
	x := newOffice(t)
	w := x.get("okafor", "/people/roles")
	want(t, w, 200, "This is what each role may do.", "delegated", "Anybody at a shared bench", "15 min")
	for _, i := range authz.Roles() {
		want(t, w, 200, i.Name)
	}
	if n := strings.Count(w.Body.String(), ">–<") + strings.Count(w.Body.String(), ">yes<") + strings.Count(w.Body.String(), ">delegated<"); n != len(authz.Roles())*len(authz.Permissions()) {
		t.Errorf("%d cells, want %d roles x %d permissions", n, len(authz.Roles()), len(authz.Permissions()))
	}
	for _, p := range authz.Permissions() {
		want(t, w, 200, strings.ReplaceAll(p.What, "'", "&#39;"))
	}
}

func (x *office) upload(account, path, list string, form ...string) *httptest.ResponseRecorder {
	var b bytes.Buffer
	m := multipart.NewWriter(&b)
	f, err := m.CreateFormFile("file", "staff.csv")
	check(x.t, err)
	_, err = f.Write([]byte(list))
	check(x.t, err)
	for i := 0; i+1 < len(form); i += 2 {
		check(x.t, m.WriteField(form[i], form[i+1]))
	}
	check(x.t, m.Close())
	return x.as(account, http.MethodPost, path, &b, m.FormDataContentType())
}

// TestImportByForm: the plan first, then exactly that.
func TestImportByForm(t *testing.T) {
	x := newOffice(t)
	list := "account,name,roles\nmaria,Maria Silva,technologist\nx y,Wrong,\n"
	want(t, x.get("okafor", "/people/import"), 200, "Who works here?")
	want(t, x.upload("okafor", "/people/import", "nonsense"), 422, "no column")
	w := x.upload("okafor", "/people/import", list, "complete", "yes")
	want(t, w, 200, "1 person would be added, changed or ended.", "1 line is left out.", "Maria Silva is added", "Technologist")
	hash := regexp.MustCompile(`name="hash" value="([0-9a-f]{64})"`).FindStringSubmatch(w.Body.String())[1]
	crlf := strings.ReplaceAll(list, "\n", "\r\n")
	want(t, x.post("okafor", "/people/import/apply", "list", crlf, "hash", strings.Repeat("0", 64), "complete", "yes"), 409, "Somebody changed this meanwhile")
	w = x.post("okafor", "/people/import/apply", "list", crlf, "hash", hash, "complete", "yes")
	want(t, w, 200, "The list was taken over.", "1 added")
	x.use(link(t, w), access.NewPerson{})
	w = x.upload("okafor", "/people/import", list)
	want(t, w, 200, "0 people would be")
}
