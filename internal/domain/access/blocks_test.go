package access_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestTakenByHandStaysTaken: a rule does not give again what a person took away,
// until a person lets it.
func TestTakenByHandStaysTaken(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		for _, o := range []string{access.OriginOIDC, access.OriginSCIM} {
			for _, rule := range []access.Rule{{Role: authz.Technologist}, {Role: authz.FrontDesk}, {Role: authz.Technologist, Sites: []string{"north"}, Word: "north"}} {
				rule.Origin = o
				if rule.Word == "" {
					rule.Word = "staff"
				}
				_, err := r.s.MakeRule(ctx, who, rule)
				check(t, err)
			}
		}
		for name, say := range map[string]func(words ...string) access.Person{
			"openid": func(words ...string) access.Person {
				p, err := r.s.FromProvider(ctx, access.Said{Issuer: issuer, Subject: "1", Account: "maria", Name: "Maria Silva", Groups: words})
				check(t, err)
				return p
			},
			"scim": func(words ...string) access.Person {
				p, err := r.s.Provision(ctx, scimClient(r), access.Known{External: "1", Account: "jo", Name: "Jo Berg", Words: words})
				check(t, err)
				return p
			},
		} {
			t.Run(name, func(t *testing.T) {
				p := say("staff")
				if len(p.Grants) != 2 {
					t.Fatalf("%+v", p.Grants)
				}
				for _, g := range p.Grants {
					if g.Role == authz.Technologist {
						check(t, r.s.EndGrant(ctx, who, g.ID))
					}
				}
				if p = say("staff"); len(p.Grants) != 1 || p.Grants[0].Role != authz.FrontDesk {
					t.Fatalf("it came back: %+v", p.Grants)
				}
				// Another rule, made for another place, is another decision.
				if p = say("staff", "north"); len(p.Grants) != 2 {
					t.Fatalf("%+v", p.Grants)
				}
				p = say("staff")
				blocks, err := r.s.Blocks(ctx, p.ID)
				check(t, err)
				if len(blocks) != 1 || blocks[0].Grant.Role != authz.Technologist || blocks[0].MadeBy != "okafor" {
					t.Fatalf("%+v", blocks)
				}
				// Its person cannot lift it, whatever they are; another administrator can, once.
				self := r.as(r.admin)
				self.Person = p.ID
				refused(t, r.s.Unblock(ctx, self, blocks[0].ID), access.ErrOwn)
				check(t, r.s.Unblock(ctx, who, blocks[0].ID))
				refused(t, r.s.Unblock(ctx, who, blocks[0].ID), access.ErrNotFound)
				if p = say("staff"); len(p.Grants) != 2 {
					t.Fatalf("%+v", p.Grants)
				}
				// What the other system itself takes it gives again.
				say()
				if p = say("staff"); name == "openid" && len(p.Grants) != 2 {
					t.Fatalf("%+v", p.Grants)
				}
			})
		}
		for _, k := range []string{access.KindBlocked, access.KindUnblocked} {
			if !strings.Contains(r.kinds(), k) {
				t.Errorf("no %s in the ledger", k)
			}
		}
		// A thief who lifts it in the database gets no role by it.
		p, err := r.s.PersonByAccount(ctx, "maria")
		check(t, err)
		check(t, r.s.EndGrant(ctx, who, p.Grants[0].ID))
		r.exec("UPDATE access_blocks SET role = 'counsel'")
		if _, err := r.s.FromProvider(ctx, access.Said{Issuer: issuer, Subject: "1", Account: "maria", Name: "Maria Silva", Groups: []string{"staff"}}); err == nil {
			t.Error("a changed block is believed")
		}
	})
}

// scimClient is a program that provisions.
func scimClient(r *rig) *authz.Subject {
	return &authz.Subject{Account: "hr", Grants: []authz.Grant{{Role: authz.Service}}, Only: []authz.Permission{authz.Provision}}
}

// TestProvidersRolesCountForDays: whoever keeps coming in by a passkey of ours has
// the provider's roles no more, until the provider was asked again.
func TestProvidersRolesCountForDays(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		_, err := r.s.MakeRule(ctx, who, access.Rule{Origin: access.OriginOIDC, Word: "staff", Role: authz.Technologist})
		check(t, err)
		said := access.Said{Issuer: issuer, Subject: "1", Account: "maria", Name: "Maria Silva", Groups: []string{"staff"}}
		p, err := r.s.FromProvider(ctx, said)
		check(t, err)
		_, err = r.s.Grant(ctx, who, p.ID, role(authz.Counsel))
		check(t, err)
		may := func() bool {
			t.Helper()
			in := r.who(r.s, r.signIn(p, authz.LevelPasskey).Token)
			if !in.Holds(authz.Counsel, r.clock.now()) {
				t.Fatal("what was given by hand is gone")
			}
			return in.May(authz.ResultsResend, authz.Object{}, r.clock.now()) == nil
		}
		r.clock.forward(access.RolesFor - time.Minute)
		if !may() {
			t.Fatal("it counts for less than its days")
		}
		// It ends within a session that was opened before, too.
		open := r.signIn(p, authz.LevelPasskey)
		r.who(r.s, open.Token)
		r.clock.forward(time.Minute)
		if may() || r.who(r.s, open.Token).May(authz.ResultsResend, authz.Object{}, r.clock.now()) == nil {
			t.Fatal("it counts for longer than its days")
		}
		until, err := r.s.ProvidedUntil(ctx, r.as2(p))
		check(t, err)
		if !until.Equal(start.Add(access.RolesFor)) {
			t.Error(until)
		}
		p, err = r.s.FromProvider(ctx, said)
		check(t, err)
		if !may() {
			t.Fatal("the provider said it, and it does not count")
		}
		r.s.ProvideFor(func() time.Duration { return 24 * time.Hour })
		r.clock.forward(25 * time.Hour)
		if may() {
			t.Fatal("the configuration is not asked")
		}
		r.s.ProvideFor(func() time.Duration { return 0 })
		r.clock.forward(2 * time.Minute)
		if !may() {
			t.Fatal("nothing in the configuration is not thirty days")
		}
	})
}

// TestProvidersAdministratorsDoNotLast: an administrator by the provider's groups
// is not the one who keeps the laboratory from being without.
func TestProvidersAdministratorsDoNotLast(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		_, err := r.s.MakeRule(ctx, who, access.Rule{Origin: access.OriginOIDC, Word: "admins", Role: authz.Administrator})
		check(t, err)
		p, err := r.s.FromProvider(ctx, access.Said{Issuer: issuer, Subject: "1", Account: "maria", Name: "Maria Silva", Groups: []string{"admins"}})
		check(t, err)
		if err := r.s.End(ctx, r.as(p), r.admin.ID); !errors.Is(err, access.ErrLastAdministrator) {
			t.Fatal(err)
		}
	})
}
