package crash

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// killSeed makes the moments of the kills; the messages have their own.
const killSeed = 20261101

// The hub is killed at random moments, also while it starts, under load from 16
// connections; now and then a clinic is killed with it. At the end every message
// was acknowledged, and each is there once, delivered at least once, marked
// once, in the order of its lanes, with a ledger that fits together.
//
// What this does not prove: the machine's own power. A killed process leaves its
// writes with the kernel; that they are flushed before the answer is the store's
// affair (synchronous=FULL, synchronous_commit), see TestTornJournal.
func TestBarKill9(t *testing.T) {
	whole := size(t)
	kills := 10
	if whole {
		kills = 200
	}
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			o := layout{}
			if engine == "postgres" {
				o.dsn = storetest.PostgresDSN(t)
			}
			killing(t, o, engine, kills, whole)
		})
	}
}

func killing(t *testing.T, o layout, engine string, kills int, whole bool) {
	r := rand.New(rand.NewPCG(killSeed, uint64(kills)))
	n := 400 * kills
	t.Logf("seed %d, %d kills, %d messages", killSeed, kills, n)
	l := newLab(t, o)
	l.beginClinics()
	l.begin()
	lis := l.beginLIS(n, killSeed, "--pace", "20ms")
	var ready []time.Duration
	inStart, clinics := 0, 0
	for range kills {
		pause(time.Duration(20+r.IntN(380)) * time.Millisecond)
		l.hub.kill()
		if r.IntN(5) == 0 {
			name := demo.Practices()[r.IntN(3)].Partner
			l.clinic[name].kill()
			l.beginClinic(name, "")
			clinics++
		}
		if r.IntN(8) == 0 {
			l.launch()
			pause(time.Duration(r.IntN(80)) * time.Millisecond)
			l.hub.kill()
			inStart++
		}
		at := time.Now()
		l.begin()
		ready = append(ready, time.Since(at))
	}
	select {
	case <-lis.ended:
		t.Fatal("the load ended before the last kill: nothing was proved")
	default:
	}
	underLoad := l.arrived()
	at := time.Now()
	tally := l.finish(lis, n, killSeed, 5*time.Minute)
	slices.Sort(ready)
	attempts := 0
	for _, x := range l.books(nil).LIS {
		if x.Event == demo.Presented {
			attempts++
		}
	}
	t.Logf("%s: %s; ready again after %v (median), %v (worst); %d clinics killed, %d kills while starting; %d presentations, %d repeated; %d delivered under fire, the rest drained in %v",
		engine, oneLine(tally), ready[len(ready)/2], ready[len(ready)-1], clinics, inStart, attempts, attempts-n, underLoad, time.Since(at).Round(time.Second))
	report(t, whole, fmt.Sprintf("kill -9, %s", engine), fmt.Sprintf(
		"seed %d, %d kills under load from 16 connections (and %d while starting, %d of clinics): %s. %d presentations of %d messages. Ready again after %v (median), %v (worst).",
		killSeed, kills, inStart, clinics, oneLine(tally), attempts, n, ready[len(ready)/2].Round(time.Millisecond), ready[len(ready)-1].Round(time.Millisecond)))
}

func oneLine(t demo.Tally) string {
	return fmt.Sprintf("%d received, %d delivered, %d acknowledged, %d lost, %d doubled, %d out of order", t.Received, t.Delivered, t.Acknowledged, t.Lost, t.Doubled, t.OutOfOrder)
}
