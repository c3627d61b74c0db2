package app

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// book keeps the vault's wrapped keys in the database, where all nodes see
// them. The seals that open them are elsewhere.
type book struct{ db *store.DB }

func (b book) Load(ctx context.Context) ([]byte, error) {
	var raw []byte
	err := b.db.QueryRow(ctx, "SELECT book FROM hub_book WHERE id = 1").Scan(&raw)
	if errors.Is(err, store.ErrNoRows) {
		return nil, vault.ErrEmpty
	}
	if err != nil {
		return nil, fmt.Errorf("read key book: %w", err)
	}
	return raw, nil
}

func (b book) Save(ctx context.Context, old, new []byte) error {
	return b.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		var now []byte
		err := tx.QueryRow(ctx, "SELECT book FROM hub_book WHERE id = 1").Scan(&now)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return fmt.Errorf("read key book: %w", err)
		}
		if !bytes.Equal(now, old) {
			return vault.ErrConflict
		}
		_, err = tx.Exec(ctx, `INSERT INTO hub_book (id, book) VALUES (1, $1)
			ON CONFLICT (id) DO UPDATE SET book = excluded.book`, new)
		if err != nil {
			return fmt.Errorf("write key book: %w", err)
		}
		return nil
	})
}
