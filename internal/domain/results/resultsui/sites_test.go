package resultsui_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/results/resultsui"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	noControlHill = "MSH|^~\\&|H|H|X|X|1||ORU^R01||P|2.5.1\rPID|1||4711||Marchbanks^P\r"
	atMain        = "@/main"
	atHill        = "@/hill"
)

// sited has two sites: main sends to both partners, hill to northgate alone.
func sited(t *testing.T) (l *lab, set func(of map[string]string)) {
	t.Helper()
	l = newLab(t)
	l.board.Add(resultsui.Sources(resultsui.Deps{Results: l.Service})...)
	return l, func(of map[string]string) {
		l.t.Helper()
		l.ok(l.db.Do(t.Context(), func(ctx context.Context, tx *store.Tx) error {
			leaf, err := bus.Publish(ctx, tx, ledger.Event{Kind: "config.applied", At: l.now().UnixMicro(), IDs: ledger.Pairs{{K: "by", V: "ann"}}})
			if err != nil {
				return err
			}
			return l.PlaceSources(ctx, tx, leaf, of)
		}))
		l.ok(l.LoadSites(t.Context()))
		s := l.set()
		s.Sites = map[string]string{"main": "Main laboratory", "hill": "Hill Street"}
		s.Routes = append(s.Routes, results.Route{Name: "north", From: "other", To: []string{"northgate"}, Stage: results.Carry})
		for name, src := range s.Sources {
			src.Site, src.CriticalAfter = of[name], time.Nanosecond
			s.Sources[name] = src
		}
		l.Apply(s)
	}
}

func (l *lab) counted() {
	l.t.Helper()
	l.until("all is counted", func() bool {
		f, err := l.Flows(l.t.Context(), time.UTC)
		l.ok(err)
		return f.Known() && f.Arrivals
	})
}

// Somebody narrowed to a site sees its things and never those of another, on
// every route that lists, counts or names one; another's answers byte for byte as
// what does not exist.
func TestASiteSeesItsOwnAlone(t *testing.T) {
	l, place := sited(t)
	place(map[string]string{"lis": "main", "other": "hill"})
	urgent := func(control, order string) []byte {
		return []byte(strings.Replace(string(oru(control, "4711", order)), "|N|||F", "|HH|||F", 1))
	}
	mine := l.take(urgent("C1", "100"))
	theirs := l.takeFrom("other", urgent("C2", "200"))
	l.take([]byte(noControl))
	myApart := l.apart()
	l.takeFrom("other", []byte(noControlHill))
	theirApart := l.apart()
	_, err := l.IndexNow(t.Context())
	l.ok(err)
	l.pass(20 * time.Minute)
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); _ = l.RunClinical(ctx) }()
	l.until("phone tasks", func() bool {
		c, err := l.Calls(t.Context(), true, 10)
		l.ok(err)
		return len(c) >= 3
	})
	stop()
	<-done
	l.counted()
	calls, err := l.Calls(t.Context(), true, 10)
	l.ok(err)
	var theirCall event.ID
	for _, c := range calls {
		if c.Site == "hill" {
			theirCall = c.ID
		}
	}

	for _, p := range []string{"/results", "/results?format=csv", "/quarantine", "/quarantine?format=csv", "/calls", "/calls?show=all", "/partners", "/partners/northgate", "/partners?format=csv", "/", "/api/v1/today", "/api/v1/calls", "/api/v1/quarantine", "/api/v1/partners", "/api/v1/stops"} {
		all := l.get(tech, p).want(t, 200)
		a := l.get(tech+atMain, p).want(t, 200)
		a.not(t, theirs.String(), theirApart.String(), theirCall.String(), "from other", "Hill Street", `"hill"`)
		if p == "/results" || p == "/quarantine" {
			all.want(t, 200, "other")
		}
	}
	l.get(tech+atMain, "/results").want(t, 200, mine.String()).not(t, "Main laboratory", "Every site")
	l.get(tech+atMain, "/quarantine").want(t, 200, "1 message waits for a person.", "/quarantine/"+myApart.String())
	l.get(tech+atMain, "/").want(t, 200, "1 message from lis was not taken")
	to := l.do(tech+atMain, "POST", "/results/search", url.Values{"patient": {"4711"}}).want(t, 303).Header().Get("Location")
	l.get(tech+atMain, to).want(t, 200, "1 result was found.", mine.String()).not(t, theirs.String())
	l.send(tech+atMain, "POST", "/api/v1/results/search", strings.NewReader(`{"patient":"4711"}`), "application/json").want(t, 200, mine.String(), `"site":"main"`).not(t, theirs.String())
	l.get(tech+atHill, "/results").want(t, 200, theirs.String()).not(t, mine.String())
	l.get(tech+"@northgate"+"/hill", "/results").want(t, 200, theirs.String()).not(t, mine.String())

	// What is theirs is nobody's for whoever is elsewhere.
	unknown := event.NewID()
	n := 0
	way := map[event.ID]int64{theirs: l.to(theirs, "northgate").Seq, unknown: 7}
	things := map[string]event.ID{"/results/{id}": theirs, "/quarantine/{id}": theirApart, "/calls/{id}": theirCall}
	for _, rt := range resultsui.Routes(resultsui.Deps{Results: l.Service}) {
		method, pattern, _ := strings.Cut(rt.Pattern, " ")
		for begins, thing := range things {
			if !strings.HasPrefix(strings.TrimPrefix(pattern, "/api/v1"), begins) {
				continue
			}
			var texts []string
			for _, id := range []event.ID{thing, unknown} {
				p := strings.NewReplacer("{id}", id.String(), "{number}", fmt.Sprint(way[id]), "{hold}", event.ID{9}.String()).Replace(pattern)
				var a answer
				switch {
				case strings.HasPrefix(p, "/api/") && method == "POST":
					a = l.send("laboratory-director"+atMain, method, p, strings.NewReader(`{"reason":"x"}`), "application/json", "X-Hold", "1")
				case method == "POST":
					a = l.do("laboratory-director"+atMain, method, p, reason, "X-Hold", "1")
				default:
					a = l.do("laboratory-director"+atMain, method, p, nil, "X-Hold", "1")
				}
				if a.Code == 200 || a.Code >= 500 {
					t.Errorf("%s %s: status %d", method, p, a.Code)
				}
				texts = append(texts, fmt.Sprint(a.Code, strings.ReplaceAll(strings.ReplaceAll(a.Header().Get("Location")+a.text, id.String(), "ID"), fmt.Sprint("/", way[id], "/"), "/N/")))
			}
			if texts[0] != texts[1] {
				t.Errorf("%s tells another site's from an unknown one:\n%s\n%s", rt.Pattern, main(texts[0]), main(texts[1]))
			}
			n++
		}
	}
	if n < 40 {
		t.Errorf("only %d were tried", n)
	}

	// A partner is of the sites that send there; what changes something for all of
	// them is for who has them all.
	l.get(tech+atHill, "/partners/riverside").want(t, 404)
	if a, b := l.get(tech+atHill, "/partners/riverside"), l.get(tech+atHill, "/partners/nobody"); strings.ReplaceAll(a.text, "riverside", "nobody") != b.text {
		t.Error("a partner of another site is told from an unknown one")
	}
	l.get(tech+atHill, "/partners/northgate").want(t, 200, "Northgate").not(t, mine.String(), "Send a test", "from lis")
	l.get(tech+atHill, "/partners/northgate/test").want(t, 403)
	l.get(tech+"@/hill,main", "/partners/northgate/test").want(t, 200)
	l.get(tech+atMain, "/partners/riverside/test").want(t, 200)
	stopped := l.do("administrator", "POST", "/stops/transport", url.Values{"scope": {"partner"}, "target": {"northgate"}, "hours": {"2"}, "basis": {"171.203"}, "reason": {"line"}}).want(t, 303).Header().Get("Location")
	l.get("administrator", stopped).want(t, 200, "It keeps 2 results back", "Lift the stop")
	l.get("administrator"+atHill, stopped).want(t, 200, "It concerns other sites too").not(t, "It keeps", "Lift the stop")
	l.do("administrator"+atHill, "POST", strings.Replace(stopped, "/stops/", "/stops/transport/", 1)+"/lift", reason).want(t, 403)
	l.do("administrator"+atHill, "POST", "/stops/transport", url.Values{"scope": {"partner"}, "target": {"northgate"}, "hours": {"2"}, "basis": {"171.203"}, "reason": {"line"}}).want(t, 403)

	// A replay of many takes what is at one's own site.
	run := l.do(tech+atMain, "POST", "/quarantine/replay", url.Values{"cause": {results.CauseNoControlID}, "reason": {"x"}, "confirm": {"yes"}})
	if run.Code < 400 {
		t.Errorf("a replay that mends nothing: %d", run.Code)
	}
}

