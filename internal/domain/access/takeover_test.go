package access_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store"
)

func says(t *testing.T, err error, text string) {
	t.Helper()
	var no *access.Refusal
	if !errors.As(err, &no) || !strings.Contains(no.Text, text) {
		t.Errorf("%v does not say %q", err, text)
	}
}

// TestNobodyTakesOverAnAccountOfWeight: an administrator alone makes no link for an
// officer or the director, nor gives such a role back to whom they let in.
func TestNobodyTakesOverAnAccountOfWeight(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, admin := t.Context(), r.as(r.admin)
		for _, weight := range []authz.Role{authz.SecurityOfficer, authz.ComplianceOfficer, authz.Director} {
			p := r.join("x-"+string(weight), role(weight))
			// At once, and after the role was taken away.
			_, err := r.s.RecoveryLink(ctx, admin, p.ID)
			says(t, err, "labwarden access recover")
			p, err = r.s.Person(ctx, p.ID)
			check(t, err)
			check(t, r.s.EndGrant(ctx, admin, p.Grants[0].ID))
			r.clock.forward(29 * 24 * time.Hour)
			admin = r.as(r.admin)
			_, err = r.s.RecoveryLink(ctx, admin, p.ID)
			says(t, err, "labwarden access recover")
			// Who waits a month gets the link, but not the role back.
			r.clock.forward(2 * 24 * time.Hour)
			admin = r.as(r.admin)
			l, err := r.s.RecoveryLink(ctx, admin, p.ID)
			check(t, err)
			r.use(l.Token, access.NewPerson{})
			r.clock.forward(365 * 24 * time.Hour)
			admin = r.as(r.admin)
			_, err = r.s.Grant(ctx, admin, p.ID, role(weight))
			says(t, err, "labwarden access confirm")
			_, err = r.s.Grant(ctx, admin, p.ID, role(authz.Technologist)) // of no weight
			check(t, err)
			// End and Return is no way round either.
			check(t, r.s.End(ctx, admin, p.ID))
			l, err = r.s.Return(ctx, admin, p.ID)
			check(t, err)
			r.use(l.Token, access.NewPerson{})
			_, err = r.s.Grant(ctx, admin, p.ID, role(weight))
			says(t, err, "labwarden access confirm")
			// With the console's word it works.
			check(t, r.s.ConfirmAtConsole(ctx, p.Account, "ngozi"))
			_, err = r.s.Grant(ctx, r.as(r.admin), p.ID, role(weight))
			check(t, err)
		}
		if k := r.bell.kinds(); !strings.Contains(k, "access.returned") || !strings.Contains(k, "access.confirmed") {
			t.Errorf("nobody was told: %s", k)
		}
	})
}

// TestOnePersonRunsTheLaboratory: with one administrator and nobody else, the
// console recovers people, and everybody is told.
func TestOnePersonRunsTheLaboratory(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		director := r.join("silva", role(authz.Director))
		l, err := r.s.RecoverAtConsole(t.Context(), "silva", "ngozi")
		check(t, err)
		if p := r.use(l.Token, access.NewPerson{}); p.ID != director.ID {
			t.Errorf("%+v", p)
		}
		if k := r.bell.kinds(); k != "access.recovered" {
			t.Errorf("told: %s", k)
		}
	})
}

