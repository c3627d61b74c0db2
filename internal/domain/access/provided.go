package access

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// RolesFor is how long roles of an OpenID provider count after a sign-in by it, if
// the configuration says nothing else.
const RolesFor = 30 * 24 * time.Hour

var taggedProvided = &bus.Tagged{Table: "access_provided", Key: "person", Columns: []string{"at"}}

// ProvideFor has the roles that the OpenID provider's groups give count for this
// long after a person's last sign-in by it. The provider is heard at such a
// sign-in alone: somebody who made a passkey here and comes in by that would keep
// what their groups gave, long after they were taken out of them.
func (s *Service) ProvideFor(f func() time.Duration) { s.provideFor = f }

func (s *Service) rolesFor() time.Duration {
	if s.provideFor != nil {
		if d := s.provideFor(); d > 0 {
			return d
		}
	}
	return RolesFor
}

// provided writes that the provider has just said who somebody is.
func (s *Service) provided(ctx context.Context, tx *store.Tx, p *Person) error {
	if !p.In(s.now()) {
		return nil
	}
	_, err := s.tags.Exec(ctx, tx, taggedProvided, p.ID[:], "INSERT INTO access_provided (person, at) VALUES ($1, $2) ON CONFLICT (person) DO UPDATE SET at = excluded.at", p.ID[:], micro(s.now()))
	if err != nil {
		return fmt.Errorf("write a sign-in by the provider: %w", err)
	}
	return nil
}

// lastProvided is when the provider said last who somebody is; zero for never.
func (s *Service) lastProvided(ctx context.Context, person event.ID) (time.Time, error) {
	var at int64
	err := s.db.QueryRow(ctx, "SELECT at FROM access_provided WHERE person = $1", person[:]).Scan(&at)
	if errors.Is(err, store.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read the last sign-in by the provider: %w", err)
	}
	return moment(at), s.genuine(ctx, s.db, taggedProvided, person[:])
}

func fromOIDC(g Grant) bool { return g.Origin == OriginOIDC }

// countUntil has the roles of the provider end with the days they count for. A
// role that was given later than the last sign-in was given at one that this table
// does not know yet.
func (s *Service) countUntil(ctx context.Context, p *Person) error {
	if !slices.ContainsFunc(p.Grants, fromOIDC) {
		return nil
	}
	last, err := s.lastProvided(ctx, p.ID)
	if err != nil {
		return err
	}
	for i := range p.Grants {
		g := &p.Grants[i]
		info, _ := authz.RoleOf(g.Role)
		if !fromOIDC(*g) || info.Boxed && g.Until.IsZero() { // the latter gives nothing, and gets no end that would change that
			continue
		}
		from := last
		if g.GivenAt.After(from) {
			from = g.GivenAt
		}
		if end := from.Add(s.rolesFor()); g.Until.IsZero() || end.Before(g.Until) {
			g.Until = end
		}
	}
	return nil
}

// ProvidedUntil is when the roles of the provider stop counting unless the person
// signs in by it before; zero where they have none.
func (s *Service) ProvidedUntil(ctx context.Context, p Person) (time.Time, error) {
	p.Grants = slices.DeleteFunc(slices.Clone(p.Grants), func(g Grant) bool { return !fromOIDC(g) })
	if err := s.countUntil(ctx, &p); err != nil {
		return time.Time{}, err
	}
	var out time.Time
	for _, g := range p.Grants {
		if g.Until.After(out) {
			out = g.Until
		}
	}
	return out, nil
}
