package crash

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
)

const faultSeed = 20261102

// A partner that misbehaves for a while: nothing is lost, everything arrives,
// the order of its lanes is kept, and what it saw twice came because it never
// answered the first.
func TestPartnerFaultsThatPass(t *testing.T) {
	for _, c := range []struct {
		fault   string
		repeats bool // the hub cannot know that the partner has it
	}{
		{"hang:5:3:300ms", true},
		{"hang:5:2", true},
		{"close:5:5", true},
		{"garbage:5:5", true},
		// An answer that names a message never sent breaks the exchange: the hub
		// lets go of the connection rather than guess what comes next.
		{"stale:5:5", true},
		{"AR:5:5", true},
		{"double", false},
		{"delay:5:20:30ms", false},
	} {
		t.Run(strings.ReplaceAll(c.fault, ":", "_"), func(t *testing.T) {
			t.Parallel()
			l := newLab(t, layout{patience: "1s"})
			l.beginClinics()
			l.clinic[demo.Riverside].kill()
			l.beginClinic(demo.Riverside, c.fault)
			l.begin()
			const n = 120
			tally := l.finish(l.beginLIS(n, faultSeed), n, faultSeed, time.Minute)
			doubled := 0
			for _, b := range l.books(nil).Clinics {
				for _, x := range b.Lines {
					if x.Duplicate {
						doubled++
					}
				}
			}
			if (doubled > 0) != c.repeats {
				t.Errorf("%d arrivals were repeats; repeats expected: %v. %s", doubled, c.repeats, oneLine(tally))
			}
		})
	}
}

// A partner that refuses some results for good (AE): those wait for a person,
// with what must not overtake them; all others of the same partner arrive, and
// nothing is lost.
func TestStuckPatientHoldsUpNobodyElse(t *testing.T) {
	l := newLab(t, layout{})
	l.beginClinics()
	l.clinic[demo.Riverside].kill()
	l.beginClinic(demo.Riverside, "AE:3:3")
	l.begin()
	const n = 240
	lis := l.beginLIS(n, faultSeed)
	if _, err := lis.says("done", time.Minute); err != nil {
		t.Fatal(err)
	}
	expect := demo.ExpectationsOf(demo.Synthetic(n, faultSeed))
	// What may be missing follows from the lists: what the clinic refused, and
	// what shares a patient or order with something missing before it.
	missing := func() (missing, refused, wrong int) {
		b := l.books(expect)
		i := slices.IndexFunc(b.Clinics, func(c demo.ClinicList) bool { return c.Partner == demo.Riverside })
		got, said := map[string]bool{}, map[string]bool{}
		for _, x := range b.Clinics[i].Lines {
			got[x.SHA256] = got[x.SHA256] || x.Code == "AA"
			said[x.SHA256] = said[x.SHA256] || x.Code == "AE"
		}
		due := map[string]bool{}
		for _, e := range expect {
			due[e.SHA256] = slices.Contains(e.Partners, demo.Riverside)
		}
		first := b.LIS[:0:0]
		for _, x := range b.LIS {
			if x.Event == demo.Presented && x.Attempt == 1 && due[x.SHA256] {
				first = append(first, x)
			}
		}
		slices.SortStableFunc(first, func(a, b demo.LISLine) int { return a.Seq - b.Seq })
		blocked := map[string]bool{}
		for _, x := range first {
			behind := slices.ContainsFunc(x.Keys, func(k string) bool { return blocked[k] })
			if said[x.SHA256] || behind {
				for _, k := range x.Keys {
					blocked[k] = true
				}
				missing++
				if said[x.SHA256] {
					refused++
				}
				if got[x.SHA256] {
					wrong++ // it overtook what waits for a person
				}
			} else if !got[x.SHA256] {
				wrong++
			}
		}
		return missing, refused, wrong
	}
	if !within(time.Minute, func() bool { _, _, wrong := missing(); return wrong == 0 && l.arrived() > n/2 }) {
		m, r, w := missing()
		t.Errorf("%d refused, %d missing by right, %d wrong", r, m, w)
	}
	pause(500 * time.Millisecond)
	l.hub.stop(t)
	m, refused, wrong := missing()
	open := l.count("SELECT count(*) FROM results_deliveries WHERE state < 3")
	stopped := l.count("SELECT count(*) FROM results_deliveries WHERE state = 2")
	if refused != 3 || wrong != 0 || int(open) != m || int(stopped) != refused {
		t.Errorf("%d refused, %d missing by right, %d wrong; the hub keeps %d, %d of them for a person", refused, m, wrong, open, stopped)
	}
	tally := demo.Count(l.books(expect))
	if tally.Delivered+m != n || tally.OutOfOrder != 0 || tally.Lost != m {
		t.Errorf("%d missing by right, but %s", m, brief(tally))
	}
}

// A dead partner (nobody listens, or it takes and never answers) does not slow
// another: the other's time for the same load is compared, in turns, with and
// without the dead ones beside it.
func TestBarDeadPartnerSlowsNobody(t *testing.T) {
	whole := size(t)
	n, turns := 600, 2
	if whole {
		n, turns = 3000, 4
	}
	rate := func(seed uint64, fault string) float64 {
		l := newLab(t, layout{patience: "30s"})
		for _, p := range demo.Practices() {
			if p.Partner == demo.Riverside || fault == "" {
				l.beginClinic(p.Partner, "")
			} else if fault != "gone" {
				l.beginClinic(p.Partner, fault)
			}
		}
		l.begin()
		due := 0
		for _, e := range demo.ExpectationsOf(demo.Synthetic(n, seed)) {
			if slices.Contains(e.Partners, demo.Riverside) {
				due++
			}
		}
		at := time.Now()
		lis := l.beginLIS(n, seed)
		until(t, 2*time.Minute, "riverside has everything", func() bool { return l.tails[demo.Riverside].look(t) == due })
		took := time.Since(at)
		lis.kill()
		l.hub.kill()
		return float64(due) / took.Seconds()
	}
	var alive, gone, hang float64
	for i := range turns {
		s := uint64(faultSeed + 10*i)
		alive = max(alive, rate(s, ""))
		gone = max(gone, rate(s+1, "gone"))
		hang = max(hang, rate(s+2, "hang"))
	}
	text := fmt.Sprintf("one partner's rate: %.0f/s with the others alive, %.0f/s with them gone (%.2f), %.0f/s with them hanging (%.2f); best of %d turns, %d messages each", alive, gone, gone/alive, hang, hang/alive, turns, n)
	t.Log(text)
	if gone < 0.8*alive || hang < 0.8*alive {
		t.Errorf("a dead partner slows another: %s", text)
	}
	report(t, whole, "Dead partners", text+".")
}
