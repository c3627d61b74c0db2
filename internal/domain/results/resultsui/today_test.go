package resultsui

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

func TestTodayWhenAllIsWell(t *testing.T) {
	l := newBench(t)
	admin := l.as(authz.Administrator)
	page := admin.get("/", 200)
	has(t, page, "Saturday 21 November", "Nothing needs you. Everything is running.", "North Clinic", "South Clinic",
		"North Clinic and South Clinic send no list and were not counted in another way: they are not countable.", "Keys 2 seals open them", "looked at 07:40")
	// Nothing went there: that is not fine, it is not known.
	has(t, page, "none seen")
	for i := range 3 {
		l.take(fmt.Sprintf("C%d", i), fmt.Sprintf("M%d", i), fmt.Sprint(i), "N")
	}
	for _, p := range []string{"north", "south"} {
		l.flow(p, func(f results.Flow) bool { a, _ := f.Sums(); return a == 3 && f.Waiting == 0 })
	}
	page = admin.get("/", 200)
	has(t, page, "acknowledged 6 waiting 0 failed 0 unaccounted for 0", "HL7 over TLS", "Files in a folder", "07:40")
}

func TestTodayWhenAPartnerIsDown(t *testing.T) {
	l := newBench(t)
	l.boxes["north"].set(unreachable())
	for i := range 4 {
		l.take(fmt.Sprintf("C%d", i), fmt.Sprintf("M%d", i), fmt.Sprint(i), "N")
	}
	l.flow("north", func(f results.Flow) bool {
		l.pass(200 * time.Millisecond)
		return !f.DownSince.IsZero() && f.Waiting == 4
	})
	l.flow("south", func(f results.Flow) bool { a, _ := f.Sums(); return a == 4 })
	l.pass(48 * time.Minute)
	page := l.as(authz.Administrator).get("/", 200)
	has(t, page, "One thing needs you. Everything else is running.", "4 results are waiting for North Clinic", "Their server has not been reachable since 07:40.",
		"All 4 that wait are kept", "See what to do", "oldest 48 min", "waiting 4")
	page = l.as(authz.Administrator).get("/partners/north", 200)
	has(t, page, "4 results are waiting for North Clinic.", "Their server has not been reachable since 07:40.", "Not acknowledged yet", "from lis", "trial", "shadow: records what it would send")
	page = l.as(authz.Administrator).get("/partners", 200)
	has(t, page, "1 partner is stopped or needs a person. 1 of 2 take our results.", "Does not answer")
	// Whom it is not about hears nothing of it.
	page = l.as(authz.Provider, "X-Partner", "south").get("/", 200)
	has(t, page, "Nothing needs you.", "South Clinic")
	hasNot(t, page, "North", "Everything", "unaccounted", "Keys")
	page = l.as(authz.Provider, "X-Partner", "north").get("/", 200)
	has(t, page, "One thing needs you.", "North Clinic")
	hasNot(t, page, "South", "Everything else")
	l.as(authz.Provider, "X-Partner", "south").get("/partners/north", 404)
	a := l.as(authz.Provider, "X-Partner", "south").do("GET", "/partners/north", "", "").Body.String()
	b := l.as(authz.Provider, "X-Partner", "south").do("GET", "/partners/nobody", "", "").Body.String()
	if text(a) != text(b) {
		t.Errorf("somebody else's partner answers %q, one that does not exist %q", text(a), text(b))
	}
	page = l.as(authz.Provider, "X-Partner", "south").get("/partners", 200)
	hasNot(t, page, "North")
}

func TestTodayNeedsAPerson(t *testing.T) {
	l := newBench(t)
	l.boxes["south"].set(&channel.Error{Class: channel.Rejected, Code: "AR", Err: fmt.Errorf("no")})
	l.take("C1", "M1", "1", "N")
	l.flow("south", func(f results.Flow) bool { l.pass(100 * time.Millisecond); return f.Stopped == 1 })
	admin := l.as(authz.Administrator)
	has(t, admin.get("/", 200), "1 result to South Clinic needs a person", "failed 1")
	has(t, admin.get("/partners/south", 200), "1 result needs a person.", "needs a person", "refused")
}

func TestTodayOfAlarmsAndCalls(t *testing.T) {
	l := newBench(t)
	l.desk.Raise(t.Context(), alarm.Alarm{Key: alarm.Key{Kind: "disk.full"}, Severity: alarm.Urgent, Sentence: "The disk is nearly full.", Advice: "Make room."})
	l.desk.Raise(t.Context(), alarm.Alarm{Key: alarm.Key{Kind: "partner.silent", About: "north"}, Severity: alarm.Urgent, Sentence: "Told with the partner.", Advice: "x"})
	page := l.as(authz.Administrator).get("/", 200)
	has(t, page, "The disk is nearly full.", "Make room.", "Look at it")
	hasNot(t, page, "Told with the partner.")
	hasNot(t, l.as(authz.FrontDesk).get("/", 200), "The disk is nearly full.")
	// Counsel may see Today and nothing of partners.
	hasNot(t, l.as(authz.Counsel).get("/", 200), "Results, last 24 hours", "North")
}

func TestTodayForPrograms(t *testing.T) {
	l := newBench(t)
	l.take("C1", "M1", "1", "N")
	l.flow("north", func(f results.Flow) bool { a, _ := f.Sums(); return a == 1 })
	var a TodayAnswer
	must(t, json.Unmarshal([]byte(l.as(authz.Administrator).json("GET", "/api/v1/today", "", 200)), &a))
	if a.Sentence != "Nothing needs you. Everything is running." || len(a.Partners) != 2 || a.Counted == nil || len(a.Checks) != 1 || len(a.Unknown) != 0 {
		t.Errorf("%+v", a)
	}
	must(t, json.Unmarshal([]byte(l.as(authz.Provider, "X-Partner", "north").json("GET", "/api/v1/today", "", 200)), &a))
	if len(a.Partners) != 1 || a.Partners[0].Key != "north" || a.Partners[0].Acknowledged != 1 || a.Partners[0].Hours[23] != 1 || len(a.Checks) != 0 {
		t.Errorf("%+v", a)
	}
}
