package signin

import (
	"context"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// A session that somebody left open must not become a key of its own: whoever
// sits down there could add a passkey and have the account for good. So what
// begins a change of ways asks for a proof of the last minutes, and at a shared
// bench there is no such change at all.
const (
	// ChangeFor is how long a proof is good for beginning a change.
	ChangeFor = 2 * time.Minute
	// typing is what a page leaves of it to fill in its form.
	typing = time.Minute
	// finishFor is how long a change that was begun (its token is bound to the
	// person, and ends by itself) may be finished after the proof.
	finishFor = authz.StepUp
)

// recent says why a proof does not allow a change: made at a bench, or older than
// most. It does not judge the level.
func (s *Service) recent(proof Proof, most time.Duration) *authz.Denied {
	age := s.Now().Sub(proof.FreshAt)
	switch {
	case proof.Bench:
		return &authz.Denied{Permission: authz.OwnSecurity, Bench: true}
	case age > most, age < -time.Minute:
		return &authz.Denied{Permission: authz.OwnSecurity, StepUp: true}
	}
	return nil
}

// MayChange says whether the proof is enough to change a person's ways now. nil is
// yes, else authz.Denied.
func (s *Service) MayChange(ctx context.Context, person event.ID, proof Proof) error {
	_, _, err := s.allow(ctx, person, proof, ChangeFor)
	return err
}

// MayOffer is MayChange with a minute to spare: what a page asks before it offers
// a change.
func (s *Service) MayOffer(ctx context.Context, person event.ID, proof Proof) error {
	_, _, err := s.allow(ctx, person, proof, ChangeFor-typing)
	return err
}
