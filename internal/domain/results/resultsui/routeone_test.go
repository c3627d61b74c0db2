package resultsui_test

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
)

// A message that only one path delivered is explained by itself, by page and by
// API, once, with a reason.
func TestExplainAMessageThatOnePathDelivered(t *testing.T) {
	l := newLab(t)
	set := l.set()
	set.Adoption = results.Adoption{Days: 3}
	set.Routes = []results.Route{{Name: "all", From: "lis", To: []string{"riverside"}, Stage: results.Shadow, Config: "c1", OldPath: "engine"}}
	l.Apply(set)
	l.ok(l.CompareNow(t.Context()))
	l.pass(time.Hour) // past the beginning, in which nothing counts
	l.take(oru("C1", "4711", "100"))
	l.take(oru("C2", "4711", "101"))
	_, err := l.Copies("engine").Handle(t.Context(), channel.Peer{}, oru("C9", "815", "109"))
	l.ok(err)
	l.ok(l.CompareNow(t.Context()))
	l.pass(16 * time.Minute)
	l.ok(l.CompareNow(t.Context()))

	const name = "/api/v1/routes/all"
	read := func() []results.Comparison {
		t.Helper()
		var got struct {
			Messages []results.Comparison `json:"unexplained_messages"`
		}
		l.ok(json.Unmarshal(l.get(tech, name).want(t, 200).Body.Bytes(), &got))
		return got.Messages
	}
	list := read()
	if len(list) != 3 {
		t.Fatalf("%+v", list)
	}
	page := l.get(tech, "/routes/all").want(t, 200, "only we delivered it", "only the old path delivered it", "Explain it", "explained one at a time, in the list")
	page.not(t, "Show values", "labwarden route explain")
	l.get("auditor", "/routes/all").want(t, 200).not(t, "Explain it")
	one := "/routes/all/differences/" + list[0].ID
	l.get("auditor", one).want(t, 403)
	l.get(tech, one).want(t, 200, "Is it as it should be?", list[0].ID)
	l.get(tech, "/routes/other/differences/"+list[0].ID).want(t, 404)
	l.get(tech, "/routes/all/differences/"+strings.Repeat("0", 32)).want(t, 404)
	l.do(tech, "POST", one, url.Values{"confirm": {"yes"}}).want(t, 422, "Say why")
	l.do(tech, "POST", one, url.Values{"reason": {"test order of the LIS"}}).want(t, 200)
	if len(read()) != 3 {
		t.Fatal("it was explained without a confirmation")
	}
	l.do(tech, "POST", one, url.Values{"confirm": {"yes"}, "reason": {"test order of the LIS"}}).want(t, 303)
	l.do(tech, "POST", one, url.Values{"confirm": {"yes"}, "reason": {"again"}}).want(t, 409, "left to explain")
	api := func(role, body string, status int) {
		t.Helper()
		l.send(role, "POST", name+"/differences/"+list[1].ID+"/explain", strings.NewReader(body), "application/json").want(t, status)
	}
	api("auditor", `{"reason":"x"}`, 403)
	api(tech, `{}`, 422)
	api(tech, `{"reason":"sent by hand"}`, 200)
	api(tech, `{"reason":"sent by hand"}`, 409)
	if left := read(); len(left) != 1 || left[0].ID != list[2].ID {
		t.Errorf("%+v", left)
	}
	said := l.events(results.KindExplained)
	if len(said) != 2 || said[0].IDs.Get("comparison") != list[0].ID || said[1].IDs.Get("comparison") != list[1].ID || said[1].Codes.Get("reason") != "sent-by-hand" {
		t.Errorf("%+v", said)
	}
}
