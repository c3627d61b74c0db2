package app

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// free are the columns, or whole tables ("table.*"), whose change no audit
// finds, each with the reason why nothing hangs on it.
var free = map[string]string{
	"lease_holder.*":            "who delivers now, written anew every second; who did is in the ledger. Changed, it costs a take-over: what it fences is refused",
	"hub_views.*":               "sealed and bound to the running term; what does not open keeps the views of that node closed",
	"results_changes.*":         "a count that makes the couriers read the deliveries again; the acts themselves are bound",
	"watch_probe.*":             "the readiness check writes it to find out whether writing works; nobody reads it",
	"bus_positions.*":           "no subscriber writes it yet; whoever adds one tags it",
	"results_search_runs.dirty": "1 only makes retention clean the run again; 0 over erased messages is found by the run's entries",
}

// elsewhere are the rooms whose tables are tried by a test of their own
// (bustest.EveryColumn), by the prefix of their names: here each damage costs an
// audit of the whole laboratory.
var elsewhere = map[string]string{
	"access_": "internal/domain/access", "signin_": "internal/platform/signin", "accounts_": "internal/domain/access/accounts",
	"record_": "internal/domain/access/record", "approval_": "internal/platform/approval", "setup_": "internal/domain/setup",
	"partners_portal_": "internal/domain/partners/portalui", "partners_keys": "internal/domain/partners/keys", "certificates_": "internal/domain/certificates",
	"results_fhir_": "internal/domain/results/resultsfhir",
	"tunnels_":      "internal/domain/tunnels", "acme_": "internal/platform/publiccert",
}

func triedElsewhere(table string) bool {
	for prefix := range elsewhere {
		if strings.HasPrefix(table, prefix) {
			return true
		}
	}
	return false
}

// answers is a partner that always answers the same.
type answers struct {
	receipt channel.Receipt
	err     error
}

func (a *answers) Send(context.Context, channel.Message) (channel.Receipt, error) {
	return a.receipt, a.err
}

