package certificates

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/rewrap"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

//go:embed migrations/*.sql
var files embed.FS

// Migrations is the schema of what is issued.
func Migrations() store.Migrations {
	sub, err := fs.Sub(files, "migrations")
	if err != nil {
		panic(err) // the folder is embedded above
	}
	return store.Migrations{Domain: "certificates", Files: sub}
}

var (
	taggedAuthorities = &bus.Tagged{Table: "certificates_authorities", Key: "id", Columns: []string{"form", "state", "chain", "made_at", "made_by", "ends_at", "leaf"}}
	taggedIssued      = &bus.Tagged{Table: "certificates_issued", Key: "serial", Columns: []string{
		"form", "kind", "name", "names", "certificate", "begins_at", "ends_at", "made_at", "made_by", "via", "days", "renewed_at",
		"revoked_at", "revoked_by", "reason", "leaf",
	}}
	taggedTokens = &bus.Tagged{Table: "certificates_tokens", Key: "id", Columns: []string{
		"hash", "kind", "name", "names", "days", "made_at", "made_by", "ends_at", "used_at", "serial", "leaf",
	}}
	taggedPins = &bus.Tagged{Table: "certificates_pins", Key: "id", Columns: []string{
		"channel", "certificate", "ends_at", "owner", "made_at", "made_by", "removed_at", "removed_by", "leaf",
	}}
)

func tagged() []*bus.Tagged {
	return []*bus.Tagged{taggedAuthorities, taggedIssued, taggedTokens, taggedPins}
}

// TaggedTables are the tables of this package; all of their rows carry tags.
func TaggedTables() []string {
	var out []string
	for _, t := range tagged() {
		out = append(out, t.Table)
	}
	return out
}

// SealedColumns are the columns that hold sealed values.
func SealedColumns() []rewrap.Column {
	return []rewrap.Column{{
		Purpose: vault.PurposeSecrets, Table: "certificates_authorities", Key: "id", Name: "secret", Row: "id",
		Place: func(row any) []byte { b, _ := row.([]byte); return b },
	}}
}

func secretAt(id []byte) vault.Where {
	return vault.Where{Table: "certificates_authorities", Column: "secret", Row: id}
}

// Audit names the rows that were changed, exchanged, added or removed by
// somebody without the key.
func (s *Service) Audit(ctx context.Context, found func(table, row, what string)) error {
	for _, x := range tagged() {
		if err := s.tags.Audit(ctx, s.db, x, func(row, what string) { found(x.Table, row, what) }); err != nil {
			return err
		}
	}
	return s.db.Query(ctx, "SELECT id, secret FROM certificates_authorities ORDER BY id", nil, func(row store.Scanner) error {
		var id, sealed []byte
		if err := row.Scan(&id, &sealed); err != nil {
			return err
		}
		plain, err := s.vault.Unseal(vault.PurposeSecrets, secretAt(id), nil, sealed)
		clear(plain)
		if err != nil {
			found("certificates_authorities", fmt.Sprintf("%x", id), "its key does not open: it was changed, or it belongs to another row")
		}
		return nil
	})
}

// genuine: the row fits its tag.
func (s *Service) genuine(ctx context.Context, q store.Queryer, t *bus.Tagged, key any) (bool, error) {
	ok := true
	err := s.tags.Row(ctx, q, t, key, func(string, string) { ok = false })
	return ok, err
}

func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func moment(n int64) time.Time {
	if n == 0 {
		return time.Time{}
	}
	return time.UnixMicro(n).UTC()
}
