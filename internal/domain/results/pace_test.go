package results

import (
	"testing"
	"time"
)

func TestPaceHoldsOnlyWhatOutrunsAPartner(t *testing.T) {
	var p pace
	now := time.Date(2026, 3, 4, 8, 0, 0, 0, time.UTC)
	for range 5000 {
		if w := p.next(now); w != 0 {
			t.Fatalf("waits %v though nothing is behind", w)
		}
	}
	p.behind.Store(true)
	taken := func(d time.Duration) (n int) {
		for end := now.Add(d); now.Before(end); n++ {
			now = now.Add(p.next(now))
		}
		return n
	}
	if n := taken(time.Second); n < freely-10 || n > freely+10 {
		t.Errorf("%d in a second for a partner that takes none; want %d", n, freely)
	}
	for range 6000 { // two seconds of a partner that takes 3000
		now = now.Add(time.Second / 3000)
		p.delivered(now)
	}
	if n := taken(time.Second); n < 2900 || n > 3100 {
		t.Errorf("%d in a second for a partner that takes 3000", n)
	}
	now = now.Add(-time.Hour)
	if w := p.next(now); w > paceMost {
		t.Errorf("waits %v after the clock was set back", w)
	}
	now = now.Add(2 * time.Hour)
	p.delivered(now)
	if n := taken(time.Second); n < freely-10 || n > freely+10 {
		t.Errorf("%d in a second after a rest", n)
	}
}
