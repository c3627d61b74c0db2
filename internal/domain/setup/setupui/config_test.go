package setupui_test

import (
	"context"
	"encoding/json"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup/setuptest"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestAConfigurationIsChangedByTwoPeople: with forms alone, as a browser without
// JavaScript sends them.
func TestAConfigurationIsChangedByTwoPeople(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.get("ann", "/config").says(200, "Revision 1 is in force.", "Change something")
		r.get("sam", "/config").says(200).without("Change something")
		r.get("tina", "/config").says(403)
		r.get("nobody", "/config").says(303)
		r.post("ann", "/config/drafts", "title", "").says(422, "Say in a few words")
		r.post("ann", "/config/drafts", "title", "The name of Northgate").goes("/config/drafts/1/edit")
		edit := r.get("ann", "/config/drafts/1/edit").says(200, "# asked for by Dr. Hale", `<textarea id="f-text"`)
		text := strings.ReplaceAll(setuptest.First, "\n", "\r\n")

		broken := strings.Replace(text, "name: North", "called: North", 1)
		r.post("ann", "/config/drafts/1", "version", edit.hidden("version"), "title", "The name", "text", broken).goes("/config/drafts/1/edit#problems")
		edit = r.get("ann", "/config/drafts/1/edit").says(200, "Line 8", "called", `<div class="at">`)
		r.get("ann", "/config/drafts/1").says(200, "error", "Nothing of it can be applied").without("Ask for it")

		better := strings.Replace(text, "name: North", "name: Northgate &amp; Sons <u>", 1)
		r.post("ann", "/config/drafts/1", "version", edit.hidden("version"), "title", "The name", "text", better).goes("/config/drafts/1")
		r.post("paul", "/config/drafts/1", "version", edit.hidden("version"), "title", "The name", "text", "mine").says(422, "Somebody else has changed this draft", "mine")
		r.get("ann", "/config/drafts/1").says(200, "This draft changes 1 thing.", "Ask for it", "name changes from North").without("<u>")
		r.get("bob", "/config/drafts/1").without("You can apply")
		r.get("ann", "/config/drafts/1/ask").says(200, "Nobody who wrote a part of it")
		r.post("ann", "/config/drafts/1/ask", "reason", "", "confirm", "yes").says(422, "Say why")
		r.post("ann", "/config/drafts/1/ask", "reason", "They asked for it", "confirm", "yes").goes("/config/drafts/1")
		r.get("ann", "/config/drafts/1").says(200, "waits for a second person", "Somebody else has to apply it", "Take it back")
		seen := r.get("ann", "/config/drafts/1/apply").says(200).hidden("seen")
		r.post("ann", "/config/drafts/1/apply", "confirm", "yes", "seen", seen).says(403, "Nobody approves what they wrote")
		r.get("paul", "/config/drafts/1/apply").says(403)
		r.get("bob", "/config/drafts/1").says(200, "You can apply this draft")
		apply := r.get("bob", "/config/drafts/1/apply").says(200, "Apply this draft as revision 2?", "They asked for it")
		r.post("bob", "/config/drafts/1/apply", "confirm", "yes", "seen", strings.Repeat("0", 64)).says(409, "has changed since")
		r.post("bob", "/config/drafts/1/apply", "confirm", "yes", "seen", apply.hidden("seen")).goes("/config/drafts/1")
		r.get("ann", "/config/drafts/1").says(200, "was applied as revision 2")
		r.get("ann", "/config/revisions/2").says(200, "Written by", "ann", "bob", "# asked for by Dr. Hale", "What it changed in revision 1")
		if got := r.lab.Revisions[1].Source; strings.Contains(got, "\r") || !strings.Contains(got, "Northgate") {
			t.Fatal(got)
		}
		// Back again, in one act.
		r.get("bob", "/config/revisions/1").says(200, "was in force before", "Go back to this revision")
		r.post("bob", "/config/revisions/1/back", "confirm", "yes").says(422, "Say why")
		r.post("bob", "/config/revisions/1/back", "confirm", "yes", "reason", "wrong name").goes("/config/drafts/2")
		seen = r.get("ann", "/config/drafts/2/apply").says(200).hidden("seen")
		r.post("ann", "/config/drafts/2/apply", "confirm", "yes", "seen", seen).goes("/config/drafts/2")
		if len(r.lab.Revisions) != 3 || r.lab.Revisions[2].Hash != r.lab.Revisions[0].Hash {
			t.Fatal("not back")
		}
		r.get("ann", "/config/revisions/99").says(404)
		r.get("ann", "/config/drafts/99").says(404)
		r.get("ann", "/config/drafts/x").says(404)
	})
}