// fullHub has at least two rows in every table that is written at all.
func fullHub(t *testing.T, s *site) *Hub {
	t.Helper()
	ctx := t.Context()
	h := s.open()
	t.Cleanup(func() { s.close(h) })
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	_, err := h.pagesRoot(ctx, "Lab", []string{"lab.example"})
	must(err)
	p := "  p: {name: P, destination: {mllp: {address: \"127.0.0.1:1\"}}}\n"
	src := s.source(p, "p", "shadow")
	c := s.parse(src)
	_, err = h.Begin(ctx, c.Node, c, []byte(src), "tester")
	must(err)
	src = s.source(strings.Replace(p, "name: P", "name: Q", 1), "p", "shadow")
	_, err = propose(ctx, h, s.parse(src), src)
	must(err)
	must(h.Results.CheckClock(ctx))
	must(h.SetSecret(ctx, "one", []byte("value-1"), "anna"))
	must(h.SetSecret(ctx, "two", []byte("value-2"), "anna"))
	must(h.SetSecret(ctx, "gone", []byte("value-3"), "anna"))
	must(h.RemoveSecret(ctx, "gone", "anna"))

	accept := &answers{receipt: channel.Receipt{Level: channel.Accepted, Code: "AA", Body: []byte("MSA|AA"), Peer: channel.Peer{Name: "good", Proof: "certificate"}}}
	reject := &answers{err: &channel.Error{Class: channel.Rejected, Code: "AR", Err: errors.New("no")}}
	down := &answers{err: &channel.Error{Class: channel.Unreachable, Code: "refused", Err: errors.New("down")}}
	slow := results.Retry{First: time.Hour, Max: time.Hour, GiveUpAfter: 48 * time.Hour}
	set := results.Settings{
		Revision: strings.Repeat("0a", 32),
		Sources:  map[string]results.Source{"lis": {Name: "lis", Site: "north", Window: 24 * time.Hour, CriticalAfter: time.Nanosecond}},
		Sites:    map[string]string{"north": "North", "south": "South"},
		Partners: map[string]*results.Partner{
			"good": {Key: "good", Sender: accept, Retry: slow}, "strict": {Key: "strict", Sender: reject, Retry: slow}, "away": {Key: "away", Sender: down, Retry: slow},
		},
		Routes: []results.Route{{Name: "all", From: "lis", To: []string{"good", "strict", "away"}, Stage: results.Carry}},
	}
	must(placed(ctx, h))
	h.Results.Apply(&set)
	in := h.Results.Intake("lis")
	take := func(body string) {
		t.Helper()
		if _, err := in.Handle(ctx, channel.Peer{Name: "lis", Proof: "certificate"}, []byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 4 {
		take(result(fmt.Sprintf("A%d", i)))
		_, err = h.Results.IndexNow(ctx)
		must(err)
	}
	run, stop := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- h.Results.Run(run) }()
	eventually(t, "tries", func() bool {
		var n int64
		must(h.DB.QueryRow(ctx, "SELECT count(*) FROM results_deliveries WHERE state = 0 AND attempts = 0 AND partner <> 'away' OR partner = 'away' AND attempts = 0 AND seq = (SELECT min(seq) + 2 FROM results_deliveries)").Scan(&n))
		return n == 0
	})
	stop()
	must(<-done)
	take("MSH|^~\\&|LIS|LAB|X|X|2026||ORU^R01||P|2.5.1\rPID|1\r") // no control id
	take("not a message")
	take("MSH|^~\\&|LIS|LAB|X|X|2026||ORU^R01||P|2.5.1\rPID|2\r")
	var apart []byte
	must(h.DB.QueryRow(ctx, "SELECT id FROM results_quarantine ORDER BY leaf LIMIT 1").Scan(&apart))
	id, err := event.IDFromBytes(apart)
	must(err)
	must(h.Results.RefuseApart(ctx, id, results.By{Who: "anna", Reason: "test"}))
	take(result("WAIT"))
	var seq int64
	must(h.DB.QueryRow(ctx, "SELECT max(seq) FROM results_deliveries").Scan(&seq))
	must(h.Results.Hold(ctx, seq, results.By{Who: "anna", Reason: "check"}))
	var message []byte
	must(h.DB.QueryRow(ctx, "SELECT id FROM results_messages ORDER BY leaf LIMIT 1").Scan(&message))
	mid, err := event.IDFromBytes(message)
	must(err)
	_, err = h.Results.HoldMessage(ctx, mid, results.By{Who: "anna", Reason: "court"})
	must(err)
	lifted, err := h.Results.HoldPatient(ctx, "PA1", "LAB", results.By{Who: "anna", Reason: "court"})
	must(err)
	must(h.Results.LiftHold(ctx, lifted, results.By{Who: "anna", Reason: "over"}))
	for range 2 {
		head, err := h.Log.Head(ctx)
		must(err)
		signer := h.Vault.NoteSigner()
		signed, err := ledger.SignCheckpoint(ledger.Checkpoint{Origin: signer.Name(), Size: head.Size, Root: head.Root()}, signer)
		must(err)
		must(h.Log.KeepCheckpoint(ctx, head.Size, h.now(), signed))
		sig := note.Signature{Name: "witness.example", Hash: 0x01020304, Base64: base64.StdEncoding.EncodeToString(append([]byte{1, 2, 3, 4}, bytes.Repeat([]byte{7}, 72)...))}
		must(h.Log.KeepCosignatures(ctx, head.Size, []note.Signature{sig}))
		take(result(fmt.Sprint("C", head.Size)))
	}
	w := &worked{t, ctx, h, set}
	w.alarmed()
	w.extended()
	w.bypassed()
	w.calls()
	w.stops()
	w.alone()
	w.counts()
	w.pickups()
	w.takes()
	w.adopts()
	w.setups()
	w.boxes()
	w.certificates()
	_, err = h.Results.IndexNow(ctx)
	must(err)
	must(h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return errors.Join(h.Log.Decide(ctx, tx, "folder", "rolled back", 5, "anna", 1), h.Log.Decide(ctx, tx, "mail", "rewritten", 6, "anna", 2))
	}))
	return h
}

// raw is the database behind the hub's back.
type raw struct {
	t      *testing.T
	h      *Hub
	tables map[string]*rawTable
}

type rawTable struct {
	name    string
	columns []string
	key     []string
	rows    [][]any
}

var errNotOneRow = errors.New("not one row was touched")

// exec runs the statements together, each of which touches one row.
func (r *raw) exec(all ...statement) error {
	r.h.DB.SetHook(nil)
	defer r.h.Log.Attach(r.h.DB)
	return r.h.DB.Do(r.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		for _, s := range all {
			n, err := tx.Exec(ctx, s.query, s.args...)
			if err == nil && n != 1 {
				err = errNotOneRow
			}
			if err != nil {
				return fmt.Errorf("%s: %w", s.query, err)
			}
		}
		return nil
	})
}

func (r *raw) must(query string, args ...any) {
	r.t.Helper()
	if err := r.exec(statement{query, args}); err != nil {
		r.t.Fatal(err)
	}
}

