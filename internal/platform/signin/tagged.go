package signin

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/rewrap"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Who could add or exchange a row here could sign in as somebody else.
var (
	taggedPasswords = &bus.Tagged{Table: "signin_passwords", Key: "person", Columns: []string{"long", "changed_at"}}
	taggedTOTP      = &bus.Tagged{Table: "signin_totp", Key: "person", Columns: []string{"made_at", "last_step"}}
	taggedPasskeys  = &bus.Tagged{Table: "signin_passkeys", Key: "id", Columns: []string{
		"person", "credential", "handle", "record", "counter", "name", "made_at", "used_at", "cloned",
	}}
	taggedRecovery = &bus.Tagged{Table: "signin_recovery", Key: "id", Columns: []string{"person", "made_at", "used_at"}}
)

func tagged() []*bus.Tagged {
	return []*bus.Tagged{taggedPasswords, taggedTOTP, taggedPasskeys, taggedRecovery}
}

func taggedOf(table string) *bus.Tagged {
	for _, d := range tagged() {
		if d.Table == table {
			return d
		}
	}
	panic("signin: no tags for " + table)
}

// TaggedTables are the tables of this package whose rows carry tags.
func TaggedTables() []string {
	var out []string
	for _, d := range tagged() {
		out = append(out, d.Table)
	}
	return out
}

// SealedColumns are the columns that are carried over to a new key. Those of
// signin_pending are not: they are gone before an old key is destroyed.
func SealedColumns() []rewrap.Column {
	id := func(row any) []byte { b, _ := row.([]byte); return b }
	return []rewrap.Column{
		{Purpose: vault.PurposeSecrets, Table: "signin_passwords", Key: "person", Name: "phc", Row: "person", Place: id},
		{Purpose: vault.PurposeSecrets, Table: "signin_totp", Key: "person", Name: "seed", Row: "person", Place: id},
		{Purpose: vault.PurposeSecrets, Table: "signin_recovery", Key: "id", Name: "phc", Row: "id", Place: id},
	}
}

// Audit names the rows that were changed, exchanged, added or removed by somebody
// without the key: by their tags, and by opening what is sealed.
func (s *Service) Audit(ctx context.Context, found func(table, row, what string)) error {
	for _, d := range tagged() {
		if err := s.tags.Audit(ctx, s.DB, d, func(row, what string) { found(d.Table, row, what) }); err != nil {
			return err
		}
	}
	for _, c := range SealedColumns() {
		if err := s.auditSealed(ctx, c, found); err != nil {
			return fmt.Errorf("audit %s: %w", c.Table, err)
		}
	}
	return nil
}

const auditPage = 500

func (s *Service) auditSealed(ctx context.Context, c rewrap.Column, found func(table, row, what string)) error {
	for last := []byte{}; ; {
		n := 0
		err := s.DB.Query(ctx, fmt.Sprintf("SELECT %s, %s FROM %s WHERE %s > $1 ORDER BY %s LIMIT $2", c.Row, c.Name, c.Table, c.Row, c.Row), []any{last, int64(auditPage)},
			func(row store.Scanner) error {
				var id, sealed []byte
				if err := row.Scan(&id, &sealed); err != nil {
					return err
				}
				n, last = n+1, id
				_, err := s.Vault.Unseal(c.Purpose, vault.Where{Table: c.Table, Column: c.Name, Row: id}, nil, sealed)
				if errors.Is(err, vault.ErrClosed) {
					return err
				}
				if err != nil {
					found(c.Table, fmt.Sprintf("%x", id), "what is sealed in it does not open: it was changed or moved")
				}
				return nil
			})
		if err != nil || n < auditPage {
			return err
		}
	}
}

var errForged = errors.New("a stored way to sign in was changed behind the program's back: nobody gets in by it until `labwarden verify` was read")

// genuine holds a row against its tag before anybody signs in by it.
func (s *Service) genuine(ctx context.Context, q store.Queryer, d *bus.Tagged, key event.ID) error {
	what := ""
	if err := s.tags.Row(ctx, q, d, key[:], func(_, w string) { what = w }); err != nil {
		return err
	}
	if what != "" {
		s.Log.Error("a way to sign in was changed in the database", "table", d.Table, "row", key.String(), "what", what)
		return fmt.Errorf("%s: %w", d.Table, errForged)
	}
	return nil
}
