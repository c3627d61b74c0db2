package bus

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// Keys computes keyed tags; *vault.Vault does.
type Keys interface {
	Index(domain string, parts ...[]byte) [16]byte
	IndexVersions(domain string, parts ...[]byte) [][16]byte
}

// Tagged names the columns of a table that neither the ledger nor a seal binds.
// Key is the column that names the row: an integer, bytes or a text. Columns may
// be expressions.
type Tagged struct {
	Table, Key string
	Columns    []string
	// Many: Key names several rows, told apart by Columns. One tag binds all of
	// them together, in the order of Columns.
	Many bool
	// Fresh, where it is set, says that a row may be without a tag: it is as it
	// was made.
	Fresh func(row []any) bool
}

// Tags binds rows by a keyed tag that is kept beside them, in row_tags: whoever
// changes, exchanges, adds or removes a row without the key is found by Audit.
// An older row put back with its older tag is not: what must not go back is
// bound by the ledger as well. Tags are for tables that change seldom; a row
// costs one read and one write more.
type Tags struct{ keys Keys }

// NewTags returns the tags under keys.
func NewTags(keys Keys) *Tags { return &Tags{keys} }

const tagDomain = "row tag"

// Put reads the row back in tx and writes its tag: for a row that was made just
// now, or of which every column was written.
func (t *Tags) Put(ctx context.Context, tx *store.Tx, d *Tagged, key any) error {
	row, err := d.read(ctx, tx, key)
	if err != nil {
		return fmt.Errorf("tag a row of %s: %w", d.Table, err)
	}
	tag := t.keys.Index(tagDomain, d.parts(key, row)...)
	return tx.Queue(ctx, `INSERT INTO row_tags (tbl, row, tag) VALUES ($1, $2, $3)
		ON CONFLICT (tbl, row) DO UPDATE SET tag = excluded.tag`, d.Table, rowName(key), tag[:])
}

// Change runs change, which writes some columns of the row, and tags it anew. A
// row that did not fit its tag before keeps the old one: a change elsewhere must
// not hide the damage.
func (t *Tags) Change(ctx context.Context, tx *store.Tx, d *Tagged, key any, change func() error) error {
	fits, _, err := t.look(ctx, tx, d, key)
	if err != nil && !errors.Is(err, store.ErrNoRows) {
		return fmt.Errorf("look at the tag of a row of %s: %w", d.Table, err)
	}
	if err := change(); err != nil || !fits {
		return err
	}
	return t.Put(ctx, tx, d, key)
}

// look reads row and tag, one after the other.
func (t *Tags) look(ctx context.Context, q store.Queryer, d *Tagged, key any) (fits, tagged bool, err error) {
	row, err := d.read(ctx, q, key)
	if err != nil {
		return false, false, err
	}
	var tag []byte
	err = q.QueryRow(ctx, "SELECT tag FROM row_tags WHERE tbl = $1 AND row = $2", d.Table, rowName(key)).Scan(&tag)
	if errors.Is(err, store.ErrNoRows) {
		return d.Fresh != nil && d.Fresh(row), false, nil
	}
	return err == nil && t.Fits(d, key, row, tag), true, err
}

// Drop removes the tag of a row that was removed.
func (t *Tags) Drop(ctx context.Context, tx *store.Tx, d *Tagged, key any) error {
	return tx.Queue(ctx, "DELETE FROM row_tags WHERE tbl = $1 AND row = $2", d.Table, rowName(key))
}

// read returns the row's columns; of several rows, one after the other. It is
// store.ErrNoRows where there is none.
func (d *Tagged) read(ctx context.Context, q store.Queryer, key any) ([]any, error) {
	columns := strings.Join(d.Columns, ", ")
	query := "SELECT " + columns + " FROM " + d.Table + " WHERE " + d.Key + " = $1"
	if !d.Many {
		row := make([]any, len(d.Columns))
		err := q.QueryRow(ctx, query, key).Scan(pointers(row)...)
		return row, err
	}
	var rows []any
	err := q.Query(ctx, query+" ORDER BY "+columns, []any{key}, func(s store.Scanner) error {
		row := make([]any, len(d.Columns))
		err := s.Scan(pointers(row)...)
		rows = append(rows, row...)
		return err
	})
	if err == nil && len(rows) == 0 {
		err = store.ErrNoRows
	}
	return rows, err
}

