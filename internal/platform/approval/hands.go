package approval

import (
	"context"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// Hands says whether two accounts count as one hand: one brought the other in, and
// nobody else has confirmed that since.
type Hands interface {
	OneHand(ctx context.Context, q store.Queryer, a, b string) (bool, error)
}

// ErrHand is the answer to a second person whom the first has brought in, or who has
// brought in the first.
var ErrHand = errors.New("this takes two people who came in by different hands: one of you let the other in or gave them their role, and nobody else has confirmed that since. Somebody else decides, or confirms first on the page of that person, under People; where there is nobody else, somebody at the console of the machine does, with labwarden access confirm ACCOUNT")

// Hands has the desk refuse a second person who is the first one's own hand. Call it
// before the desk is used.
func (d *Desk) Hands(h Hands) { d.hands = h }

// Bars says why a person may not approve r at this moment; nil when they may.
func (d *Desk) Bars(ctx context.Context, q store.Queryer, r Request, by Person) error {
	if err := r.Bars(by); err != nil {
		return err
	}
	for _, p := range append([]Person{r.Author}, r.Barred...) {
		if err := d.TwoHands(ctx, q, p, by); err != nil {
			return err
		}
	}
	return nil
}

// TwoHands refuses two people who count as one hand, with ErrHand.
func (d *Desk) TwoHands(ctx context.Context, q store.Queryer, a, b Person) error {
	if d.hands == nil {
		return nil
	}
	one, err := d.hands.OneHand(ctx, q, a.Account, b.Account)
	if err != nil {
		return fmt.Errorf("look by whose hand people came in: %w", err)
	}
	if one {
		return ErrHand
	}
	return nil
}
