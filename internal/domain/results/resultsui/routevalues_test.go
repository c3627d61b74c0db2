package resultsui_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
)

// What differs in one message is patient data: shown by page and by API to those
// who may see it of every partner it is about, recorded first, and not at all where
// it cannot be recorded.
func TestValuesThatDifferAreRecordedBeforeTheyAreShown(t *testing.T) {
	l := newLab(t)
	set := l.set()
	set.Adoption = results.Adoption{Days: 3}
	set.Routes = []results.Route{{Name: "all", From: "lis", To: []string{"riverside"}, Stage: results.Shadow, Config: "c1", OldPath: "engine"}}
	l.Apply(set)
	l.ok(l.CompareNow(t.Context()))
	l.pass(time.Hour) // past the beginning, in which nothing counts
	l.take(oru("C1", "4711", "100"))
	_, err := l.Copies("engine").Handle(t.Context(), channel.Peer{}, bytes.Replace(oru("C1", "4711", "100"), []byte("||91|"), []byte("||98765|"), 1))
	l.ok(err)
	l.ok(l.CompareNow(t.Context()))
	var got struct {
		Messages []results.Comparison `json:"unexplained_messages"`
	}
	l.ok(json.Unmarshal(l.get(tech, "/api/v1/routes/all").want(t, 200).not(t, "98765").Body.Bytes(), &got))
	if len(got.Messages) != 1 {
		t.Fatalf("%+v", got)
	}
	one := "/routes/all/values/" + got.Messages[0].ID
	ask := func(role, path, body string) answer {
		t.Helper()
		return l.send(role, "POST", "/api/v1"+path, strings.NewReader(body), "application/json")
	}
	const why = `{"reason":"to explain it"}`
	for _, role := range []string{"auditor", "administrator"} {
		ask(role, one, why).want(t, 403).not(t, "98765")
		l.do(role, "POST", one, url.Values{}).want(t, 403).not(t, "98765")
	}
	ask(tech+"@northgate", one, why).want(t, 404).not(t, "98765")
	l.do(tech+"@northgate", "POST", one, url.Values{}).want(t, 404).not(t, "98765")
	ask(tech, "/routes/other/values/"+got.Messages[0].ID, why).want(t, 404)
	ask(tech, "/routes/all/values/"+strings.Repeat("0", 32), why).want(t, 404)
	ask(tech, one, `{}`).want(t, 422, `"reason"`).not(t, "98765")
	if said := l.events(results.KindCompareViewed); len(said) != 0 {
		t.Fatalf("nothing was shown: %+v", said)
	}
	ask(tech, one, why).want(t, 200, `"path":"OBX(1)-5"`, `"ours":"91"`, `"theirs":"98765"`, `"kind":"OBX-5"`)
	l.do(tech, "POST", one, url.Values{}).want(t, 200, "98765", "That you looked is recorded.")
	said := l.events(results.KindCompareViewed)
	if len(said) != 2 || said[0].IDs.Get("comparison") != got.Messages[0].ID || said[0].IDs.Get("by") != tech || said[0].Codes.Get("reason") != "to-explain-it" {
		t.Fatalf("%+v", said)
	}
	if strings.Contains(l.errs.String(), "98765") {
		t.Error("a value stands in the log")
	}

	// The route reaches another partner by now: whoever is narrowed to that one sees
	// nothing of the one before.
	set.Routes[0].To = []string{"northgate"}
	l.Apply(set)
	ask(tech+"@northgate", one, why).want(t, 404).not(t, "98765")
	l.do(tech+"@northgate", "POST", one, url.Values{}).want(t, 404).not(t, "98765")

	l.unwritable()
	if a := ask(tech, one, why).not(t, "98765"); a.Code < 400 {
		t.Errorf("shown without a record: %d", a.Code)
	}
}
