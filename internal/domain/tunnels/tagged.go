package tunnels

import (
	"context"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/rewrap"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// A line added to a list, a certificate that is not the far end's, a token that
// nobody made: each would open a way into the laboratory.
var (
	taggedTunnels = &bus.Tagged{Table: "tunnels_tunnels", Key: "name", Columns: []string{
		"kind", "standard", "number", "made_at", "made_by", "reach", "offers", "pins", "far_public", "far_host", "joined_at", "epoch",
		"keys_at", "token", "token_until",
	}}
	taggedIdentity = &bus.Tagged{Table: "tunnels_identity", Key: "id", Columns: []string{"made_at", "certificate"}}
)

// TaggedTables are the tables of this package; all of their rows carry tags.
func TaggedTables() []string { return []string{taggedTunnels.Table, taggedIdentity.Table} }

// SealedColumns hold values sealed with the vault.
func SealedColumns() []rewrap.Column {
	return []rewrap.Column{
		{
			Purpose: vault.PurposeSecrets, Table: "tunnels_tunnels", Key: "name", Name: "secrets", Row: "name",
			Place: func(row any) []byte { s, _ := row.(string); return []byte(s) },
		},
		{
			Purpose: vault.PurposeSecrets, Table: "tunnels_identity", Key: "id", Name: "key", Row: "id",
			Place: func(any) []byte { return identityPlace().Row },
		},
	}
}

// Audit names the rows that were changed, exchanged, added or removed by somebody
// without the key, and the keys that do not open.
func (b *Book) Audit(ctx context.Context, found func(table, row, what string)) error {
	for _, x := range []*bus.Tagged{taggedTunnels, taggedIdentity} {
		if err := b.tags.Audit(ctx, b.db, x, func(row, what string) { found(x.Table, row, what) }); err != nil {
			return err
		}
	}
	open := func(table string, where func(name string) vault.Where) func(store.Scanner) error {
		return func(s store.Scanner) error {
			var name string
			var sealed []byte
			if err := s.Scan(&name, &sealed); err != nil {
				return err
			}
			plain, err := b.vault.Unseal(vault.PurposeSecrets, where(name), nil, sealed)
			clear(plain)
			if err != nil {
				found(table, name, "its keys do not open: they were changed, or belong to another tunnel")
			}
			return nil
		}
	}
	if err := b.db.Query(ctx, "SELECT name, secrets FROM tunnels_tunnels ORDER BY name", nil, open("tunnels_tunnels", place)); err != nil {
		return err
	}
	return b.db.Query(ctx, "SELECT CAST(id AS TEXT), key FROM tunnels_identity", nil, open("tunnels_identity", func(string) vault.Where { return identityPlace() }))
}
