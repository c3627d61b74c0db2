package access

import (
	"context"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Forgetter removes every way to sign in that a person has; *signin.Service does.
type Forgetter interface {
	Forget(ctx context.Context, tx *store.Tx, person event.ID, by string) error
}

// ForgetWith has whoever is ended lose their passkeys and passwords with it.
// Call it before the service is used.
func (s *Service) ForgetWith(f Forgetter) { s.forgetter = f }

// forget is done in the transaction that ends the person.
func (s *Service) forget(ctx context.Context, tx *store.Tx, person event.ID, by string) error {
	if s.forgetter == nil {
		return nil
	}
	return s.forgetter.Forget(ctx, tx, person, by)
}
