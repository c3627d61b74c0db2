package access_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// TestNobodyIsCalledLikeTheProgram: names that stand in the record for the program
// or the machine are given to no person, no program and nobody from elsewhere, and
// whoever has one from before is named and reviewed like anybody.
func TestNobodyIsCalledLikeTheProgram(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		for _, name := range []string{"labwarden", " Labwarden ", "console", "openid", "access-review", "approvals", "system", "root"} {
			var no *access.Refusal
			if _, _, err := r.s.Invite(ctx, who, access.NewPerson{Account: name, Name: "Eve"}); !errors.As(err, &no) || no.Field != "account" {
				t.Errorf("a person is called %s: %v", name, err)
			}
			if _, err := r.s.MakeService(ctx, who, access.ServiceAccount{Account: name, Name: "Eve", Permissions: []authz.Permission{authz.ResultsFind}}); !errors.As(err, &no) {
				t.Errorf("a program is called %s: %v", name, err)
			}
		}
		plan, err := r.s.PlanImport(ctx, who, "account,name,mail,starts,ends,roles,partners,sites\nlabwarden,Eve,,,,technologist,,\n", false)
		if err != nil || plan.Wrong != 1 || plan.Add != 0 {
			t.Errorf("a list brings it: %+v %v", plan, err)
		}
		_, err = r.s.MakeRule(ctx, who, access.Rule{Origin: access.OriginOIDC, Word: "lab-staff", Role: authz.Technologist})
		check(t, err)
		p, err := r.s.FromProvider(ctx, access.Said{Issuer: issuer, Subject: "00u-1", Account: "Labwarden", Name: "Eve", Groups: []string{"lab-staff"}})
		if err != nil || p.Account != "person-labwarden" {
			t.Errorf("the provider brings %q: %v", p.Account, err)
		}
		if all, err := r.s.ReservedAccounts(ctx); err != nil || len(all) != 0 {
			t.Errorf("%v %v", all, err)
		}

		// Somebody from before: what they do waits for a review, what the program
		// does by itself does not.
		if ledger.Program == "labwarden" || !strings.Contains(ledger.Program, ":") {
			t.Fatalf("an account may be %q", ledger.Program)
		}
		eve := r.join("eve", role(authz.Administrator))
		r.exec("UPDATE access_people SET account = 'labwarden' WHERE id = $1", eve.ID[:])
		if all, err := r.s.ReservedAccounts(ctx); err != nil || len(all) != 1 || all[0] != "labwarden" {
			t.Errorf("%v %v", all, err)
		}
		_, _, err = r.s.Invite(ctx, r.as(eve), access.NewPerson{Account: "puppet", Name: "Puppet"})
		check(t, err)
		check(t, r.s.GatherActs(ctx))
		acts, err := r.s.Acts(ctx, r.as(r.join("sec", role(authz.SecurityOfficer))), true, 100)
		check(t, err)
		found := false
		for _, a := range acts {
			found = found || a.Account == "labwarden"
			if a.Account == ledger.Program {
				t.Errorf("the program's own %s waits for a review", a.Kind)
			}
		}
		if !found {
			t.Error("what an account of this name did is nobody's act")
		}
	})
}