// TestApplyingAsksWhoYouAre: a proof of identity older than a quarter of an hour
// leads to the step-up, and back to the question.
func TestApplyingAsksWhoYouAre(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.post("ann", "/config/drafts", "title", "x").goes("/config/drafts/1/edit")
		r.people["bob"].FreshAt = r.now.Add(-time.Hour)
		if p := r.get("bob", "/config/drafts/1/apply"); p.code != http.StatusSeeOther || !strings.HasPrefix(p.to, "/confirm?to=") {
			t.Fatal(p)
		}
		r.post("bob", "/config/drafts/1/apply", "confirm", "yes").says(403)
	})
}

// TestTheDirectorDecidesOnPages: by the delegated permission alone.
func TestTheDirectorDecidesOnPages(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.post("ann", "/config/drafts", "title", "carry").goes("/config/drafts/1/edit")
		r.post("ann", "/config/drafts/1", "version", "1", "title", "carry", "text", strings.Replace(setuptest.First, "check_reason: test}", "check_reason: test, stage: carry}", 1)).goes("/config/drafts/1")
		r.get("ann", "/config/drafts/1/ask").says(200, "The laboratory director, or a delegate, is asked too")
		r.post("ann", "/config/drafts/1/ask", "reason", "verified", "confirm", "yes").goes("/config/drafts/1")
		seen := r.get("bob", "/config/drafts/1/apply").says(200).hidden("seen")
		r.post("bob", "/config/drafts/1/apply", "confirm", "yes", "seen", seen).says(409, "laboratory director has not decided")
		r.get("bob", "/config/drafts/1/director").says(403)
		q := r.get("tina", "/config/drafts/1/director").says(200, "there is no old path to compare with")
		seen = q.hidden("seen")
		r.post("tina", "/config/drafts/1/director", "seen", seen).says(422, "Say why", "State it")
		r.post("tina", "/config/drafts/1/director", "seen", seen, "reason", "verified with Riverside", "no-old-path-all", "yes").goes("/")
		r.get("dr-lee", "/config/drafts/1").says(200, "approved by tina")
		seen = r.get("bob", "/config/drafts/1/apply").hidden("seen")
		r.post("bob", "/config/drafts/1/apply", "confirm", "yes", "seen", seen).goes("/config/drafts/1")
		if r.lab.By[1].ApprovedBy != "tina" {
			t.Fatalf("%+v", r.lab.By)
		}
	})
}

// TestAloneIsReviewed: the only administrator, and another role's look.
func TestAloneIsReviewed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.post("ann", "/config/drafts", "title", "x").goes("/config/drafts/1/edit")
		r.post("ann", "/config/drafts/1", "version", "1", "title", "x", "text", strings.Replace(setuptest.First, "name: North", "name: N2", 1)).goes("/config/drafts/1")
		r.post("ann", "/config/drafts/1/ask", "reason", "x", "confirm", "yes").goes("/config/drafts/1")
		r.get("ann", "/config/drafts/1").says(200).without("There is nobody else")
		r.get("ann", "/config/drafts/1/alone").says(403, "ask them")
		r.lab.Holding[authz.ConfigApply] = []approval.Person{{ID: r.people["ann"].Person, Account: "ann"}}
		r.get("ann", "/config/drafts/1").says(200, "There is nobody else")
		seen := r.get("ann", "/config/drafts/1/alone").says(200).hidden("seen")
		r.post("ann", "/config/drafts/1/alone", "seen", seen, "statement", "ok").says(422, "Write a sentence")
		r.post("ann", "/config/drafts/1/alone", "seen", seen, "statement", "I am the only administrator here.").goes("/config/drafts/1")
		r.get("ann", "/config/alone").says(403)
		p := r.get("sam", "/config/alone").says(200, "1 act of a single person waits for your review.", "I am the only administrator here.")
		_, id, _ := strings.Cut(p.body, `action="/config/alone/`)
		id, _, _ = strings.Cut(id, `"`)
		r.post("sam", "/config/alone/"+id, "verdict", "in-order", "note", "").says(422, "Say what you looked at")
		r.post("sam", "/config/alone/"+id, "verdict", "in-order", "note", "compared with the ticket").goes("/config/alone")
		r.post("dr-lee", "/config/alone/"+id, "verdict", "in-order", "note", "again").says(409)
		r.get("sam", "/config/alone").says(200, "Nothing applied alone waits", "compared with the ticket")
	})
}

