package resultsui_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// A patient's results are put under a legal hold, kept, and let go, by page and by
// API; the patient is in no address, no list and no entry of the ledger.
func TestLegalHoldOnAPatient(t *testing.T) {
	const cou, com = "counsel", "compliance-officer"
	l := newLab(t)
	id := l.take(oru("C1", "4711", "100"))
	l.take(oru("C2", "4711", "101"))
	l.take(oru("C3", "815", "102"))
	l.deliver()
	_, err := l.IndexNow(t.Context())
	l.ok(err)
	l.get(cou, "/legal-holds").want(t, 200, "No legal hold stands.", "Look at this patient")
	l.get(cou, "/legal-holds?show=lifted").want(t, 200, "No legal hold was lifted yet.")
	l.get(tech, "/legal-holds").want(t, 403)
	l.do(tech, "POST", "/legal-holds", url.Values{"patient": {"4711"}, "confirm": {"yes"}, "reason": {"x"}}).want(t, 403)

	// First what there is, recorded; nothing is placed.
	l.do(cou, "POST", "/legal-holds", url.Values{"patient": {" "}}).want(t, 422, "Write the patient’s number")
	ask := l.do(cou, "POST", "/legal-holds", url.Values{"patient": {"4711"}, "authority": {"HOLLOWFEN"}}).want(t, 200, "2 results", "4711", "HOLLOWFEN", "Place the hold")
	ask.not(t, "Marchbanks", "already")
	l.do(cou, "POST", "/legal-holds", url.Values{"patient": {"99"}}).want(t, 200, "no result; look at the number again")
	l.do(cou, "POST", "/legal-holds", url.Values{"patient": {"4711"}, "confirm": {"yes"}}).want(t, 422, "Say why")
	if n := len(l.events(results.KindSearched)); n != 3 {
		t.Errorf("%d looks at a patient are recorded, 3 were made", n)
	}
	if n := len(l.events(results.KindHoldPlaced)); n != 0 {
		t.Fatalf("%d holds were placed without a confirmation", n)
	}
	form := url.Values{"patient": {"4711"}, "authority": {"HOLLOWFEN"}, "confirm": {"yes"}, "reason": {"Case 26-118"}}
	if to := l.do(cou, "POST", "/legal-holds", form).want(t, 303).Header().Get("Location"); to != "/legal-holds" {
		t.Errorf("it leads to %q", to)
	}
	page := l.get(com, "/legal-holds").want(t, 200, "1 legal hold stands.", "All results of a patient", "counsel", "Case 26 118", "Lift it")
	page.not(t, "4711", "HOLLOWFEN", "Marchbanks")
	l.do(com, "POST", "/legal-holds", url.Values{"patient": {"4711"}, "authority": {"hollowfen"}}).want(t, 200, "What stands on this patient already", "Case 26 118")
	l.do(com, "POST", "/legal-holds", url.Values{"patient": {"815"}}).want(t, 200, "1 result").not(t, "already")

	_, lift, _ := strings.Cut(page.text, "/legal-holds/")
	lift, _, _ = strings.Cut(lift, "/lift")
	l.get(cou, "/legal-holds/"+lift+"/lift").want(t, 200, "Let retention erase what this hold keeps?", "all results of a patient", "Case 26 118")
	l.get(cou, "/legal-holds/"+event.NewID().String()+"/lift").want(t, 404)
	l.do(cou, "POST", "/legal-holds/"+lift+"/lift", url.Values{"reason": {"settled"}}).want(t, 200)
	l.get(cou, "/legal-holds").want(t, 200, "1 legal hold stands.")
	l.do(cou, "POST", "/legal-holds/"+lift+"/lift", url.Values{"reason": {"settled"}, "confirm": {"yes"}}).want(t, 303)
	l.do(cou, "POST", "/legal-holds/"+lift+"/lift", url.Values{"reason": {"settled"}, "confirm": {"yes"}}).want(t, 409, "lifted before")
	l.get(cou, "/legal-holds?show=lifted").want(t, 200, "No legal hold stands.", "Case 26 118")

	// The same by API.
	api := func(role, method, path, body string, status int) map[string]any {
		t.Helper()
		a := l.send(role, method, "/api/v1/legal-holds"+path, strings.NewReader(body), "application/json").want(t, status)
		a.not(t, "4711")
		var out map[string]any
		l.ok(json.Unmarshal(a.Body.Bytes(), &out))
		return out
	}
	api(cou, "POST", "", `{"reason":"case"}`, 422)
	api(cou, "POST", "", `{"patient":"4711","result":"`+id.String()+`","reason":"case"}`, 422)
	api(cou, "POST", "", `{"patient":"4711"}`, 422)
	api(tech, "POST", "", `{"patient":"4711","reason":"case"}`, 403)
	h := api(cou, "POST", "", `{"patient":"4711","authority":"HOLLOWFEN","reason":"case"}`, 200)
	one := api(com, "POST", "", `{"result":"`+id.String()+`","reason":"case"}`, 200)
	if h["on"] != "patient" || one["on"] != "result" || one["result"] != id.String() {
		t.Errorf("%v %v", h, one)
	}
	if list := api(cou, "GET", "?limit=1", "", 200); list["total"] != 2.0 || len(list["holds"].([]any)) != 1 {
		t.Errorf("%v", list)
	}
	l.get(cou, "/legal-holds").want(t, 200, "2 legal holds stand.", "One result").not(t, `href="/results/`)
	l.get(com, "/legal-holds").want(t, 200, `href="/results/`+id.String())
	if got := api(cou, "POST", "/"+h["id"].(string)+"/lift", `{"reason":"over"}`, 200); got["lifted_at"] == nil {
		t.Errorf("%v", got)
	}
	api(cou, "POST", "/"+h["id"].(string)+"/lift", `{"reason":"over"}`, 409)
	if n, m := len(l.events(results.KindHoldPlaced)), len(l.events(results.KindHoldLifted)); n != 3 || m != 2 {
		t.Errorf("%d placed, %d lifted in the ledger", n, m)
	}
	// No look without a record.
	l.unwritable()
	l.do(cou, "POST", "/legal-holds", url.Values{"patient": {"4711"}}).want(t, 500).not(t, "2 results")
}
