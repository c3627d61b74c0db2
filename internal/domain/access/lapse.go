package access

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// A delegation is given to a person in a role. It works through that role alone,
// and is over for good when the person has the role no more: else somebody who
// left, and comes back as something else, would act clinically on a page the
// director signed for another time.

// heldAt are the grants at some moment to which a clinical act can be delegated.
func heldAt(history []Grant, at time.Time) (out []Grant) {
	for _, g := range history {
		info, ok := authz.RoleOf(g.Role)
		if ok && info.Delegable && !g.GivenAt.After(at) && (g.EndedAt.IsZero() || g.EndedAt.After(at)) && within(g.From, g.Until, at) {
			out = append(out, g)
		}
	}
	return out
}

// stillOf are the roles of a delegation given at that moment: those the person had
// then and has been given here or has to come. Empty: it is over.
func stillOf(history []Grant, given, now time.Time) (out []authz.Role) {
	for _, g := range heldAt(history, given) {
		stands := slices.ContainsFunc(history, func(x Grant) bool {
			return x.Role == g.Role && x.EndedAt.IsZero() && (x.Until.IsZero() || now.Before(x.Until))
		})
		if stands && !slices.Contains(out, g.Role) {
			out = append(out, g.Role)
		}
	}
	return out
}

// lapse revokes the delegations of a person who has none of the roles any more
// that they were given to. It runs before a role is given and after one is taken,
// so that the same role given anew does not bring them back; who exchanges a
// role for the same one elsewhere gives first.
func (s *Service) lapse(ctx context.Context, tx *store.Tx, by string, person event.ID) error {
	standing, err := standingOf(ctx, tx, person)
	if err != nil || len(standing) == 0 {
		return err
	}
	history, err := grantsOf(ctx, tx, person, true)
	if err != nil {
		return fmt.Errorf("read roles: %w", err)
	}
	for _, d := range standing {
		if len(stillOf(history, d.GivenAt, s.now())) > 0 {
			continue
		}
		if err := s.revoke(ctx, tx, by, d, "the role has ended"); err != nil {
			return err
		}
	}
	return nil
}

// revokeAll revokes what was delegated to somebody who leaves.
func (s *Service) revokeAll(ctx context.Context, tx *store.Tx, by string, person event.ID) error {
	standing, err := standingOf(ctx, tx, person)
	if err != nil {
		return err
	}
	for _, d := range standing {
		if err := s.revoke(ctx, tx, by, d, "the person has left"); err != nil {
			return err
		}
	}
	return nil
}

// standingOf reads what is delegated to a person and not revoked.
func standingOf(ctx context.Context, q store.Queryer, person event.ID) (out []Delegation, err error) {
	err = q.Query(ctx, delegationColumns+"WHERE d.person = $1 AND d.revoked_at = 0 ORDER BY d.id", []any{person[:]}, func(row store.Scanner) error {
		d, err := scanDelegation(row)
		out = append(out, d)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read delegations: %w", err)
	}
	return out, nil
}

// revoke ends one in tx; why is empty where the director did.
func (s *Service) revoke(ctx context.Context, tx *store.Tx, by string, d Delegation, why string) error {
	_, err := s.tags.Exec(ctx, tx, taggedDelegations, d.ID[:], "UPDATE access_delegations SET revoked_at = $1, revoked_by = $2 WHERE id = $3", micro(s.now()), by, d.ID[:])
	if err != nil {
		return err
	}
	codes := ledger.Pairs{{K: "permission", V: string(d.Permission)}}
	if why != "" {
		codes = append(codes, ledger.Pair{K: "why", V: ledger.Code(why)})
	}
	_, err = s.fact(ctx, tx, KindRevoked, by, ledger.Pairs{idPair("delegation", d.ID), idPair("person", d.Person)}, codes)
	return err
}

// delegated reads what a person may do by delegation, each with the roles it works
// through. Each row is held against its tag, also those of roles that have ended
// where a delegation rests on them.
func (s *Service) delegated(ctx context.Context, person event.ID) ([]authz.Delegation, error) {
	standing, err := standingOf(ctx, s.db, person)
	if err != nil || len(standing) == 0 {
		return nil, err
	}
	history, err := grantsOf(ctx, s.db, person, true)
	if err != nil {
		return nil, fmt.Errorf("read roles: %w", err)
	}
	var out []authz.Delegation
	for _, d := range standing {
		if err := s.genuine(ctx, s.db, taggedDelegations, d.ID[:]); err != nil {
			return nil, err
		}
		for _, g := range heldAt(history, d.GivenAt) {
			if err := s.genuine(ctx, s.db, taggedGrants, g.ID[:]); err != nil {
				return nil, err
			}
		}
		if roles := stillOf(history, d.GivenAt, s.now()); len(roles) > 0 {
			out = append(out, authz.Delegation{Permission: d.Permission, From: d.From, Until: d.Until, Roles: roles})
		}
	}
	return out, nil
}
