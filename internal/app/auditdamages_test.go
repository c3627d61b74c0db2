package app

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// speaksOf are the tables whose rows are held against those of other tables: a
// damage of the first is named as one of the others too. They are never damaged
// at the same time, so that what is said of a row is about its own damage. "*"
// is every table. The test fails where a finding is about a table that is
// neither damaged nor named here.
var speaksOf = map[string][]string{
	"ledger_groups": {"*"},
	"ledger_head":   {"*"},
	"row_tags":      {"*"},
	"hub_book":      {"*"},
	// What is sent of a message is not looked at where the message is damaged.
	"results_messages":    {"results_deliveries", "results_search", "results_search_runs", "results_controls"},
	"results_search":      {"results_search_runs", "results_controls"},
	"results_search_runs": {"results_search", "results_controls"},
	"results_controls":    {"results_search", "results_search_runs"},
}

// damage is one change that a thief who has the database could make.
type damage struct {
	what string
	x    *rawTable
	do   []statement
	undo []statement
	rows [][]any // of which one must be named
}

type statement struct {
	query string
	args  []any
}

// Every column of every table, on both engines: a flipped byte, a value that is
// cut, one that is lost, rows whose contents were exchanged, rows that were
// removed or given another key. Each must be found and named. A table or column
// that is added to the schema is tried without being listed anywhere. Tables
// that have nothing to do with each other are damaged together and looked at by
// one audit of the whole laboratory.
func TestEveryColumnOfEveryTableIsBound(t *testing.T) {
	eachEngine(t, func(t *testing.T, s *site) {
		h := fullHub(t, s)
		if a, err := h.Audit(t.Context(), nil); err != nil || len(a.Findings) > 0 {
			t.Fatalf("before anything was changed: %v %v", err, a)
		}
		r := schema(t, h)
		var waiting [][]damage
		for _, x := range r.tables {
			if free[x.name+".*"] != "" || triedElsewhere(x.name) {
				continue
			}
			if len(x.rows) == 0 || len(x.rows) < 2 && !slices.Contains([]string{"hub_book", "hub_pages", "ledger_head", "results_clock", "results_controls"}, x.name) {
				t.Errorf("%s has %d rows: nothing was tried", x.name, len(x.rows))
				continue
			}
			waiting = append(waiting, r.damages(x))
		}
		slices.SortFunc(waiting, func(a, b []damage) int { return strings.Compare(a[0].x.name, b[0].x.name) })
		tried, audits := 0, 0
		for round := 0; len(waiting) > 0; round++ {
			batch := together(waiting, round)
			if len(batch) == 0 {
				continue
			}
			for i := range waiting {
				if slices.ContainsFunc(batch, func(d damage) bool { return d.x == waiting[i][0].x }) {
					waiting[i] = waiting[i][1:]
				}
			}
			waiting = slices.DeleteFunc(waiting, func(w []damage) bool { return len(w) == 0 })
			if n := r.try(batch); n > 0 {
				tried, audits = tried+n, audits+1
			}
		}
		if a, err := h.Audit(t.Context(), nil); err != nil || len(a.Findings) > 0 {
			t.Fatalf("not put back: %v %v", err, a.Findings)
		}
		t.Logf("%d damages in %d tables, each found, in %d audits", tried, len(r.tables), audits)
	})
}

// together picks the next damage of each of about half of the tables: in some
// round any two tables are in different halves, which shows what speaks of what.
func together(waiting [][]damage, round int) (batch []damage) {
	const bits = 6 // of a table's place
	order := slices.SortedStableFunc(slices.Values(waiting), func(a, b []damage) int { return cmp.Compare(len(b), len(a)) })
	for _, w := range order {
		d := w[0]
		place, _ := slices.BinarySearchFunc(waiting, d.x.name, func(w []damage, name string) int { return strings.Compare(w[0].x.name, name) })
		if len(waiting) > 1 && place>>(round/2%bits)&1 != round%2 {
			continue
		}
		if !slices.ContainsFunc(batch, func(o damage) bool { return speaks(o.x.name, d.x.name) || speaks(d.x.name, o.x.name) }) {
			batch = append(batch, d)
		}
	}
	return batch
}

func speaks(of, about string) bool {
	return slices.Contains(speaksOf[of], about) || slices.Contains(speaksOf[of], "*")
}

