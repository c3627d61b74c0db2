package resultsui_test

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/event"
)

const noControl = "MSH|^~\\&|L|L|X|X|1||ORU^R01||P|2.5.1\rPID|1||4711||Marchbanks^P\r"

// open returns the id of the newest message in quarantine.
func (l *lab) apart() event.ID {
	l.t.Helper()
	q, err := l.Quarantine(l.t.Context(), false, 1)
	l.ok(err)
	if len(q) == 0 {
		l.t.Fatal("nothing is in quarantine")
	}
	return q[0].ID
}

func TestQuarantineSaysWhyAndWhatToDo(t *testing.T) {
	l := newLab(t)
	l.get(tech, "/quarantine").want(t, 200, "Nothing is in quarantine.", "No message is here.")
	l.take([]byte("nothing at all"))
	l.take([]byte(noControl))
	l.take([]byte(noControl))
	for i := range 3 {
		l.takeFrom("other", oru(fmt.Sprint("N", i), "4711", "1"))
	}
	page := l.get(tech, "/quarantine").want(t, 200, "5 messages wait for a person.", "No route: 3 messages from other", "Not readable: 1 message from lis", "No control id: 1 message from lis", "Replay all", "cause=no_route")
	page.not(t, "archbanks", "4711")
	l.get(tech, "/quarantine?cause=no_control_id&source=lis").want(t, 200, "2").not(t, `/quarantine/`+l.apart().String())
	id := l.apart()
	item := l.get(tech, "/quarantine/"+id.String()).want(t, 200, "This message was not taken.", "No route leads to a partner", "Add or mend the route", "Read it (recorded)", "Replay", "Refuse")
	item.not(t, "archbanks", "Take it")
	l.do(tech, "POST", "/quarantine/"+id.String()+"/message", url.Values{}).want(t, 200, "Marchbanks", "This look is recorded", "As it stands")
	if e := l.events(results.KindApartShown); len(e) != 1 || e[0].IDs.Get("by") != tech {
		t.Errorf("recorded %+v", e)
	}
	l.get("auditor", "/quarantine/"+id.String()).want(t, 200, "This message was not taken.").not(t, "Read it", "Replay", "Refuse")
	for _, role := range []string{"auditor", "it-partner", "security-officer", "compliance-officer"} {
		l.do(role, "POST", "/quarantine/"+id.String()+"/message", url.Values{}).want(t, 403).not(t, "archbanks")
	}
	csv := l.get(tech, "/quarantine?format=csv").want(t, 200, id.String(), "no_route")
	csv.not(t, "archbanks")
}

func TestQuarantineDecisionsTakeTwoSteps(t *testing.T) {
	l := newLab(t)
	l.takeFrom("other", oru("N1", "4711", "1"))
	id := l.apart()
	at := "/quarantine/" + id.String()
	l.get(tech, at+"/refuse").want(t, 200, "Never take this message?", "cannot be undone")
	l.do(tech, "POST", at+"/refuse", url.Values{"reason": {"x"}}).want(t, 200, "Never take this message?")
	l.do(tech, "POST", at+"/take", reason).want(t, 409)
	l.do(tech, "POST", at+"/replay", reason).want(t, 303)
	l.get(tech, at).want(t, 200, "It waits for a person.") // its cause is not mended
	set := l.set()
	set.Routes[0].From = ""
	l.Apply(set)
	a := l.do(tech, "POST", at+"/replay", reason).want(t, 303)
	l.get(tech, a.Header().Get("Location")).want(t, 200, "Replayed from quarantine by technologist")
	l.get(tech, at).want(t, 200, "This message was replayed.", "See the result")
	l.do(tech, "POST", at+"/refuse", reason).want(t, 409, "Somebody has decided")
	l.get(tech, "/quarantine?decided=yes").want(t, 200, "replayed by technologist")

	l.take(oru("C1", "4711", "100"))
	l.take(oru("C1", "4711", "101")) // the control id again, another body
	id = l.apart()
	at = "/quarantine/" + id.String()
	l.get(tech, at).want(t, 200, "Control id used before", "Take it").not(t, "/replay\"")
	l.do(tech, "POST", at+"/take", reason).want(t, 303)
	l.get(tech, at).want(t, 200, "This message was taken.")

	l.take([]byte(noControl))
	id = l.apart()
	at = "/quarantine/" + id.String()
	l.do(tech, "POST", at+"/refuse", reason).want(t, 303)
	l.get(tech, at).want(t, 200, "This message was refused.")
	for _, p := range []string{"", "/message", "/refuse", "/replay", "/take"} {
		l.get(tech, "/quarantine/"+event.NewID().String()+p)
	}
}

