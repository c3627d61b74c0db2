package accountsui_test

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/today"
	"github.com/labwarden/labwarden/internal/platform/web"
)

func (l *lab) accountID(name string) string {
	l.t.Helper()
	all, err := l.deps.Accounts.Accounts(l.t.Context(), "windows")
	check(l.t, err)
	for _, a := range all {
		if a.Entry.Account == name {
			return a.ID.String()
		}
	}
	l.t.Fatalf("no account %s", name)
	return ""
}

func (l *lab) findingID(kind string) string {
	l.t.Helper()
	all, err := l.deps.Accounts.Findings(l.t.Context(), "windows", false)
	check(l.t, err)
	for _, f := range all {
		if f.Kind == kind {
			return f.ID.String()
		}
	}
	l.t.Fatalf("no finding %s", kind)
	return ""
}

func contains(t *testing.T, page string, want ...string) {
	t.Helper()
	for _, w := range want {
		if !strings.Contains(page, w) {
			t.Errorf("the page does not say %q", w)
		}
	}
}

// Every page answers in a sentence; what lists hold is only ever text.
func TestEveryPage(t *testing.T) {
	l := furnished(t)
	vendors, err := l.deps.Accounts.Vendors(t.Context(), false)
	check(t, err)
	inline := regexp.MustCompile(`(?i)<[^>]+ (style|on[a-z]+)=`)
	tried := map[string]bool{}
	for _, c := range []struct{ as, path, says string }{
		{"anna", "/accounts", "1 system was not looked at lately"},
		{"anna", "/accounts/new", "Add a system"},
		{"anna", "/accounts/systems/windows", "findings in Windows domain"},
		{"anna", "/accounts/systems/windows?kind=not+matched", "bench1"},
		{"anna", "/accounts/systems/vpn", "Nothing is known about the accounts of VPN"},
		{"anna", "/accounts/systems/windows/change", "Change Windows domain"},
		{"anna", "/accounts/systems/windows/end", "no longer there?"},
		{"anna", "/accounts/systems/windows/list", "Which accounts does Windows domain have?"},
		{"audrey", "/accounts/findings", "need somebody"},
		{"audrey", "/accounts/findings?what=leaver", "1 finding needs somebody"},
		{"anna", "/accounts/findings/" + l.findingID(accounts.Leaver), "Somebody who left still has an account"},
		{"anna", "/accounts/of/" + l.accountID("j.doe"), "suggested: the same name"},
		{"audrey", "/accounts/of/" + l.accountID("<script>alert(1)</script>"), "Nobody knows whose account this is."},
		{"sofia", "/access-review", "The access review of 2026-Q4 is open."},
		{"sofia", "/access-review/2026-Q4", "lines to decide in 2026-Q4"},
		{"sofia", "/access-review/2026-Q4?kind=list", "no list of its accounts was ever taken"},
		{"audrey", "/access-review/2026-Q4/report", "Self-reported by Labwarden"},
		{"carla", "/vendors", "1 agreement needs somebody."},
		{"carla", "/vendors/new", "Who is reminded"},
		{"carla", "/vendors/new", "Riverside Family Practice"},
		{"carla", "/vendors/file", "Take the register from a file."},
		{"carla", "/vendors/" + vendors[0].ID.String(), "45 CFR 164.308(b)"},
		{"carla", "/vendors/" + vendors[1].ID.String(), "Whether patient data reaches them is not known."},
		{"carla", "/vendors/" + vendors[0].ID.String() + "/change", "Change Analyzer Service Inc"},
		{"carla", "/vendors/" + vendors[0].ID.String() + "/end", "no longer work"},
		{"audrey", "/record", "Viewed a result"},
		{"audrey", "/record?class=refusal", "A sign-in was refused"},
		{"audrey", "/record?who=jdoe&from=2026-11-03&to=2026-11-03", "Jane Doe (jdoe)"},
		{"jdoe", "/record/mine", "This is what the record holds of you."},
		{"carla", "/record/patient", "to whom did they go?"},
	} {
		page := l.as(c.as).get(c.path)
		contains(t, page, c.says)
		if strings.Contains(page, "<script>alert") || strings.Contains(page, "<b>x</b>") || inline.MatchString(page) {
			t.Errorf("%s lets through what a list holds", c.path)
		}
		tried[strings.SplitN(c.path, "?", 2)[0]] = true
	}
	if len(tried) < 24 {
		t.Errorf("%d pages", len(tried))
	}
	for _, path := range []string{"/accounts/systems/none", "/accounts/of/x", "/accounts/of/" + vendors[0].ID.String(), "/accounts/findings/1", "/vendors/none", "/access-review/1999-Q1", "/accounts/lists/" + vendors[0].ID.String(), "/removals/x"} {
		contains(t, l.as("anna").getStatus(path, http.StatusNotFound), "There is nothing here.")
	}
}

