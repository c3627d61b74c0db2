package crash

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

const bypassSeed = 20261122

func (l *lab) bypassKey() string { return filepath.Join(l.dir, "keys", "bypass.key") }

// openBypass opens the bypass and waits until its door is open.
func (l *lab) openBypass() *proc {
	l.t.Helper()
	p := start(l.t, l.dir, "bypass", "bypass", "open", "--config", l.config(), "--by", "R. Alvarez", "--reason", "the hub is dead")
	if _, err := p.says("listening lis", 30*time.Second); err != nil {
		l.t.Fatal(err)
	}
	return p
}

// runs runs the binary to its end and returns its exit status and all it said.
func (l *lab) runs(args ...string) (ok bool, said string) {
	l.t.Helper()
	name := "run-" + args[0]
	_ = os.Remove(filepath.Join(l.dir, name+".log"))
	p := start(l.t, l.dir, name, append(args, "--config", l.config())...)
	if err := p.wait(60 * time.Second); err != nil {
		l.t.Fatalf("%v does not end: %s", args, p.tail())
	}
	var b strings.Builder
	for {
		select {
		case line := <-p.lines:
			b.WriteString(line + "\n")
			continue
		default:
		}
		return p.err == nil, b.String() + p.tail()
	}
}

// acknowledgedAfter waits for the LIS's first positive answer after t, by its
// own list.
func (l *lab) acknowledgedAfter(t time.Time) time.Time {
	l.t.Helper()
	var at time.Time
	until(l.t, time.Minute, "an acknowledgement through the bypass", func() bool {
		lines, err := demo.ReadLIS(l.list("lis"))
		if err != nil {
			l.t.Fatal(err)
		}
		for _, x := range lines {
			if x.Event == demo.Replied && x.Code == "AA" && x.At.After(t) {
				at = x.At
				return true
			}
		}
		return false
	})
	return at
}

// The hub is killed under load while one clinic is away; database and root key
// are taken away with it. Somebody opens the bypass: results flow again, byte
// for byte. The bypass is killed too, and opened again. Then the hub comes back
// and reads the log: every message the LIS was told is taken is there once, and
// nothing is sent again that a partner has, but for what a kill cut the note off.
func TestBypassCarriesResultsRoundADeadHub(t *testing.T) {
	l := newLab(t, layout{})
	l.beginClinics()
	l.begin()
	const n = 1200
	lis := l.beginLIS(n, bypassSeed, "--pace", "60ms")
	until(t, time.Minute, "load", func() bool { return l.arrived() > 100 })
	away := demo.Practices()[0].Partner
	l.clinic[away].kill()
	until(t, time.Minute, "results wait for the clinic that is away", func() bool {
		ok, said := l.runs("results", "list", "--partner", away, "--state", "waiting")
		return ok && strings.Count(said, "\n") > 4
	})

	l.hub.kill()
	killed := time.Now()
	waiting := l.count("SELECT count(*) FROM results_deliveries WHERE state = 0")
	aside := t.TempDir()
	moved := map[string]string{}
	for _, path := range []string{l.database(), l.database() + "-wal", l.database() + "-shm", l.key()} {
		to := filepath.Join(aside, filepath.Base(path))
		if err := os.Rename(path, to); err == nil {
			moved[to] = path
		} else if !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
	}
	if len(moved) < 2 {
		t.Fatalf("moved away: %v", moved)
	}
	l.beginClinic(away, "")
	way := l.openBypass()
	opened := time.Now()
	first := l.acknowledgedAfter(killed)
	t.Logf("from kill -9 of the hub: bypass open after %v (a clinic was started in between), first message acknowledged through it after %v",
		opened.Sub(killed).Round(time.Millisecond), first.Sub(killed).Round(time.Millisecond))
	if first.Sub(killed) > time.Minute {
		t.Errorf("the first acknowledgement took %v", first.Sub(killed))
	}

	if ok, said := l.runs("bypass", "open", "--by", "M. Okafor", "--reason", "I did not know"); ok || !strings.Contains(said, "a bypass opened by R. Alvarez") {
		t.Errorf("a second opening: %v\n%s", ok, said)
	}
	for to, path := range moved { // the hub could start now, but for the bypass
		if err := os.Rename(to, path); err != nil {
			t.Fatal(err)
		}
	}
	if ok, said := l.runs("serve"); ok || !strings.Contains(said, "labwarden bypass close") {
		t.Errorf("the hub beside an open bypass: %v\n%s", ok, said)
	}
	if ok, said := l.runs("bypass", "status"); !ok || !strings.Contains(said, "R. Alvarez") {
		t.Errorf("status: %v\n%s", ok, said)
	}

	underBypass := l.arrived()
	until(t, time.Minute, "more results through the bypass", func() bool { return l.arrived() > underBypass+100 })
	way.kill()
	dead := time.Now()
	l.wrongBypassKey()
	way = l.openBypass()
	again := l.acknowledgedAfter(dead)
	t.Logf("from kill -9 of the bypass to the next acknowledgement: %v", again.Sub(dead).Round(time.Millisecond))

	select {
	case <-lis.ended:
		t.Fatal("the load ended too early: nothing was proved")
	default:
	}
	if ok, said := l.runs("bypass", "close", "--by", "M. Okafor", "--reason", "the hub can start"); !ok {
		t.Fatal(said)
	}
	if err := way.wait(30 * time.Second); err != nil || way.err != nil {
		t.Fatalf("closed: %v %v\n%s", err, way.err, way.tail())
	}
	l.begin()
	l.afterBypass(lis, n, waiting)
}

