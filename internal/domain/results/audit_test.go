package results

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// full makes a laboratory with every kind of row.
func (l *provelab) full() []int64 {
	l.t.Helper()
	leaves := l.take(1, 12)
	l.deliver()
	if v := l.s.take(l.t.Context(), "lis", channel.Peer{}, []byte("MSH|^~\\&|LIS|LAB|HUB|CLINIC|20260301090000||ORU^R01||P|2.5.1\rPID|1\r")); v.outcome != Quarantined {
		l.t.Fatal("not quarantined")
	}
	if _, err := l.s.Resend(l.t.Context(), leaves[0]*maxPlans, By{Who: "anna", Reason: "lost-there"}); err != nil {
		l.t.Fatal(err)
	}
	l.deliver()
	leaves = append(leaves, l.take(13, 16)...)
	if err := l.s.Hold(l.t.Context(), leaves[12]*maxPlans, By{Who: "anna", Reason: "check"}); err != nil {
		l.t.Fatal(err)
	}
	head, err := l.log.Head(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	signer := l.v.NoteSigner()
	c, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: signer.Name(), Size: head.Size, Root: head.Root()}, signer)
	if err != nil {
		l.t.Fatal(err)
	}
	if err := l.log.KeepCheckpoint(l.t.Context(), head.Size, labTime, c); err != nil {
		l.t.Fatal(err)
	}
	return leaves
}

func (l *provelab) audit() *Audited {
	l.t.Helper()
	a, err := l.s.Audit(l.t.Context(), nil)
	if err != nil {
		l.t.Fatal(err)
	}
	return a
}

func TestAuditOfASoundStore(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newProvelab(t, open(store.Options{}))
		if a := l.audit(); len(a.Findings) > 0 || a.Leaves != 0 {
			t.Errorf("empty: %+v", a)
		}
		l.full()
		if _, err := l.s.IndexNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		var last int64
		a, err := l.s.Audit(t.Context(), func(done, total int64) error {
			if done < last || done > total {
				t.Errorf("progress %d of %d after %d", done, total, last)
			}
			last = done
			return nil
		})
		if err != nil || len(a.Findings) > 0 {
			t.Fatalf("%v %v", err, a.Findings)
		}
		if a.Messages != 16 || a.Deliveries != 33 || a.Delivered != 25 || a.Quarantined != 1 || a.Controls != 16 || a.Checkpoints != 1 || last != a.Leaves {
			t.Errorf("went through %+v, progress to %d", a, last)
		}
	})
}