// From a new system to a list that was taken, by forms alone.
func TestSystemAndListByForms(t *testing.T) {
	l := newLab(t)
	body, _ := l.post("/accounts/new", http.StatusUnprocessableEntity, "key", "Windows Domain", "name", "Windows", "kind", "directory", "owner", "anna", "every_days", "100")
	contains(t, body, "small letters, digits and hyphens", `value="Windows Domain"`)
	_, to := l.post("/accounts/new", http.StatusSeeOther, "key", "windows", "name", "Windows", "kind", "directory", "owner", "anna", "every_days", "100", "admin_groups", "Lab IT\r\n")
	if to != "/accounts/systems/windows/list" {
		t.Fatal(to)
	}
	body, _ = l.upload("windows", "", http.StatusUnprocessableEntity)
	contains(t, body, "The file is empty")
	_, to = l.upload("windows", "Kennung,Gruppe\njdoe,Lab IT\n", http.StatusSeeOther)
	contains(t, l.get(to), "This list cannot be taken yet.", "Say which column holds the name of the account.")
	_, at := l.post(to+"/columns", http.StatusSeeOther, "c-account", "Kennung", "c-groups", "Gruppe")
	contains(t, l.get(at), "would change 1 account of Windows", "jdoe")
	body, _ = l.post(to+"/take", http.StatusSeeOther)
	_ = body
	contains(t, l.get("/accounts/systems/windows"), "The list was taken: 1 new", "Privileged", "Jane Doe")
	l.getStatus(to, http.StatusConflict)
	// The next list is read the same way.
	_, to = l.upload("windows", "Kennung,Gruppe\njdoe,\n", http.StatusSeeOther)
	contains(t, l.get(to), "would change 1 account")
	_, to = l.post(to+"/discard", http.StatusSeeOther)
	contains(t, l.get(to), "put aside")
	l.post("/accounts/systems/windows/change", http.StatusSeeOther, "name", "Windows 2", "kind", "directory", "owner", "anna", "every_days", "92")
	body, _ = l.post("/accounts/systems/windows/end", http.StatusOK)
	contains(t, body, "no longer there?")
	l.post("/accounts/systems/windows/end", http.StatusSeeOther, "confirm", "yes")
}

