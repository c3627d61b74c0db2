package access_test

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func role(r authz.Role) authz.Grant { return authz.Grant{Role: r} }

// TestFirstAdministrator: by a one-time link of the console, and only while
// there is none.
func TestFirstAdministrator(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		old, err := r.s.FirstAdminLink(t.Context())
		check(t, err)
		l, err := r.s.FirstAdminLink(t.Context())
		check(t, err)
		var p access.Person
		refused(t, r.tryUse(old.Token, access.NewPerson{Account: "eve", Name: "Eve"}, &p), access.ErrLink) // a new one ends the old
		if _, _, err := r.s.LookLink(t.Context(), l.Token); err != nil {
			t.Fatalf("looking uses it up: %v", err)
		}
		p = r.use(l.Token, access.NewPerson{Account: "  Okafor ", Name: "Ngozi  Okafor", Grants: []authz.Grant{role(authz.SecurityOfficer)}})
		if p.Account != "okafor" || p.Name != "Ngozi Okafor" || p.State != access.Active || len(p.Grants) != 1 || p.Grants[0].Role != authz.Administrator {
			t.Fatalf("the first administrator is %+v", p)
		}
		refused(t, r.tryUse(l.Token, access.NewPerson{Account: "eve", Name: "Eve"}, &p), access.ErrLink)
		_, err = r.s.FirstAdminLink(t.Context())
		refused(t, err, access.ErrAdministrator)
		rows := ""
		for _, x := range r.dump("SELECT id, hash, kind, made_by FROM access_links") {
			rows += x
		}
		if strings.Contains(rows, l.Token) || strings.Contains(r.events(), l.Token) {
			t.Error("the link's token is stored")
		}
	})
}

// TestALinkWorksOnce, also when it is used 50 times at once.
func TestALinkWorksOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p, l, err := r.s.Invite(t.Context(), r.as(r.admin), access.NewPerson{Account: "lind", Name: "Lind", Grants: []authz.Grant{role(authz.Technologist)}})
		check(t, err)
		var won atomic.Int64
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				var got access.Person
				if err := r.tryUse(l.Token, access.NewPerson{}, &got); err == nil {
					won.Add(1)
				}
			})
		}
		wg.Wait()
		if won.Load() != 1 {
			t.Fatalf("%d of 50 uses won", won.Load())
		}
		if p, err = r.s.Person(t.Context(), p.ID); err != nil || p.State != access.Active {
			t.Fatalf("%+v %v", p, err)
		}
		if n := strings.Count(r.kinds(), access.KindLinkUsed); n != 2 {
			t.Errorf("%d uses in the ledger, want that of the administrator and this", n)
		}
		// Its time.
		_, l, err = r.s.Invite(t.Context(), r.as(r.admin), access.NewPerson{Account: "late", Name: "Late"})
		check(t, err)
		r.clock.forward(72 * time.Hour)
		refused(t, r.tryUse(l.Token, access.NewPerson{}, &p), access.ErrLink)
		for _, bad := range []string{"", "x", l.Token + "x", strings.Repeat("A", 43)} {
			refused(t, r.tryUse(bad, access.NewPerson{}, &p), access.ErrLink)
		}
	})
}

func TestWhoMayChangePeople(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		second := r.join("second", role(authz.Administrator))
		for _, info := range authz.Roles() {
			if info.Role == authz.Service {
				continue
			}
			g := role(info.Role)
			if info.Boxed {
				g.Until = r.clock.now().Add(time.Hour)
			}
			if info.Scoped {
				g.Partners = []string{"riverside"}
			}
			p := r.join("x-"+string(info.Role), g)
			who := r.as(p)
			_, _, err := r.s.Invite(ctx, who, access.NewPerson{Account: "y-" + string(info.Role), Name: "Y"})
			if (err == nil) != (info.Role == authz.Administrator) {
				t.Errorf("%s adds people: %v", info.Role, err)
			}
			_, err = r.s.Grant(ctx, who, p.ID, role(authz.Administrator))
			if err == nil {
				t.Errorf("%s gave themselves a role", info.Role)
			}
		}
		admin := r.as(r.admin)
		_, err := r.s.Grant(ctx, admin, r.admin.ID, role(authz.Director))
		refused(t, err, access.ErrOwn)
		refused(t, r.s.EndGrant(ctx, admin, r.as2(r.admin).Grants[0].ID), access.ErrOwn)
		refused(t, r.s.End(ctx, admin, r.admin.ID), access.ErrOwn)
		refused(t, r.s.ChangePerson(ctx, admin, r.admin.ID, access.Change{Name: "N", Ends: r.clock.now().Add(time.Hour), Revision: r.as2(r.admin).Revision}), access.ErrOwn)
		check(t, r.s.ChangePerson(ctx, admin, r.admin.ID, access.Change{Name: "Ngozi O", Mail: "ngozi@lab.example", Revision: r.as2(r.admin).Revision}))
		refused(t, r.s.ChangePerson(ctx, admin, r.admin.ID, access.Change{Name: "N", Revision: 1}), access.ErrChanged)
		stale := r.as(second)
		stale.FreshAt = r.clock.now().Add(-time.Hour)
		if err := r.s.End(ctx, stale, r.admin.ID); err == nil || !strings.Contains(err.Error(), "confirm") {
			t.Errorf("without a fresh proof: %v", err)
		}
	})
}

func (r *rig) as2(p access.Person) access.Person {
	r.t.Helper()
	p, err := r.s.Person(r.t.Context(), p.ID)
	check(r.t, err)
	return p
}

