package access_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const staff = `account,name,mail,starts,ends,roles,partners,sites
maria,Maria Silva,maria@lab.example,,,technologist;front-desk,,main
jo,Jo Berg,,2026-05-01,2026-12-31,auditor,,
prov,Dr. Rivers,,,,provider,riverside,
bad,,,,,technologist,,
worse,Worse,,,,auditor,,
okafor,Ngozi Okafor,,,,administrator,,
maria,Maria Again,,,,,,
`

func whats(p access.Plan) string {
	var out []string
	for _, s := range p.Steps {
		out = append(out, s.Account+":"+s.What)
	}
	return strings.Join(out, " ")
}

// TestImport: a list says first what it would do, then does exactly that, and
// done again does nothing.
func TestImport(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		before := r.kinds()
		plan, err := r.s.PlanImport(ctx, who, staff, true)
		check(t, err)
		if got := whats(plan); got != "maria:add jo:add prov:add bad:wrong worse:wrong okafor:wrong maria:wrong" {
			t.Fatal(got)
		}
		if r.kinds() != before {
			t.Error("looking changed something")
		}
		_, err = r.s.ApplyImport(ctx, who, strings.Replace(staff, "Silva", "Silvia", 1), true, plan.Hash)
		refused(t, err, access.ErrChanged)
		done, err := r.s.ApplyImport(ctx, who, staff, true, plan.Hash)
		check(t, err)
		if done.Add != 3 || done.Steps[0].Link.Token == "" {
			t.Fatalf("%+v", done)
		}
		r.use(done.Steps[0].Link.Token, access.NewPerson{})
		maria, err := r.s.PersonByAccount(ctx, "maria")
		check(t, err)
		if maria.State != access.Active || len(maria.Grants) != 2 || maria.Origin != access.OriginCSV || maria.Grants[0].Sites[0] != "main" {
			t.Fatalf("%+v", maria)
		}
		// By hand, besides: a list does not take it.
		_, err = r.s.Grant(ctx, who, maria.ID, role(authz.Counsel))
		check(t, err)
		good := strings.Join(strings.Split(staff, "\n")[:4], "\n") + "\n"
		plan, err = r.s.PlanImport(ctx, who, good, true)
		check(t, err)
		if got := whats(plan); got != "maria:same jo:same prov:same" {
			t.Fatal(got)
		}
		moved := strings.NewReplacer("technologist;front-desk,,main", "technologist,,north", "Jo Berg", "Jo Bergson").Replace(good)
		moved = strings.Replace(moved, "prov,Dr. Rivers,,,,provider,riverside,\n", "", 1)
		plan, err = r.s.PlanImport(ctx, who, moved, true)
		check(t, err)
		if got := whats(plan); got != "maria:change jo:change prov:end" {
			t.Fatal(got)
		}
		if text := strings.Join(plan.Steps[0].Text, " "); !strings.Contains(text, "gets Technologist, sites north") || !strings.Contains(text, "loses Phlebotomist or front desk, sites main") || strings.Contains(text, "Counsel") {
			t.Error(text)
		}
		_, err = r.s.ApplyImport(ctx, who, moved, true, plan.Hash)
		check(t, err)
		if maria = r.as2(maria); len(maria.Grants) != 2 {
			t.Errorf("%+v", maria.Grants)
		}
		prov, err := r.s.PersonByAccount(ctx, "prov")
		if err != nil || prov.State != access.Ended {
			t.Errorf("%+v %v", prov, err)
		}
		_, err = r.s.ApplyImport(ctx, who, moved, true, plan.Hash)
		refused(t, err, access.ErrChanged)
		plan, err = r.s.PlanImport(ctx, who, moved, false)
		if err != nil || whats(plan) != "maria:same jo:same" {
			t.Errorf("%s %v", whats(plan), err)
		}
		for _, bad := range []string{"", "account,name", "account,nome\nx,y\n", "name\nx\n", "account;name;mail\nx;y;z\n", "account,name\n\"x,y\n", strings.Repeat("x", access.MaxImportBytes+1)} {
			if _, err := r.s.PlanImport(ctx, who, bad, false); err == nil {
				t.Errorf("took %.20q", bad)
			}
		}
		if _, err := r.s.PlanImport(ctx, r.as(maria), good, false); err == nil {
			t.Error("a technologist looked")
		}
	})
}

