package resultsui

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

func TestPartnerPage(t *testing.T) {
	l := newBench(t)
	admin := l.as(authz.Administrator)
	page := admin.get("/partners/north", 200)
	has(t, page, "It is not known whether North Clinic answers. Nothing was sent in the last 24 hours.", "Meets HHS guidance: unknown", "one certificate only: its key is pinned",
		"hl7.north.example:2576", "TLS 1.3", "gives no list of what it has, so it is not countable", "Nothing waits.", "Send a test", "Pause")
	l.take("C1", "M1", "1", "N")
	l.flow("north", func(f results.Flow) bool { a, _ := f.Sums(); return a == 1 })
	page = admin.get("/partners/north", 200)
	has(t, page, "North Clinic takes our results.", "Their system accepted 1 result in 24 hours", "not that the chart shows it", "TLS 1.3 TLS_AES_128_GCM_SHA256, 07:40",
		"this build's cryptography is not the module that is validated")
	_, err := l.svc.AddCount(t.Context(), "north", "2026-11-21", time.Local, []byte("C9\n"), results.Named{By: results.By{Who: "dana", Reason: "daily"}, Person: "Dana Reyes"})
	must(t, err)
	has(t, admin.get("/partners/north", 200), "21 Nov 2026", "0 of 1 we delivered are on it; 1 is not.", "It names 1 message that we did not deliver in that time.")
	has(t, admin.get("/", 200), "North Clinic's list lacks 1 result that we delivered", "South Clinic sends no list")
	// Who may not act sees no button.
	page = l.as(authz.Provider, "X-Partner", "north").get("/partners/north", 200)
	hasNot(t, page, "Send a test", "Pause")
	admin.get("/partners/nobody", 404)
	var p PartnerFull
	must(t, json.Unmarshal([]byte(admin.json("GET", "/api/v1/partners/north", "", 200)), &p))
	if p.Acknowledged != 1 || p.Posture.Guidance != "unknown" || !p.Posture.Pinned || !p.Posture.Encrypted || p.Posture.SeenTLS == "" || len(p.Days) != results.FlowDays {
		t.Errorf("%+v", p)
	}
	l.as(authz.Provider, "X-Partner", "south").json("GET", "/api/v1/partners/north", "", 404)
	var ps PartnersAnswer
	must(t, json.Unmarshal([]byte(l.as(authz.Provider, "X-Partner", "south").json("GET", "/api/v1/partners", "", 200)), &ps))
	if len(ps.Partners) != 1 || ps.Partners[0].Key != "south" {
		t.Errorf("%+v", ps)
	}
}

// What is held may not belong to the practice: it does not see it.
func TestAPracticeDoesNotSeeWhatIsHeld(t *testing.T) {
	l := newBench(t)
	l.boxes["north"].set(unreachable())
	l.take("C1", "M1", "1", "N")
	l.flow("north", func(f results.Flow) bool { l.pass(100 * time.Millisecond); return !f.DownSince.IsZero() })
	open, err := l.svc.OpenOf(t.Context(), "north", 1)
	must(t, err)
	must(t, l.svc.Hold(t.Context(), open[0].Seq, results.By{Who: "dana", Reason: "asked"}))
	l.flow("north", func(f results.Flow) bool { return f.Held == 1 })
	has(t, l.as(authz.Administrator).get("/partners/north", 200), "held", "from lis")
	page := l.as(authz.Provider, "X-Partner", "north").get("/partners/north", 200)
	hasNot(t, page, "held", "from lis")
	has(t, page, "Nothing waits.")
	hasNot(t, l.as(authz.Provider, "X-Partner", "north").json("GET", "/api/v1/partners/north", "", 200), `"held":1`)
}

func TestPartnerListAsAFile(t *testing.T) {
	l := newBench(t)
	admin := l.as(authz.Administrator)
	w := admin.do("GET", "/partners?format=csv", "", "")
	if ct := w.Header().Get("Content-Type"); w.Code != 200 || ct != "text/csv; charset=utf-8" || strings.Count(w.Body.String(), "\n") != 3 {
		t.Errorf("%d %s\n%s", w.Code, ct, w.Body)
	}
	has(t, admin.get("/partners?state=stopped", 200), "No partner is in this state.")
	has(t, admin.get("/partners?sort=-waiting", 200), "North Clinic", "South Clinic")
}

