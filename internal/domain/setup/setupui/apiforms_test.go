package setupui_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/setup/setuptest"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestTheFormsHaveAnAPI: a partner and a source are added by programs too, with
// the same refusals beside the same fields.
func TestTheFormsHaveAnAPI(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.api("ann", "POST", "/setup/partners", `{"name":"Harbor","kind":"mllp","source":"lis"}`).says(422, `"fingerprint":"Write their`, `"providers":"Write the ordering`)
		r.api("ann", "POST", "/setup/partners", `{"name":"Harbor","kind":"fhir","url":"https://x.example/r4","client_id":"us","source":"lis","providers":["1000000001"]}`).says(422, `"token_url":`)
		r.api("sam", "POST", "/setup/partners", `{}`).says(403)
		r.api("ann", "POST", "/setup/partners", `{"name":"Harbor","kind":"mllp","address":"hl7.harbor.example:2576","fingerprint":"`+strings.Repeat("ab", 32)+`","providers":["1000000001"],"source":"lis"}`).
			says(200, `"title":"Harbor as a partner"`, "partners.harbor", `"state":"open"`)
		r.api("ann", "POST", "/setup/sources", `{"key":"lis","kind":"mllp"}`).says(422, `"key":"There is a source`, `"listen":`)
		r.api("ann", "POST", "/setup/sources", `{"key":"copy","kind":"mllp","listen":"127.0.0.1:2590","fingerprint":"`+strings.Repeat("cd", 32)+`","from":["127.0.0.0/8"]}`).says(200, "sources.copy", `"number":2`)
		r.get("ann", "/config/drafts/2").says(200, "127.0.0.0/8")
	})
}

// TestGoingBackHasAnAPI: what a revision changed, the way back in one act, and who
// asked may take the question back.
func TestGoingBackHasAnAPI(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		text, err := json.Marshal(strings.Replace(setuptest.First, "name: North", "name: N2", 1))
		r.must(err)
		var d struct{ Look struct{ Seen string } }
		p := r.api("ann", "POST", "/config/drafts", `{"title":"t","text":`+string(text)+`}`).says(200)
		r.must(json.Unmarshal([]byte(p.body), &d))
		r.api("ann", "POST", "/config/drafts/1/ask", `{"reason":"r"}`).says(200)
		r.api("carl", "POST", "/config/drafts/1/refuse", `{"seen":"","reason":"no"}`).says(403)
		r.api("ann", "POST", "/config/drafts/1/refuse", `{"seen":"","reason":"not yet"}`).says(200, `"state":"refused"`)
		r.api("ann", "POST", "/config/drafts/1/ask", `{"reason":"r"}`).says(200)
		r.api("bob", "POST", "/config/drafts/1/apply", `{"seen":"`+d.Look.Seen+`"}`).says(200, `"state":"applied"`)
		r.api("dr-lee", "GET", "/config/revisions/2/changes", "").says(200, `"from":1,"to":2`, "N2")
		r.api("dr-lee", "GET", "/config/revisions/1/changes", "").says(200, `"changes":[]`)
		r.api("dr-lee", "GET", "/config/revisions/1/changes?against=2", "").says(200, `"from":2,"to":1`)
		r.api("dr-lee", "GET", "/config/revisions/1/changes?against=9", "").says(404)
		r.api("ann", "POST", "/config/revisions/1/back", `{"reason":" "}`).says(422)
		r.api("ann", "POST", "/config/revisions/7/back", `{"reason":"x"}`).says(404)
		r.api("ann", "POST", "/config/revisions/2/back", `{"reason":"x"}`).says(422, "changes nothing")
		r.api("ann", "POST", "/config/revisions/1/back", `{"reason":"N2 was wrong"}`).says(200, `"number":2`, `"of":1`, "N2 was wrong")
	})
}

// TestWhatWasAppliedAloneIsReviewedByTheAPI.
func TestWhatWasAppliedAloneIsReviewedByTheAPI(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.lab.Holding[authz.ConfigApply] = []approval.Person{{ID: r.people["ann"].Person, Account: "ann"}}
		text, err := json.Marshal(strings.Replace(setuptest.First, "name: North", "name: N2", 1))
		r.must(err)
		var d struct{ Look struct{ Seen string } }
		p := r.api("ann", "POST", "/config/drafts", `{"title":"t","text":`+string(text)+`}`).says(200)
		r.must(json.Unmarshal([]byte(p.body), &d))
		r.api("ann", "POST", "/config/drafts/1/ask", `{"reason":"r"}`).says(200)
		r.api("ann", "POST", "/config/drafts/1/alone", `{"seen":"`+d.Look.Seen+`","statement":"I am the only administrator here."}`).says(200, `"applied"`)
		var all []struct{ ID string }
		p = r.api("sam", "GET", "/config/alone", "").says(200, `"verdict":""`, "I am the only administrator here.")
		r.must(json.Unmarshal([]byte(p.body), &all))
		at := "/config/alone/" + all[0].ID
		r.api("ann", "POST", at, `{"verdict":"in-order","note":"x"}`).says(403)
		r.api("sam", "POST", at, `{"verdict":"good","note":"x"}`).says(422, "in-order or not-in-order")
		r.api("sam", "POST", at, `{"verdict":"in-order","note":""}`).says(422)
		r.api("sam", "POST", "/config/alone/x", `{"verdict":"in-order","note":"x"}`).says(404)
		r.api("sam", "POST", at, `{"verdict":"in-order","note":"compared with the ticket"}`).says(200)
		r.api("sam", "POST", at, `{"verdict":"in-order","note":"again"}`).says(409)
		r.api("sam", "GET", "/config/alone", "").says(200, `"verdict":"in-order"`, `"reviewer":"sam"`)
	})
}

// TestAShareIsShownByTheAPI.
func TestAShareIsShownByTheAPI(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.api("sam", "POST", "/setup/shares", `{"line":"nonsense"}`).says(422, `"line":`)
		r.facts.SharesSet = ""
		r.api("sam", "POST", "/setup/shares", `{"line":"nonsense"}`).says(422, "No recovery shares")
	})
}
