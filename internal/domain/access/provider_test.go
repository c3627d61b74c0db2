package access_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const issuer = "https://id.millbrook.example"

// TestFromProvider: who a provider means is who has its issuer and subject, nobody
// new comes in but by a rule, and who was ended stays out.
func TestFromProvider(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		said := access.Said{Issuer: issuer, Subject: "00u-1", Account: "M.Silva", Name: "Maria Silva", Groups: []string{"lab-staff", "subject:00u-9"}}
		none := func(x access.Said) {
			t.Helper()
			if p, err := r.s.FromProvider(ctx, x); !errors.Is(err, access.ErrNotFound) {
				t.Fatalf("%+v, %v", p, err)
			}
		}
		before := r.kinds()
		none(said)
		none(access.Said{})
		rule, err := r.s.MakeRule(ctx, who, access.Rule{Origin: access.OriginSCIM, Word: "lab-staff", Role: authz.Technologist})
		check(t, err)
		none(said) // it is a rule of another system
		check(t, r.s.EndRule(ctx, who, rule.ID))
		// No group can pass for a subject.
		rule, err = r.s.MakeRule(ctx, who, access.Rule{Origin: access.OriginOIDC, Word: "subject:00u-9", Role: authz.Auditor, Days: 90})
		check(t, err)
		none(said)
		check(t, r.s.EndRule(ctx, who, rule.ID))
		if before == r.kinds() {
			t.Fatal("the test sees no events")
		}
		_, err = r.s.MakeRule(ctx, who, access.Rule{Origin: access.OriginOIDC, Word: "lab-staff", Role: authz.Technologist})
		check(t, err)
		p, err := r.s.FromProvider(ctx, said)
		check(t, err)
		if !p.In(r.clock.now()) || p.Account != "m.silva" || p.Mail != "" || len(p.Grants) != 1 || p.Grants[0].Role != authz.Technologist || p.Origin != access.OriginOIDC {
			t.Fatalf("%+v", p)
		}
		// Another name, another account over there: the same person, the same account.
		said.Account, said.Name = "someone.else", "Maria Silva-Berg"
		again, err := r.s.FromProvider(ctx, said)
		check(t, err)
		if again.ID != p.ID || again.Account != "m.silva" || again.Name != "Maria Silva-Berg" {
			t.Fatalf("%+v", again)
		}
		// The same subject of another issuer is somebody else, and takes over nobody's
		// account.
		other := said
		other.Issuer, other.Account = "https://id.elsewhere.example", "m.silva"
		var no *access.Refusal
		if _, err := r.s.FromProvider(ctx, other); !errors.As(err, &no) || no.Kind != access.KindConflict {
			t.Fatal(err)
		}
		other.Account = "okafor" // nor the administrator's
		if _, err := r.s.FromProvider(ctx, other); !errors.As(err, &no) || no.Kind != access.KindConflict {
			t.Fatal(err)
		}
		// Out of the group: the role is gone; the person is there, and may do nothing.
		said.Groups = nil
		again, err = r.s.FromProvider(ctx, said)
		check(t, err)
		if len(again.Grants) != 0 {
			t.Fatalf("%+v", again.Grants)
		}
		// A leaver stays a leaver, whatever the provider says.
		said.Groups = []string{"lab-staff"}
		check(t, r.s.End(ctx, who, p.ID))
		again, err = r.s.FromProvider(ctx, said)
		check(t, err)
		if again.State != access.Ended || again.In(r.clock.now()) {
			t.Fatalf("%+v", again)
		}
	})
}

// TestFromProviderProvisioned: who came by SCIM is known by the externalId where the
// configuration says that this is the subject.
func TestFromProviderProvisioned(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		who := r.as(r.admin)
		svc, err := r.s.MakeService(ctx, who, access.ServiceAccount{Account: "hr", Name: "HR system", Permissions: []authz.Permission{authz.Provision}})
		check(t, err)
		tok, err := r.s.MakeToken(ctx, who, svc.ID, access.Token{Name: "hr", Until: start.Add(time.Hour)})
		check(t, err)
		check(t, r.s.AllowProgram(ctx, r.as(r.join("yes", role(authz.Director))), tok.ID))
		q := request("/api/scim/v2/Users")
		q.Header.Set("Authorization", "Bearer "+tok.Secret)
		scim, err := r.s.Identify(q)
		check(t, err)
		made, err := r.s.Provision(ctx, scim, access.Known{External: "00u-1", Account: "j.berg", Name: "Jo Berg"})
		check(t, err)
		_, err = r.s.Provision(ctx, scim, access.Known{External: "NoId", Account: "noid", Name: "Without an id"})
		check(t, err)
		for _, x := range []access.Said{{Issuer: issuer, Subject: "00u-1"}, {Issuer: issuer, Subject: "NoId", SCIM: true}, {Issuer: issuer, Subject: "noid", SCIM: true}} {
			if p, err := r.s.FromProvider(ctx, x); !errors.Is(err, access.ErrNotFound) {
				t.Fatalf("%+v is %+v, %v", x, p, err)
			}
		}
		p, err := r.s.FromProvider(ctx, access.Said{Issuer: issuer, Subject: "00u-1", SCIM: true, Account: "other", Name: "Other"})
		check(t, err)
		if p.ID != made.ID || !p.In(r.clock.now()) || p.Name != "Jo Berg" {
			t.Fatalf("%+v", p)
		}
		// Out over there: out here.
		_, err = r.s.Provision(ctx, scim, access.Known{External: "00u-1", Account: "j.berg", Name: "Jo Berg", Out: true})
		check(t, err)
		p, err = r.s.FromProvider(ctx, access.Said{Issuer: issuer, Subject: "00u-1", SCIM: true})
		check(t, err)
		if p.In(r.clock.now()) {
			t.Fatal("who left over there comes in")
		}
	})
}

// TestFromProviderForged: a thief who writes their own subject into somebody's row
// gets nothing.
func TestFromProviderForged(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		for _, scim := range []bool{false, true} {
			origin, external := access.OriginOIDC, issuer+" thief"
			if scim {
				origin, external = access.OriginSCIM, "thief"
			}
			check(t, r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
				_, err := tx.Exec(ctx, "UPDATE access_people SET origin = $1, external = $2 WHERE id = $3", origin, external, r.admin.ID[:])
				return err
			}))
			if p, err := r.s.FromProvider(ctx, access.Said{Issuer: issuer, Subject: "thief", SCIM: scim}); err == nil {
				t.Fatalf("the thief is %s", p.Account)
			}
		}
	})
}

// TestStaleSession: single sign-on is no fresh proof.
func TestStaleSession(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		s, err := r.s.Start(t.Context(), access.Start{Person: r.admin.ID, Level: authz.LevelPasskey, Method: "oidc", Stale: true, Device: access.Device{Name: "Firefox on Linux", Network: "192.0.2.7"}})
		check(t, err)
		who := r.who(r.s, s.Token)
		if who == nil || !who.FreshAt.IsZero() {
			t.Fatalf("%+v", who)
		}
		var d *authz.Denied
		if err := who.May(authz.KeysRotate, authz.Object{}, r.clock.now()); !errors.As(err, &d) || !d.StepUp {
			t.Fatal(err)
		}
		if age := r.clock.now().Sub(who.FreshAt); age < time.Hour {
			t.Fatal(age)
		}
	})
}
