package results

import (
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestWorkOnADamagedRowDoesNotHideIt: what people and timers do to a row later
// does not make it fit again, and its removal by the hub leaves it found.
func TestWorkOnADamagedRowDoesNotHideIt(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		ctx := t.Context()
		names := func(table string) bool {
			a, err := l.Audit(ctx, nil)
			must(t, err)
			for _, f := range a.Findings {
				if f.Table == table {
					return true
				}
			}
			return false
		}
		m := l.taken(critical("C1", "4711", "100"))
		stop := l.place(Stop{Kind: ClinicalStop, Scope: ScopeMessage, Target: m.ID.String(), Text: "in doubt"}, ann)
		l.fits()

		l.exec("UPDATE results_stops SET owner = 'somebody else'")
		if !names("results_stops") {
			t.Fatal("not found")
		}
		must(t, l.ExtendStop(ctx, stop, ann, time.Hour))
		if !names("results_stops") {
			t.Error("extending the stop has hidden what was done to it")
		}

		l.exec("UPDATE results_call_timers SET started_at = started_at + 1000000000000 WHERE partner = 'north'")
		if !names("results_call_timers") {
			t.Fatal("not found")
		}
		l.exec("UPDATE results_call_timers SET started_at = 0")
		if got := l.calls(); len(got) == 0 {
			t.Fatal("no phone task")
		}
		if !names("results_call_timers") {
			t.Error("the timer is gone and what was done to it with it")
		}
	})
}

// TestNoTagForAnOrdinaryResult: a result that is neither critical nor a
// correction and goes out at the first try costs no tag.
func TestNoTagForAnOrdinaryResult(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		var before, after int64
		count := "SELECT count(*) FROM row_tags"
		must(t, l.db.QueryRow(t.Context(), count).Scan(&before))
		m := l.taken(oru("A1", "4711", "100"))
		l.run()
		pass(time.Minute)
		if got := strings.Join(l.north(), " "); got != "A1" {
			t.Fatalf("%s of %s", got, m.ID)
		}
		must(t, l.db.QueryRow(t.Context(), count).Scan(&after))
		if before != after {
			t.Errorf("%d tags before, %d after", before, after)
		}
	})
}
