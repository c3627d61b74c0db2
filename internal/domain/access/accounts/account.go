package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kind is whose an account is.
type Kind int64

// The kinds.
const (
	Nobodys Kind = iota // not matched yet
	Persons
	Shared
	Programs // a service account
	Vendors
)

var kinds = [...]string{"not matched", "a person's", "shared", "a program's", "a vendor's"}

func (k Kind) String() string {
	if k < Nobodys || k > Vendors {
		return "?"
	}
	return kinds[k]
}

// MarshalText implements encoding.TextMarshaler.
func (k Kind) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (k *Kind) UnmarshalText(b []byte) error {
	i := slices.Index(kinds[:], string(b))
	if i < 0 {
		return fmt.Errorf("%w: there is no such kind of account", ErrInvalid)
	}
	*k = Kind(i)
	return nil
}

// Account is an account of another system, as its last list has it, and whose it
// is.
type Account struct {
	ID     event.ID `json:"-"`
	System string   `json:"system"`
	Entry
	Kind Kind `json:"kind"`
	// Person is the id of one of our people, for Persons; Owner the account of who
	// answers for a shared or program's account; Vendor the id in the register.
	Person string `json:"person,omitempty"`
	Owner  string `json:"owner,omitempty"`
	Vendor string `json:"vendor,omitempty"`
	Reason string `json:"reason,omitempty"`
	// How it was matched: "mail", "account", or "confirmed" by By.
	How     string    `json:"matched_how,omitempty"`
	By      string    `json:"matched_by,omitempty"`
	Matched time.Time `json:"matched,omitzero"`
	First   time.Time `json:"first"`
	Changed time.Time `json:"changed"`
	// Gone is the day of the list that no longer had it.
	Gone time.Time `json:"gone,omitzero"`
}

// There says that the account can be used as far as is known: the last list has
// it and does not call it disabled.
func (a *Account) There() bool { return a.Gone.IsZero() && a.Enabled != No }

const accountColumns = `SELECT id, system, name, display, mail, enabled, mfa, privileged, last_used, member_of, kind, person, owner, vendor, reason,
	matched_how, matched_by, matched_at, first_at, changed_at, gone_at FROM accounts_accounts `

func scanAccount(row store.Scanner) (Account, error) {
	var a Account
	var id []byte
	var member string
	var enabled, mfa, privileged, kind, used, matched, first, changed, gone int64
	err := row.Scan(&id, &a.System, &a.Entry.Account, &a.Name, &a.Mail, &enabled, &mfa, &privileged, &used, &member, &kind, &a.Person, &a.Owner, &a.Vendor, &a.Reason,
		&a.How, &a.By, &matched, &first, &changed, &gone)
	if err != nil {
		return a, err
	}
	a.Enabled, a.MFA, a.Privileged, a.Kind = Tri(enabled), Tri(mfa), Tri(privileged), Kind(kind)
	a.LastUsed, a.Never = moment(used), used == -1
	a.Matched, a.First, a.Changed, a.Gone = moment(matched), moment(first), moment(changed), moment(gone)
	a.ID, err = event.IDFromBytes(id)
	return a, errors.Join(err, json.Unmarshal([]byte(member), &a.Groups))
}

// Accounts lists a system's accounts by name, those gone too.
func (s *Service) Accounts(ctx context.Context, system string) ([]Account, error) {
	return accountsOf(ctx, s.db, "WHERE system = $1 ORDER BY fold", system)
}

func accountsOf(ctx context.Context, q store.Queryer, where string, args ...any) ([]Account, error) {
	out := []Account{}
	err := q.Query(ctx, accountColumns+where, args, func(row store.Scanner) error {
		a, err := scanAccount(row)
		out = append(out, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return out, nil
}

// Account returns one.
func (s *Service) Account(ctx context.Context, id event.ID) (Account, error) {
	return account(ctx, s.db, id)
}

func account(ctx context.Context, q store.Queryer, id event.ID) (Account, error) {
	a, err := scanAccount(q.QueryRow(ctx, accountColumns+"WHERE id = $1", id[:]))
	if errors.Is(err, store.ErrNoRows) {
		return a, fmt.Errorf("account: %w", ErrNotFound)
	}
	if err != nil {
		return a, fmt.Errorf("read account: %w", err)
	}
	return a, nil
}

func (s *Service) writeAccount(ctx context.Context, tx *store.Tx, a *Account) error {
	member, err := json.Marshal(append([]string{}, a.Groups...))
	if err != nil {
		return fmt.Errorf("write groups: %w", err)
	}
	used := micro(a.LastUsed)
	if a.Never {
		used = -1
	}
	_, err = s.tags.Exec(ctx, tx, taggedAccounts, a.ID[:], `INSERT INTO accounts_accounts
			(id, system, fold, name, display, mail, enabled, mfa, privileged, last_used, member_of, kind, person, owner, vendor, reason,
			matched_how, matched_by, matched_at, first_at, changed_at, gone_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22)
		ON CONFLICT (id) DO UPDATE SET name = excluded.name, display = excluded.display, mail = excluded.mail, enabled = excluded.enabled,
			mfa = excluded.mfa, privileged = excluded.privileged, last_used = excluded.last_used, member_of = excluded.member_of,
			kind = excluded.kind, person = excluded.person, owner = excluded.owner, vendor = excluded.vendor, reason = excluded.reason,
			matched_how = excluded.matched_how, matched_by = excluded.matched_by, matched_at = excluded.matched_at,
			changed_at = excluded.changed_at, gone_at = excluded.gone_at`,
		a.ID[:], a.System, fold(a.Entry.Account), a.Entry.Account, a.Name, a.Mail, int64(a.Enabled), int64(a.MFA), int64(a.Privileged), used, string(member),
		int64(a.Kind), a.Person, a.Owner, a.Vendor, a.Reason, a.How, a.By, micro(a.Matched), micro(a.First), micro(a.Changed), micro(a.Gone))
	return err
}

// OfVendor lists the accounts that are a vendor's.
func (s *Service) OfVendor(ctx context.Context, vendor event.ID) ([]Account, error) {
	return accountsOf(ctx, s.db, "WHERE kind = $1 AND vendor = $2 AND gone_at = 0 ORDER BY system, fold", int64(Vendors), vendor.String())
}
