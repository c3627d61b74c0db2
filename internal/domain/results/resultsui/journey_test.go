package resultsui_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/proof"
)

func TestResultPageTellsItsJourney(t *testing.T) {
	l := newLab(t)
	l.box["northgate"].set(&channel.Error{Class: channel.Unreachable, Code: "refused"})
	id := l.take(oru("MB90417", "4711", "118204"))
	l.deliver()
	a := l.get(tech, path(id)).want(t, 200,
		"Glucose", "for order <span", "F118204", "This result waits for Northgate Clinic.", "1 of 2 partners’ systems have taken it",
		"P. M., born 1961", "Show name and values (recorded)", "Pia Sandoval", "Received from the LIS", "cdcd cdcd", "Matched to the order by the LIS", "Said by the LIS: order",
		"Signed and sealed", "journal line", "Accepted by Riverside Family Practice’s system", "Their reply", "MB90417", "Their server was not reachable (<span class=\"mono\">refused</span>). Kept in the queue.",
		"Proof for Riverside Family Practice", "Riverside Family Practice’s server showed its certificate", "Their system answered: accepted", "does not show that the patient’s chart has it", "checked at", "The journal line matches its seal", "No outside witness",
		"What was sent", "hidden", "Read the full message (recorded)", "not countable",
	)
	a.not(t, "archbanks", "Petronella", "4711", "19610412")
	// Only one partner: the sentence is about it.
	set := l.set()
	set.Routes[0].To = []string{"riverside"}
	l.Apply(set)
	id = l.take(oru("MB90418", "4711", "118205"))
	l.deliver()
	l.get(tech, path(id)).want(t, 200, "Riverside Family Practice’s system accepted this result.", "Acknowledged at", "in all", "<svg", "Download proof", "Send again")
	l.get("auditor", path(id)).want(t, 200, "not shown to your role", "system accepted this result").not(t, "Show name", "P. M.", "1961", "|91|", "Send again", "full message")
}

func TestVerdictSaysNoMoreThanIsKnown(t *testing.T) {
	l := newLab(t)
	set := l.set()
	set.Routes[0].To = []string{"riverside"}
	l.Apply(set)
	id := l.take(oru("C1", "1", "1"))
	l.get(tech, path(id)).want(t, 200, "This result is on its way to Riverside Family Practice.").not(t, "accepted this result")
	seq := l.to(id, "riverside").Seq
	l.do(tech, "POST", wayPath(id, seq, "hold"), reason, "X-Hold", "1").want(t, 303)
	l.get(tech, path(id)).want(t, 200, "This result is held.", "phone call of the ward", "Held for Riverside Family Practice by Dana-Reyes")
	l.do(tech, "POST", wayPath(id, seq, "release"), reason, "X-Hold", "1").want(t, 303)
	l.box["riverside"].set(&channel.Error{Class: channel.Rejected, Code: "AE"})
	l.deliver()
	l.get(tech, path(id)).want(t, 200, "This result needs a person.", "refused it (AE)", "Try again")
	set.Routes[0].Stage = results.Shadow
	set = l.set()
	set.Routes[0].To, set.Routes[0].Stage = []string{"riverside"}, results.Shadow
	l.Apply(set)
	id = l.take(oru("C2", "2", "2"))
	l.get(tech, path(id)).want(t, 200, "This result was only recorded.")
}

