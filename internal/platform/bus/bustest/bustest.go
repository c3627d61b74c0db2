// Package bustest tries whether a room's tables are bound: every column of every
// table is damaged in turn, on both engines, and the room's own audit must find
// each damage and name the table. A column that is added is tried without being
// listed anywhere.
package bustest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// EveryColumn damages the tables whose names begin with prefix. Each needs two
// rows at least. free names columns ("table.column") and tables ("table.*") of
// which no damage is found, with the reason why nothing hangs on them. audit is
// the room's.
func EveryColumn(t *testing.T, db *store.DB, prefix string, free map[string]string, audit func(ctx context.Context, found func(table, row, what string)) error) {
	t.Helper()
	x := &trial{t: t, db: db, audit: audit}
	if n := x.findings(""); n != 0 {
		t.Fatalf("%d findings before anything was changed", n)
	}
	tables := x.tables(prefix)
	if len(tables) == 0 {
		t.Fatalf("there is no table %s…", prefix)
	}
	tried := 0
	for _, name := range tables {
		if free[name+".*"] != "" {
			continue
		}
		columns := x.columns(name)
		rows := x.rows(name, columns)
		if len(rows) < 2 {
			t.Errorf("%s has %d rows: nothing was tried", name, len(rows))
			continue
		}
		for i, c := range columns {
			if free[name+"."+c.name] != "" {
				continue
			}
			tried += x.column(name, columns, rows[:2], i)
		}
		tried += x.remove(name, columns, rows[0])
	}
	if n := x.findings(""); n != 0 {
		t.Errorf("%d findings after all was put back", n)
	}
	if tried == 0 {
		t.Error("nothing was tried")
	}
	t.Logf("%d damages in %d tables %s…, each found", tried, len(tables), prefix)
}

type trial struct {
	t     *testing.T
	db    *store.DB
	audit func(ctx context.Context, found func(table, row, what string)) error
}

type column struct {
	name string
	key  bool
}

// findings counts what the audit says of a table; of all for "".
func (x *trial) findings(table string) int {
	x.t.Helper()
	n := 0
	err := x.audit(x.t.Context(), func(in, row, what string) {
		if in == table || table == "" || in == "row_tags" {
			n++
		}
		if table == "" {
			x.t.Logf("%s row %s: %s", in, row, what)
		}
	})
	if err != nil && table == "" {
		x.t.Fatalf("audit: %v", err)
	}
	if err != nil {
		n++ // it is noticed all the same
	}
	return n
}

func (x *trial) words(query string, args ...any) []string {
	x.t.Helper()
	var out []string
	err := x.db.Query(x.t.Context(), query, args, func(r store.Scanner) error {
		var s string
		err := r.Scan(&s)
		out = append(out, s)
		return err
	})
	if err != nil {
		x.t.Fatalf("%s: %v", query, err)
	}
	return out
}

func (x *trial) tables(prefix string) []string {
	q := "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE $1 ESCAPE '\\' ORDER BY name"
	if x.db.Engine() == store.Postgres {
		q = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() AND table_name LIKE $1 ESCAPE '\\' ORDER BY table_name"
	}
	return x.words(q, strings.ReplaceAll(prefix, "_", "\\_")+"%")
}

func (x *trial) columns(table string) []column {
	all := "SELECT name FROM pragma_table_info($1) ORDER BY cid"
	keys := "SELECT name FROM pragma_table_info($1) WHERE pk > 0"
	if x.db.Engine() == store.Postgres {
		all = "SELECT column_name FROM information_schema.columns WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position"
		keys = `SELECT k.column_name FROM information_schema.table_constraints c JOIN information_schema.key_column_usage k
			ON k.constraint_name = c.constraint_name AND k.table_schema = c.table_schema
			WHERE c.constraint_type = 'PRIMARY KEY' AND c.table_schema = current_schema() AND c.table_name = $1`
	}
	key := x.words(keys, table)
	var out []column
	for _, n := range x.words(all, table) {
		out = append(out, column{n, slices.Contains(key, n)})
	}
	return out
}

