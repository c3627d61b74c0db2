package portal

import (
	"testing"
	"time"
)

// TestTheLastOfThirtyDaysIsInTime: what is done at any hour of the thirtieth day after
// the request came is in time, over a change of the clocks as well.
func TestTheLastOfThirtyDaysIsInTime(t *testing.T) {
	zone, err := time.LoadLocation("America/New_York")
	if err != nil {
		t.Fatal(err)
	}
	s := New(Deps{Zone: zone})
	asked := time.Date(2026, 10, 15, 16, 30, 0, 0, zone) // clocks change on 1 November
	due := s.CopyDue(asked.UTC())
	if want := time.Date(2026, 11, 15, 0, 0, 0, 0, zone); !due.Equal(want) {
		t.Fatal(due, want)
	}
	c := Copy{Asked: asked, Due: due}
	for at, day := range map[time.Time]int{asked.Add(time.Hour): 0, time.Date(2026, 10, 16, 0, 1, 0, 0, zone): 1, due.Add(-time.Second): 30} {
		if got := c.Day(at, zone); got != day {
			t.Errorf("%v is day %d, not %d", at, got, day)
		}
	}
	if c.Days() != 30 {
		t.Fatal(c.Days())
	}
	if c.Extended = asked; c.Days() != 60 {
		t.Fatal(c.Days())
	}
}