// TestTheLastAdministratorStays, whichever way the role would go.
func TestTheLastAdministratorStays(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		second := r.join("second", role(authz.Administrator))
		who := r.as(second) // ended below, its subject made before
		first := r.as2(r.admin)
		check(t, r.s.End(ctx, r.as(r.admin), second.ID))
		refused(t, r.s.End(ctx, who, first.ID), access.ErrLastAdministrator)
		refused(t, r.s.EndGrant(ctx, who, first.Grants[0].ID), access.ErrLastAdministrator)
		refused(t, r.s.ChangePerson(ctx, who, first.ID, access.Change{Name: "N", Ends: r.clock.now().Add(24 * time.Hour), Revision: first.Revision}), access.ErrLastAdministrator)
		refused(t, r.s.ChangePerson(ctx, who, first.ID, access.Change{Name: "N", Starts: r.clock.now().Add(24 * time.Hour), Revision: first.Revision}), access.ErrLastAdministrator)
		// One whose role has an end, or is of some partners only, does not count.
		for i, g := range []authz.Grant{{Role: authz.Administrator, Until: r.clock.now().Add(time.Hour)}, {Role: authz.Administrator, Partners: []string{"riverside"}}} {
			r.join("third"+string(rune('a'+i)), g)
			refused(t, r.s.End(ctx, who, first.ID), access.ErrLastAdministrator)
		}
		// Two at once, each ending the other: one stays.
		fourth := r.join("fourth", role(authz.Administrator))
		a, b := r.as(r.admin), r.as(fourth)
		var wg sync.WaitGroup
		var won atomic.Int64
		wg.Go(func() {
			if r.s.End(ctx, a, b.Person) == nil {
				won.Add(1)
			}
		})
		wg.Go(func() {
			if r.s.End(ctx, b, a.Person) == nil {
				won.Add(1)
			}
		})
		wg.Wait()
		if has, err := r.s.HasAdministrator(ctx); err != nil || !has || won.Load() != 1 {
			t.Fatalf("%d won; an administrator is there: %v, %v", won.Load(), has, err)
		}
	})
}

func TestRulesOfPeopleAndRoles(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		good := access.NewPerson{Account: "maria", Name: "Maria Silva", Mail: "maria@lab.example"}
		for _, c := range []struct {
			field string
			with  func(n *access.NewPerson)
		}{
			{"account", func(n *access.NewPerson) { n.Account = "m" }},
			{"account", func(n *access.NewPerson) { n.Account = "maria silva" }},
			{"account", func(n *access.NewPerson) { n.Account = "=maria" }},
			{"account", func(n *access.NewPerson) { n.Account = "okafor" }},
			{"account", func(n *access.NewPerson) { n.Account = strings.Repeat("a", 65) }},
			{"name", func(n *access.NewPerson) { n.Name = " " }},
			{"name", func(n *access.NewPerson) { n.Name = "a\x00b" }},
			{"mail", func(n *access.NewPerson) { n.Mail = "maria@lab.example\r\nBcc: x@y.example" }},
			{"mail", func(n *access.NewPerson) { n.Mail = "Maria <maria@lab.example>" }},
			{"ends", func(n *access.NewPerson) { n.Ends = r.clock.now() }},
			{"ends", func(n *access.NewPerson) { n.Starts, n.Ends = start.Add(48*time.Hour), start.Add(24*time.Hour) }},
			{"role", func(n *access.NewPerson) { n.Grants = []authz.Grant{role("king")} }},
			{"role", func(n *access.NewPerson) { n.Grants = []authz.Grant{role(authz.Service)} }},
			{"until", func(n *access.NewPerson) { n.Grants = []authz.Grant{role(authz.Auditor)} }},
			{"until", func(n *access.NewPerson) { n.Grants = []authz.Grant{{Role: authz.ITPartner, Until: start.Add(-1)}} }},
			{"partners", func(n *access.NewPerson) { n.Grants = []authz.Grant{role(authz.Provider)} }},
			{"partners", func(n *access.NewPerson) { n.Grants = []authz.Grant{{Role: authz.Provider, Partners: []string{"a b"}}} }},
		} {
			n := good
			c.with(&n)
			_, _, err := r.s.Invite(ctx, who, n)
			f, ok := err.(*access.Refusal) //nolint:errorlint // these come unwrapped
			if !ok || f.Field != c.field {
				t.Errorf("%+v: %v, want a refusal of %s", n, err, c.field)
			}
		}
		p, _, err := r.s.Invite(ctx, who, good)
		check(t, err)
		_, err = r.s.Start(ctx, access.Start{Person: p.ID, Level: authz.LevelPasskey})
		if err == nil {
			t.Error("somebody invited who has not come in has a session")
		}
		check(t, r.s.End(ctx, who, p.ID))
		_, _, err = r.s.Invite(ctx, who, good)
		if err == nil {
			t.Error("an account was given again")
		}
		// Somebody who comes back has the account, and no role of before.
		_, err = r.s.Return(ctx, who, p.ID)
		check(t, err)
		if p = r.as2(p); p.State != access.Invited || len(p.Grants) != 0 {
			t.Errorf("%+v", p)
		}
	})
}

// dump is a query's rows as text.
func (r *rig) dump(query string) (out []string) {
	r.t.Helper()
	check(r.t, r.db.Query(r.t.Context(), query, nil, dumper(&out)))
	return out
}

func (r *rig) events() string {
	var b strings.Builder
	head, err := r.log.Head(r.t.Context())
	check(r.t, err)
	check(r.t, r.log.Walk(context.Background(), 0, head.Size, func(_ int64, events [][]byte) error {
		for _, e := range events {
			b.Write(e)
		}
		return nil
	}))
	return b.String()
}
