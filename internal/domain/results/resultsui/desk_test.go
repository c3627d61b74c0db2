package resultsui

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/event"
)

func TestAlarms(t *testing.T) {
	l := newBench(t)
	tec, aud := l.as(authz.Technologist), l.as(authz.Auditor)
	has(t, tec.get("/alarms", 200), "No alarm is open.", "Nobody is on the on-call list")
	key := alarm.Key{Kind: "disk.full"}
	l.desk.Raise(t.Context(), alarm.Alarm{Key: key, Severity: alarm.Urgent, Sentence: "The disk is nearly full.", Advice: "Make room."})
	has(t, tec.get("/alarms", 200), "1 alarm waits for somebody.", "The disk is nearly full.", "urgent")
	has(t, tec.get("/alarms/1", 200), "The disk is nearly full.", "Make room.", "I take this on", "The condition still stands.", "Nobody was told of it")
	hasNot(t, aud.get("/alarms/1", 200), "I take this on")
	aud.post("/alarms/1/accept", 403)
	tec.post("/alarms/1/accept", 303, "reason", "on my way")
	has(t, tec.get("/alarms/1", 200), "Accepted by Dana Reyes", "on my way")
	has(t, tec.get("/alarms", 200), "No alarm is open. 1 is accepted and not over yet.")
	has(t, l.as(authz.Administrator).get("/", 200), "Dana Reyes has accepted it.")
	tec.post("/alarms/1/close", 409, "reason", "done")
	l.desk.Over(t.Context(), key)
	has(t, tec.post("/alarms/1/close", 422), "Say why it is over")
	tec.post("/alarms/1/close", 303, "reason", "made room")
	has(t, tec.get("/alarms?show=all", 200), "closed")
	tec.post("/alarms/1/accept", 409)
	tec.get("/alarms/99", 404)
	tec.get("/alarms/x", 404)
	var a AlarmAnswer
	must(t, json.Unmarshal([]byte(tec.json("GET", "/api/v1/alarms/1", "", 200)), &a))
	if a.Alarm.By != "Dana Reyes" || a.Alarm.Reason != "made room" {
		t.Errorf("%+v", a)
	}
	l.desk.Raise(t.Context(), alarm.Alarm{Key: alarm.Key{Kind: "disk.full", About: "b"}, Severity: alarm.Note, Sentence: "x", Advice: "y"})
	tec.json("POST", "/api/v1/alarms/2/accept", `{"reason":""}`, 200)
	tec.post("/alarms/test", 409) // nobody is on call
	sent := &mailWay{}
	l.desk.SetPlan(alarm.Plan{Lab: "Millbrook", Pages: "https://lab.example/alarms", People: []alarm.Person{{Name: "M. Okafor", Ways: []alarm.Way{{Name: "mail", Sender: sent}}}}})
	has(t, tec.get("/alarms", 200), "M. Okafor, by mail", "Not used since the hub started.", "Send a test")
	has(t, tec.post("/alarms/test", 200), "Every way took the test.", "Ask them whether they have read it.")
	has(t, tec.get("/alarms", 200), "The other side last took a message 07:40.")
	sent.fail = errors.New("the mail server is away")
	has(t, tec.post("/alarms/test", 200), "1 way did not take the test.", "The mail server is away.")
	has(t, tec.json("POST", "/api/v1/alarms/test", "{}", 200), `"ok":false`)
	// A link in a mail leads to the page by way of the sign-in.
	w := asker{l, nil}.do("GET", "/alarms/1", "", "")
	if w.Code != 303 || !strings.HasPrefix(w.Header().Get("Location"), "/sign-in?to=") {
		t.Errorf("%d %s", w.Code, w.Header().Get("Location"))
	}
}

// mailWay is one by which somebody is told.
type mailWay struct{ fail error }

func (w *mailWay) Send(context.Context, alarm.Message) (string, error) { return "250 ok", w.fail }

// overdue brings a critical result to a phone task.
func (l *bench) overdue() string {
	l.t.Helper()
	l.boxes["north"].set(unreachable())
	l.take("C1", "M1", "777", "HH") // critical, as the LIS flags it
	l.flow("north", func(f results.Flow) bool { l.pass(100 * time.Millisecond); return !f.DownSince.IsZero() })
	l.pass(11 * time.Minute)
	done := make(chan struct{})
	ctx, stop := l.ctx()
	go func() { defer close(done); _ = l.svc.RunClinical(ctx) }()
	var id string
	l.until("a phone task", func() bool {
		list, err := l.svc.Calls(l.t.Context(), false, 10)
		must(l.t, err)
		if len(list) > 0 {
			id = list[0].ID.String()
		}
		return id != ""
	})
	stop()
	<-done
	return id
}

