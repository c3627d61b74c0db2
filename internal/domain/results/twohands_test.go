package results

import (
	"context"
	"errors"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// puppets: bea was brought in by ann.
type puppets struct{}

func (puppets) OneHand(_ context.Context, _ store.Queryer, a, b string) (bool, error) {
	return a == "bea" && b == "ann" || a == "ann" && b == "bea", nil
}

// TestAPuppetConfirmsNoRelease: what keeps many results is not let go by somebody and
// whom they brought in.
func TestAPuppetConfirmsNoRelease(t *testing.T) {
	who := func(account string) Named { return Named{By: By{Who: account, Reason: "test"}, Person: account} }
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		l := newLab(t, open)
		l.SetHands(puppets{})
		first := l.taken(oru("C1", "4711", "100"))
		l.taken(oru("C2", "4711", "101"))
		id := l.place(Stop{Kind: ClinicalStop, Scope: ScopePatient, Target: first.ID.String()}, ann)
		if x, err := l.LiftStop(t.Context(), id, ClinicalStop, who("ann")); err != nil || !x.Waits {
			t.Fatalf("%+v %v", x, err)
		}
		if _, err := l.ConfirmLift(t.Context(), id, ClinicalStop, who("bea")); !errors.Is(err, ErrConflict) {
			t.Errorf("the puppet confirms: %v", err)
		}
		if x, err := l.ConfirmLift(t.Context(), id, ClinicalStop, who("cid")); err != nil || !x.Lifted {
			t.Errorf("%+v %v", x, err)
		}
	})
}