// Every change below is made to a whole store of its own engine; the audit must
// name its table and row.
func TestAuditNamesEveryChangedMovedAndRemovedRow(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newProvelab(t, open(store.Options{}))
		leaves := l.full()
		m, n := leaves[3], leaves[4]
		d, e := m*maxPlans, n*maxPlans
		waiting, held := leaves[14]*maxPlans, leaves[12]*maxPlans
		if _, err := l.s.IndexNow(t.Context()); err != nil {
			t.Fatal(err)
		}
		var again, apart, doneLeaf, otherDone, controls int64
		scan := func(query string, into *int64, args ...any) {
			t.Helper()
			if err := l.db.QueryRow(t.Context(), query, args...).Scan(into); err != nil {
				t.Fatal(err)
			}
		}
		scan("SELECT seq FROM results_deliveries WHERE again = 1", &again)
		scan("SELECT leaf FROM results_quarantine", &apart)
		scan("SELECT first FROM results_controls", &controls)
		scan("SELECT done_leaf FROM results_deliveries WHERE seq = $1", &doneLeaf, d)
		scan("SELECT done_leaf FROM results_deliveries WHERE seq = $1", &otherDone, e)
		for _, c := range []struct {
			name, query string
			args        []any
			table, row  string
		}{
			{"message body flipped", "UPDATE results_messages SET body = $1 WHERE leaf = $2", []any{flip(l.blob("SELECT body FROM results_messages WHERE leaf = $1", m)), m}, "results_messages", fmt.Sprint(m)},
			{"message body moved", "UPDATE results_messages SET body = (SELECT o.body FROM results_messages o WHERE o.leaf = $1) WHERE leaf = $2", []any{n, m}, "results_messages", fmt.Sprint(m)},
			{"message body removed", "UPDATE results_messages SET body = NULL WHERE leaf = $1", []any{m}, "results_messages", fmt.Sprint(m)},
			{"message removed", "DELETE FROM results_messages WHERE leaf = $1", []any{m}, "results_messages", fmt.Sprint(m)},
			{"message moved", "UPDATE results_messages SET leaf = $1 WHERE leaf = $2", []any{apart, m}, "results_messages", fmt.Sprint(apart)},
			{"message moved far", "UPDATE results_messages SET leaf = 99999 WHERE leaf = $1", []any{m}, "results_messages", "99999"},
			{"message source", "UPDATE results_messages SET source = 'lit' WHERE leaf = $1", []any{m}, "results_messages", fmt.Sprint(m)},
			{"message time", "UPDATE results_messages SET received_at = received_at + 1 WHERE leaf = $1", []any{m}, "results_messages", fmt.Sprint(m)},
			{"message size", "UPDATE results_messages SET size = size + 1 WHERE leaf = $1", []any{m}, "results_messages", fmt.Sprint(m)},
			{"message flags", "UPDATE results_messages SET flags = 4 WHERE leaf = $1", []any{m}, "results_messages", fmt.Sprint(m)},
			{"message id", "UPDATE results_messages SET id = $1 WHERE leaf = $2", []any{flip(l.blob("SELECT id FROM results_messages WHERE leaf = $1", m)), m}, "results_messages", fmt.Sprint(m)},
			{"receipt flipped", "UPDATE results_deliveries SET receipt = $1 WHERE seq = $2", []any{flip(l.blob("SELECT receipt FROM results_deliveries WHERE seq = $1", d)), d}, "results_deliveries", fmt.Sprint(d)},
			{"receipt moved", "UPDATE results_deliveries SET receipt = $1 WHERE seq = $2", []any{l.blob("SELECT receipt FROM results_deliveries WHERE seq = $1", e), d}, "results_deliveries", fmt.Sprint(d)},
			{"receipt removed", "UPDATE results_deliveries SET receipt = NULL WHERE seq = $1", []any{d}, "results_deliveries", fmt.Sprint(d)},
			{"delivery level", "UPDATE results_deliveries SET level = 2 WHERE seq = $1", []any{d}, "results_deliveries", fmt.Sprint(d)},
			{"delivery code", "UPDATE results_deliveries SET code = 'CA' WHERE seq = $1", []any{d}, "results_deliveries", fmt.Sprint(d)},
			{"delivery time", "UPDATE results_deliveries SET changed_at = 1 WHERE seq = $1", []any{d}, "results_deliveries", fmt.Sprint(d)},
			{"delivery partner", "UPDATE results_deliveries SET partner = 'south' WHERE seq = $1", []any{d}, "results_deliveries", fmt.Sprint(d)},
			{"delivery entry", "UPDATE results_deliveries SET done_leaf = $1 WHERE seq = $2", []any{otherDone, d}, "results_deliveries", fmt.Sprint(d)},
			{"delivery undone", "UPDATE results_deliveries SET state = 0, level = NULL, code = NULL, done_leaf = NULL, receipt = NULL, changed_at = (SELECT received_at FROM results_messages WHERE leaf = $1) WHERE seq = $2", []any{m, d}, "results_deliveries", fmt.Sprint(d)},
			{"delivery removed", "DELETE FROM results_deliveries WHERE seq = $1", []any{d}, "results_deliveries", fmt.Sprint(d)},
			{"waiting delivery removed", "DELETE FROM results_deliveries WHERE seq = $1", []any{waiting + 1}, "results_deliveries", fmt.Sprint(waiting + 1)},
			{"waiting delivery refused", "UPDATE results_deliveries SET state = 5 WHERE seq = $1", []any{waiting}, "results_deliveries", fmt.Sprint(waiting)},
			{"held delivery released", "UPDATE results_deliveries SET state = 0 WHERE seq = $1", []any{held}, "results_deliveries", fmt.Sprint(held)},
			{"waiting delivery's lanes", "UPDATE results_deliveries SET lanes = $1 WHERE seq = $2", []any{flip(l.blob("SELECT lanes FROM results_deliveries WHERE seq = $1", waiting)), waiting}, "results_deliveries", fmt.Sprintf("%d to %d", waiting, waiting+1)},
			{"waiting delivery's route", "UPDATE results_deliveries SET route = 'copy' WHERE seq = $1", []any{waiting}, "results_deliveries", fmt.Sprintf("%d to %d", waiting, waiting+1)},
			{"waiting delivery's message", "UPDATE results_deliveries SET message = $1 WHERE seq = $2", []any{m, waiting}, "results_deliveries", fmt.Sprint(waiting)},
			{"delivery added", "INSERT INTO results_deliveries (seq, message, partner, route, state, lanes, changed_at) VALUES ($1, $2, 'riverside', 'final', 0, 'x', 0)", []any{waiting + 2, leaves[14]}, "results_deliveries", fmt.Sprint(waiting + 2)},
			{"delivery again removed", "DELETE FROM results_deliveries WHERE seq = $1", []any{again}, "results_deliveries", fmt.Sprint(again)},
			{"delivery again partner", "UPDATE results_deliveries SET partner = 'north' WHERE seq = $1", []any{again}, "results_deliveries", fmt.Sprint(again)},
			{"quarantine flipped", "UPDATE results_quarantine SET body = $1 WHERE leaf = $2", []any{flip(l.blob("SELECT body FROM results_quarantine WHERE leaf = $1", apart)), apart}, "results_quarantine", fmt.Sprint(apart)},
			{"quarantine state", "UPDATE results_quarantine SET state = 2 WHERE leaf = $1", []any{apart}, "results_quarantine", fmt.Sprint(apart)},
			{"quarantine removed", "DELETE FROM results_quarantine WHERE leaf = $1", []any{apart}, "results_quarantine", fmt.Sprint(apart)},
			{"message control key", "UPDATE results_messages SET control = control + 1 WHERE leaf = $1", []any{m}, "results_messages", fmt.Sprint(m)},
			{"message control key gone", "UPDATE results_messages SET control = 0 WHERE leaf = $1", []any{m}, "results_messages", fmt.Sprint(m)},
			{"control removed", "DELETE FROM results_controls WHERE first = $1", []any{controls}, "results_controls", "*"},
			{"control keys", "UPDATE results_controls SET keys = $1 WHERE first = $2", []any{flip(l.blob("SELECT keys FROM results_controls WHERE first = $1", controls)), controls}, "results_controls", fmt.Sprint(controls)},
			{"control time", "UPDATE results_controls SET at = at + 1 WHERE first = $1", []any{controls}, "results_controls", fmt.Sprint(controls)},
			{"ledger events flipped", "UPDATE ledger_groups SET events = $1 WHERE first = $2", []any{flip(l.blob("SELECT events FROM ledger_groups WHERE first = $1", m)), m}, "ledger_groups", fmt.Sprint(m)},
			{"ledger hashes flipped", "UPDATE ledger_groups SET hashes = $1 WHERE first = $2", []any{flip(l.blob("SELECT hashes FROM ledger_groups WHERE first = $1", m)), m}, "ledger_groups", fmt.Sprint(m)},
			{"ledger time", "UPDATE ledger_groups SET at = at + 1 WHERE first = $1", []any{m}, "ledger_groups", fmt.Sprint(m)},
			{"ledger row moved", "UPDATE ledger_groups SET first = 99999 WHERE first = $1", []any{m}, "ledger_groups", fmt.Sprint(m)},
			{"ledger row removed", "DELETE FROM ledger_groups WHERE first = $1", []any{m}, "ledger_groups", fmt.Sprint(m)},
			{"ledger row added", "INSERT INTO ledger_groups (first, count, first_hash, hashes, events, at, node) VALUES (99999, 1, 999999, 'x', 'x', 0, 'n')", nil, "ledger_groups", "99999"},
			{"head edge flipped", "UPDATE ledger_head SET edge = $1", []any{flip(l.blob("SELECT edge FROM ledger_head"))}, "ledger_head", "1"},
			{"checkpoint flipped", "UPDATE ledger_checkpoints SET note = replace(note, 'lab.example', 'lab.exbmple')", nil, "ledger_checkpoints", "*"},
			{"checkpoint size", "UPDATE ledger_checkpoints SET size = size - 1", nil, "ledger_checkpoints", "*"},
			{"checkpoint witnesses", "UPDATE ledger_checkpoints SET witnesses = 1", nil, "ledger_checkpoints", "*"},
		} {
			t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
				l.t = t
				defer l.keep("results_messages", "results_deliveries", "results_quarantine", "results_controls", "ledger_groups", "ledger_head", "ledger_checkpoints")()
				l.exec(c.query, c.args...)
				a := l.audit()
				for _, f := range a.Findings {
					if f.Table == c.table && (c.row == "*" || f.Row == c.row) {
						return
					}
				}
				t.Errorf("not named %s %s: %v", c.table, c.row, a.Findings)
			})
		}
		l.t = t
		if a := l.audit(); len(a.Findings) > 0 {
			t.Errorf("the copies were not put back: %v", a.Findings)
		}
	})
}