func TestCalls(t *testing.T) {
	l := newBench(t)
	tec, aud := l.as(authz.Technologist), l.as(authz.Auditor)
	has(t, tec.get("/calls", 200), "Nobody has to be telephoned.")
	id := l.overdue()
	has(t, l.as(authz.Administrator).get("/", 200), "1 phone")
	has(t, tec.get("/calls", 200), "1 phone task is open.", "A critical result is not acknowledged", "to North Clinic")
	page := tec.get("/calls/"+id, 200)
	has(t, page, "A critical result is not acknowledged.", "have the value read back", "Show the numbers (recorded)", "I make this call", "Write a call down", "Close it without a call")
	hasNot(t, page, "777", "Marchbanks")
	// Only who may make the call sees which result it is, and that is recorded.
	has(t, tec.post("/calls/"+id+"/show", 200), "P777", "F777", "recorded as seen by you")
	aud.post("/calls/"+id+"/show", 403)
	hasNot(t, l.as(authz.Administrator).get("/calls/"+id, 200), "Show the numbers")
	tec.post("/calls/"+id+"/take", 303)
	has(t, tec.get("/calls/"+id, 200), "Taken", "Dana Reyes")
	page = tec.post("/calls/"+id+"/log", 422, "outcome", "not_reached", "read_back", "yes", "next", "2020-01-01T10:00")
	has(t, page, "Name whom you called", "Only who was reached can have read the value back.", "a time from now on")
	tec.post("/calls/"+id+"/log", 303, "outcome", "not_reached", "whom", "Dr. Dee", "next", l.now().Add(time.Hour).Format(formTime))
	has(t, tec.post("/calls/"+id+"/close", 422, "reason", "told"), "Nobody who read the value back is written down")
	tec.post("/calls/"+id+"/log", 303, "outcome", "reached", "whom", "Dr. Dee", "read_back", "yes", "note", "told by phone")
	page = tec.get("/calls/"+id, 200)
	has(t, page, "Dana Reyes reached somebody", "The value was read back.")
	hasNot(t, page, "Dr. Dee", "told by phone", "Close it without a call")
	tec.post("/calls/"+id+"/close", 303, "reason", "told")
	has(t, tec.get("/calls?show=all", 200), "closed")
	tec.get("/calls/"+strings.Repeat("0", 36), 404)
	a, b := tec.do("GET", "/calls/nonsense", "", "").Body.String(), tec.do("GET", "/calls/0190b6a4-7f00-7000-8000-000000000001", "", "").Body.String()
	if text(a) != text(b) {
		t.Errorf("%q\n%q", text(a), text(b))
	}
}

func TestCallsForPrograms(t *testing.T) {
	l := newBench(t)
	id := l.overdue()
	tec := l.as(authz.Technologist)
	var c CallsAnswer
	must(t, json.Unmarshal([]byte(tec.json("GET", "/api/v1/calls", "", 200)), &c))
	if len(c.Calls) != 1 || c.Calls[0].ID != id || c.Calls[0].Orders != nil {
		t.Errorf("%+v", c)
	}
	has(t, tec.json("POST", "/api/v1/calls/"+id+"/show", "{}", 200), "F777")
	has(t, tec.json("POST", "/api/v1/calls/"+id+"/take", "{}", 200), `"owner":"Dana Reyes"`)
	tec.json("POST", "/api/v1/calls/"+id+"/log", `{"whom":"","outcome":"reached"}`, 422)
	has(t, tec.json("POST", "/api/v1/calls/"+id+"/log", `{"whom":"Dr. Dee","outcome":"reached","read_back":true}`, 200), `"state":"taken"`)
	has(t, tec.json("POST", "/api/v1/calls/"+id+"/close", `{"reason":"told"}`, 200), `"state":"closed"`)
	// A narrowed technologist has nothing to do with another partner's.
	l.as(authz.Technologist, "X-Partner", "south").json("GET", "/api/v1/calls/"+id, "", 404)
}