func TestNameAndMessageAreRecordedBeforeTheyAreShown(t *testing.T) {
	l := newLab(t)
	id := l.take(oru("C1", "4711", "100", `NTE|1||called the ward`, `ZXX|1|own^field`))
	for _, p := range []string{"/name", "/message"} {
		l.get(tech, path(id)+p).want(t, 303) // a reload of what a POST showed
	}
	// The page that is drawn again by itself shows no value, whoever asks.
	for _, role := range []string{tech, "laboratory-director", "compliance-officer", "front-desk", "auditor", "provider@riverside"} {
		l.get(role, path(id)).want(t, 200, "What came in").not(t, "|91|", "|N|", "Marchbanks")
		l.get(role, "/api/v1"+path(id)+"/journey").want(t, 200).not(t, "mg/dL", "70-99", "Marchbanks")
	}
	if n := len(l.events(results.KindViewed)); n != 0 {
		t.Fatalf("%d looks before anybody looked", n)
	}
	l.do(tech, "POST", path(id)+"/name", url.Values{}).want(t, 200, "Petronella Q Marchbanks", "born 1961-04-12", "4711", "this look is recorded", "|91|", "that you saw the values is recorded").not(t, "data-live")
	l.do(tech, "POST", path(id)+"/message", url.Values{}).want(t, 200, "Petronella Q Marchbanks", "12 Apr 1961", "4711 (HOLLOWFEN)", "This look is recorded", "Glucose", "mg/dL", "70-99", "called the ward", "Birth date", "As it stands", "ZXX|1|own^field", `<span class="by"><span class="mono">2345-7</span></span>`)
	e := l.events(results.KindViewed)
	if len(e) != 2 || e[0].IDs.Get("by") != tech || e[0].Codes.Get("reason") != "show-name-and-values" || e[1].Codes.Get("reason") != "read-message" {
		t.Fatalf("recorded %+v", e)
	}
	// Whoever may read the record sees who looked.
	l.get("compliance-officer", path(id)).want(t, 200, "Who looked", "technologist looked at it", "Reason: show name and values.")
	l.get(tech, path(id)).not(t, "Who looked")
	// The export is a file that no browser runs.
	a := l.do("laboratory-director", "POST", path(id)+"/export", url.Values{}).want(t, 200)
	if !bytes.Equal(a.Body.Bytes(), oru("C1", "4711", "100", `NTE|1||called the ward`, `ZXX|1|own^field`)) || !strings.HasPrefix(a.Header().Get("Content-Disposition"), "attachment") ||
		a.Header().Get("Content-Type") != "application/octet-stream" || a.Header().Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("exported with %v", a.Header())
	}
	if n := len(l.events(results.KindExported)); n != 1 {
		t.Errorf("%d exports recorded", n)
	}
	for _, role := range []string{"auditor", "administrator", "security-officer", "it-partner", "counsel"} {
		for _, p := range []string{"/name", "/message", "/export"} {
			a := l.do(role, "POST", path(id)+p, url.Values{})
			if a.Code != 403 {
				t.Errorf("%s %s: %d", role, p, a.Code)
			}
			a.not(t, "archbanks")
		}
	}
}

func TestNothingIsShownThatCannotBeRecorded(t *testing.T) {
	l := newLab(t)
	id := l.take(oru("C1", "4711", "100"))
	l.deliver()
	l.take([]byte("MSH|^~\\&|L|L|X|X|1||ORU^R01||P|2.5.1\rPID|1||4711||Marchbanks^P\r"))
	q, err := l.Quarantine(t.Context(), false, 1)
	l.ok(err)
	l.unwritable()
	for _, c := range []struct{ role, path string }{
		{tech, path(id) + "/name"},
		{tech, path(id) + "/message"},
		{"laboratory-director", path(id) + "/export"},
		{tech, wayPath(id, l.to(id, "riverside").Seq, "proof")},
		{tech, "/quarantine/" + q[0].ID.String() + "/message"},
	} {
		a := l.do(c.role, "POST", c.path, url.Values{})
		if a.Code < 500 {
			t.Errorf("%s: status %d", c.path, a.Code)
		}
		a.not(t, "archbanks", "4711", "|91|", proof.Header, "disk is full")
	}
	a := l.do(tech, "POST", "/results/search", url.Values{"patient": {"4711"}})
	if a.Code < 500 {
		t.Errorf("search: status %d", a.Code)
	}
	for _, p := range []string{"/api/v1/results/" + id.String() + "/message", "/api/v1/results/search", "/api/v1/quarantine/" + q[0].ID.String() + "/message"} {
		body := `{"reason":"x"}`
		if strings.HasSuffix(p, "search") {
			body = `{"patient":"4711"}`
		}
		a := l.send(tech, "POST", p, strings.NewReader(body), "application/json")
		if a.Code < 500 {
			t.Errorf("%s: status %d", p, a.Code)
		}
		a.not(t, "archbanks", "TWFyY2h", "4711")
	}
	l.get(tech, path(id)).want(t, 200, "P. M., born 1961").not(t, "|91|") // what is masked needs no record
}