func (r *raw) strings(query string, args ...any) []string {
	r.t.Helper()
	var out []string
	err := r.h.DB.Query(r.t.Context(), query, args, func(s store.Scanner) error {
		var x string
		err := s.Scan(&x)
		out = append(out, x)
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// schema reads every table there is, so that a new one cannot be forgotten.
func schema(t *testing.T, h *Hub) *raw {
	t.Helper()
	r := &raw{t: t, h: h, tables: map[string]*rawTable{}}
	names, columns := "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name", "SELECT name FROM pragma_table_info($1) ORDER BY cid"
	keys := "SELECT name FROM pragma_table_info($1) WHERE pk > 0 ORDER BY pk"
	if h.DB.Engine() != store.SQLite {
		names = "SELECT tablename::text FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
		columns = "SELECT column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
		keys = `SELECT k.column_name::text FROM information_schema.key_column_usage k WHERE k.table_schema = current_schema() AND k.table_name = $1
			AND k.constraint_name LIKE '%_pkey' ORDER BY k.ordinal_position`
	}
	for _, name := range r.strings(names) {
		x := &rawTable{name: name, columns: r.strings(columns, name), key: r.strings(keys, name)}
		err := h.DB.Query(t.Context(), "SELECT "+strings.Join(x.columns, ", ")+" FROM "+name+" ORDER BY "+strings.Join(x.key, ", "), nil, func(s store.Scanner) error {
			row, p := make([]any, len(x.columns)), make([]any, len(x.columns))
			for i := range row {
				p[i] = &row[i]
			}
			err := s.Scan(p...)
			x.rows = append(x.rows, row)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		r.tables[name] = x
	}
	return r
}

func (x *rawTable) at(column string) int { return slices.Index(x.columns, column) }

// where selects a row by its key.
func (x *rawTable) where(row []any, first int) (string, []any) {
	var parts []string
	var args []any
	for i, k := range x.key {
		parts = append(parts, fmt.Sprintf("%s = $%d", k, first+i))
		args = append(args, row[x.at(k)])
	}
	return " WHERE " + strings.Join(parts, " AND "), args
}

// names says whether a finding names the row by its key.
func (x *rawTable) names(f results.Finding, row []any) bool {
	name := func(v any) string {
		if b, ok := v.([]byte); ok {
			return fmt.Sprintf("%x", b)
		}
		return fmt.Sprint(v)
	}
	switch x.name {
	case "row_tags": // a tag is named as the row it is of
		return f.Row == name(row[x.at("row")]) && (f.Table == row[x.at("tbl")] || f.Table == "row_tags")
	case "results_search", "results_search_runs", "results_controls":
		// Derived from the messages, and written together: they are held against
		// each other, and made anew together.
		return f.Table == "results_search" || f.Table == "results_search_runs" || f.Table == "results_controls"
	case "results_deliveries":
		lo, hi, ok := strings.Cut(f.Row, " to ")
		n := name(row[0])
		return f.Table == x.name && (f.Row == n || ok && (lo <= n && n <= hi))
	case "results_quarantine", "results_holds":
		return f.Table == x.name && (f.Row == name(row[0]) || f.Row == name(row[1]))
	}
	return f.Table == x.name && f.Row == name(row[x.at(x.key[0])])
}

// damaged returns values that one damage could leave.
func damaged(v any, sample any) []any {
	switch v := v.(type) {
	case int64:
		return []any{v ^ 1, v + 1<<40}
	case string:
		if v == "" {
			return []any{"x"}
		}
		b := []byte(v)
		i := len(b) / 2
		for i > 0 && (b[i] < 0x20 || b[i] > 0x7e) {
			i--
		}
		b[i] ^= 1
		return []any{string(b), v + "x", v[:len(v)-1]}
	case []byte:
		if len(v) == 0 {
			return []any{[]byte{1}}
		}
		var out []any
		for _, i := range []int{0, len(v) / 2, len(v) - 1} {
			b := bytes.Clone(v)
			b[i] ^= 0x10
			out = append(out, b)
		}
		return append(out, v[:len(v)-1])
	case nil:
		switch sample.(type) {
		case int64:
			return []any{int64(7)}
		case string:
			return []any{"x"}
		case []byte:
			return []any{bytes.Repeat([]byte{7}, 64)}
		}
	}
	return nil
}

// pick returns a few rows that differ as much as possible: the first, the last,
// and those around.
func (x *rawTable) pick() [][]any {
	if len(x.rows) <= 4 {
		return x.rows
	}
	n := len(x.rows)
	return [][]any{x.rows[0], x.rows[1], x.rows[n/2], x.rows[n-1]}
}

func show(v any) string {
	if b, ok := v.([]byte); ok {
		return fmt.Sprintf("%.40x", b)
	}
	return fmt.Sprintf("%.40s", fmt.Sprint(v))
}

func equalValue(a, b any) bool { return fmt.Sprintf("%T%v", a, a) == fmt.Sprintf("%T%v", b, b) }
