package bus

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// PutNew writes the tag of a row that tx has just inserted with these values, in
// the order of d's columns. Unlike Put it does not read the row back: nothing is
// waited for. The values must be as the database returns them: int64, string,
// []byte or nil.
func (t *Tags) PutNew(ctx context.Context, tx *store.Tx, d *Tagged, key any, row ...any) error {
	if len(row) != len(d.Columns) {
		return fmt.Errorf("tag a row of %s: %d values for %d columns", d.Table, len(row), len(d.Columns))
	}
	tag := t.keys.Index(tagDomain, d.parts(key, row)...)
	return tx.Queue(ctx, "INSERT INTO row_tags (tbl, row, tag) VALUES ($1, $2, $3)", d.Table, rowName(key), tag[:])
}

// Write runs change, which may make, change or remove the rows of these keys,
// and brings their tags up to date. As with Change, a row that did not fit its
// tag before keeps the old one, also when change removes it: it stays found.
func (t *Tags) Write(ctx context.Context, tx *store.Tx, d *Tagged, keys []any, change func() error) error {
	var sound []any
	for _, key := range keys {
		fits, err := t.sound(ctx, tx, d, key)
		if err != nil {
			return fmt.Errorf("look at the tag of a row of %s: %w", d.Table, err)
		}
		if fits {
			sound = append(sound, key)
		}
	}
	if err := change(); err != nil {
		return err
	}
	for _, key := range sound {
		err := t.Put(ctx, tx, d, key)
		if errors.Is(err, store.ErrNoRows) {
			err = t.Drop(ctx, tx, d, key)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Exec is Write for one statement about one key, of which the caller may want to
// know how many rows it touched.
func (t *Tags) Exec(ctx context.Context, tx *store.Tx, d *Tagged, key any, query string, args ...any) (n int64, err error) {
	err = t.Write(ctx, tx, d, []any{key}, func() error {
		n, err = tx.Exec(ctx, query, args...)
		return err
	})
	return n, err
}

// sound: the row fits its tag, or there is neither.
func (t *Tags) sound(ctx context.Context, tx *store.Tx, d *Tagged, key any) (bool, error) {
	fits, _, err := t.look(ctx, tx, d, key)
	if !errors.Is(err, store.ErrNoRows) {
		return fits, err
	}
	var one int64
	err = tx.QueryRow(ctx, "SELECT 1 FROM row_tags WHERE tbl = $1 AND row = $2", d.Table, rowName(key)).Scan(&one)
	if errors.Is(err, store.ErrNoRows) {
		return true, nil
	}
	return false, err
}
