package crash

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// folder is the content of every file below dir.
func folder(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "lock" { // the lock names the process
			return err
		}
		f, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		fmt.Fprintf(&b, "%s %d %x\n", d.Name(), len(f), sha256.Sum256(f))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// With another key file the hub refuses to start, before it writes anything;
// with the right one it starts again.
func TestWrongKeyIsRefusedBeforeAnyWrite(t *testing.T) {
	for _, engine := range []string{"sqlite", "postgres"} {
		t.Run(engine, func(t *testing.T) {
			o := layout{}
			state := func(l *lab) string { return folder(t, l.data) }
			if engine == "postgres" {
				s := newServer(t)
				o.dsn = s.dsn()
				state = func(*lab) string { return string(s.dump()) }
			}
			l := newLab(t, o)
			l.beginClinics()
			l.begin()
			const n = 50
			l.finish(l.beginLIS(n, faultSeed), n, faultSeed, time.Minute)
			right, err := os.ReadFile(l.key())
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Remove(l.key()); err != nil {
				t.Fatal(err)
			}
			if err := vault.CreateKeyFile(l.key(), rand.Reader); err != nil {
				t.Fatal(err)
			}
			before := state(l)
			l.launch()
			if err := l.hub.wait(20 * time.Second); err != nil {
				t.Fatal("it runs with a wrong key")
			}
			if l.hub.err == nil {
				t.Error("it ended without an error")
			}
			if after := state(l); after != before {
				t.Errorf("something was written:\n%s\nbefore:\n%s", brieflyText(after), brieflyText(before))
			}
			said := l.hub.tail()
			t.Logf("it said: %s", said[strings.LastIndex(strings.TrimSpace(said), "\n")+1:])
			if err := os.WriteFile(l.key(), right, 0o600); err != nil {
				t.Fatal(err)
			}
			l.begin()
			l.hub.stop(t)
		})
	}
}

func brieflyText(s string) string { return s[:min(len(s), 2000)] }

// The power goes: hub, clinics and LIS die at once. The hub comes up without a
// terminal, an environment or a person, and the results that waited flow.
func TestColdBoot(t *testing.T) {
	l := newLab(t, layout{})
	l.begin()
	const n = 300
	lis := l.beginLIS(n, faultSeed) // no clinic is there: everything waits
	if _, err := lis.says("done", time.Minute); err != nil {
		t.Fatal(err)
	}
	l.hub.kill()
	lis.kill()
	l.beginClinics()
	before := l.arrived()
	at := time.Now()
	l.begin()
	ready := time.Since(at)
	until(t, time.Minute, "a result arrives", func() bool { return l.arrived() > before })
	first := time.Since(at)
	l.drain(n, time.Minute)
	t.Logf("cold boot: ready after %v, first delivery seen after %v (looked every 50 ms)", ready.Round(time.Millisecond), first.Round(time.Millisecond))
	tally := demo.Count(l.books(demo.ExpectationsOf(demo.Synthetic(n, faultSeed))))
	if !tally.OK() || tally.Delivered != n {
		t.Errorf("%s", brief(tally))
	}
	l.audit(n)
}

// The journal of SQLite is torn: killed under load, the last bytes of the
// write-ahead log cut off at random places, as after a power cut on a disk that
// had not finished. What must hold: the database opens, the ledger fits
// together, no message is there by half (message, event and deliveries of one
// transaction are there together), and what remains is a beginning of what was:
// no gap. What this does not prove: that nothing acknowledged is lost. That
// rests on the flush before the answer, and a disk that lies about its flush
// loses what it lied about.
func TestTornJournal(t *testing.T) {
	l := newLab(t, layout{})
	l.beginClinics()
	l.begin()
	lis := l.beginLIS(2000, faultSeed, "--pace", "40ms")
	until(t, time.Minute, "load", func() bool { return l.arrived() > 100 })
	l.hub.kill()
	lis.kill()
	main, err := os.ReadFile(l.database())
	if err != nil {
		t.Fatal(err)
	}
	wal, err := os.ReadFile(l.database() + "-wal")
	if err != nil {
		t.Fatal(err)
	}
	if len(wal) > 2000*(4096+24) {
		// Then a checkpoint may have been under way. It flushes the journal first,
		// so tearing it afterwards would be no power cut.
		t.Fatalf("the journal is %d bytes: too long for this test", len(wal))
	}
	var last int64 = 1 << 62
	for i := range 24 {
		// Ever more is cut off: whole pages at first, then at odd places.
		keep := len(wal) - i*len(wal)/24 - (i*1237)%4096
		if keep < 0 {
			continue
		}
		torn := append(bytes.Clone(wal[:keep]), make([]byte, (i%3)*700)...) // sometimes zeros where data should be
		m, leaves := l.reopen(main, torn)
		if leaves > last {
			t.Errorf("with %d bytes kept of %d there are more leaves (%d) than with more bytes kept (%d)", keep, len(wal), leaves, last)
		}
		last = leaves
		if i == 0 || i == 23 {
			t.Logf("%d of %d journal bytes kept: %d messages, %d leaves", keep, len(wal), m, leaves)
		}
	}
}

// reopen opens a copy of the database with that journal and checks it.
func (l *lab) reopen(db, wal []byte) (messages, leaves int64) {
	l.t.Helper()
	c := *l
	c.data = l.t.TempDir()
	if err := os.WriteFile(c.database(), db, 0o600); err != nil {
		l.t.Fatal(err)
	}
	if err := os.WriteFile(c.database()+"-wal", wal, 0o600); err != nil {
		l.t.Fatal(err)
	}
	s := c.open()
	defer s.Close()
	var ok string
	if err := s.QueryRow(l.t.Context(), "PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
		l.t.Errorf("integrity check: %q %v", ok, err)
	}
	f := auditLedger(l.t, s)
	messages = countIn(l.t, s, "SELECT count(*) FROM results_messages WHERE body IS NOT NULL")
	for what, n := range map[string]int64{
		"messages without a delivery":     countIn(l.t, s, "SELECT count(*) FROM results_messages m WHERE NOT EXISTS (SELECT 1 FROM results_deliveries d WHERE d.message = m.leaf)"),
		"deliveries without a message":    countIn(l.t, s, "SELECT count(*) FROM results_deliveries d WHERE NOT EXISTS (SELECT 1 FROM results_messages m WHERE d.message = m.leaf)"),
		"messages beyond the ledger":      messages - int64(len(f.received)),
		"deliveries done and not written": countIn(l.t, s, "SELECT count(*) FROM results_deliveries WHERE state = 3") - int64(len(f.delivered)),
		"messages without a control key":  countIn(l.t, s, "SELECT count(*) FROM results_messages WHERE control = 0"),
	} {
		if n != 0 {
			l.t.Errorf("%d %s", n, what)
		}
	}
	return messages, f.leaves
}
