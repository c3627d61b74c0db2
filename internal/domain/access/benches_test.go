package access_test

import (
	"errors"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestDelegatesNothingAtABench: the director's session at a shared bench writes no
// delegation, however fresh, and the same director elsewhere does.
func TestDelegatesNothingAtABench(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		director, one := r.join("director", role(authz.Director)), r.join("one", role(authz.Technologist))
		_, bench, err := r.s.PairBench(ctx, r.as(r.admin), "Chemistry bench", "main")
		check(t, err)
		in := access.Start{Person: director.ID, Level: authz.LevelPasskey, Method: "passkey", Bench: bench, Device: access.Device{Name: "Firefox on Linux", Network: "192.0.2.7"}}
		at, err := r.s.Start(ctx, in)
		check(t, err)
		who := r.who(r.s, at.Token, bench)
		if who == nil || !who.Bench {
			t.Fatalf("%+v", who)
		}
		d := access.Delegation{Person: one.ID, Permission: authz.ClinicalStop}
		var denied *authz.Denied
		if _, err := r.s.Delegate(ctx, who, d); !errors.As(err, &denied) || !denied.Bench {
			t.Fatalf("delegated at a bench: %v", err)
		}
		in.Bench = ""
		away, err := r.s.Start(ctx, in)
		check(t, err)
		if who = r.who(r.s, away.Token, bench); who == nil || who.Bench {
			t.Fatalf("%+v", who)
		}
		_, err = r.s.Delegate(ctx, who, d)
		check(t, err)
	})
}