func TestFindingsAndAccountsByForms(t *testing.T) {
	l := furnished(t)
	f := "/accounts/findings/" + l.findingID(accounts.Privileged)
	body, _ := l.as("sofia").post(f+"/close", http.StatusUnprocessableEntity, "reason", "", "until", "2026-12-31")
	contains(t, body, "Say why this may stay", `aria-invalid="true"`)
	body, _ = l.post(f+"/assign", http.StatusUnprocessableEntity, "owner", "anna", "due", "soon")
	contains(t, body, "Write a date as")
	l.as("anna").post(f+"/close", http.StatusForbidden, "reason", "it is me", "until", "2026-12-31")
	_, to := l.as("sofia").post(f+"/close", http.StatusSeeOther, "reason", "runs the domain", "until", "2026-12-31")
	contains(t, l.get(to), "Closed until", "runs the domain")
	a := "/accounts/of/" + l.accountID("bench1")
	body, _ = l.post(a, http.StatusUnprocessableEntity, "kind", "shared", "owner", "jdoe", "reason", "")
	contains(t, body, "Say why several people")
	l.post(a, http.StatusSeeOther, "kind", "shared", "owner", "jdoe", "reason", "one bench, three shifts")
	contains(t, l.get(a), "answered for by Jane Doe (jdoe)", "one bench, three shifts")
	l.as("audrey").post(a, http.StatusForbidden, "kind", "not matched")
	csv := l.get("/accounts/systems/windows?format=csv")
	if !strings.Contains(csv, "'=HYPERLINK(1)") || strings.Contains(csv, "\n=") {
		t.Fatal(csv)
	}
	contains(t, l.get("/accounts/findings?format=csv"), "Somebody who left still has an account")
}

func TestReviewByForms(t *testing.T) {
	l := furnished(t)
	rev, err := l.deps.Accounts.Review(t.Context(), "2026-Q4")
	check(t, err)
	lines, err := l.deps.Accounts.Lines(t.Context(), rev.ID)
	check(t, err)
	at := "/access-review/2026-Q4"
	ids := map[string][]string{}
	own := accounts.By{Person: l.subject("sofia").Person, Account: "sofia"}
	for _, x := range lines {
		who := "sofia"
		if x.Own(own) {
			who = "carla"
		}
		ids[who] = append(ids[who], "line", x.ID.String())
	}
	body, _ := l.as("sofia").post(at+"/decide", http.StatusUnprocessableEntity, "decision", "keep")
	contains(t, body, "Choose at least one line.")
	body, _ = l.post(at+"/decide", http.StatusUnprocessableEntity, "line", lines[0].ID.String(), "decision", "remove")
	contains(t, body, "Say why it is removed.", "checked")
	page := l.get(at)
	if strings.Contains(page, `value="`+ids["carla"][1]+`"`) || !strings.Contains(page, "Your own: somebody else decides") {
		t.Error("one's own line can be chosen")
	}
	l.post(at+"/decide", http.StatusForbidden, append([]string{"decision", "keep", "reason", "x"}, ids["carla"]...)...)
	l.as("anna").post(at+"/decide", http.StatusForbidden, append([]string{"decision", "keep"}, ids["sofia"][:2]...)...)
	l.as("sofia").getStatus(at+"/sign", http.StatusConflict)
	var leaver string
	for _, x := range lines {
		if strings.HasSuffix(x.Title, ": gone") {
			leaver = x.ID.String()
		}
	}
	l.post(at+"/decide", http.StatusSeeOther, append([]string{"decision", "keep", "reason", "needed"}, ids["sofia"]...)...)
	l.post(at+"/decide", http.StatusSeeOther, "line", leaver, "decision", "remove", "reason", "has left")
	l.as("carla").post(at+"/decide", http.StatusSeeOther, append([]string{"decision", "keep", "reason", "needed"}, ids["carla"]...)...)
	contains(t, l.get(at+"/sign"), "Your signature")
	l.post(at+"/sign", http.StatusSeeOther, "confirm", "yes")
	contains(t, l.get(at), "is signed.", "Checked just now: its lines are those that were signed.")
	contains(t, l.get(at+"/report"), "Fingerprint (SHA-256)", "Remove: has left (not done yet)")
	contains(t, l.get(at+"?format=csv"), "has left")
	contains(t, l.get("/access-review"), "/removals/"+leaver)
	body, _ = l.post("/removals/"+leaver, http.StatusUnprocessableEntity, "how", "")
	contains(t, body, "Say how it was removed")
	l.post("/removals/"+leaver, http.StatusSeeOther, "how", "deleted in the domain")
	l.getStatus("/removals/"+leaver, http.StatusNotFound)
}

