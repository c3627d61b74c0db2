package signin

import (
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// TestAnOpenSessionIsNoKey: whoever finds a session open gets no way of their own
// into the account, and at a shared bench not even with a fresh proof.
func TestAnOpenSessionIsNoKey(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("lena")
		r.passkey(p)
		seed, err := r.BeginTOTP(t.Context(), p.ID, r.fresh(authz.LevelPasskey))
		r.must(err)
		left, bench := r.fresh(authz.LevelPasskey), r.fresh(authz.LevelPasskey)
		left.FreshAt = r.clock.now().Add(-ChangeFor - time.Second)
		bench.Bench = true
		for name, proof := range map[string]Proof{"three minutes later": left, "at a bench": bench} {
			_, e1 := r.BeginPasskey(t.Context(), p.ID, proof)
			_, e2 := r.BeginTOTP(t.Context(), p.ID, proof)
			_, e3 := r.NewRecoveryCodes(t.Context(), p.ID, proof)
			all := []error{
				e1, e2, e3, r.SetPassword(t.Context(), p.ID, proof, okPassword), r.MayChange(t.Context(), p.ID, proof),
				r.RemovePassword(t.Context(), p.ID, proof), r.RemoveTOTP(t.Context(), p.ID, proof), r.RemovePasskey(t.Context(), p.ID, proof, event.NewID()),
			}
			if proof.Bench {
				_, e4 := r.FinishPasskey(t.Context(), p.ID, proof, "x", "x", nil)
				all = append(all, e4, r.ConfirmTOTP(t.Context(), p.ID, proof, seed.Token, "000000"))
			}
			for i, err := range all {
				var denied *authz.Denied
				if !errors.As(err, &denied) || denied.Bench != proof.Bench || denied.StepUp == proof.Bench {
					t.Errorf("%s: %d: %v", name, i, err)
				}
			}
		}
		// What was begun in time is finished in peace: a phone has to be found first.
		var refused *Refused
		if err := r.ConfirmTOTP(t.Context(), p.ID, left, seed.Token, "000000"); !errors.As(err, &refused) || refused.Reason != NoMatch {
			t.Error(err)
		}
	})
}
