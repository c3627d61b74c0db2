package access_test

import (
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestDelegationsDoNotRevive: a delegation is over with the role it was given to;
// no administrator brings it back by giving a role.
func TestDelegationsDoNotRevive(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		dir := r.join("director", role(authz.Director))
		here := authz.Object{Partner: "riverside"}
		give := func(p access.Person, roles ...authz.Role) {
			t.Helper()
			for _, x := range roles {
				_, err := r.s.Grant(ctx, r.as(r.admin), p.ID, role(x))
				check(t, err)
			}
		}
		end := func(p access.Person, x authz.Role) {
			t.Helper()
			now, err := r.s.Person(ctx, p.ID)
			check(t, err)
			for _, g := range now.Grants {
				if g.Role == x {
					check(t, r.s.EndGrant(ctx, r.as(r.admin), g.ID))
				}
			}
		}
		back := func(p access.Person) {
			t.Helper()
			check(t, r.s.End(ctx, r.as(r.admin), p.ID))
			l, err := r.s.Return(ctx, r.as(r.admin), p.ID)
			check(t, err)
			r.use(l.Token, access.NewPerson{})
			check(t, r.s.ConfirmAtConsole(ctx, p.Account, "ngozi"))
		}
		for name, c := range map[string]struct {
			then func(p access.Person)
			want bool
		}{
			"nothing":                           {func(access.Person) {}, true},
			"a leaver who is back, as the same": {func(p access.Person) { back(p); give(p, authz.Technologist) }, false},
			"a leaver who is back, as another": {func(p access.Person) {
				back(p)
				check(t, r.s.ConfirmAtConsole(ctx, p.Account, "root"))
				give(p, authz.ComplianceOfficer)
			}, false},
			"another role":                   {func(p access.Person) { give(p, authz.ComplianceOfficer); end(p, authz.Technologist) }, false},
			"the role taken and given again": {func(p access.Person) { end(p, authz.Technologist); give(p, authz.Technologist) }, false},
			"the same role elsewhere, given first": {func(p access.Person) {
				_, err := r.s.Grant(ctx, r.as(r.admin), p.ID, authz.Grant{Role: authz.Technologist, Partners: []string{"riverside"}})
				check(t, err)
				now, err := r.s.Person(ctx, p.ID)
				check(t, err)
				check(t, r.s.EndGrant(ctx, r.as(r.admin), now.Grants[0].ID))
			}, true},
		} {
			t.Run(name, func(t *testing.T) {
				p := r.join(strings.NewReplacer(" ", "", ",", "").Replace(name), role(authz.Technologist))
				_, err := r.s.Delegate(ctx, r.as(dir), access.Delegation{Person: p.ID, Permission: authz.ClinicalStop})
				check(t, err)
				r.clock.forward(time.Second)
				c.then(p)
				s := r.signIn(p, authz.LevelPasskey)
				if got := r.who(r.s, s.Token).May(authz.ClinicalStop, here, r.clock.now()) == nil; got != c.want {
					t.Errorf("it works: %v", got)
				}
			})
		}
		standing, past, err := r.s.Delegations(ctx, r.as(dir))
		if err != nil || len(standing) != 2 || len(past) != 4 || past[0].RevokedBy != "okafor" {
			t.Errorf("%+v\n%+v\n%v", standing, past, err)
		}
	})
}

// TestADelegationWorksThroughItsRole: another role beside it, which reaches
// further, does not carry it there; and when its role is over by a date, it is.
func TestADelegationWorksThroughItsRole(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		dir := r.join("director", role(authz.Director))
		p := r.join("one", authz.Grant{Role: authz.Technologist, Partners: []string{"riverside"}, Until: r.clock.now().Add(5 * time.Minute)})
		_, err := r.s.Delegate(ctx, r.as(dir), access.Delegation{Person: p.ID, Permission: authz.ClinicalStop})
		check(t, err)
		r.clock.forward(time.Second)
		_, err = r.s.Grant(ctx, r.as(r.admin), p.ID, role(authz.ComplianceOfficer))
		check(t, err)
		s := r.signIn(p, authz.LevelPasskey)
		may := func(partner string) bool {
			return r.who(r.s, s.Token).May(authz.ClinicalStop, authz.Object{Partner: partner}, r.clock.now()) == nil
		}
		if !may("riverside") || may("northgate") {
			t.Errorf("riverside %v, northgate %v", may("riverside"), may("northgate"))
		}
		r.clock.forward(5 * time.Minute)
		if may("riverside") {
			t.Error("it outlives its role")
		}
		standing, _, err := r.s.Delegations(ctx, r.as(dir))
		if err != nil || len(standing) != 1 || standing[0].Idle == "" {
			t.Fatalf("%+v %v", standing, err)
		}
		// The role given anew finds it revoked, whether dates were looked at before or not.
		_, err = r.s.Grant(ctx, r.as(r.admin), p.ID, role(authz.Technologist))
		check(t, err)
		if may("riverside") {
			t.Error("a role that is given brings it back")
		}
	})
}