func TestVendorsByForms(t *testing.T) {
	l := newLab(t).as("carla")
	form := []string{"name", "Hosting Co", "purpose", "hosts the LIS", "associate", "yes", "phi", "yes", "agreed", "2026-01-01", "ends", "2027-01-01", "owner", "carla", "mail", "not a mail"}
	body, _ := l.post("/vendors/new", http.StatusUnprocessableEntity, form...)
	contains(t, body, "This is not a mail address.")
	_, to := l.post("/vendors/new", http.StatusSeeOther, form[:len(form)-2]...)
	contains(t, l.get(to), "Hosting Co", "agreement until")
	csv := l.get("/vendors?format=csv")
	contains(t, csv, "Hosting Co")
	text := csv + "Courier,carries,no,no,,,,,,,,carla\n"
	body, _ = l.post("/vendors/file", http.StatusOK, "text", text)
	contains(t, body, "1 new, 0 changed, 1 as before.")
	l.post("/vendors/file", http.StatusSeeOther, "text", text, "confirm", "yes")
	contains(t, l.get("/vendors"), "Courier")
	body, _ = l.post("/vendors/file", http.StatusUnprocessableEntity, "text", "name\nx\n")
	contains(t, body, "The file has no column")
	l.post(to+"/end", http.StatusSeeOther, "confirm", "yes")
	l.as("anna").post("/vendors/new", http.StatusSeeOther, form[:len(form)-2]...)
	l.as("sofia").post("/vendors/new", http.StatusForbidden, form[:len(form)-2]...)
}

// The record's pages: who looks is recorded, a masked role makes no report about
// a patient, and the identifier is nowhere but on the page.
func TestRecordPages(t *testing.T) {
	l := furnished(t)
	l.as("audrey").getStatus("/record/patient", http.StatusForbidden)
	l.post("/record/patient", http.StatusForbidden, "id", "PA17")
	contains(t, l.get("/record"), "Your own trail")
	l.post("/record/export", http.StatusUnprocessableEntity, "format", "exe")
	body, _ := l.post("/record/export", http.StatusOK, "format", "csv", "class", "view")
	contains(t, body, "result.viewed")
	body, _ = l.post("/record/export", http.StatusOK, "format", "ndjson", "who", "jdoe")
	for line := range strings.SplitSeq(strings.TrimSpace(body), "\n") {
		var e struct{ ResourceType string }
		if json.Unmarshal([]byte(line), &e) != nil || e.ResourceType != "AuditEvent" {
			t.Fatal(line)
		}
	}
	l.follow()
	// Handed to the auditor: all they asked and took, and nobody else's.
	contains(t, l.get("/record/mine"), "Took out entries of the record", "Read the record")
	body, _ = l.post("/record/mine", http.StatusOK, "format", "csv")
	contains(t, body, "record.exported", "record.read")
	if strings.Contains(body, "result.viewed") || strings.Contains(body, "jdoe,") {
		t.Fatal("somebody else's trail")
	}
	l.as("jdoe").getStatus("/record", http.StatusForbidden)

	body, _ = l.as("carla").post("/record/patient", http.StatusUnprocessableEntity, "id", " ")
	contains(t, body, "whole identifier.")
	body, to := l.post("/record/patient", http.StatusOK, "id", "PA17")
	contains(t, body, "PA17", "Riverside Family Practice", "Viewed a result", "those for treatment included")
	if to != "" || strings.Contains(body, "?id=") {
		t.Fatal("the identifier stands in an address")
	}
	body, _ = l.post("/record/patient/file", http.StatusOK, "id", "PA17", "format", "csv")
	contains(t, body, "their system accepted it,riverside")
	l.follow()
	body, _ = l.post("/record/patient/file", http.StatusOK, "id", "PA17", "format", "ndjson")
	contains(t, body, "IHE.BasicAudit.PatientRead", "IHE.BasicAudit.PrivacyDisclosure.Source", "record.patient_reported")
	// Freshness: after a quarter of an hour carla proves again who she is.
	l.at = l.at.Add(0)
	check(t, l.db.Query(t.Context(), "SELECT kind || who || message FROM record_events", nil, func(s store.Scanner) error {
		var v string
		err := s.Scan(&v)
		if strings.Contains(v, "PA17") {
			t.Error("the identifier is in the table")
		}
		return err
	}))
	// Somebody changes the table behind: the page says so.
	check(t, l.db.Do(t.Context(), damage))
	contains(t, l.as("audrey").get("/record?who=nobody"), "Damaged: the ledger does not confirm this entry")
}