func flip(b []byte) []byte {
	c := append([]byte(nil), b...)
	c[len(c)/2] ^= 0x10
	return c
}

func (l *provelab) blob(query string, args ...any) []byte {
	l.t.Helper()
	var b []byte
	if err := l.db.QueryRow(l.t.Context(), query, args...).Scan(&b); err != nil {
		l.t.Fatal(err)
	}
	return b
}

// keep copies tables; what it returns puts them back.
func (l *provelab) keep(tables ...string) func() {
	l.t.Helper()
	for _, t := range tables {
		l.exec0("CREATE TABLE copy_" + t + " AS SELECT * FROM " + t)
	}
	return func() {
		for _, t := range tables {
			l.exec0("DELETE FROM " + t)
			l.exec0("INSERT INTO " + t + " SELECT * FROM copy_" + t)
			l.exec0("DROP TABLE copy_" + t)
		}
	}
}

// What people do with quarantined messages, and control ids used twice, leave
// rows that fit.
func TestAuditAfterQuarantineWasDecided(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newProvelab(t, open(store.Options{}))
		l.take(1, 3)
		apart := func(body []byte) event.ID {
			v := l.s.take(t.Context(), "lis", channel.Peer{}, body)
			if v.outcome != Quarantined {
				t.Fatal("not quarantined")
			}
			return v.id
		}
		other := apart([]byte(strings.Replace(string(labMessage(2)), "5.4", "6.4", 1))) // control id used again
		refused := apart([]byte(strings.Replace(string(labMessage(3)), "5.4", "6.4", 1)))
		set := *l.s.Settings()
		routes := set.Routes
		set.Routes = nil
		l.s.Apply(&set)
		waiting := apart(labMessage(7)) // no route
		set2 := set
		set2.Routes = routes
		l.s.Apply(&set2)
		by := By{Who: "anna", Reason: "looked-at"}
		if _, err := l.s.ReleaseApart(t.Context(), other, by); err != nil {
			t.Fatal(err)
		}
		if err := l.s.RefuseApart(t.Context(), refused, by); err != nil {
			t.Fatal(err)
		}
		if _, err := l.s.ReplayApart(t.Context(), waiting, by); err != nil {
			t.Fatal(err)
		}
		l.deliver()
		if a := l.audit(); len(a.Findings) > 0 || a.Messages != 5 || a.Delivered != 10 {
			t.Errorf("%+v", a)
		}
		l.s.SetViewsClosed("in doubt")
		if _, err := l.s.ShowApart(t.Context(), other, by); !errors.Is(err, ErrViewsClosed) {
			t.Errorf("shown while views are closed: %v", err)
		}
	})
}