func TestStops(t *testing.T) {
	l := newBench(t)
	sec, dir, tec := l.as(authz.SecurityOfficer), l.as(authz.Director), l.as(authz.Technologist)
	has(t, sec.get("/stops", 200), "No stop stands.", "Place a transport stop")
	hasNot(t, sec.get("/stops", 200), "Place a clinical stop")
	has(t, dir.get("/stops", 200), "Place a clinical stop")
	hasNot(t, tec.get("/stops", 200), "Place a")
	tec.get("/stops/transport/new", 403)
	sec.get("/stops/clinical/new", 403)
	form := sec.get("/stops/transport/new?scope=partner&target=north", 200)
	has(t, form, "Place a transport stop.", "45 CFR 171.203", "All that goes to South Clinic", "All that route trial sends")
	if raw := sec.do("GET", "/stops/transport/new?scope=partner&target=north", "", "").Body.String(); !strings.Contains(raw, `value="partner:north" selected`) || strings.Contains(raw, `name="target"`) {
		t.Error("a partner's key is asked for by hand")
	}
	sec.post("/stops/transport", 422, "scope", "partner:nobody", "hours", "24", "basis", "171.203", "reason", "doubt")
	has(t, sec.post("/stops/transport", 422, "scope", "partner", "hours", "x", "basis", "other"), "Say which.", "Say why", "from 1 to 168", "no information blocking")
	has(t, sec.post("/stops/transport", 422, "scope", "partner", "target", "nobody", "hours", "24", "basis", "171.203", "reason", "doubt"), "There is no such thing here")
	sec.post("/stops/transport", 303, "scope", "partner:north", "hours", "24", "basis", "171.203", "reason", "line in doubt")
	list, err := l.svc.Stops(t.Context(), results.StopFilter{}, 10)
	must(t, err)
	path := "/stops/" + list[0].ID.String()
	for _, c := range []string{"C1", "C2"} {
		l.take(c, "M"+c, c, "N")
	}
	l.flow("north", func(f results.Flow) bool { return f.Waiting == 2 })
	has(t, l.as(authz.Administrator).get("/", 200), "Nothing goes to North Clinic", "A transport stop of Dana Reyes stands since 07:40.")
	has(t, sec.get(path, 200), "All that goes to North Clinic is stopped.", "It keeps 2 results back", "Lift it", "45 CFR 171.203")
	has(t, dir.get(path, 200), "Whoever has the security role lifts it.")
	act := "/stops/transport/" + list[0].ID.String()
	dir.post(act+"/lift", 403, "reason", "x")
	dir.post("/stops/clinical/"+list[0].ID.String()+"/lift", 404, "reason", "x") // neither kind lifts the other
	has(t, sec.post(act+"/review", 422), "Say why")
	sec.post(act+"/review", 303, "reason", "looked")
	sec.post(act+"/extend", 422, "reason", "more", "hours", "100")
	sec.post(act+"/extend", 303, "reason", "more", "hours", "48")
	sec.post(act+"/lift", 303, "reason", "mended")
	has(t, sec.get(path, 200), "waits for a second person", "You asked to lift it.")
	sec.post(act+"/confirm", 409, "reason", "mended")
	// One account under another name is the same person.
	renamed := l.as(authz.SecurityOfficer, "X-Name", "Lena Hahn", "X-Account", "dana")
	has(t, renamed.get(path, 200), "You asked to lift it.")
	renamed.post(act+"/confirm", 409, "reason", "mended")
	other := l.as(authz.SecurityOfficer, "X-Name", "Lena Hahn")
	has(t, other.get(path, 200), "Confirm that it is lifted", "Dana Reyes asked for it")
	other.post(act+"/confirm", 303, "reason", "looked too")
	l.flow("north", func(f results.Flow) bool { a, _ := f.Sums(); return a == 2 })
	has(t, sec.get(path, 200), "was stopped.", "Lifted by Lena Hahn")
	// A partner's own people see the stop before them, and no other.
	sec.json("POST", "/api/v1/stops/transport", `{"scope":"partner","target":"south","basis":"171.203","hours":24,"reason":"doubt"}`, 200)
	pro := l.as(authz.Provider, "X-Partner", "north")
	hasNot(t, pro.get("/stops?show=all", 200), "South")
	list, err = l.svc.Stops(t.Context(), results.StopFilter{}, 10)
	must(t, err)
	pro.get("/stops/"+list[0].ID.String(), 404)
	has(t, sec.json("GET", "/api/v1/stops", "", 200), `"target":"south"`)
	has(t, dir.post("/stops/clinical", 303, "scope", "test", "target", "2345-7", "hours", "1", "basis", "other", "text", "reagent recalled", "reason", "recall"), "")
	page := dir.get("/stops", 200)
	has(t, page, "What has a certain test code")
	hasNot(t, page, "2345-7")
}

