package signin

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// What a Change did to a way to sign in.
const (
	Added   = "added"
	Changed = "changed"
	Removed = "removed"
	Used    = "used" // a recovery code, which stands for a lost factor
)

// Every is the way of a Change that took all of them.
const Every Way = "all"

// Change is what happened to the ways in which a person proves who they are. It
// holds no secret.
type Change struct {
	Person event.ID
	What   string
	Way    Way
	// By is the account of somebody else who did it; empty: the person.
	By string
	// Session and Device are those in which the person did it, From where; zero where
	// there was no session.
	Session event.ID
	Device  string
	From    netip.Addr
}

// Teller tells the person of a change to how they sign in, in the transaction of
// the change: OWASP ASVS 5.0 6.3.7. Package access does.
type Teller interface {
	WayChanged(ctx context.Context, tx *store.Tx, c Change) error
}

// inform has the person told, unless it was the first way of all: somebody who comes
// in by their link has nobody to be warned of.
func (s *Service) inform(ctx context.Context, tx *store.Tx, had Enrolled, c Change) error {
	if s.Tell == nil || !had.Any() {
		return nil
	}
	if err := s.Tell.WayChanged(ctx, tx, c); err != nil {
		return fmt.Errorf("tell of a change of a way to sign in: %w", err)
	}
	return nil
}

// change is one that the person made.
func (a Ask) change(person event.ID, what string, way Way) Change {
	return Change{Person: person, What: what, Way: way, Session: a.Session, Device: a.Device, From: a.From}
}

// addedOr says whether a way was added or replaced one.
func addedOr(had bool) string {
	if had {
		return Changed
	}
	return Added
}