func pointers(row []any) []any {
	p := make([]any, len(row))
	for i := range row {
		p[i] = &row[i]
	}
	return p
}

// parts spells a row so that no two rows, or the same row elsewhere, are alike.
func (d *Tagged) parts(key any, row []any) [][]byte {
	out := [][]byte{[]byte(d.Table), value(key)}
	for i, v := range row {
		out = append(out, []byte(d.Columns[i%len(d.Columns)]), value(v))
	}
	return out
}

func value(v any) []byte {
	switch v := v.(type) {
	case nil:
		return []byte("n")
	case int64:
		return binary.BigEndian.AppendUint64([]byte("i"), uint64(v))
	case string:
		return append([]byte("s"), v...)
	case []byte:
		return append([]byte("b"), v...)
	}
	return fmt.Appendf(nil, "?%T", v) // no schema of ours has it: never equal to a genuine one
}

// rowName is how a finding and row_tags name a row.
func rowName(key any) string {
	switch k := key.(type) {
	case int64:
		return strconv.FormatInt(k, 10)
	case []byte:
		return hex.EncodeToString(k)
	}
	return fmt.Sprint(key)
}

// Fits says whether a row read elsewhere has this tag.
func (t *Tags) Fits(d *Tagged, key any, row []any, tag []byte) bool {
	for _, x := range t.keys.IndexVersions(tagDomain, d.parts(key, row)...) {
		if string(x[:]) == string(tag) {
			return true
		}
	}
	return false
}

const tagPage = 500

// Audit holds every row of the table against its tag and every tag against its
// row. It may run while rows change.
func (t *Tags) Audit(ctx context.Context, q store.Queryer, d *Tagged, found func(row, what string)) error {
	if done, err := t.auditSmall(ctx, q, d, found); done || err != nil {
		return err
	}
	var last any
	for {
		where, args := "", []any{int64(tagPage)}
		if last != nil {
			where, args = " WHERE "+d.Key+" > $2", append(args, last)
		}
		n := 0
		var doubtful []any
		err := q.Query(ctx, "SELECT DISTINCT "+d.Key+" FROM "+d.Table+where+" ORDER BY "+d.Key+" LIMIT $1", args, func(s store.Scanner) error {
			n++
			var key any
			err := s.Scan(&key)
			last = key
			doubtful = append(doubtful, key)
			return err
		})
		if err != nil {
			return fmt.Errorf("audit %s: %w", d.Table, err)
		}
		for _, key := range doubtful {
			if err := t.Row(ctx, q, d, key, found); err != nil {
				return err
			}
		}
		if n < tagPage {
			break
		}
	}
	return t.AuditOrphans(ctx, q, d, found)
}

