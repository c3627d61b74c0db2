package accounts_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/bus/bustest"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func (r *rig) finding(key, kind string) accounts.Finding {
	r.t.Helper()
	all, err := r.s.Findings(r.t.Context(), key, false)
	check(r.t, err)
	for _, f := range all {
		if f.Kind == kind {
			return f
		}
	}
	r.t.Fatalf("no open finding %s", kind)
	return accounts.Finding{}
}

func TestFindingsOpenAndEnd(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		r.system("lis")
		r.take("lis", "account,mail,admin\njdoe,jane.doe@lab.example,yes\nbench1,,no\n")
		r.expect("lis", "jdoe privileged", "bench1 unknown")

		// A shared account is named as such; without an owner it stays a finding.
		bench := r.account("lis", "bench1").ID
		wantField(t, r.s.Settle(ctx, bench, accounts.Whose{Kind: accounts.Shared}, r.by("anna")), "reason")
		wantField(t, r.s.Settle(ctx, bench, accounts.Whose{Kind: accounts.Shared, Owner: "gone", Reason: "bench"}, r.by("anna")), "owner")
		check(t, r.s.Settle(ctx, bench, accounts.Whose{Kind: accounts.Shared, Reason: "one bench, three shifts"}, r.by("anna")))
		r.expect("lis", "jdoe privileged", "bench1 ownerless")
		check(t, r.s.Settle(ctx, bench, accounts.Whose{Kind: accounts.Shared, Owner: "mmuster", Reason: "one bench, three shifts"}, r.by("anna")))
		r.expect("lis", "jdoe privileged")

		// A reason closes it until its day; nobody closes one about themselves.
		f := r.finding("lis", accounts.Privileged)
		if err := r.s.Close(ctx, f.ID, "it is me", r.at.AddDate(0, 3, 0), r.by("jdoe")); !errors.Is(err, accounts.ErrOwn) {
			t.Fatalf("closed by oneself: %v", err)
		}
		wantField(t, r.s.Close(ctx, f.ID, "", r.at.AddDate(0, 3, 0), r.by("anna")), "reason")
		wantField(t, r.s.Close(ctx, f.ID, "system manager", r.at.AddDate(2, 0, 0), r.by("anna")), "until")
		check(t, r.s.Close(ctx, f.ID, "system manager", r.at.AddDate(0, 3, 0), r.by("anna")))
		check(t, r.s.Judge(ctx, "lis"))
		r.expect("lis")
		r.at = r.at.AddDate(0, 3, 1)
		check(t, r.s.Judge(ctx, "lis"))
		r.expect("lis", "jdoe privileged")
		check(t, r.s.Close(ctx, r.finding("lis", accounts.Privileged).ID, "system manager", r.at.AddDate(0, 3, 0), r.by("anna")))

		// What went and came back is asked again although the reason still runs.
		r.take("lis", "account,mail,admin\njdoe,jane.doe@lab.example,no\nbench1,,no\n")
		r.expect("lis")
		r.take("lis", "account,mail,admin\njdoe,jane.doe@lab.example,yes\nbench1,,no\n")
		r.expect("lis", "jdoe privileged")

		// Somebody leaves: the account and the shared one they answered for.
		for i := range r.o.people {
			if slices.Contains([]string{"jdoe", "mmuster"}, r.o.people[i].Account) {
				r.o.people[i].Active = false
			}
		}
		check(t, r.s.Tick(ctx))
		r.expect("lis", "jdoe privileged", "jdoe leaver", "bench1 ownerless")
		// A newer list without them ends all of it.
		r.take("lis", "account,mail,admin\nnew,anna@lab.example,no\n")
		r.expect("lis")
		for _, k := range []string{"account.list_offered", "account.list_taken", "account.matched", "account.finding_opened", "account.finding_over", "account.finding_closed"} {
			if !slices.Contains(r.facts(), k) {
				t.Errorf("the ledger has no %s", k)
			}
		}
		r.sound()
	})
}

// An account that carries another name or mail than before is not silently still
// the same person's.
func TestAMatchEndsWithWhatItRestedOn(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.system("lis")
		r.take("lis", "account,name\nlab7,Somebody\n")
		jane := r.by("jdoe").Person.String()
		check(t, r.s.Settle(t.Context(), r.account("lis", "lab7").ID, accounts.Whose{Kind: accounts.Persons, Person: jane}, r.by("anna")))
		r.expect("lis")
		r.take("lis", "account,name\nlab7,Somebody\nlab8,x\n")
		r.expect("lis", "lab8 unknown")
		r.take("lis", "account,name\nlab7,Another Body\nlab8,x\n")
		r.expect("lis", "lab7 unknown", "lab8 unknown")
		wantField(t, r.s.Settle(t.Context(), r.account("lis", "lab7").ID, accounts.Whose{Kind: accounts.Persons, Person: event.NewID().String()}, r.by("anna")), "person")
	})
}

// Two people of one mail, or a mail and an account name of two people, are no
// certainty.
func TestDoubtIsNotGuessed(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.o.people = append(r.o.people, accounts.Person{ID: event.NewID(), Account: "twin", Name: "Twin", Mail: "jane.doe@lab.example", Active: true})
		r.system("lis")
		r.take("lis", "account,name,mail\na,Jane Doe,jane.doe@lab.example\njdoe,Märta Muster,maerta.muster@lab.example\nanna,Anna Other,\n")
		r.expect("lis", "a unknown", "jdoe unknown", "anna unknown")
	})
}

// Whoever changes the store without the key is found, in every table and column.
func TestEveryColumnIsBound(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		r.full()
		r.vendor("Second Vendor")
		_, err := r.s.Offer(ctx, "windows", []byte("account,name\na,b\n"), r.at, r.by("anna"))
		check(t, err)
		r.at = r.at.AddDate(0, 3, 0)
		check(t, r.s.Tick(ctx))
		bustest.EveryColumn(t, r.db, "accounts", nil, r.s.Audit)
	})
}
