package results

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// A node on which retention does not run must not remember control ids for ever.
func TestOldControlIdsAreForgottenOnEveryNode(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		other := l.node()
		for i := range 5 {
			l.taken(oru(countOf("C%d", i), "4711", "100"))
		}
		other.taken(oru("X", "4711", "100")) // it learns of the others on the way
		if n := len(other.recent.holder); n != 6 {
			t.Fatalf("%d control ids in memory", n)
		}
		must(t, other.Trim(t.Context()))
		if n := len(other.recent.holder); n != 6 {
			t.Errorf("%d of 6 control ids left at once", n)
		}
		l.clock.add(window + 2*time.Hour)
		other.taken(oru("NEW", "4711", "100"))
		must(t, other.Trim(t.Context()))
		if n := len(other.recent.holder); n != 1 {
			t.Errorf("%d control ids in memory, 1 still counts", n)
		}
	})
}

// Two nodes take results of the same patients in turn, one of them delivers:
// everything arrives, in the order of its lane, whether the word of what the
// other took comes through or is lost.
func TestOrderOverTwoNodes(t *testing.T) {
	for name, word := range map[string]bool{"told": true, "by looking": false} {
		t.Run(name, func(t *testing.T) {
			storetest.Each(t, func(t *testing.T, open storetest.Opener) {
				l := newLab(t, open)
				other := l.node()
				if word {
					other.SetElsewhere(l.Told)
					l.SetHearing(true)
				}
				l.run()
				const patients, each = 12, 40
				var wg sync.WaitGroup
				for p := range patients {
					wg.Go(func() {
						for i := range each {
							by := l
							if (i+p)%3 == 0 {
								by = other
							}
							by.taken(oru(countOf("P%02d", p)+countOf("-%03d", i), countOf("%d", p), countOf("O%d", p)))
						}
					})
				}
				wg.Wait()
				l.until("everything arrives", func() bool { return len(l.boxes["north"].list()) >= patients*each })
				got := l.boxes["north"].list()
				if len(got) != patients*each {
					t.Fatalf("%d arrived, want %d", len(got), patients*each)
				}
				for p := range patients {
					var mine []string
					for _, id := range got {
						if id[:3] == countOf("P%02d", p) {
							mine = append(mine, id)
						}
					}
					if len(mine) != each || !slices.IsSorted(mine) {
						t.Errorf("patient %d: %v", p, mine)
					}
				}
			})
		})
	}
}