// try damages, audits, and puts everything back. It returns how many of the
// damages the schema let happen.
func (r *raw) try(batch []damage) int {
	r.t.Helper()
	// What the schema itself refuses is no damage: NOT NULL, CHECK, a key that is taken.
	batch = slices.DeleteFunc(batch, func(d damage) bool {
		err := r.exec(d.do...)
		if errors.Is(err, errNotOneRow) {
			r.t.Errorf("%s: %v", d.what, err)
		}
		return err != nil
	})
	if len(batch) == 0 {
		return 0
	}
	var undo []statement
	for _, d := range batch {
		undo = append(undo, d.undo...)
	}
	defer func() {
		r.t.Helper()
		if err := r.exec(undo...); err != nil {
			r.t.Fatalf("put back %s: %v", all(batch), err)
		}
	}()
	a, err := r.h.Audit(r.t.Context(), nil)
	if err != nil {
		r.t.Errorf("%s: audit: %v", all(batch), err)
		return len(batch)
	}
	for _, d := range batch {
		if !slices.ContainsFunc(a.Findings, d.named) {
			r.t.Errorf("%s: not found with %s; findings: %v", d.what, all(batch), a.Findings)
		}
	}
	for _, f := range a.Findings {
		if !slices.ContainsFunc(batch, func(d damage) bool { return d.x.name == f.Table || speaks(d.x.name, f.Table) }) {
			r.t.Errorf("damaged %s: also found: %v: name it in speaksOf", all(batch), f)
		}
	}
	return len(batch)
}

func (d damage) named(f results.Finding) bool {
	return slices.ContainsFunc(d.rows, func(row []any) bool { return d.x.names(f, row) })
}

func all(batch []damage) string {
	var out []string
	for _, d := range batch {
		out = append(out, d.x.name)
	}
	return strings.Join(out, ", ")
}

func (r *raw) damages(x *rawTable) (out []damage) {
	rows := x.pick()
	// Two rows where one code binds all of them.
	tags := r.strings("SELECT row FROM row_tags WHERE tbl = $1", x.name)
	if r.h.DB.Engine() != store.SQLite || x.name != "results_deliveries" && len(tags) > 0 {
		rows = rows[:min(2, len(rows))]
	}
	for n, row := range rows {
		for i, column := range x.columns {
			if free[x.name+"."+column] != "" {
				continue
			}
			var sample any
			for _, other := range x.rows {
				if other[i] != nil {
					sample = other[i]
				}
			}
			values := damaged(row[i], sample)
			if row[i] != nil && !slices.Contains(x.key, column) {
				values = append(values, nil)
			}
			for _, v := range values {
				changed := slices.Clone(row)
				changed[i] = v
				out = append(out, damage{
					what: fmt.Sprintf("%s row %d: %s from %s to %s", x.name, n, column, show(row[i]), show(v)), x: x, rows: [][]any{row, changed},
					do: []statement{x.set(row, column, v)}, undo: []statement{x.set(changed, column, row[i])},
				})
			}
		}
		out = append(out, damage{
			what: fmt.Sprintf("%s row %d removed", x.name, n), x: x, rows: [][]any{row},
			do: []statement{x.remove(row)}, undo: []statement{x.insert(row)},
		})
	}
	for i := range rows {
		for j := range i {
			out = append(out, x.exchange(rows[i], rows[j])...)
		}
	}
	return out
}

func (x *rawTable) set(row []any, column string, value any) statement {
	where, args := x.where(row, 2)
	return statement{"UPDATE " + x.name + " SET " + column + " = $1" + where, append([]any{value}, args...)}
}

func (x *rawTable) insert(row []any) statement {
	marks := make([]string, len(row))
	for i := range row {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	return statement{"INSERT INTO " + x.name + " (" + strings.Join(x.columns, ", ") + ") VALUES (" + strings.Join(marks, ", ") + ")", row}
}

func (x *rawTable) remove(row []any) statement {
	where, args := x.where(row, 1)
	return statement{"DELETE FROM " + x.name + where, args}
}

// exchange puts the contents of each row under the key of the other.
func (x *rawTable) exchange(a, b []any) []damage {
	c, d := slices.Clone(a), slices.Clone(b)
	same := true
	for i, column := range x.columns {
		if slices.Contains(x.key, column) || free[x.name+"."+column] != "" {
			continue
		}
		same = same && equalValue(a[i], b[i])
		c[i], d[i] = b[i], a[i]
	}
	if same {
		return nil
	}
	both := []statement{x.remove(a), x.remove(b)}
	return []damage{{
		what: fmt.Sprintf("%s rows %s and %s exchanged", x.name, show(a[0]), show(b[0])), x: x, rows: [][]any{a, b},
		do: append(slices.Clone(both), x.insert(c), x.insert(d)), undo: append(slices.Clone(both), x.insert(a), x.insert(b)),
	}}
}
