package rewrap

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Column is a column of sealed values.
type Column struct {
	Purpose          vault.Purpose
	Table, Key, Name string // Key is an integer or a text, unique and ordered
	// Row is the column whose value names the row to the seal; Place turns it
	// into the seal's row.
	Row   string
	Place func(row any) []byte
}

// batch is how many values one transaction carries over; page how many are
// looked at between rests.
const (
	batch = 50
	page  = 2000
)

// Done is what a pass did.
type Done struct {
	Carried int64 // re-sealed under the current key
	Left    int64 // found under an old key and still there: they do not open
}

// header is how every value under the key begins.
func header(id vault.KeyID) []byte { return binary.BigEndian.AppendUint32([]byte{1}, uint32(id)) }

// Pass carries everything in the column that is under another key than the
// current one over. pause is called after each batch and may take its time;
// carried is called with how many it carried.
func Pass(ctx context.Context, db *store.DB, v *vault.Vault, c *Column, pause func() error, carried func(int64)) (Done, error) {
	var done Done
	current, err := v.CurrentKey(c.Purpose)
	if err != nil {
		return done, err
	}
	type found struct {
		key, row any
		sealed   []byte
	}
	var last any
	for {
		where, args := "", []any{header(current), int64(page)}
		if last != nil {
			where, args = " AND "+c.Key+" > $3", append(args, last)
		}
		// First the keys alone: most values, as a rule, are under the current key
		// and need not be read whole.
		var keys []any
		n := 0
		err := db.Query(ctx, fmt.Sprintf("SELECT %s, CASE WHEN substr(%s, 1, 5) = $1 THEN 1 ELSE 0 END FROM %s WHERE %s IS NOT NULL%s ORDER BY %s LIMIT $2",
			c.Key, c.Name, c.Table, c.Name, where, c.Key), args, func(s store.Scanner) error {
			var key any
			var fresh int64
			err := s.Scan(&key, &fresh)
			n++
			last = key
			if fresh == 0 {
				keys = append(keys, key)
			}
			return err
		})
		if err != nil {
			return done, fmt.Errorf("look for values under old keys in %s: %w", c.Table, err)
		}
		for len(keys) > 0 {
			some := keys[:min(batch, len(keys))]
			keys = keys[len(some):]
			values := make([]found, 0, len(some))
			for _, key := range some {
				f := found{key: key}
				err := db.QueryRow(ctx, fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s = $1", c.Row, c.Name, c.Table, c.Key), key).Scan(&f.row, &f.sealed)
				if errors.Is(err, store.ErrNoRows) || err == nil && f.sealed == nil {
					continue // erased meanwhile
				}
				if err != nil {
					return done, fmt.Errorf("read a value of %s: %w", c.Table, err)
				}
				values = append(values, f)
			}
			fresh := make([][]byte, len(values))
			for i, f := range values {
				out, changed, err := v.Rewrap(c.Purpose, vault.Where{Table: c.Table, Column: c.Name, Row: c.Place(f.row)}, nil, f.sealed)
				switch {
				case errors.Is(err, vault.ErrClosed):
					return done, err
				case err != nil:
					done.Left++ // damage is named by the audit
				case changed:
					fresh[i] = out
				}
			}
			var n int64
			err := db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
				n = 0
				for i, f := range values {
					if fresh[i] == nil {
						continue
					}
					k, err := tx.Exec(ctx, fmt.Sprintf("UPDATE %s SET %s = $1 WHERE %s = $2 AND %s = $3", c.Table, c.Name, c.Key, c.Name), fresh[i], f.key, f.sealed)
					if err != nil {
						return err
					}
					n += k
				}
				return nil
			})
			if err != nil {
				return done, fmt.Errorf("carry values of %s over: %w", c.Table, err)
			}
			done.Carried += n
			carried(n)
			if err := pause(); err != nil {
				return done, err
			}
		}
		if n < page {
			return done, nil
		}
		if err := pause(); err != nil {
			return done, err
		}
	}
}

// Count is how many values of the column are not under the current key.
func Count(ctx context.Context, db *store.DB, v *vault.Vault, c *Column) (n int64, err error) {
	current, err := v.CurrentKey(c.Purpose)
	if err != nil {
		return 0, err
	}
	err = db.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM %s WHERE %s IS NOT NULL AND substr(%s, 1, 5) <> $1", c.Table, c.Name, c.Name), header(current)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count values under old keys in %s: %w", c.Table, err)
	}
	return n, nil
}

// InUse says where a value under the key stands, "table.column", or empty where
// there is none in any column of bytes of the whole schema.
func InUse(ctx context.Context, db *store.DB, id vault.KeyID) (string, error) {
	query := `SELECT m.name, p.name FROM sqlite_master m JOIN pragma_table_info(m.name) p WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND p.type = 'BLOB'`
	if db.Engine() != store.SQLite {
		query = `SELECT table_name::text, column_name::text FROM information_schema.columns WHERE table_schema = current_schema() AND data_type = 'bytea'`
	}
	var columns [][2]string
	err := db.Query(ctx, query, nil, func(s store.Scanner) error {
		var c [2]string
		err := s.Scan(&c[0], &c[1])
		columns = append(columns, c)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("list columns: %w", err)
	}
	if len(columns) == 0 {
		return "", errors.New("list columns: the schema has none")
	}
	for _, c := range columns {
		var n int64
		err := db.QueryRow(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT 1 FROM %s WHERE substr(%s, 1, 5) = $1 LIMIT 1) AS x", c[0], c[1]), header(id)).Scan(&n)
		if err != nil {
			return "", fmt.Errorf("look for values under an old key in %s: %w", c[0], err)
		}
		if n > 0 {
			return strings.Join(c[:], "."), nil
		}
	}
	return "", nil
}
