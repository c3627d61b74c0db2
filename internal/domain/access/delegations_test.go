package access_test

import (
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// TestDelegations: written by the director only, in force between their dates,
// revocable, kept.
func TestDelegations(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		dir, tech, desk := r.join("director", role(authz.Director)), r.join("tech", role(authz.Technologist)), r.join("desk", role(authz.FrontDesk))
		s := r.signIn(tech, authz.LevelTwo)
		may := func(p authz.Permission) bool {
			t.Helper()
			return r.who(r.s, s.Token).May(p, authz.Object{Partner: "riverside"}, r.clock.now()) == nil
		}
		d := access.Delegation{Person: tech.ID, Permission: authz.ClinicalStop, Until: r.clock.now().Add(10 * time.Minute), Note: "Night shift"}
		for _, p := range []access.Person{r.admin, tech} {
			if _, err := r.s.Delegate(ctx, r.as(p), d); err == nil {
				t.Errorf("%s wrote a delegation", p.Account)
			}
		}
		who := r.as(dir)
		for _, c := range []struct {
			why  string
			with func(d *access.Delegation)
		}{
			{"no clinical act", func(d *access.Delegation) { d.Permission = authz.PeopleChange }},
			{"no permission", func(d *access.Delegation) { d.Permission = "x" }},
			{"to oneself", func(d *access.Delegation) { d.Person = dir.ID }},
			{"to nobody", func(d *access.Delegation) { d.Person = event.NewID() }},
			{"to the front desk", func(d *access.Delegation) { d.Person = desk.ID }},
			{"over already", func(d *access.Delegation) { d.Until = r.clock.now() }},
			{"a long note", func(d *access.Delegation) { d.Note = strings.Repeat("x", 501) }},
		} {
			bad := d
			c.with(&bad)
			if _, err := r.s.Delegate(ctx, who, bad); err == nil {
				t.Errorf("delegated: %s", c.why)
			}
		}
		if may(authz.ClinicalStop) {
			t.Error("before it was written")
		}
		_, err := r.s.Delegate(ctx, who, d)
		check(t, err)
		if !may(authz.ClinicalStop) || may(authz.SendAlone) {
			t.Error("it gives something else")
		}
		r.clock.forward(10 * time.Minute)
		if may(authz.ClinicalStop) {
			t.Error("after its end")
		}
		d.Until = time.Time{}
		given, err := r.s.Delegate(ctx, who, d)
		check(t, err)
		if !may(authz.ClinicalStop) {
			t.Error("without an end it gives nothing")
		}
		if err := r.s.Revoke(ctx, r.as(r.admin), given.ID); err == nil {
			t.Error("an administrator revoked it")
		}
		who = r.as(dir)
		check(t, r.s.Revoke(ctx, who, given.ID))
		refused(t, r.s.Revoke(ctx, who, given.ID), access.ErrEnded)
		if may(authz.ClinicalStop) {
			t.Error("after it was revoked")
		}
		_, err = r.s.Delegate(ctx, who, d)
		check(t, err)
		check(t, r.s.End(ctx, r.as(r.admin), tech.ID))
		standing, past, err := r.s.Delegations(ctx, who)
		if err != nil || len(standing) != 0 || len(past) != 3 || past[1].RevokedBy != "director" || past[2].RevokedBy != "okafor" {
			t.Errorf("%+v\n%+v\n%v", standing, past, err)
		}
		for _, k := range []string{access.KindDelegated, access.KindRevoked} {
			if !strings.Contains(r.kinds(), k) {
				t.Errorf("no %s in the ledger", k)
			}
		}
	})
}