// While the store itself is in doubt nobody is shown a patient; where results
// are, and how they stand, is.
func TestClosedViewsShowNoPatient(t *testing.T) {
	l := newLab(t)
	id := l.take(oru("C1", "4711", "100"))
	l.SetViewsClosed("a witness remembers a longer ledger")
	l.get(tech, path(id)).want(t, 200, "on its way", "What the LIS said is not shown", "Views of messages are closed").not(t, "P. M.", "F100", "Glucose")
	l.get(tech, "/results").want(t, 200, id.String()).not(t, "F100", "Glucose")
	for _, p := range []string{"/name", "/message"} {
		l.do(tech, "POST", path(id)+p, url.Values{}).want(t, 409, "iews of patient data are closed").not(t, "archbanks")
	}
	l.do("laboratory-director", "POST", path(id)+"/export", url.Values{}).want(t, 409).not(t, "archbanks")
	if n := len(l.events(results.KindViewed)); n != 0 {
		t.Errorf("%d looks recorded that were none", n)
	}
}

func TestSearchKeepsPatientsOutOfAddresses(t *testing.T) {
	l := newLab(t)
	id := l.take(oru("C1", "4711", "100"))
	other := l.take(oru("C2", "9999", "200"))
	_, err := l.IndexNow(t.Context())
	l.ok(err)
	l.get(tech, "/results").want(t, 200, id.String(), other.String(), "None of the last 2 results needs you.", "F100").not(t, "archbanks", "4711", "1961")
	for _, form := range []url.Values{{"patient": {"4711"}}, {"order": {"F100"}}, {"last": {"MARCHBANKS"}, "born": {"1961-04-12"}, "patient": {"4711"}}} {
		a := l.do(tech, "POST", "/results/search", form).want(t, 303)
		to := a.Header().Get("Location")
		for _, secret := range []string{"4711", "F100", "archbanks", "MARCH", "1961"} {
			if strings.Contains(to, secret) || strings.Contains(a.Header().Get("Set-Cookie"), secret) {
				t.Errorf("the address tells %s: %s", secret, to)
			}
		}
		l.get(tech, to).want(t, 200, "1 result was found.", id.String()).not(t, other.String(), "4711", "archbanks")
		// The handle is this session's alone.
		l.do(tech, "GET", to, nil, "X-Session", "b").want(t, 200, "This search has ended.").not(t, id.String())
		l.get("laboratory-director", to).want(t, 200, "This search has ended.").not(t, id.String())
		l.pass(31 * time.Minute)
		l.get(tech, to).want(t, 200, "This search has ended.").not(t, id.String())
	}
	e := l.events(results.KindSearched)
	if len(e) != 3 || e[0].IDs.Get("by") != tech || e[0].Codes.Get("patient") == "" {
		t.Errorf("recorded %+v", e)
	}
	for form, field := range map[string]string{"last=Marchbanks": "f-born", "born=1961-04-12": "f-last", "": "Say what to look for", "last=x&born=1961": "Write the whole birth date"} {
		v, err := url.ParseQuery(form)
		l.ok(err)
		l.do(tech, "POST", "/results/search", v).want(t, 422, field)
	}
	l.do(tech, "POST", "/results/search", url.Values{"patient": {"0000"}}).want(t, 303)
}

