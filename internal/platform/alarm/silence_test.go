package alarm_test

import (
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestAWindowKeepsPeopleFromBeingCalled: the alarm stands all the same, what is
// not of the window is told, and what still stands at its end is told then.
func TestAWindowKeepsPeopleFromBeingCalled(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		until := start.Add(2 * time.Hour)
		r.desk.SetSilence(func(k alarm.Key, now time.Time) (time.Time, bool) {
			return until, k.About == "riverside" && now.Before(until)
		})
		r.desk.Raise(t.Context(), silent)
		r.after(time.Minute)
		r.want("", "")
		if live := r.desk.Live(); len(live) != 1 {
			t.Fatalf("the alarm is not shown: %v", live)
		}
		other := silent
		other.About = "northgate"
		r.desk.Raise(t.Context(), other)
		r.after(time.Minute)
		r.want("raised", "")
		_, err := r.desk.Accept(t.Context(), 2, "Okafor", "known")
		check(t, err)
		r.after(100 * time.Minute)
		r.want("raised", "")
		r.after(30 * time.Minute) // the window is over
		r.want("raised raised", "")
	})
}

// TestAWindowThatEndsBeforeItsTime: who is to be told is told at once.
func TestAWindowThatEndsBeforeItsTime(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		open2, until := true, start.Add(2*time.Hour)
		r.desk.SetSilence(func(alarm.Key, time.Time) (time.Time, bool) { return until, open2 })
		r.desk.Raise(t.Context(), silent)
		r.after(time.Minute)
		r.want("", "")
		r.desk.Unsilenced() // still open: nothing changes
		r.after(time.Minute)
		r.want("", "")
		open2 = false
		r.desk.Unsilenced()
		r.after(time.Second)
		r.want("raised", "")
	})
}
