package results

import (
	"context"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// Hands says whether two sign-in accounts count as one hand: one brought the other
// in, and nobody else has confirmed that since.
type Hands interface {
	OneHand(ctx context.Context, q store.Queryer, a, b string) (bool, error)
}

// SetHands has an act that takes two people refused to two of one hand. Call it
// before the service is used.
func (s *Service) SetHands(h Hands) { s.hands.Store(&h) }

// twoHands refuses two people of one hand. Whoever is at the console is nobody's: no
// account let them in.
func (s *Service) twoHands(ctx context.Context, q store.Queryer, a, b asker) error {
	h := s.hands.Load()
	if h == nil || a.console() || b.console() {
		return nil
	}
	one, err := (*h).OneHand(ctx, q, a.account, b.account)
	if err != nil {
		return fmt.Errorf("look by whose hand people came in: %w", err)
	}
	if one {
		return fmt.Errorf("one of the two let the other in or gave them their role, and nobody else has confirmed that since: somebody else confirms this, or that person is confirmed first, under People or with labwarden access confirm: %w", ErrConflict)
	}
	return nil
}