// Operations beside the pages do the same.
func TestOperations(t *testing.T) {
	l := furnished(t)
	d := web.Describe("test", l.routes)
	ops := 0
	for _, methods := range d.Paths {
		for _, op := range methods {
			if ops++; op.Summary == "" {
				t.Errorf("%s says nothing", op.OperationID)
			}
		}
	}
	if ops != 27 {
		t.Errorf("%d operations", ops)
	}
	l.as("anna")
	contains(t, l.api("GET", "/api/v1/accounts/systems", "", 200), `"state":"No list yet"`)
	contains(t, l.api("GET", "/api/v1/accounts/systems/windows/accounts", "", 200), `"account":"bench1"`)
	l.api("GET", "/api/v1/accounts/systems/none/accounts", "", 404)
	l.api("POST", "/api/v1/accounts/systems", `{"key":"lis","name":"LIS","kind":"lis","owner":"anna"}`, 200)
	contains(t, l.api("POST", "/api/v1/accounts/systems", `{"key":"lis","name":"LIS","kind":"lis","owner":"anna"}`, 422), `"fields":{"key":`)
	var p struct {
		ID   string
		Diff struct{ New int }
	}
	check(t, json.Unmarshal([]byte(l.api("POST", "/api/v1/accounts/systems/lis/lists", `{"file":"YWNjb3VudApqZG9lCg=="}`, 200)), &p))
	if p.Diff.New != 1 {
		t.Fatalf("%+v", p)
	}
	contains(t, l.api("POST", "/api/v1/accounts/lists/"+p.ID+"/take", `{}`, 200), `"added":1`)
	l.api("POST", "/api/v1/accounts/lists/"+p.ID+"/discard", `{}`, 409)
	contains(t, l.api("GET", "/api/v1/accounts/findings?system=windows", "", 200), `"kind":"leaver"`)
	l.api("POST", "/api/v1/accounts/of/"+l.accountID("bench1"), `{"kind":"shared","owner":"jdoe","reason":"bench"}`, 200)
	l.api("POST", "/api/v1/accounts/findings/"+l.findingID(accounts.Leaver)+"/close", `{"reason":"ends tonight","until":"2026-11-04"}`, 200)
	l.api("POST", "/api/v1/accounts/findings/"+l.findingID(accounts.UnknownOne)+"/assign", `{"owner":"anna","due":"2026-12-01"}`, 200)
	contains(t, l.as("sofia").api("GET", "/api/v1/access-reviews", "", 200), `"quarter":"2026-Q4"`)
	contains(t, l.api("GET", "/api/v1/access-reviews/2026-Q4", "", 200), `"decision":"not decided"`)
	l.api("POST", "/api/v1/access-reviews/2026-Q4/sign", `{}`, 409)
	contains(t, l.as("carla").api("GET", "/api/v1/vendors", "", 200), "Analyzer Service Inc", `"missing"`)
	l.api("POST", "/api/v1/vendors", `{"name":"X","purpose":"y","business_associate":"no","phi":"no","owner":"carla"}`, 200)
	contains(t, l.as("audrey").api("GET", "/api/v1/record?class=view&limit=5", "", 200), `"kind":"result.viewed"`, `"read":`)
	contains(t, l.api("POST", "/api/v1/record/audit-events", `{"class":"view"}`, 200), "IHE.BasicAudit.Read")
	contains(t, l.api("GET", "/api/v1/record/mine", "", 200), `"entries"`)
	l.api("POST", "/api/v1/record/patient", `{"id":"PA17"}`, 403)
	contains(t, l.as("carla").api("POST", "/api/v1/record/patient", `{"id":"PA17"}`, 200), `"partner":"riverside"`)
}