func TestTestMessage(t *testing.T) {
	l := newBench(t)
	tec := l.as(authz.Technologist)
	has(t, tec.get("/partners/north/test", 200), "Send a test message to North Clinic?", "marked as a test (processing id T)", "Tell them before")
	has(t, tec.post("/partners/north/test", 422, "confirm", "yes"), "Say why")
	if l.boxes["north"].count() != 0 {
		t.Error("something went out without a reason")
	}
	page := tec.post("/partners/north/test", 200, "confirm", "yes", "reason", "new line")
	has(t, page, "North Clinic's system accepted the test message.", "Their system accepted it (AA)", "LWTEST", "TLS 1.3", "Receipt")
	if l.boxes["north"].count() != 1 || !strings.Contains(string(l.boxes["north"].got[0]), "|T|2.5.1\r") {
		t.Errorf("%q", l.boxes["north"].got)
	}
	l.boxes["north"].set(&channel.Error{Class: channel.Rejected, Code: "AR", Reply: []byte("MSH|^~\\&|\rMSA|AR|x|We take no tests\r"), Err: fmt.Errorf("no")})
	page = tec.post("/partners/north/test", 200, "confirm", "yes", "reason", "new line")
	has(t, page, "did not accept the test message", "It was refused (AR)", "We take no tests", "The line works")
	var a TestAnswer
	l.boxes["north"].set(unreachable())
	must(t, json.Unmarshal([]byte(tec.json("POST", "/api/v1/partners/north/test", `{"reason":"again"}`, 200)), &a))
	if a.Accepted || a.Answered || a.ControlID == "" {
		t.Errorf("%+v", a)
	}
	tec.json("POST", "/api/v1/partners/north/test", `{"reason":""}`, 422)
	l.as(authz.Auditor).post("/partners/north/test", 403, "confirm", "yes", "reason", "x")
}

func TestPosture(t *testing.T) {
	now := time.Date(2026, 11, 21, 7, 40, 0, 0, time.UTC)
	seen := channel.Peer{TLS: "TLS 1.3 TLS_AES_128_GCM_SHA256"}
	for name, c := range map[string]struct {
		p    posture
		fips bool
		want string
	}{
		"plaintext":               {posture{plain: true}, true, "no"},
		"plaintext to itself":     {posture{plain: true, loopback: true}, true, "unknown"},
		"a folder":                {posture{folder: true}, true, "unknown"},
		"an encrypted folder":     {posture{folder: true, encrypt: &config.Encrypt{}}, true, "unknown"},
		"TLS, nothing sent":       {posture{}, true, "unknown"},
		"TLS, not validated":      {posture{seen: seen, seenAt: now}, false, "unknown"},
		"TLS, validated":          {posture{seen: seen, seenAt: now}, true, "yes"},
		"TLS, not approved":       {posture{seen: channel.Peer{TLS: "TLS 1.3 TLS_CHACHA20_POLY1305_SHA256"}, seenAt: now}, true, "no"},
		"TLS, but none was noted": {posture{seenAt: now}, true, "unknown"},
	} {
		if got, why := c.p.judge(c.fips); got != c.want || why == "" {
			t.Errorf("%s: %s, want %s (%s)", name, got, c.want, why)
		}
	}
	for a, want := range map[string]bool{"127.0.0.1:2575": true, "[::1]:2575": true, "http://localhost:80/x": true, "hl7.north.example:2575": false, "https://10.0.0.1/x": false} {
		if onThisMachine(a) != want {
			t.Errorf("%s: %t", a, !want)
		}
	}
}

// Never green unless a check ran.
func TestFineOnlyWhatWasSeen(t *testing.T) {
	at := time.Date(2026, 11, 21, 7, 40, 0, 0, time.UTC)
	view := func(change func(*partnerView)) kit.State {
		v := partnerView{at: at, known: true, limit: 15 * time.Minute}
		v.Here = true
		change(&v)
		return v.judge()
	}
	for name, c := range map[string]struct {
		change func(*partnerView)
		want   kit.State
	}{
		"nothing known":     {func(v *partnerView) { v.known = false; v.acknowledged = 3 }, kit.Unknown},
		"nothing sent":      {func(*partnerView) {}, kit.Unknown},
		"acknowledged":      {func(v *partnerView) { v.acknowledged = 1 }, kit.Fine},
		"down":              {func(v *partnerView) { v.acknowledged, v.DownSince = 1, at }, kit.Stopped},
		"needs a person":    {func(v *partnerView) { v.acknowledged, v.Stopped = 1, 1 }, kit.Stopped},
		"waits too long":    {func(v *partnerView) { v.acknowledged, v.Oldest = 1, at.Add(-16*time.Minute) }, kit.Warn},
		"waits":             {func(v *partnerView) { v.acknowledged, v.Oldest = 1, at.Add(-14*time.Minute) }, kit.Fine},
		"waits elsewhere":   {func(v *partnerView) { v.acknowledged, v.Waiting, v.Here = 1, 1, false }, kit.Unknown},
		"held":              {func(v *partnerView) { v.acknowledged, v.Held = 1, 1 }, kit.Warn},
		"a stop before it":  {func(v *partnerView) { v.Gates = []results.Gate{{}} }, kit.Stopped},
		"placed and waited": {func(v *partnerView) { v.placed = 1 }, kit.Fine},
	} {
		if got := view(c.change); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