func TestListFiltersInTheAddress(t *testing.T) {
	l := newLab(t)
	var ids []event.ID
	for i := range 60 {
		if i == 30 {
			l.pass(24 * time.Hour)
		}
		ids = append(ids, l.take(oru("C"+string(rune('A'+i%26))+string(rune('a'+i/26)), "1", "1")))
	}
	l.do(tech, "POST", wayPath(ids[3], l.to(ids[3], "riverside").Seq, "hold"), reason, "X-Hold", "1").want(t, 303)
	first := l.get(tech, "/results").want(t, 200, ids[59].String(), ids[10].String(), "Older results").not(t, ids[9].String())
	_, next, _ := strings.Cut(first.text, `/results?before=`)
	next, _, _ = strings.Cut(next, `"`)
	l.get(tech, "/results?before="+next).want(t, 200, ids[9].String(), ids[0].String()).not(t, ids[10].String())
	l.get(tech, "/results?state=held").want(t, 200, ids[3].String(), "Riverside Family Practice: held").not(t, ids[4].String())
	l.get(tech, "/results?state=held&partner=northgate").want(t, 200, "No result is like this.").not(t, ids[3].String())
	l.get(tech, "/results?from=2026-05-05&to=2026-05-05").want(t, 200, ids[30].String()).not(t, ids[29].String())
	l.get(tech, "/results?from=yesterday").want(t, 422, "Write the day like")
	l.get(tech, "/results?state=%3Cscript%3E").want(t, 422).not(t, "<script>")
	a := l.get(tech, "/results?format=csv&state=held").want(t, 200, ids[3].String())
	if lines := strings.Count(a.text, "\n"); lines != 3 { // the head, and one line for each way
		t.Errorf("%d lines:\n%s", lines, a.text)
	}
	a.not(t, "F1", "P1", "archbanks", "Glucose")
	l.get("it-partner", "/results").want(t, 403)
}

func TestProofIsCheckedLiveAndTaken(t *testing.T) {
	l := newLab(t)
	id := l.take(oru("C1", "4711", "100"))
	seq := l.to(id, "riverside").Seq
	l.do(tech, "POST", wayPath(id, seq, "proof"), url.Values{}).want(t, 409)
	l.deliver()
	a := l.do(tech, "POST", wayPath(id, seq, "proof"), url.Values{}).want(t, 200, proof.Header)
	if !strings.Contains(a.Header().Get("Content-Disposition"), ".json") {
		t.Errorf("%v", a.Header())
	}
	if n := len(l.events(results.KindProved)); n != 1 {
		t.Errorf("%d recorded", n)
	}
	if _, err := proof.Parse(a.Body.Bytes()); err != nil {
		t.Error(err)
	}
	l.do("front-desk", "POST", wayPath(id, seq, "proof"), url.Values{}).want(t, 403)
	var out struct{ Proof string }
	b := l.get(tech, "/api/v1"+wayPath(id, seq, "proof")).want(t, 200)
	l.ok(json.Unmarshal(b.Body.Bytes(), &out))
	if _, err := proof.Parse([]byte(out.Proof)); err != nil {
		t.Error(err)
	}
	// A changed row is no proof, and the page does not stay green.
	l.exec("UPDATE results_deliveries SET done_leaf = 0 WHERE seq = $1", seq)
	l.get(tech, path(id)).want(t, 200, "does not fit the ledger").not(t, "accepted", "matches its seal", "Download proof")
}

