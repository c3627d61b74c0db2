package publiccert

import (
	"context"
	"embed"
	"io/fs"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/rewrap"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations are this package's tables.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "acme", Files: sub}
}

var tagged = &bus.Tagged{Table: "acme_items", Key: "path", Columns: []string{"changed_at"}}

// TaggedTables are the tables whose rows carry tags.
func TaggedTables() []string { return []string{tagged.Table} }

// SealedColumns are the columns that hold sealed values.
func SealedColumns() []rewrap.Column {
	return []rewrap.Column{{
		Purpose: vault.PurposeSecrets, Table: "acme_items", Key: "path", Name: "content", Row: "path",
		Place: func(row any) []byte { s, _ := row.(string); return []byte(s) },
	}}
}

func where(path string) vault.Where {
	return vault.Where{Table: "acme_items", Column: "content", Row: []byte(path)}
}

// Audit names the rows that were changed, exchanged, added or removed by
// somebody without the key.
func (s *Storage) Audit(ctx context.Context, found func(table, row, what string)) error {
	if err := s.tags.Audit(ctx, s.db, tagged, func(row, what string) { found(tagged.Table, row, what) }); err != nil {
		return err
	}
	return s.db.Query(ctx, "SELECT path, content FROM acme_items ORDER BY path", nil, func(row store.Scanner) error {
		var path string
		var sealed []byte
		if err := row.Scan(&path, &sealed); err != nil {
			return err
		}
		plain, err := s.vault.Unseal(vault.PurposeSecrets, where(path), nil, sealed)
		clear(plain)
		if err != nil {
			found(tagged.Table, path, "it does not open: it was changed, or it belongs to another place")
		}
		return nil
	})
}