func TestRoutes(t *testing.T) {
	l := newBench(t)
	dir, tec := l.as(authz.Director), l.as(authz.Technologist)
	has(t, tec.get("/routes", 200), "1 of 2 routes carry.", "trial", "nothing to compare")
	page := tec.get("/routes/trial", 200)
	has(t, page, "This route records what it would send, and sends nothing.", "Before it may carry", "There is none.")
	hasNot(t, page, "Approve that it carries")
	tec.post("/routes/trial/approve", 403, "reason", "x")
	has(t, dir.get("/routes/trial", 200), "Approve that it carries", "There is no old path to compare with")
	has(t, dir.post("/routes/trial/approve", 422), "Say why")
	has(t, dir.post("/routes/trial/approve", 422, "reason", "new"), "names no old_path")
	dir.post("/routes/trial/approve", 303, "reason", "new", "no_old_path", "yes")
	has(t, tec.get("/routes/trial", 200), "It may carry", "dana, 07:40", "States that there is no old path.")
	tec.get("/routes/none", 404)
	dir.post("/routes/trial/forward", 503, "reason", "x") // this hub moves none
	has(t, tec.json("GET", "/api/v1/routes/trial", "", 200), `"director":"dana"`)
	tec.json("POST", "/api/v1/routes/trial/explain", `{"class":"differs","kind":"OBX-5","reason":"x"}`, 404)
	l.as(authz.Provider, "X-Partner", "north").get("/routes", 403)
}

// TestCallAboutAFile: whom to call and what to say stands there; the file's name
// and the numbers in it only for whoever makes the call, recorded.
func TestCallAboutAFile(t *testing.T) {
	l := newBench(t)
	north := l.conf.Partners["north"]
	north.Contact = &config.Contact{Name: "Front desk", Phone: "+1 555 0100"}
	l.conf.Partners["north"] = north
	body := []byte("MSH|^~\\&|LIS|N|L|M|20261121074000||ORU^R01|U1|P|2.5.1\rPID|1||4711\rOBR|1|P900|F900|K\rOBX|1|NM|K||7.9||||||F\r")
	must(t, l.svc.UploadStopped(t.Context(), results.StoppedUpload{
		File: event.NewID(), Partner: "north", Came: l.now(), Stopped: "refused by the content gate: The file is cut off.", Name: "DOE<b>.hl7", Content: body,
	}))
	list, err := l.svc.Calls(t.Context(), false, 10)
	must(t, err)
	id := list[0].ID.String()
	tec := l.as(authz.Technologist)
	has(t, tec.get("/", 200), "1 phone task")
	has(t, tec.get("/calls", 200), "A partner's file that may be critical did not come through", "from North Clinic; ask them for the result")
	page := tec.get("/calls/"+id, 200)
	has(t, page, "Telephone Front desk, +1 555 0100", "read it back to them", "The file is cut off.", "nothing of it was kept", "I read the value back, and they confirmed it", "Show name and numbers (recorded)")
	hasNot(t, page, "DOE", "F900", "4711", "Its journey", "In quarantine")
	has(t, tec.post("/calls/"+id+"/show", 200), "DOE&lt;b&gt;.hl7", "F900", "P900", "recorded as seen by you")
	has(t, tec.post("/calls/"+id+"/close", 422, "reason", "told"), "nobody has let the file through")
	var c CallAnswer
	must(t, json.Unmarshal([]byte(tec.json("POST", "/api/v1/calls/"+id+"/show", "{}", 200)), &c))
	if c.Why != "upload_stopped" || c.File != "DOE<b>.hl7" || len(c.Orders) != 2 || c.Partner != "north" {
		t.Errorf("%+v", c)
	}
	hasNot(t, tec.json("GET", "/api/v1/calls/"+id, "", 200), "DOE", "F900")
	tec.json("POST", "/api/v1/calls/"+id+"/log", `{"whom":"Front desk","outcome":"reached","read_back":true}`, 200)
	has(t, tec.json("POST", "/api/v1/calls/"+id+"/close", `{"reason":"told"}`, 200), `"state":"closed"`)
	l.as(authz.Technologist, "X-Partner", "south").json("GET", "/api/v1/calls/"+id, "", 404)
	// Without a number the page says where one belongs.
	north.Contact = nil
	l.conf.Partners["north"] = north
	must(t, l.svc.UploadStopped(t.Context(), results.StoppedUpload{File: event.NewID(), Partner: "north", Came: l.now(), Stopped: "held", Name: "x"}))
	list, err = l.svc.Calls(t.Context(), false, 10)
	must(t, err)
	has(t, tec.get("/calls/"+list[0].ID.String(), 200), "partners.north.contact.phone")
}