func TestActsTakeTwoStepsAndAReason(t *testing.T) {
	l := newLab(t)
	id := l.take(oru("C1", "4711", "100"))
	seq := l.to(id, "riverside").Seq
	hold := wayPath(id, seq, "hold")
	l.get(tech, hold).want(t, 403) // no delegation
	l.do(tech, "POST", hold, reason).want(t, 403)
	l.do(tech, "GET", hold, nil, "X-Hold", "1").want(t, 200, "Hold this result back from Riverside Family Practice?", "Release undoes it", `name="reason"`)
	l.do(tech, "POST", hold, url.Values{"reason": {"x"}}, "X-Hold", "1").want(t, 200, "Hold this result back")
	l.do(tech, "POST", hold, url.Values{"confirm": {"yes"}}, "X-Hold", "1").want(t, 422, "Say why")
	l.do(tech, "POST", hold, url.Values{"confirm": {"yes"}, "reason": {strings.Repeat("x", 300)}}, "X-Hold", "1").want(t, 422)
	if s := l.to(id, "riverside").State; s != results.Waiting {
		t.Fatalf("it is %s", s)
	}
	l.do(tech, "POST", hold, reason, "X-Hold", "1").want(t, 303)
	if s := l.to(id, "riverside").State; s != results.Held {
		t.Fatalf("it is %s", s)
	}
	l.do(tech, "POST", hold, reason, "X-Hold", "1").want(t, 409, "is now")
	l.do(tech, "POST", wayPath(id, seq, "again"), reason).want(t, 409) // nobody but the delegate lifts a clinical stop
	l.do(tech, "POST", wayPath(id, seq, "release"), reason).want(t, 403)
	l.do("administrator", "POST", wayPath(id, seq, "release"), reason).want(t, 403)
	l.do(tech, "POST", wayPath(id, seq, "release"), reason, "X-Hold", "1").want(t, 303)
	l.deliver()
	l.do(tech, "POST", wayPath(id, seq, "resend"), reason).want(t, 303)
	m, err := l.Show(t.Context(), id)
	l.ok(err)
	if len(m.Deliveries) != 3 || !m.Deliveries[2].Again {
		t.Errorf("after sending again: %+v", m.Deliveries)
	}
	l.get(tech, path(id)).want(t, 200, "Sent again for Riverside Family Practice by technologist", "Its ways")
	if e := l.events(results.KindHeld); len(e) != 1 || e[0].IDs.Get("by") != "Dana-Reyes" {
		t.Errorf("held %+v", e)
	}

	l.get("compliance-officer", path(id)).want(t, 200, "Place a legal hold")
	l.do("compliance-officer", "POST", path(id)+"/legal-hold", reason).want(t, 303)
	page := l.get("compliance-officer", path(id)).want(t, 200, "Put under a legal hold by compliance-officer", "Lift this hold")
	_, lift, _ := strings.Cut(page.text, path(id)+"/legal-holds/")
	lift, _, _ = strings.Cut(lift, `"`)
	lift = path(id) + "/legal-holds/" + lift
	l.get("compliance-officer", lift).want(t, 200, "Let retention erase this result?")
	l.do(tech, "POST", lift, reason).want(t, 403)
	l.do("compliance-officer", "POST", lift, reason).want(t, 303)
	l.do("compliance-officer", "POST", lift, reason).want(t, 409)
	l.do("compliance-officer", "POST", path(id)+"/legal-holds/"+event.NewID().String()+"/lift", reason).want(t, 404)
}

func TestRealMessagesAreShown(t *testing.T) {
	dir := "/work/shared/corpus/hl7"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("SKIPPED: the corpus of real messages is not here")
	}
	files, err := filepath.Glob(dir + "/*/*.hl7")
	if err != nil {
		t.Fatal(err)
	}
	l := newLab(t)
	n := 0
	for _, f := range files {
		body, err := os.ReadFile(f)
		l.ok(err)
		id := l.take(body)
		if id == (event.ID{}) {
			continue
		}
		n++
		l.get(tech, path(id)).want(t, 200, "Its journey")
		l.do(tech, "POST", path(id)+"/message", url.Values{}).want(t, 200, "As it stands")
	}
	t.Logf("%d of %d messages shown", n, len(files))
	if n == 0 {
		t.Error("none was taken")
	}
	l.get(tech, "/results").want(t, 200)
	l.get(tech, "/quarantine").want(t, 200)
}
