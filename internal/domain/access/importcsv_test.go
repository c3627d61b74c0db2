package access_test

import (
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
)

// TestACompleteListDoesNotEndWhoAppliesIt: an importer who came by a list and is
// missing from the next one reads so, and stays.
func TestACompleteListDoesNotEndWhoAppliesIt(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		const first = "account,name,roles\nanna,Anna Weiss,administrator\nmaria,Maria Silva,technologist\n"
		plan, err := r.s.PlanImport(ctx, r.as(r.admin), first, true)
		check(t, err)
		done, err := r.s.ApplyImport(ctx, r.as(r.admin), first, true, plan.Hash)
		check(t, err)
		anna := r.use(done.Steps[0].Link.Token, access.NewPerson{})
		const next = "account,name,roles\njo,Jo Berg,technologist\n"
		plan, err = r.s.PlanImport(ctx, r.as(anna), next, true)
		check(t, err)
		if got := whats(plan); got != "jo:add anna:wrong maria:end" || !strings.Contains(strings.Join(plan.Steps[1].Text, " "), "Nobody changes their own") {
			t.Fatal(got, plan.Steps[1].Text)
		}
		_, err = r.s.ApplyImport(ctx, r.as(anna), next, true, plan.Hash)
		check(t, err)
		if p := r.as2(anna); p.State != access.Active || len(p.Grants) != 1 {
			t.Errorf("%+v", p)
		}
	})
}

// TestAListAppliedTwiceAtOnce: gives each role once.
func TestAListAppliedTwiceAtOnce(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		const first = "account,name,roles\nmaria,Maria Silva,technologist\n"
		plan, err := r.s.PlanImport(ctx, who, first, true)
		check(t, err)
		_, err = r.s.ApplyImport(ctx, who, first, true, plan.Hash)
		check(t, err)
		const next = "account,name,roles\nmaria,Maria Silva,technologist;front-desk;counsel\n"
		plan, err = r.s.PlanImport(ctx, who, next, true)
		check(t, err)
		nodes := []*access.Service{r.s, r.node(), r.node(), r.node()}
		var wg sync.WaitGroup
		errs := make([]error, len(nodes))
		for i, n := range nodes {
			wg.Go(func() { _, errs[i] = n.ApplyImport(ctx, who, next, true, plan.Hash) })
		}
		wg.Wait()
		good := 0
		for _, err := range errs {
			if err == nil {
				good++
			} else if !errors.Is(err, access.ErrChanged) {
				t.Error(err)
			}
		}
		p, err := r.s.PersonByAccount(ctx, "maria")
		check(t, err)
		if good != 1 || len(p.Grants) != 3 {
			t.Errorf("%d went through, %d roles", good, len(p.Grants))
		}
		// A role that somebody gave by hand meanwhile is not given twice either: the plan
		// does not know of it, and is not made anew for it.
		const last = "account,name,roles\nmaria,Maria Silva,technologist;front-desk;counsel;laboratory-director\n"
		plan, err = r.s.PlanImport(ctx, who, last, true)
		check(t, err)
		_, err = r.s.Grant(ctx, who, p.ID, role(authz.Director))
		check(t, err)
		if _, err = r.s.ApplyImport(ctx, who, last, true, plan.Hash); err != nil && !errors.Is(err, access.ErrChanged) {
			t.Fatal(err)
		}
		if p = r.as2(p); len(p.Grants) != 4 {
			t.Errorf("%+v", p.Grants)
		}
	})
}