func TestReplayOfACauseShowsItsProgress(t *testing.T) {
	l := newLab(t)
	for i := range 120 {
		l.takeFrom("other", oru(fmt.Sprint("N", i), "4711", fmt.Sprint(i)))
	}
	l.get(tech, "/quarantine/replay?cause=no_route&source=other").want(t, 200, "Present 120 messages again?")
	l.get(tech, "/quarantine/replay?cause=too_large").want(t, 422)
	set := l.set()
	set.Routes[0].From = ""
	l.Apply(set)
	form := url.Values{"reason": {"route mended"}, "confirm": {"yes"}, "cause": {"no_route"}, "source": {"other"}}
	l.do("auditor", "POST", "/quarantine/replay", form).want(t, 403)
	a := l.do(tech, "POST", "/quarantine/replay", form).want(t, 303)
	to := a.Header().Get("Location")
	l.until("replayed", func() bool { return strings.Contains(l.get(tech, to).text, "120 messages were taken.") })
	l.get(tech, to).want(t, 200, "120 of 120 done")
	if e := l.events(results.KindApartReplayed); len(e) != 120 {
		t.Errorf("%d replays recorded", len(e))
	}
	l.get(tech, "/quarantine").want(t, 200, "Nothing is in quarantine.")
}

func TestOperationsOfTheAPI(t *testing.T) {
	l := newLab(t)
	id := l.take(oru("C1", "4711", "100"))
	_, err := l.IndexNow(t.Context())
	l.ok(err)
	post := func(role, path, body string, headers ...string) answer {
		t.Helper()
		return l.send(role, "POST", path, strings.NewReader(body), "application/json", headers...)
	}
	api := "/api/v1" + path(id)
	l.get(tech, api).want(t, 200, id.String(), `"sentence":"This result is on its way`).not(t, "archbanks", "F100")
	l.get(tech, api+"/journey").want(t, 200, `"source":"said by the LIS"`, `"source":"seen by us"`, "F100").not(t, "archbanks", "4711", "\ue000")
	post(tech, "/api/v1/results/search", `{"patient":"4711"}`).want(t, 200, id.String())
	post(tech, "/api/v1/results/search", `{"patient":"4712"}`).want(t, 200, `"results":[]`)
	post(tech, "/api/v1/results/search", `{"last_name":"Marchbanks"}`).want(t, 422)
	post(tech, "/api/v1/results/search", `{"state":"asleep"}`).want(t, 422)
	if n := len(l.events(results.KindSearched)); n != 2 {
		t.Errorf("%d searches recorded, want 2", n)
	}
	var m struct{ Body []byte }
	l.ok(json.Unmarshal(post(tech, api+"/message", `{"reason":"ward"}`).want(t, 200).Body.Bytes(), &m))
	if string(m.Body) != string(oru("C1", "4711", "100")) {
		t.Errorf("message %q", m.Body)
	}
	post(tech, api+"/message", `{}`).want(t, 422)
	post("auditor", api+"/message", `{"reason":"x"}`).want(t, 403)
	seq := l.to(id, "riverside").Seq
	way := fmt.Sprintf("%s/deliveries/%d/", api, seq)
	post(tech, way+"hold", `{"reason":"check"}`).want(t, 403)
	post(tech, way+"hold", `{"reason":"check"}`, "X-Hold", "1").want(t, 200, `"state":"held"`)
	post(tech, way+"hold", `{"reason":"check"}`, "X-Hold", "1").want(t, 409)
	post(tech, way+"release", `{"reason":"checked"}`, "X-Hold", "1").want(t, 200, `"state":"waiting"`)
	l.deliver()
	post(tech, way+"resend", `{"reason":"asked"}`).want(t, 200)
	l.take([]byte(noControl))
	q := "/api/v1/quarantine"
	l.get(tech, q).want(t, 200, "no_control_id")
	l.get(tech, q+"/"+l.apart().String()).want(t, 200, `"state":"open"`).not(t, "archbanks")
	post(tech, q+"/"+l.apart().String()+"/message", `{"reason":"look"}`).want(t, 200)
	post(tech, q+"/"+l.apart().String()+"/replay", `{"reason":"look"}`).want(t, 409)
	post(tech, q+"/"+l.apart().String()+"/refuse", `{"reason":"no"}`).want(t, 200, `"state":"refused"`)
}