// What one may narrow to a site says so in words and in the address; where there
// are no sites, or one, there is no word of them.
func TestSitesAreSaidWhereThereAreSeveral(t *testing.T) {
	l, place := sited(t)
	before := l.take(oru("C0", "4710", "90"))
	l.counted()
	for _, p := range []string{"/", "/results", path(before), "/results?format=csv"} {
		l.get(tech, p).want(t, 200).not(t, "Site", "site")
	}
	place(map[string]string{"lis": "main", "other": "hill"})
	mine, theirs := l.take(oru("C1", "4711", "100")), l.takeFrom("other", oru("C2", "4712", "200"))
	l.deliver()
	l.counted()
	for _, role := range []string{tech, tech + "@/main,hill"} {
		l.get(role, "/results").want(t, 200, "Main laboratory", "Hill Street", "Every site", mine.String(), theirs.String())
		l.get(role, "/results?site=hill").want(t, 200, theirs.String(), "1 result is like this.").not(t, mine.String())
		l.get(role, "/results?format=csv&site=main").want(t, 200, mine.String(), ",main").not(t, theirs.String())
		l.get(role, "/results?site=nowhere").want(t, 422, "Choose one of the sites.")
		l.get(role, path(theirs)).want(t, 200, "Hill Street")
		l.get(role, "/").want(t, 200, "By site, last 24 hours", "/?site=main", "Hill Street", "Every site")
		l.get(role, "/?site=hill").want(t, 200, ", Hill Street", "Northgate Clinic").not(t, "Riverside", "By site")
		l.get(role, "/?site=nowhere").want(t, 404)
		l.get(role, "/api/v1/today?site=hill").want(t, 200, "northgate").not(t, "riverside")
	}
	l.get(tech, "/results").want(t, 200, "no site", before.String())
	l.get(tech+"@/main,hill", "/results").want(t, 200).not(t, before.String())
	for _, p := range []string{"/", "/results"} {
		l.get(tech+atMain, p).want(t, 200).not(t, "Site", "Hill Street", "Main laboratory")
	}
	// Moved, it changes nothing about what came before.
	place(map[string]string{"lis": "hill", "other": "hill"})
	after := l.take(oru("C3", "4711", "101"))
	l.get(tech+atMain, "/results").want(t, 200, mine.String()).not(t, after.String())
	l.get(tech+atHill, "/results").want(t, 200, after.String(), theirs.String()).not(t, mine.String())
}
