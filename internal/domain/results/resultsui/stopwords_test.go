package resultsui_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// What was written when a stop was placed is shown to whoever may read it, after
// that is recorded, and to nobody else.
func TestAStopsWordsAreReadOnRecord(t *testing.T) {
	l := newLab(t)
	const words = "The analyzer drifts.\nMarchbanks called <b>twice</b>."
	by := results.Named{By: results.By{Who: "dana", Reason: "drift"}, Person: "Dana Reyes"}
	id, err := l.PlaceStop(t.Context(), results.Stop{Kind: results.TransportStop, Scope: results.ScopePartner, Target: "northgate", Basis: "other", Text: words, For: time.Hour}, by)
	l.ok(err)
	bare, err := l.PlaceStop(t.Context(), results.Stop{Kind: results.TransportStop, Scope: results.ScopePartner, Target: "riverside", Basis: "171.203", For: time.Hour}, by)
	l.ok(err)
	at := "/stops/" + id.String()
	l.get(tech, at).want(t, 200, "Read what was written (recorded)").not(t, "archbanks")
	l.do(tech, "POST", at+"/words", url.Values{}).want(t, 200, "The analyzer drifts.", "Marchbanks called &lt;b&gt;twice", "This look is recorded.")
	l.get(tech, at+"/words").want(t, 303)
	l.do(tech, "POST", "/stops/"+bare.String()+"/words", url.Values{}).want(t, 200, "No words were written")
	l.do(tech, "POST", "/stops/"+event.NewID().String()+"/words", url.Values{}).want(t, 404)
	for _, role := range []string{"auditor", "it-partner", "front-desk", "provider@northgate"} {
		l.do(role, "POST", at+"/words", url.Values{}).want(t, 403).not(t, "archbanks")
	}
	l.get("auditor", at).want(t, 200).not(t, "Read what was written")
	// A grant for another partner does not reach it, nor tell that it is there.
	l.do(tech+"@riverside", "POST", at+"/words", url.Values{}).want(t, 404)
	api := func(role, body string, status int) {
		t.Helper()
		a := l.send(role, "POST", "/api/v1"+at+"/words", strings.NewReader(body), "application/json").want(t, status)
		var out struct{ Words string }
		if status == 200 {
			if l.ok(json.Unmarshal(a.Body.Bytes(), &out)); out.Words != words {
				t.Errorf("%q", out.Words)
			}
		}
	}
	api("auditor", `{"reason":"x"}`, 403)
	api("compliance-officer", `{}`, 422)
	api("compliance-officer", `{"reason":"complaint of a patient"}`, 200)
	said := l.events(results.KindStopRead)
	if len(said) != 3 || said[0].IDs.Get("stop") != id.String() || said[0].IDs.Get("account") != tech || said[2].Codes.Get("reason") != "complaint-of-a-patient" {
		t.Errorf("%+v", said)
	}
	l.unwritable()
	l.do(tech, "POST", at+"/words", url.Values{}).want(t, 500).not(t, "archbanks", "drifts")
}

// All of a cause are replayed over the API too, and both ways tell of the same run.
func TestReplayAllOverTheAPI(t *testing.T) {
	l := newLab(t)
	for i := range 3 {
		l.takeFrom("other", oru(fmt.Sprint("N", i), "4711", "1"))
	}
	const path = "/api/v1/quarantine/replay"
	ask := func(role, body string, status int) (run map[string]any) {
		t.Helper()
		a := l.send(role, "POST", path, strings.NewReader(body), "application/json").want(t, status)
		l.ok(json.Unmarshal(a.Body.Bytes(), &run))
		return run
	}
	ask("auditor", `{"cause":"no_route","reason":"x"}`, 403)
	ask(tech+"@riverside", `{"cause":"no_route","reason":"x"}`, 403)
	ask(tech, `{"cause":"no_route"}`, 422)
	ask(tech, `{"cause":"no_control_id","reason":"x"}`, 422)
	ask(tech, `{"cause":"no_route","source":"lis","reason":"x"}`, 409)
	set := l.set()
	set.Routes[0].From = ""
	l.Apply(set)
	run := ask(tech, `{"cause":"no_route","source":"other","reason":"the route is mended"}`, 200)
	id, _ := run["run"].(string)
	l.until("it has ended", func() bool {
		var now map[string]any
		l.ok(json.Unmarshal(l.get("auditor", "/api/v1/quarantine-replays/"+id).want(t, 200).Body.Bytes(), &now))
		return now["ended_at"] != nil && now["taken"] == 3.0 && now["ended_early"] == false
	})
	l.get(tech, "/quarantine-replays/"+id).want(t, 200, "3 messages were taken.")
	l.get(tech, "/api/v1/quarantine-replays/none").want(t, 404)
	ask(tech, `{"cause":"no_route","reason":"x"}`, 409)
	if e := l.events(results.KindApartReplayed); len(e) != 3 || e[0].Codes.Get("reason") != "the-route-is-mended" {
		t.Errorf("%+v", e)
	}
}
