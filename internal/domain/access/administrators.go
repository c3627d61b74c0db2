package access

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// administrators counts those who are administrators of everything and can sign
// in: now, and without a date by which that ends. A role of the OpenID provider
// lasts as long as that answers, so it is not counted as lasting.
func administrators(ctx context.Context, q store.Queryer, now time.Time) (today, lasting int, err error) {
	today1, lasting1 := map[string]bool{}, map[string]bool{}
	err = q.Query(ctx, `SELECT p.account, p.starts_at, p.ends_at, g.from_at, g.until_at, g.origin FROM access_people p JOIN access_grants g ON g.person = p.id
		WHERE p.state = 1 AND g.ended_at = 0 AND g.role = $1 AND g.partners = '' AND g.sites = ''`, []any{string(authz.Administrator)}, func(row store.Scanner) error {
		var account, origin string
		var starts, ends, from, until int64
		if err := row.Scan(&account, &starts, &ends, &from, &until, &origin); err != nil {
			return err
		}
		if within(moment(starts), moment(ends), now) && within(moment(from), moment(until), now) {
			today1[account] = true
			if ends == 0 && until == 0 && origin != OriginOIDC {
				lasting1[account] = true
			}
		}
		return nil
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count administrators: %w", err)
	}
	return len(today1), len(lasting1), nil
}

// guarded runs a change that may take an administrator away, and refuses it if
// that leaves nobody: now, or once the dates have acted.
func (s *Service) guarded(ctx context.Context, tx *store.Tx, change func() error) error {
	today, lasting, err := administrators(ctx, tx, s.now())
	if err != nil {
		return err
	}
	if err := change(); err != nil {
		return err
	}
	today2, lasting2, err := administrators(ctx, tx, s.now())
	if err != nil {
		return err
	}
	if today > 0 && today2 == 0 || lasting > 0 && lasting2 == 0 {
		return ErrLastAdministrator
	}
	return nil
}