// wrongBypassKey shows that another laboratory's key opens nothing.
func (l *lab) wrongBypassKey() {
	l.t.Helper()
	right := l.bypassKey() + ".right"
	if err := os.Rename(l.bypassKey(), right); err != nil {
		l.t.Fatal(err)
	}
	if err := vault.CreateKeyFile(l.bypassKey(), rand.Reader); err != nil {
		l.t.Fatal(err)
	}
	if ok, said := l.runs("bypass", "open", "--by", "R. Alvarez", "--reason", "again"); ok || !strings.Contains(said, "does not open it") {
		l.t.Errorf("with another key: %v\n%s", ok, said)
	}
	if err := os.Rename(right, l.bypassKey()); err != nil {
		l.t.Fatal(err)
	}
}

// afterBypass judges: by the lists of the LIS and the clinics, and by the ledger.
func (l *lab) afterBypass(lis *proc, n int, waiting int64) {
	t := l.t
	t.Helper()
	if logs, err := filepath.Glob(filepath.Join(l.data, "bypass", "*.log")); err != nil || len(logs) != 0 {
		t.Errorf("logs that were not read in: %v %v", logs, err)
	}
	if ok, said := l.runs("bypass", "reconcile"); !ok || !strings.Contains(said, "no bypass log") {
		t.Errorf("reconcile again: %v\n%s", ok, said)
	}
	if _, said := l.runs("status"); !strings.Contains(said, "were sent in bypass and are in the ledger") {
		t.Errorf("status says:\n%s", said)
	}
	if ok, said := l.runs("results", "list", "--limit", "500"); !ok || !strings.Contains(said, " bypass") {
		t.Errorf("results list: %v\n%s", ok, said)
	}
	if _, err := lis.says("done", 2*time.Minute); err != nil {
		t.Fatalf("the LIS: %v", err)
	}
	db := l.open()
	var held []int64
	err := db.Query(t.Context(), "SELECT seq FROM results_deliveries WHERE state = 1 ORDER BY seq", nil, func(row store.Scanner) error {
		var seq int64
		err := row.Scan(&seq)
		held = append(held, seq)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	_ = db.Close()
	for _, seq := range held { // a person looked: the older one may go too
		if ok, said := l.runs("results", "release", fmt.Sprint(seq), "--reason", "looked at"); !ok {
			t.Fatal(said)
		}
	}
	l.drain(n, 2*time.Minute)
	bypassed := l.count("SELECT count(*) FROM results_messages WHERE flags >= 16")
	tally := demo.Count(l.books(demo.ExpectationsOf(demo.Synthetic(n, bypassSeed))))
	t.Logf("%s; %d went in bypass, %d waited in the hub when it died, %d of them were held as overtaken", oneLine(tally), bypassed, waiting, len(held))
	if tally.Lost != 0 || tally.Unanswered != 0 || tally.WrongPartner != 0 || tally.Received != n || tally.Delivered != n || tally.Acknowledged != n {
		t.Errorf("by the lists: %s", brief(tally))
	}
	if int64(tally.OutOfOrder) > waiting {
		t.Errorf("%d out of order, though only %d waited in the hub when it died", tally.OutOfOrder, waiting)
	}
	if bypassed < 100 || waiting == 0 {
		t.Errorf("%d went in bypass, %d waited: too few to prove anything", bypassed, waiting)
	}
	l.audit(n)
	if ok, said := l.runs("verify", "--ledger"); !ok {
		t.Errorf("the audit of the ledger:\n%s", said)
	}
}
