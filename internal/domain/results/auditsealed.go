package results

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// rowKeys reads the keys of rows that are to be written, for their tags.
func rowKeys(ctx context.Context, tx *store.Tx, query string, args ...any) ([]any, error) {
	var out []any
	err := tx.Query(ctx, query, args, func(row store.Scanner) error {
		var key []byte
		err := row.Scan(&key)
		out = append(out, key)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read which rows are written: %w", err)
	}
	return out, nil
}

// sealed opens the sealed columns that no entry of the ledger is held against
// here: a value that was changed, or put into another row, does not open.
func (a *auditor) sealed(ctx context.Context) error {
	body := func(table string) func(id, sealed []byte) error {
		return func(raw, sealed []byte) error {
			id, err := event.IDFromBytes(raw)
			if err != nil {
				return err
			}
			_, _, err = a.s.seal.open(table, id, sealed)
			return err
		}
	}
	detail := func(id, sealed []byte) error {
		_, err := a.s.vault.Unseal(bodies, compareWhere(id), nil, sealed)
		return err
	}
	for _, c := range []struct {
		table, column string
		open          func(id, sealed []byte) error
	}{
		{"results_call_steps", "body", body("results_call_steps")},
		{"results_stops", "body", body("results_stops")},
		{"results_counts", "body", body("results_counts")},
		{"results_copies", "body", body("results_copies")},
		{"results_compares", "detail", detail},
	} {
		if err := a.openAll(ctx, c.table, c.column, c.open); err != nil {
			return err
		}
	}
	return nil
}

func (a *auditor) openAll(ctx context.Context, table, column string, open func(id, sealed []byte) error) error {
	last := []byte{}
	for n := sealedPage; n == sealedPage; {
		n = 0
		err := a.s.db.Query(ctx, "SELECT id, "+column+" FROM "+table+" WHERE id > $1 AND "+column+" IS NOT NULL ORDER BY id LIMIT $2", []any{last, int64(sealedPage)},
			func(row store.Scanner) error {
				var id, sealed []byte
				if err := row.Scan(&id, &sealed); err != nil {
					return err
				}
				n, last = n+1, id
				err := open(id, sealed)
				if errors.Is(err, vault.ErrClosed) {
					return err
				}
				if err != nil {
					a.find(table, fmt.Sprintf("%x", id), "what is sealed in it does not open: it was changed, or belongs to another row")
				}
				return nil
			})
		if err != nil {
			return fmt.Errorf("audit %s: %w", table, err)
		}
	}
	return nil
}

const sealedPage = 200