// TestTheAPIOfDrafts: the same acts, the same refusals.
func TestTheAPIOfDrafts(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		text, err := json.Marshal(strings.Replace(setuptest.First, "name: North", "name: N2", 1))
		r.must(err)
		var d struct {
			Number, Version int64
			Look            struct{ Seen string }
		}
		p := r.api("ann", "POST", "/config/drafts", `{"title":"t","text":`+string(text)+`}`).says(200, `"state":"open"`, "name changes from North to N2")
		r.must(json.Unmarshal([]byte(p.body), &d))
		r.api("sam", "POST", "/config/drafts", `{"title":"t"}`).says(403)
		r.api("ann", "PUT", "/config/drafts/1", `{"version":1,"title":"t","text":"x"}`).says(409, "Somebody else")
		r.api("ann", "POST", "/config/drafts/1/ask", `{"reason":"r"}`).says(200, `"state":"open"`)
		r.api("ann", "POST", "/config/drafts/1/apply", `{"seen":"`+d.Look.Seen+`"}`).says(403)
		r.api("bob", "POST", "/config/drafts/1/apply", `{"seen":""}`).says(409)
		r.api("bob", "POST", "/config/drafts/1/apply", `{"seen":"`+d.Look.Seen+`"}`).says(200, `"state":"applied"`)
		r.api("dr-lee", "GET", "/config/revisions", "").says(200, `"number":2`)
		r.api("dr-lee", "GET", "/config/revisions/7", "").says(404)
		r.api("ann", "POST", "/config/drafts", `{"revision":1}`).says(200, `"of":1`)
		r.api("ann", "POST", "/config/drafts/2/replay", `{"day":"2026-11-20"}`).says(200, `"state":"waits"`)
		r.api("ann", "DELETE", "/config/drafts/2", "").says(200, `"discarded"`)
	})
}

// run works off one replay.
func run(r *rig) {
	r.t.Helper()
	told := make(chan int64, 1000)
	r.service.OnReplay(func(n int64) { told <- n })
	ctx, stop := context.WithCancel(r.t.Context())
	done := make(chan error, 1)
	go func() { done <- r.service.Run(ctx) }()
	for {
		<-told
		if x, err := r.service.Replay(1); err == nil && !x.Ended.IsZero() {
			break
		}
	}
	stop()
	r.must(<-done)
}

// TestReplayOnAPage: asked for, worked off, shown.
func TestReplayOnAPage(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.post("ann", "/config/drafts", "title", "x").goes("/config/drafts/1/edit")
		r.get("ann", "/config/drafts/1/replay").says(200, `value="2026-11-20"`)
		r.post("ann", "/config/drafts/1/replay", "day", "soon").says(422, "Write a day")
		r.post("ann", "/config/drafts/1/replay", "day", "2026-11-20").goes("/config/drafts/1/replay")
		r.get("ann", "/config/drafts/1/replay").says(200, "It waits for another replay")
		run(r)
		// An administrator sees counts, never which messages or when they came.
		p := r.get("ann", "/config/drafts/1/replay").says(200, "100 messages of 100 would fare otherwise.", "Other bytes would go to north", "For how many", "300 messages")
		if strings.Contains(p.body, "Received") {
			t.Error("when they came is shown")
		}
		if p := r.api("ann", "GET", "/config/drafts/1/replay", "").says(200, `"listed":false`, `"differences":[]`); strings.Contains(p.body, "received_at") {
			t.Error("the API says when they came")
		}
		r.get("sam", "/config/drafts/1/replay").says(403)

		// Rules that read the patient's are for those who may see patients' data, and
		// what came of it for who asked.
		r.lab.Patients = []string{"route a reads PID-5.1"}
		r.get("ann", "/config/drafts/1/replay").says(200, "Ask the laboratory director", "Route a reads PID-5.1.")
		r.post("ann", "/config/drafts/1/replay", "day", "2026-11-20").says(422)
		r.api("ann", "POST", "/config/drafts/1/replay", `{"day":"2026-11-20"}`).says(403, "patients")
		r.get("dr-lee", "/config/drafts/1/replay").says(200, "recorded in your name", "Try it")
		r.post("dr-lee", "/config/drafts/1/replay", "day", "2026-11-20").goes("/config/drafts/1/replay")
		run(r)
		r.get("dr-lee", "/config/drafts/1/replay").says(200, "100 messages of 100", "100 more differences are not shown", "Received")
		p = r.get("ann", "/config/drafts/1/replay").says(200, "What came of it is for who asked.", "Asked by dr-lee")
		if strings.Contains(p.body, "Received") || strings.Contains(p.body, "Other bytes") {
			t.Error("somebody else sees what fits")
		}
		// Somebody of another company sees counts, whatever else they are.
		r.lab.Patients = nil
		r.people["paul"].Grants = append(r.people["paul"].Grants, authz.Grant{Role: authz.Technologist})
		r.post("paul", "/config/drafts/1/replay", "day", "2026-11-20").goes("/config/drafts/1/replay")
		run(r)
		if p = r.get("paul", "/config/drafts/1/replay").says(200, "For how many"); strings.Contains(p.body, "Received") {
			t.Error("the IT partner sees when they came")
		}
	})
}

