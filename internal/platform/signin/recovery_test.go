package signin

import (
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

func TestEachRecoveryCodeOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a")
		r.app(p)
		codes, err := r.NewRecoveryCodes(t.Context(), p.ID, r.fresh(authz.LevelTwo))
		r.must(err)
		if len(codes) != 10 {
			t.Fatal(codes)
		}
		halves := make([]string, 50)
		for i := range halves {
			halves[i] = r.half(p)
		}
		got := together(50, func(i int) Reason {
			step, err := r.Recovery(t.Context(), desk, halves[i], codes[3])
			if err == nil && (step.Level != authz.LevelTwo || step.Person != p.ID) {
				return "odd"
			}
			return reason(err)
		})
		if got[""] != 1 || got[NoMatch]+got[Wait] != 49 {
			t.Fatal(got)
		}
		r.must(r.Unlock(t.Context(), p.ID, "admin"))
		_, err = r.Recovery(t.Context(), desk, r.half(p), codes[3])
		r.want(err, NoMatch)
		// As people type it.
		_, err = r.Recovery(t.Context(), desk, r.half(p), " "+strings.ToLower(strings.ReplaceAll(strings.ReplaceAll(codes[4], "-", " "), "0", "O")))
		r.must(err)
		e, err := r.Enrolled(t.Context(), p.ID)
		r.must(err)
		if e.RecoveryLeft != 8 {
			t.Fatal(e.RecoveryLeft)
		}
		if n := r.facts()[KindRecovered]; n != 2 {
			t.Fatal(n)
		}
		// New ones end the old ones.
		fresh, err := r.NewRecoveryCodes(t.Context(), p.ID, r.fresh(authz.LevelTwo))
		r.must(err)
		_, err = r.Recovery(t.Context(), desk, r.half(p), codes[5])
		r.want(err, NoMatch)
		r.start()
		_, err = r.Recovery(t.Context(), desk, r.half(p), fresh[0])
		r.must(err)
		r.must(r.Audit(t.Context(), func(table, row, what string) { t.Error(table, row, what) }))
	})
}

func TestARecoveryCodeOfSomebodyElse(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p, other := r.person("a"), r.person("b")
		r.app(p)
		r.app(other)
		codes, err := r.NewRecoveryCodes(t.Context(), other.ID, r.fresh(authz.LevelTwo))
		r.must(err)
		_, err = r.NewRecoveryCodes(t.Context(), p.ID, r.fresh(authz.LevelTwo))
		r.must(err)
		_, err = r.Recovery(t.Context(), desk, r.half(p), codes[0])
		r.want(err, NoMatch)
	})
}
