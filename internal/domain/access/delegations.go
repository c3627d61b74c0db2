package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Kinds of events about delegations.
const (
	KindDelegated = "delegation.given"
	KindRevoked   = "delegation.revoked"
)

// Delegation is a clinical act that the laboratory director gave to a person in
// writing.
type Delegation struct {
	ID            event.ID
	Person        event.ID
	Account, Name string
	Permission    authz.Permission
	From, Until   time.Time // Until zero: until it is revoked
	Note          string
	GivenAt       time.Time
	GivenBy       string
	RevokedAt     time.Time
	RevokedBy     string
	// Idle says why it gives nothing at this moment though it stands: the person
	// has left, or has no role a clinical act can be delegated to. Empty otherwise.
	Idle string
}

// In says whether it stands at this moment.
func (d *Delegation) In(now time.Time) bool {
	return d.RevokedAt.IsZero() && within(d.From, d.Until, now)
}

// Delegable lists the clinical acts that can be delegated.
func Delegable() []authz.Info {
	var out []authz.Info
	for _, p := range authz.Permissions() {
		if p.Delegated {
			out = append(out, p)
		}
	}
	return out
}

const maxNote = 500

// Delegate writes a delegation. Needs delegations.write (the director), and
// never to oneself.
func (s *Service) Delegate(ctx context.Context, who *authz.Subject, d Delegation) (out Delegation, err error) {
	now := s.now()
	if err := who.May(authz.Delegate, authz.Object{}, now); err != nil {
		return out, err
	}
	info, ok := authz.Of(d.Permission)
	switch {
	case !ok || !info.Delegated:
		return out, invalid("permission", "This is no act that can be delegated.")
	case d.Person == who.Person:
		return out, ErrOwn
	case utf8.RuneCountInString(d.Note) > maxNote || !utf8.ValidString(d.Note):
		return out, invalid("note", "Write at most %d characters.", maxNote)
	case !d.Until.IsZero() && (!d.Until.After(now) || !d.Until.After(d.From)):
		return out, invalid("until", "The end has passed already, or lies before the start.")
	}
	if d.From.IsZero() {
		d.From = now
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE id = $1", d.Person[:])
		if errors.Is(err, ErrNotFound) {
			return invalid("person", "There is nobody of this account.")
		}
		if err != nil {
			return err
		}
		if why := idle(p, now); why != "" {
			return invalid("person", "%s", why)
		}
		out = Delegation{
			ID: event.NewID(), Person: p.ID, Account: p.Account, Name: p.Name, Permission: d.Permission, From: d.From, Until: d.Until, Note: d.Note,
			GivenAt: now, GivenBy: who.Account,
		}
		_, err = tx.Exec(ctx, `INSERT INTO access_delegations (id, person, permission, from_at, until_at, note, given_at, given_by, giver, revoked_at, revoked_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, '')`,
			out.ID[:], p.ID[:], string(out.Permission), micro(out.From), micro(out.Until), out.Note, micro(now), who.Account, who.Person[:])
		if err != nil {
			return err
		}
		if err := s.tags.Put(ctx, tx, taggedDelegations, out.ID[:]); err != nil {
			return err
		}
		_, err = s.fact(ctx, tx, KindDelegated, who.Account, ledger.Pairs{idPair("delegation", out.ID), idPair("person", p.ID)},
			ledger.Pairs{{K: "permission", V: string(out.Permission)}}, ledger.Number{K: "from", N: micro(out.From)}, ledger.Number{K: "until", N: micro(out.Until)})
		return err
	})
	return out, wrap("delegate", err)
}

// Revoke ends a delegation at once. Needs delegations.write.
func (s *Service) Revoke(ctx context.Context, who *authz.Subject, id event.ID) error {
	if err := who.May(authz.Delegate, authz.Object{}, s.now()); err != nil {
		return err
	}
	err := s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		d, err := scanDelegation(tx.QueryRow(ctx, delegationColumns+"WHERE d.id = $1", id[:]))
		if errors.Is(err, store.ErrNoRows) {
			return ErrNotFound
		}
		if err != nil {
			return err
		}
		if !d.RevokedAt.IsZero() {
			return ErrEnded
		}
		return s.revoke(ctx, tx, who.Account, d, "")
	})
	return wrap("revoke delegation", err)
}

const delegationColumns = `SELECT d.id, d.person, p.account, p.name, d.permission, d.from_at, d.until_at, d.note, d.given_at, d.given_by, d.revoked_at, d.revoked_by
	FROM access_delegations d JOIN access_people p ON p.id = d.person `

func scanDelegation(row store.Scanner) (Delegation, error) {
	var d Delegation
	var id, person []byte
	var permission string
	var from, until, given, revoked int64
	err := row.Scan(&id, &person, &d.Account, &d.Name, &permission, &from, &until, &d.Note, &given, &d.GivenBy, &revoked, &d.RevokedBy)
	if err != nil {
		return d, err
	}
	d.Permission, d.From, d.Until, d.GivenAt, d.RevokedAt = authz.Permission(permission), moment(from), moment(until), moment(given), moment(revoked)
	if d.ID, err = event.IDFromBytes(id); err == nil {
		d.Person, err = event.IDFromBytes(person)
	}
	return d, err
}

// Delegations lists what was ever delegated, what stands first, then the newest.
// Needs delegations.see.
func (s *Service) Delegations(ctx context.Context, who *authz.Subject) (standing, past []Delegation, err error) {
	now := s.now()
	if err := who.May(authz.DelegationsSee, authz.Object{}, now); err != nil {
		return nil, nil, err
	}
	people, err := s.People(ctx)
	if err != nil {
		return nil, nil, err
	}
	by := map[event.ID]Person{}
	for _, p := range people {
		by[p.ID] = p
	}
	err = s.db.Query(ctx, delegationColumns+"ORDER BY d.permission, p.name, d.id", nil, func(row store.Scanner) error {
		d, err := scanDelegation(row)
		if err != nil {
			return err
		}
		if d.RevokedAt.IsZero() && (d.Until.IsZero() || now.Before(d.Until)) {
			standing = append(standing, d)
		} else {
			past = append(past, d)
		}
		return nil
	})
	if err != nil {
		return nil, nil, fmt.Errorf("list delegations: %w", err)
	}
	for i := range standing {
		d := &standing[i]
		if d.Idle = idle(by[d.Person], now); d.Idle != "" {
			continue
		}
		history, err := grantsOf(ctx, s.db, d.Person, true)
		if err != nil {
			return nil, nil, fmt.Errorf("list delegations: %w", err)
		}
		held := stillOf(history, d.GivenAt, now)
		if !slices.ContainsFunc(by[d.Person].Grants, func(g Grant) bool { return slices.Contains(held, g.Role) && within(g.From, g.Until, now) }) {
			d.Idle = "They do not have the role it was given to."
		}
	}
	return standing, past, nil
}

// idle says why a person cannot act by a delegation; empty when they can.
func idle(p Person, now time.Time) string {
	if p.State == Ended || !p.Ends.IsZero() && !now.Before(p.Ends) {
		return "They have left."
	}
	for _, g := range p.Grants {
		if info, ok := authz.RoleOf(g.Role); ok && info.Delegable && within(g.From, g.Until, now) {
			return ""
		}
	}
	return "They have no role that a clinical act can be delegated to."
}