// TestASecondPersonRecovers: whoever asks never has the link, and who is of one hand
// with them makes none.
func TestASecondPersonRecovers(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		director, sec := r.join("silva", role(authz.Director)), r.join("lind", role(authz.SecurityOfficer))
		_, l, err := r.s.Invite(ctx, r.as(r.admin), access.NewPerson{Account: "puppet", Name: "Puppet", Grants: []authz.Grant{role(authz.SecurityOfficer)}})
		check(t, err)
		puppet := r.use(l.Token, access.NewPerson{})
		if err := r.s.AskRecovery(ctx, r.as(sec), director.ID, "lost her key on a trip"); err == nil {
			t.Error("a security officer asks")
		}
		check(t, r.s.AskRecovery(ctx, r.as(r.admin), director.ID, "lost her key on a trip"))
		if all, err := r.s.Recoveries(ctx); err != nil || len(all) != 1 {
			t.Fatalf("%v %v", all, err)
		}
		_, err = r.s.AllowRecovery(ctx, r.as(r.admin), director.ID)
		says(t, err, "second person")
		_, err = r.s.AllowRecovery(ctx, r.as(puppet), director.ID)
		refused(t, err, access.ErrOneHand)
		_, err = r.s.AllowRecovery(ctx, r.as(director), director.ID)
		if err == nil {
			t.Error("the director allows her own")
		}
		l, err = r.s.AllowRecovery(ctx, r.as(sec), director.ID)
		check(t, err)
		_, err = r.s.AllowRecovery(ctx, r.as(sec), director.ID)
		if err == nil {
			t.Error("allowed twice")
		}
		r.use(l.Token, access.NewPerson{})
		if one, err := r.s.OneHand(ctx, r.db, "lind", "silva"); err != nil || !one {
			t.Errorf("who made the link is another hand than who came in by it: %v", err)
		}
		check(t, r.s.Confirm(ctx, r.as(r.admin), director.ID))
		if one, err := r.s.OneHand(ctx, r.db, "lind", "silva"); err != nil || one {
			t.Errorf("confirmed, and one hand all the same: %v", err)
		}
		// No is no.
		check(t, r.s.AskRecovery(ctx, r.as(r.admin), director.ID, "lost it once more"))
		check(t, r.s.RefuseRecovery(ctx, r.as(sec), director.ID, "she has her key here"))
		_, err = r.s.AllowRecovery(ctx, r.as(sec), director.ID)
		if err == nil {
			t.Error("allowed after a no")
		}
	})
}

// TestAPuppetIsNoSecondPerson: who was brought in by one of two people is not the
// other, at any remove, until somebody else has confirmed them.
func TestAPuppetIsNoSecondPerson(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		bring := func(by access.Person, account string, roles ...authz.Grant) access.Person {
			t.Helper()
			_, l, err := r.s.Invite(ctx, r.as(by), access.NewPerson{Account: account, Name: account, Grants: roles})
			check(t, err)
			return r.use(l.Token, access.NewPerson{})
		}
		second := bring(r.admin, "second", role(authz.Administrator))
		sec := bring(second, "sec", role(authz.SecurityOfficer))
		com := bring(r.admin, "com", role(authz.ComplianceOfficer))
		tech := bring(r.admin, "tech", role(authz.Technologist))
		other := r.join("other", role(authz.Administrator))
		hand := func(a, b access.Person, want bool) {
			t.Helper()
			if one, err := r.s.OneHand(ctx, r.db, a.Account, b.Account); err != nil || one != want {
				t.Errorf("%s and %s are one hand: %v, %v", a.Account, b.Account, one, err)
			}
		}
		hand(r.admin, second, true)
		hand(r.admin, sec, true) // at one remove
		hand(com, sec, true)     // by the same hand
		hand(r.admin, tech, false)
		hand(r.admin, other, false)
		hand(sec, other, false)

		// Reviews.
		check(t, r.s.GatherActs(ctx))
		acts, err := r.s.Acts(ctx, r.as(sec), false, 100)
		check(t, err)
		acts = slices.DeleteFunc(acts, func(a access.Act) bool { return a.Account != "okafor" })
		refused(t, r.s.ReviewActs(ctx, r.as(sec), []int64{acts[0].Leaf}, access.VerdictFine, ""), access.ErrOneHand)

		// The desk of approvals.
		desk := approval.New(r.db, keys{}, r.clock.now)
		desk.Hands(r.s)
		var q approval.Request
		check(t, r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			q, err = desk.Request(ctx, tx, approval.Ask{Kind: "config.apply", Object: "draft-1", Author: approval.Person{ID: r.admin.ID, Account: "okafor"}, Reason: "a partner", Expires: r.clock.now().Add(time.Hour)})
			return err
		}))
		approve := func(p access.Person) error {
			return r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
				_, err := desk.Approve(ctx, tx, q.ID, approval.Person{ID: p.ID, Account: p.Account}, approval.Hash{})
				return err
			})
		}
		refused(t, approve(sec), approval.ErrHand)

		// Nobody of that hand confirms another of it; somebody else does.
		refused(t, r.s.Confirm(ctx, r.as(com), sec.ID), access.ErrOneHand)
		refused(t, r.s.Confirm(ctx, r.as(second), sec.ID), access.ErrOneHand)
		refused(t, r.s.Confirm(ctx, r.as(sec), sec.ID), access.ErrOwn)
		if err := r.s.Confirm(ctx, r.as(tech), sec.ID); err == nil {
			t.Error("a technologist confirms")
		}
		check(t, r.s.Confirm(ctx, r.as(other), sec.ID))
		hand(r.admin, sec, false)
		hand(com, sec, false)
		check(t, approve(sec))
		check(t, r.s.ReviewActs(ctx, r.as(sec), []int64{acts[0].Leaf}, access.VerdictFine, ""))

		// What comes after counts anew: a role given since, a link.
		r.clock.forward(time.Second)
		_, err = r.s.Grant(ctx, r.as(r.admin), sec.ID, role(authz.ComplianceOfficer))
		check(t, err)
		hand(r.admin, sec, true)
		l, err := r.s.RecoveryLink(ctx, r.as(r.admin), tech.ID)
		check(t, err)
		r.use(l.Token, access.NewPerson{})
		hand(r.admin, tech, true)
		if all, err := r.s.Doubted(ctx); err != nil || len(all) != 1 || all[tech.ID].DoubtedBy != "okafor" {
			t.Errorf("%+v %v", all, err)
		}
	})
}

