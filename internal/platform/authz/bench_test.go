package authz_test

import (
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestNothingApartAtABench: who sits down in the session of the one before gives
// and takes no access, and a proof is old after two minutes.
func TestNothingApartAtABench(t *testing.T) {
	apart := 0
	for _, p := range authz.Permissions() {
		for _, r := range authz.Roles() {
			s := holder(r.Role)
			before := s.May(p.Permission, here, now)
			s.Bench = true
			err := s.May(p.Permission, here, now)
			var d *authz.Denied
			switch {
			case before != nil:
				if err == nil {
					t.Errorf("%s: a bench gives %s", r.Role, p.Permission)
				}
				continue
			case p.Apart:
				apart++
				if !errors.As(err, &d) || !d.Bench || d.StepUp || !s.Scope(p.Permission, now).Empty() {
					t.Errorf("%s at a bench: %s: %v", r.Role, p.Permission, err)
				}
				continue
			case err != nil:
				t.Errorf("%s at a bench: %s: %v", r.Role, p.Permission, err)
			}
			s.FreshAt = now.Add(-authz.BenchStepUp - time.Second)
			if err := s.May(p.Permission, here, now); p.Fresh != (errors.As(err, &d) && d.StepUp) {
				t.Errorf("%s at a bench, after two minutes: %s: %v", r.Role, p.Permission, err)
			}
		}
	}
	if apart == 0 {
		t.Error("nothing is kept from a bench")
	}
	for _, p := range []authz.Permission{authz.Delegate, authz.PeopleChange, authz.TokensManage, authz.SecretsSet, authz.KeysRotate, authz.SessionsEnd, authz.BenchesManage} {
		if i, _ := authz.Of(p); !i.Apart {
			t.Errorf("%s may be done at a bench", p)
		}
	}
}