// auditSmall is Audit for a table of at most a page, which is not done if it is
// larger: rows and tags are read at once, and what does not fit is looked at again
// by itself.
func (t *Tags) auditSmall(ctx context.Context, q store.Queryer, d *Tagged, found func(row, what string)) (done bool, err error) {
	columns := strings.Join(d.Columns, ", ")
	order := d.Key
	if d.Many {
		order += ", " + columns
	}
	var keys []any
	rows := map[string][]any{}
	n := 0
	err = q.Query(ctx, "SELECT "+d.Key+", "+columns+" FROM "+d.Table+" ORDER BY "+order+" LIMIT $1", []any{int64(tagPage + 1)}, func(s store.Scanner) error {
		n++
		row := make([]any, 1+len(d.Columns))
		if err := s.Scan(pointers(row)...); err != nil {
			return err
		}
		name := rowName(row[0])
		if rows[name] == nil {
			keys = append(keys, row[0])
		}
		rows[name] = append(rows[name], row[1:]...)
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("audit %s: %w", d.Table, err)
	}
	if n > tagPage {
		return false, nil
	}
	var names []string
	tags := map[string][]byte{}
	err = q.Query(ctx, "SELECT row, tag FROM row_tags WHERE tbl = $1 ORDER BY row LIMIT $2", []any{d.Table, int64(tagPage + 1)}, func(s store.Scanner) error {
		var name string
		var tag []byte
		err := s.Scan(&name, &tag)
		names, tags[name] = append(names, name), tag
		return err
	})
	if err != nil {
		return false, fmt.Errorf("audit tags of %s: %w", d.Table, err)
	}
	if len(names) > tagPage {
		return false, nil
	}
	for _, key := range keys {
		name := rowName(key)
		tag, tagged := tags[name]
		if tagged && t.Fits(d, key, rows[name], tag) || !tagged && d.Fresh != nil && d.Fresh(rows[name]) {
			continue
		}
		if err := t.Row(ctx, q, d, key, found); err != nil {
			return false, err
		}
	}
	for _, name := range names {
		if rows[name] != nil {
			continue
		}
		gone, err := t.gone(ctx, q, d, name)
		if err != nil {
			return false, err
		}
		if gone {
			found(name, "it is missing: its tag is there")
		}
	}
	return true, nil
}

// Row holds one row against its tag. It looks up to three times: row and tag
// are read one after the other.
func (t *Tags) Row(ctx context.Context, q store.Queryer, d *Tagged, key any, found func(row, what string)) error {
	what := ""
	for range 3 {
		fits, tagged, err := t.look(ctx, q, d, key)
		switch {
		case errors.Is(err, store.ErrNoRows):
			return nil // removed meanwhile; its tag, if it stays, is found
		case err != nil:
			return fmt.Errorf("audit %s: %w", d.Table, err)
		case fits:
			return nil
		case tagged:
			what = "it does not fit its tag: it was changed or moved"
		default:
			what = "it has no tag: it was added or moved, or its tag was removed"
		}
	}
	found(rowName(key), what)
	return nil
}

// AuditOrphans looks for tags whose rows are gone.
func (t *Tags) AuditOrphans(ctx context.Context, q store.Queryer, d *Tagged, found func(row, what string)) error {
	last := ""
	for {
		var names []string
		err := q.Query(ctx, "SELECT row FROM row_tags WHERE tbl = $1 AND row > $2 ORDER BY row LIMIT $3", []any{d.Table, last, int64(tagPage)},
			func(s store.Scanner) error {
				var name string
				err := s.Scan(&name)
				names = append(names, name)
				return err
			})
		if err != nil {
			return fmt.Errorf("audit tags of %s: %w", d.Table, err)
		}
		for _, name := range names {
			last = name
			gone, err := t.gone(ctx, q, d, name)
			if err != nil {
				return err
			}
			if gone {
				found(name, "it is missing: its tag is there")
			}
		}
		if len(names) < tagPage {
			return nil
		}
	}
}

func (t *Tags) gone(ctx context.Context, q store.Queryer, d *Tagged, name string) (bool, error) {
	for range 2 { // row, tag, row: what is removed meanwhile loses its tag too
		for _, key := range keysNamed(name) {
			var one int64
			err := q.QueryRow(ctx, "SELECT 1 FROM "+d.Table+" WHERE "+d.Key+" = $1 LIMIT 1", key).Scan(&one)
			if err == nil {
				return false, nil
			}
			if !errors.Is(err, store.ErrNoRows) && ctx.Err() != nil {
				return false, err
			}
		}
		var one int64
		err := q.QueryRow(ctx, "SELECT 1 FROM row_tags WHERE tbl = $1 AND row = $2", d.Table, name).Scan(&one)
		if errors.Is(err, store.ErrNoRows) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("audit tags of %s: %w", d.Table, err)
		}
	}
	return true, nil
}

// keysNamed are the keys that a name may stand for. A key of another type than
// the column's finds nothing (or is refused, which finds nothing too).
func keysNamed(name string) []any {
	out := []any{name}
	if n, err := strconv.ParseInt(name, 10, 64); err == nil {
		out = append(out, n)
	}
	if b, err := hex.DecodeString(name); err == nil && len(b) > 0 {
		out = append(out, b)
	}
	return out
}

// AuditStrays looks for tags of tables that have none.
func (t *Tags) AuditStrays(ctx context.Context, q store.Queryer, tables []string, found func(row, what string)) error {
	known := map[string]bool{}
	for _, x := range tables {
		known[x] = true
	}
	err := q.Query(ctx, "SELECT tbl, row FROM (SELECT tbl, MIN(row) AS row FROM row_tags GROUP BY tbl) AS x ORDER BY tbl", nil, func(s store.Scanner) error {
		var tbl, row string
		err := s.Scan(&tbl, &row)
		if err == nil && !known[tbl] {
			found(row, "it is the tag of a table that has none: it was changed or added")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("audit tags: %w", err)
	}
	return nil
}