// TestTheProviderGivesNoRoleOfWeightToWhomOneHandLetIn: the roles of an OpenID
// provider come back with the next sign-in, those of weight when they are confirmed.
func TestTheProviderGivesNoRoleOfWeightToWhomOneHandLetIn(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, said := t.Context(), access.Said{Issuer: issuer, Subject: "00u-1", Account: "silva", Name: "Maria Silva", Groups: []string{"lab", "directors"}}
		for word, to := range map[string]authz.Role{"lab": authz.Technologist, "directors": authz.Director} {
			_, err := r.s.MakeRule(ctx, r.as(r.admin), access.Rule{Origin: access.OriginOIDC, Word: word, Role: to})
			check(t, err)
		}
		p, err := r.s.FromProvider(ctx, said)
		check(t, err)
		check(t, r.s.End(ctx, r.as(r.admin), p.ID))
		l, err := r.s.Return(ctx, r.as(r.admin), p.ID)
		check(t, err)
		r.use(l.Token, access.NewPerson{})
		p, err = r.s.FromProvider(ctx, said)
		if err != nil || len(p.Grants) != 1 || p.Grants[0].Role != authz.Technologist {
			t.Fatalf("%+v %v", p.Grants, err)
		}
		check(t, r.s.ConfirmAtConsole(ctx, "silva", "ngozi"))
		if p, err = r.s.FromProvider(ctx, said); err != nil || len(p.Grants) != 2 {
			t.Fatalf("%+v %v", p.Grants, err)
		}
	})
}

// TestNobodyLinksAnAccountOfWeightForAnother: a link to a subject of the provider is a
// way in like any other.
func TestNobodyLinksAnAccountOfWeightForAnother(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		director, tech := r.join("silva", role(authz.Director)), r.join("sam", role(authz.Technologist))
		says(t, r.s.LinkOutside(ctx, r.as(r.admin), director.ID, issuer, "00u-1"), "They link themselves")
		check(t, r.s.LinkOutside(ctx, r.as(r.admin), tech.ID, issuer, "00u-2"))
		_, err := r.s.Grant(ctx, r.as(r.admin), tech.ID, role(authz.Director))
		says(t, err, "labwarden access confirm")
		check(t, r.s.LinkSelf(ctx, r.as(director), access.Device{Name: "Firefox on Linux"}, issuer, "00u-3"))
	})
}
