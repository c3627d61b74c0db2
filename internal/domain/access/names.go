package access

import (
	"context"
	"fmt"
	"slices"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// reservedNames stand in the record for what is nobody's account, or are read as
// the machine's own: who had one would act in another's name.
var reservedNames = []string{
	"labwarden", "hub", "console", "openid", "oidc", "scim", "program", "access-review", "approval", "approvals", "system", "root", "nobody", "daemon", "job", "init",
}

// reserved says whether an account, as it is stored, is nobody's to have.
func reserved(account string) bool { return slices.Contains(reservedNames, account) }

var (
	// errTaken: people and programs share one list of accounts.
	errTaken    = &Refusal{KindConflict, "account", "This account exists, or existed once: accounts are never given again."}
	errReserved = &Refusal{KindInvalid, "account", "This name stands in the record for the program or the machine itself: choose another account."}
)

// freeAccount says why an account cannot be given to somebody or something new.
func (s *Service) freeAccount(ctx context.Context, q store.Queryer, account string) error {
	if reserved(account) {
		return errReserved
	}
	var n int64
	err := q.QueryRow(ctx, "SELECT (SELECT count(*) FROM access_people WHERE account = $1) + (SELECT count(*) FROM access_services WHERE account = $1)", account).Scan(&n)
	if err == nil && n > 0 {
		err = errTaken
	}
	return err
}

// unreserved is the account of somebody new whom the OpenID provider calls by a
// name that cannot be had here: they did not choose it, so they get one beside it.
func unreserved(account string) string {
	if clean, err := CleanAccount(account); err == nil && reserved(clean) {
		return "person-" + clean
	}
	return account
}

// ReservedAccounts lists who has an account that was given before such names were
// refused, and has not been ended: what they do may read as the program's.
func (s *Service) ReservedAccounts(ctx context.Context) ([]string, error) {
	var out []string
	err := s.db.Query(ctx, "SELECT account FROM access_people WHERE state < 2 UNION SELECT account FROM access_services WHERE ended_at = 0 ORDER BY account", nil, func(row store.Scanner) error {
		var a string
		err := row.Scan(&a)
		if err == nil && reserved(a) {
			out = append(out, a)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for reserved accounts: %w", err)
	}
	return out, nil
}