// TestSyncFollowsTheRules: another system gives the roles the rules say, no
// others, and takes those it gave.
func TestSyncFollowsTheRules(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		svc, err := r.s.MakeService(ctx, who, access.ServiceAccount{Account: "hr", Name: "HR system", Permissions: []authz.Permission{authz.Provision}})
		check(t, err)
		tok, err := r.s.MakeToken(ctx, who, svc.ID, access.Token{Name: "hr", Until: start.Add(time.Hour)})
		check(t, err)
		check(t, r.s.AllowProgram(ctx, r.as(r.join("yes", role(authz.Director))), tok.ID))
		q := request("/api/scim/v2/Users")
		q.Header.Set("Authorization", "Bearer "+tok.Secret)
		hr, err := r.s.Identify(q)
		check(t, err)
		for _, bad := range []access.Rule{{Origin: "ldap", Word: "x", Role: authz.Technologist}, {Origin: access.OriginSCIM, Role: authz.Technologist}, {Origin: access.OriginSCIM, Word: "aud", Role: authz.Auditor}, {Origin: access.OriginSCIM, Word: "p", Role: authz.Provider}} {
			if _, err := r.s.MakeRule(ctx, who, bad); err == nil {
				t.Errorf("took %+v", bad)
			}
		}
		rule, err := r.s.MakeRule(ctx, who, access.Rule{Origin: access.OriginSCIM, Word: "Bench", Role: authz.Technologist, Sites: []string{"main"}})
		check(t, err)
		_, err = r.s.MakeRule(ctx, who, access.Rule{Origin: access.OriginSCIM, Word: "Audit", Role: authz.Auditor, Days: 30})
		check(t, err)
		k := access.Known{External: "e-1", Account: "sam", Name: "Sam Ito", Mail: "sam@lab.example", Words: []string{"Bench", "administrator"}}
		if _, err := r.s.Provision(ctx, who, k); err == nil {
			t.Error("an administrator provisioned")
		}
		p, err := r.s.Provision(ctx, hr, k)
		check(t, err)
		if p.State != access.Invited || len(p.Grants) != 1 || p.Grants[0].Role != authz.Technologist {
			t.Fatalf("%+v", p)
		}
		link, err := r.s.NewLink(ctx, who, p.ID)
		check(t, err)
		r.use(link.Token, access.NewPerson{})
		_, err = r.s.Grant(ctx, who, p.ID, role(authz.Counsel))
		check(t, err)
		for range 2 {
			k.Words = []string{"Bench", "Audit"}
			p, err = r.s.Provision(ctx, hr, k)
			check(t, err)
			if len(r.as2(p).Grants) != 3 {
				t.Fatalf("%+v", r.as2(p).Grants)
			}
		}
		check(t, r.s.EndRule(ctx, who, rule.ID))
		k.Words = []string{"Bench"}
		if p, err = r.s.Provision(ctx, hr, k); err != nil || len(p.Grants) != 1 || p.Grants[0].Role != authz.Counsel {
			t.Errorf("%+v %v", p.Grants, err)
		}
		// Who is here already is not taken over, and nobody is renamed.
		_, err = r.s.Provision(ctx, hr, access.Known{External: "e-2", Account: "okafor", Name: "N"})
		if err == nil {
			t.Error("the administrator's account was taken over")
		}
		k.Account = "sam2"
		if _, err = r.s.Provision(ctx, hr, k); err == nil {
			t.Error("renamed")
		}
		k.Account = "sam"
		s := r.signIn(p, authz.LevelTwo)
		k.Out = true
		for range 2 {
			if p, err = r.s.Provision(ctx, hr, k); err != nil || p.State != access.Ended {
				t.Errorf("%+v %v", p, err)
			}
		}
		if r.who(r.s, s.Token) != nil {
			t.Error("a leaver is in")
		}
		k.Out = false
		if p, err = r.s.Provision(ctx, hr, k); err != nil || p.State != access.Invited || len(p.Grants) != 0 {
			t.Errorf("%+v %v", p, err)
		}
		// OpenID Connect: active at once.
		err = r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			var err error
			p, err = r.s.Sync(ctx, tx, "oidc", access.Known{Origin: access.OriginOIDC, External: "https://id.example|7", Account: "kim", Name: "Kim", Words: []string{"Bench"}})
			return err
		})
		if err != nil || p.State != access.Active || len(p.Grants) != 0 {
			t.Errorf("%+v %v", p, err)
		}
	})
}

// TestDatesActByThemselves, and the job writes it down once.
func TestDatesActByThemselves(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		p := r.join("temp", role(authz.Technologist), authz.Grant{Role: authz.FrontDesk, Until: start.Add(time.Hour)})
		check(t, r.s.ChangePerson(ctx, who, p.ID, access.Change{Name: "Temp", Ends: start.Add(2 * time.Hour), Revision: r.as2(p).Revision}))
		s := r.signIn(p, authz.LevelTwo)
		r.clock.forward(time.Hour)
		check(t, r.s.Tick(ctx))
		if p = r.as2(p); len(p.Grants) != 1 || p.State != access.Active {
			t.Fatalf("%+v", p)
		}
		past, err := r.s.PastSessions(ctx, r.as(p), p.ID, 5)
		if err != nil || len(past) != 1 || past[0].Why != "nobody used it" {
			t.Errorf("%+v %v", past, err)
		}
		r.clock.forward(time.Hour)
		check(t, r.s.Tick(ctx))
		n := len(r.kinds())
		check(t, r.s.Tick(ctx))
		check(t, r.node().Tick(ctx))
		if p = r.as2(p); p.State != access.Ended || len(p.Grants) != 0 || len(r.kinds()) != n {
			t.Errorf("%+v", p)
		}
		if !strings.Contains(r.events(), `"why":"the-end-date"`) {
			t.Error("the record does not say why")
		}
		// Sessions of long ago are forgotten, with their tags.
		r.clock.forward(91 * 24 * time.Hour)
		check(t, r.s.Tick(ctx))
		if got := r.dump("SELECT id, hash, device, network FROM access_sessions"); len(got) != 0 {
			t.Errorf("%d sessions", len(got))
		}
		found := 0
		check(t, r.s.Audit(ctx, func(table, row, what string) { found++; t.Log(table, row, what) }))
		if found > 0 || r.who(r.s, s.Token) != nil {
			t.Error("something is left")
		}
	})
}