func names(columns []column) string {
	var out []string
	for _, c := range columns {
		out = append(out, c.name)
	}
	return strings.Join(out, ", ")
}

func (x *trial) rows(table string, columns []column) [][]any {
	x.t.Helper()
	var out [][]any
	err := x.db.Query(x.t.Context(), "SELECT "+names(columns)+" FROM "+table, nil, func(r store.Scanner) error {
		row, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := r.Scan(to...); err != nil {
			return err
		}
		for i, v := range row {
			if b, ok := v.([]byte); ok {
				row[i] = bytes.Clone(b)
			}
		}
		out = append(out, row)
		return nil
	})
	if err != nil {
		x.t.Fatalf("read %s: %v", table, err)
	}
	return out
}

func (x *trial) where(columns []column, row []any, from int) (string, []any) {
	var parts []string
	var args []any
	for i, c := range columns {
		if c.key {
			args = append(args, row[i])
			parts = append(parts, fmt.Sprintf("%s = $%d", c.name, from+len(args)-1))
		}
	}
	if len(parts) == 0 { // a table without a key: by all that is not null
		for i, c := range columns {
			if row[i] != nil {
				args = append(args, row[i])
				parts = append(parts, fmt.Sprintf("%s = $%d", c.name, from+len(args)-1))
			}
		}
	}
	return " WHERE " + strings.Join(parts, " AND "), args
}

func (x *trial) exec(query string, args ...any) error {
	return x.db.Do(x.t.Context(), func(ctx context.Context, tx *store.Tx) error {
		n, err := tx.Exec(ctx, query, args...)
		if err == nil && n != 1 {
			err = errors.New("not one row was touched")
		}
		return err
	})
}

// column damages one column of each row.
func (x *trial) column(table string, columns []column, rows [][]any, i int) (tried int) {
	x.t.Helper()
	for _, row := range rows {
		for _, v := range damages(row[i]) {
			where, args := x.where(columns, row, 2)
			if err := x.exec("UPDATE "+table+" SET "+columns[i].name+" = $1"+where, append([]any{v}, args...)...); err != nil {
				continue // the schema itself refuses
			}
			tried++
			if x.findings(table) == 0 {
				x.t.Errorf("%s.%s from %.40v to %.40v: not found", table, columns[i].name, row[i], v)
			}
			changed := slices.Clone(row)
			changed[i] = v
			where, args = x.where(columns, changed, 2)
			if err := x.exec("UPDATE "+table+" SET "+columns[i].name+" = $1"+where, append([]any{row[i]}, args...)...); err != nil {
				x.t.Fatalf("put back %s.%s: %v", table, columns[i].name, err)
			}
		}
	}
	return tried
}

func (x *trial) remove(table string, columns []column, row []any) int {
	x.t.Helper()
	where, args := x.where(columns, row, 1)
	if err := x.exec("DELETE FROM "+table+where, args...); err != nil {
		return 0
	}
	if x.findings(table) == 0 {
		x.t.Errorf("%s: a row removed: not found", table)
	}
	marks := make([]string, len(row))
	for i := range row {
		marks[i] = fmt.Sprintf("$%d", i+1)
	}
	if err := x.exec("INSERT INTO "+table+" ("+names(columns)+") VALUES ("+strings.Join(marks, ", ")+")", row...); err != nil {
		x.t.Fatalf("put back a row of %s: %v", table, err)
	}
	return 1
}

func damages(v any) []any {
	switch v := v.(type) {
	case int64:
		return []any{v ^ 1}
	case string:
		return []any{v + "x"}
	case []byte:
		if len(v) == 0 {
			return []any{[]byte{1}}
		}
		b := bytes.Clone(v)
		b[len(b)/2] ^= 0x10
		return []any{b}
	}
	return nil
}