// TestServe serves the pages for a look at them: LABWARDEN_LOOK=127.0.0.1:8099.
func TestServe(t *testing.T) {
	addr := os.Getenv("LABWARDEN_LOOK")
	if addr == "" {
		t.Skip("set LABWARDEN_LOOK to look at the pages")
	}
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.look()
		r.server.Report = "/problems/new"
		r.post("tina", "/problems", "words", "I searched for a day of results and the page stayed empty.\nLoading it again did not help.", "page", "/config/revisions/{number}", "ref", "ABCDEFG2")
		r.post("carl", "/problems", "words", "The list jumps back to its top.", "page", "/problems")
		r.post("ann", "/problems/2/take")
		s := &http.Server{Addr: addr, Handler: r.handler, ReadHeaderTimeout: time.Second}
		t.Log(s.ListenAndServe())
	})
}

// look has something on every page.
func (r *rig) look() {
	r.post("ann", "/config/drafts", "title", "Northgate Clinic under its full name")
	r.post("ann", "/config/drafts/1", "version", "1", "title", "Northgate Clinic under its full name", "text", strings.Replace(setuptest.First, "name: North,", "name: Northgate Clinic, alarm_after: 5m,", 1))
	r.post("ann", "/config/drafts/1/ask", "reason", "Dr. Hale asked for it", "confirm", "yes")
	r.post("bob", "/config/drafts", "title", "A route that carries")
	r.post("bob", "/config/drafts/2", "version", "1", "title", "A route that carries", "text", strings.Replace(setuptest.First, "check_reason: test}", "check_reason: test, stage: carry}", 1))
	r.post("bob", "/config/drafts/2/ask", "reason", "verified with Northgate", "confirm", "yes")
	r.post("ann", "/config/drafts", "title", "One with an error")
	r.post("ann", "/config/drafts/3", "version", "1", "title", "One with an error", "text", strings.Replace(setuptest.First, "name: North", "called: North", 1))
	r.post("ann", "/config/drafts", "title", "Northgate's alarm after ten minutes")
	r.post("ann", "/config/drafts/4", "version", "1", "title", "Northgate's alarm after ten minutes", "text", strings.Replace(setuptest.First, "name: North,", "name: North, alarm_after: 10m,", 1))
	d := r.api("ann", "POST", "/setup/partners", `{"name":"Harbor Reference Lab","kind":"mllp","address":"hl7.harbor.example:2576","fingerprint":"`+strings.Repeat("ab", 32)+`","providers":["1000000001"],"source":"lis"}`)
	r.api("ann", "POST", "/config/drafts/5/ask", `{"reason":"they begin on Monday"}`)
	_, seen, _ := strings.Cut(d.body, `"seen":"`)
	seen, _, _ = strings.Cut(seen, `"`)
	r.api("bob", "POST", "/config/drafts/5/apply", `{"seen":"`+seen+`"}`)
	r.post("ann", "/maintenance", "partner", "north", "hours", "2", "reason", "Northgate moves its server", "tell", "yes")
	r.hub.secrets["old"] = "x"
}
