package crash

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// arrivals follows a clinic's list as it grows.
type arrivals struct {
	path string
	off  int64
	got  map[string]int // by SHA-256: how often accepted
	came map[string]int // by SHA-256: how often arrived, accepted or not
}

// look reads what is new and returns how many different messages were accepted.
func (a *arrivals) look(t *testing.T) int {
	t.Helper()
	f, err := os.Open(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Seek(a.off, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	for r := bufio.NewReader(f); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			return len(a.got)
		}
		var l demo.ClinicLine
		if err := json.Unmarshal(line, &l); err != nil {
			t.Fatalf("%s: %v", a.path, err)
		}
		a.off += int64(len(line))
		a.came[l.SHA256]++
		if l.Code == "AA" || l.Code == "CA" {
			a.got[l.SHA256]++
		}
	}
}

// arrived is how many messages the clinics accepted, by their lists.
func (l *lab) arrived() int {
	l.t.Helper()
	n := 0
	for _, a := range l.tails {
		n += a.look(l.t)
	}
	return n
}

// finish waits until the LIS is through with its messages and the clinics have
// them, stops the hub and judges.
func (l *lab) finish(lis *proc, n int, seed uint64, patience time.Duration) demo.Tally {
	l.t.Helper()
	if _, err := lis.says("done", patience); err != nil {
		l.t.Fatalf("the LIS: %v", err)
	}
	if err := lis.wait(10 * time.Second); err != nil {
		l.t.Fatalf("the LIS: %v", err)
	}
	l.drain(n, patience)
	expect := demo.ExpectationsOf(demo.Synthetic(n, seed))
	tally := demo.Count(l.books(expect))
	if !tally.OK() || tally.Unanswered != 0 || tally.WrongPartner != 0 || tally.Received != n || tally.Delivered != n || tally.Acknowledged != n || tally.Held != 0 {
		l.t.Errorf("by the lists: %s", brief(tally))
	}
	l.audit(n)
	return tally
}

// drain waits until the clinics have n messages and the hub, stopped, has no
// delivery open. A delivery may stay open although the clinic has the result:
// its note was cut off by a kill. It must then be delivered again and noted.
func (l *lab) drain(n int, patience time.Duration) {
	l.t.Helper()
	if !within(patience, func() bool { return l.arrived() >= n }) {
		l.t.Errorf("the queue does not drain: the clinics have %d of %d after %v", l.arrived(), n, patience)
	}
	for range 5 {
		pause(time.Second) // the last acknowledgements are on their way to the hub's books
		l.hub.stop(l.t)
		if open := l.count("SELECT count(*) FROM results_deliveries WHERE state < 3"); open == 0 || l.t.Failed() {
			return
		}
		l.begin()
	}
	l.hub.stop(l.t)
	l.t.Errorf("%d deliveries stay open", l.count("SELECT count(*) FROM results_deliveries WHERE state < 3"))
}

func (l *lab) books(expect []demo.Expectation) demo.Books {
	l.t.Helper()
	lis, err := demo.ReadLIS(l.list("lis"))
	if err != nil {
		l.t.Fatal(err)
	}
	b := demo.Books{LIS: lis, Expect: expect}
	for _, p := range demo.Practices() {
		lines, err := demo.ReadClinic(l.list(p.Partner))
		if err != nil {
			l.t.Fatal(err)
		}
		b.Clinics = append(b.Clinics, demo.ClinicList{Partner: p.Partner, Kind: demo.KindMLLP, Lines: lines})
	}
	return b
}

func brief(t demo.Tally) string {
	if len(t.Problems) > 12 {
		t.Problems = t.Problems[:12]
	}
	b, err := json.MarshalIndent(t, "", " ")
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// open opens the database of the stopped hub.
func (l *lab) open() *store.DB {
	l.t.Helper()
	var db *store.DB
	var err error
	if l.dsn == "" {
		db, err = store.OpenSQLite(l.t.Context(), l.database(), store.Options{})
	} else {
		db, err = store.OpenPostgres(l.t.Context(), l.dsn, store.Options{})
	}
	if err != nil {
		l.t.Fatal(err)
	}
	return db
}

func (l *lab) count(query string) int64 {
	l.t.Helper()
	db := l.open()
	defer db.Close()
	return countIn(l.t, db, query)
}

func countIn(t *testing.T, db *store.DB, query string) int64 {
	t.Helper()
	var n int64
	if err := db.QueryRow(t.Context(), query).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// facts are what the ledger says, counted.
type facts struct {
	leaves    int64
	received  map[string]int
	delivered map[string]int // by delivery
}

// audit recomputes the ledger of the stopped hub and compares it with the
// tables: each of n messages once, each delivery marked done once.
func (l *lab) audit(n int) {
	l.t.Helper()
	db := l.open()
	defer db.Close()
	f := auditLedger(l.t, db)
	messages := countIn(l.t, db, "SELECT count(*) FROM results_messages")
	done := countIn(l.t, db, "SELECT count(*) FROM results_deliveries WHERE state = 3")
	if messages != int64(n) || len(f.received) != n {
		l.t.Errorf("%d messages stored, %d in the ledger, %d acknowledged", messages, len(f.received), n)
	}
	if done != int64(n) || len(f.delivered) != n {
		l.t.Errorf("%d deliveries done, %d in the ledger, %d due", done, len(f.delivered), n)
	}
}

func auditLedger(t *testing.T, db *store.DB) facts {
	t.Helper()
	log, err := bus.New("audit")
	if err != nil {
		t.Fatal(err)
	}
	log.Attach(db)
	done, damage, err := log.Audit(context.WithoutCancel(t.Context()), 0)
	if err != nil {
		t.Fatal(err)
	}
	if damage != nil {
		t.Errorf("ledger: %s", damage)
	}
	codec, err := ledger.NewCodec()
	if err != nil {
		t.Fatal(err)
	}
	f := facts{leaves: done.Leaves, received: map[string]int{}, delivered: map[string]int{}}
	err = db.Query(t.Context(), "SELECT events FROM ledger_groups ORDER BY first", nil, func(row store.Scanner) error {
		var packed []byte
		if err := row.Scan(&packed); err != nil {
			return err
		}
		events, err := codec.Unpack(packed)
		if err != nil {
			return err
		}
		for _, e := range events {
			var v struct {
				Kind string            `json:"kind"`
				IDs  map[string]string `json:"ids"`
			}
			if err := json.Unmarshal(e, &v); err != nil {
				return err
			}
			switch v.Kind {
			case "result.received":
				f.received[v.IDs["message"]]++
			case "result.delivered":
				f.delivered[v.IDs["delivery"]]++
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range f.received {
		if n != 1 {
			t.Errorf("message %s is in the ledger %d times", id, n)
		}
	}
	for id, n := range f.delivered {
		if n != 1 {
			t.Errorf("delivery %s is marked done %d times", id, n)
		}
	}
	return f
}