// What needs somebody stands on Today, for those whom it is for.
func TestToday(t *testing.T) {
	l := furnished(t)
	titles := func() []string {
		var out []string
		for _, s := range l.deps.Today() {
			items, err := s.Look(t.Context(), l.subject("sofia"), l.at)
			check(t, err)
			for _, i := range items {
				if i.Action.Href == "" || i.Text == "" || i.Needs == "" || i.Rank < today.RankPatient {
					t.Errorf("%+v", i)
				}
				out = append(out, i.Title)
			}
		}
		return out
	}
	want := []string{
		"No list of the accounts of VPN was ever taken", "1 account of somebody who left is still there in Windows domain", "The access review of 2026-Q4 is open", "Analyzer Service Inc: ends on 15 Nov",
	}
	if got := titles(); !slices.Equal(got, want) {
		t.Fatalf("%q", got)
	}
	l.at = l.at.AddDate(0, 4, 0)
	got := titles()
	for _, w := range []string{"Windows domain was not looked at since 3 Nov 2026", "The access review of 2026-Q4 is late"} {
		if !slices.Contains(got, w) {
			t.Errorf("%q is not in %q", w, got)
		}
	}
}

// Each route asks for a permission that is in the matrix, and none for one that
// everybody has but one's own trail.
func TestRoutesAskForTheRightPermission(t *testing.T) {
	l := newLab(t)
	for _, rt := range l.routes {
		path := rt.Pattern[strings.Index(rt.Pattern, " ")+1:]
		if strings.HasPrefix(path, "/live") || strings.HasPrefix(path, "/assets") {
			continue
		}
		own := strings.HasSuffix(path, "/record/mine")
		if (rt.Needs == authz.OwnSecurity) != own || rt.Access == web.Open {
			t.Errorf("%s needs %q", rt.Pattern, rt.Needs)
		}
	}
	_ = ledger.Event{}
}

// TestEveryAccountsRouteEveryRole: each door of these rooms opens to whom the
// matrix gives it, and to nobody else.
func TestEveryAccountsRouteEveryRole(t *testing.T) {
	l := furnished(t)
	paths := strings.NewReplacer("{key}", "windows", "{quarter}", "2026-Q4", "{id}", l.people[0].ID.String())
	tried := 0
	for _, rt := range l.routes {
		if rt.Access == web.Open || strings.HasSuffix(rt.Pattern, "/live") {
			continue
		}
		method, path, _ := strings.Cut(rt.Pattern, " ")
		for _, role := range authz.Roles() {
			if role.Scoped || role.Role == authz.Service {
				continue // a practice and a program have none of these, see the matrix
			}
			l.as("jdoe").roles["jdoe"] = role.Role
			req, err := http.NewRequestWithContext(t.Context(), method, l.srv.URL+paths.Replace(path), strings.NewReader("{}"))
			check(t, err)
			req.Header.Set("Content-Type", "application/json")
			res, err := l.jar.Do(req)
			check(t, err)
			check(t, res.Body.Close())
			may := l.subject("jdoe").May(rt.Needs, authz.Object{}, l.at) == nil
			if refused := res.StatusCode == http.StatusForbidden; refused == may {
				t.Errorf("%s as %s: %d, may: %v", rt.Pattern, role.Role, res.StatusCode, may)
			}
			tried++
		}
	}
	if tried != 75*9 {
		t.Errorf("%d doors and roles", tried)
	}
}
