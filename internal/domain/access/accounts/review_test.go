package accounts_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access/accounts"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

func (r *rig) vendor(name string) event.ID {
	r.t.Helper()
	id, err := r.s.AddVendor(r.t.Context(), accounts.Vendor{
		Name: name, Purpose: "remote service of analyzers", Associate: accounts.Yes, PHI: accounts.Yes, Agreed: start.AddDate(-1, 0, 0),
		Ends: start.AddDate(0, 2, 0).Truncate(24 * time.Hour), Owner: "anna", Channels: []string{"svc"},
	}, r.by("anna"))
	check(r.t, err)
	return id
}

// full has something of everything, and an open review.
func (r *rig) full() accounts.Review {
	r.t.Helper()
	r.system("windows")
	r.take("windows", export)
	v := r.vendor("Analyzer Service Inc")
	check(r.t, r.s.Settle(r.t.Context(), r.account("windows", "bench1").ID, accounts.Whose{Kind: accounts.Vendors, Vendor: v.String()}, r.by("anna")))
	check(r.t, r.s.AddSystem(r.t.Context(), accounts.System{Key: "vpn", Name: "VPN", Kind: "vpn", Owner: "anna", EveryDays: 100}, r.by("anna")))
	sofia, anna := r.by("sofia"), r.by("anna")
	r.o.held = []accounts.Holding{
		{Kind: "grant", ID: "g1", Person: sofia.Person, Account: "sofia", Name: "Sofia Officer", What: "Security officer"},
		{Kind: "grant", ID: "g2", Person: anna.Person, Account: "anna", Name: "Anna Admin", What: "Administrator"},
		{Kind: "delegation", ID: "d1", Person: r.by("jdoe").Person, Account: "jdoe", Name: "Jane Doe", What: "hold and release results"},
		{Kind: "token", ID: "t1", Account: "lis-service", Name: "LIS", What: "token"},
	}
	check(r.t, r.s.Tick(r.t.Context()))
	rev, err := r.s.Review(r.t.Context(), "2026-Q4")
	check(r.t, err)
	return rev
}

func (r *rig) lines(rev accounts.Review) map[string]accounts.Line {
	r.t.Helper()
	all, err := r.s.Lines(r.t.Context(), rev.ID)
	check(r.t, err)
	out := map[string]accounts.Line{}
	for _, l := range all {
		out[l.Kind+" "+strings.SplitN(l.Title, ": ", 2)[1]] = l
	}
	return out
}

func TestQuarterlyReview(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		rev := r.full()
		lines := r.lines(rev)
		if !rev.Open || rev.Lines != 12 || len(lines) != 12 {
			t.Fatalf("%+v\n%v", rev, lines)
		}
		check(t, r.s.Tick(ctx)) // opens no second one
		if all, err := r.s.Reviews(ctx); err != nil || len(all) != 1 {
			t.Fatalf("%v %v", all, err)
		}
		sofia, anna := r.by("sofia"), r.by("anna")
		decide := func(name string, d accounts.Decision, reason string, by accounts.By) error {
			l, ok := lines[name]
			if !ok {
				t.Fatalf("no line %q in %v", name, lines)
			}
			return r.s.Decide(ctx, "2026-Q4", []event.ID{l.ID}, d, reason, by)
		}
		// Nobody decides about their own, not even among others.
		if err := decide("grant Security officer", accounts.Keep, "", sofia); !errors.Is(err, accounts.ErrOwn) {
			t.Fatal(err)
		}
		err := r.s.Decide(ctx, "2026-Q4", []event.ID{lines["grant Administrator"].ID, lines["grant Security officer"].ID}, accounts.Keep, "", sofia)
		if !errors.Is(err, accounts.ErrOwn) || r.lines(rev)["grant Administrator"].Decision != accounts.Undecided {
			t.Fatalf("half a decision: %v", err)
		}
		if _, err := r.s.Sign(ctx, "2026-Q4", "", sofia); !errors.Is(err, accounts.ErrConflict) {
			t.Fatalf("signed with open lines: %v", err)
		}
		wantField(t, decide("token token", accounts.Remove, "", sofia), "reason")
		wantField(t, decide("list no list of its accounts was ever taken", accounts.Keep, "", sofia), "reason")
		check(t, decide("list no list of its accounts was ever taken", accounts.Keep, "the VPN starts next month", sofia))
		check(t, decide("token token", accounts.Remove, "no longer used", sofia))
		check(t, decide("account gone", accounts.Remove, "has left", sofia))
		check(t, decide("grant Security officer", accounts.Keep, "", anna))
		for name, l := range r.lines(rev) {
			if l.Decision == accounts.Undecided {
				by := sofia
				if l.Own(sofia) {
					by = anna
				}
				if err := decide(name, accounts.Keep, "", by); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
			}
		}
		if !slices.Equal(r.o.removed, []string{"token t1 by sofia: no longer used"}) {
			t.Fatalf("%q", r.o.removed)
		}
		tasks, err := r.s.Tasks(ctx)
		check(t, err)
		if len(tasks) != 1 || tasks[0].ID != lines["account gone"].ID {
			t.Fatalf("%+v", tasks)
		}
		signed, err := r.s.Sign(ctx, "2026-Q4", "done with Anna", sofia)
		check(t, err)
		if what, err := r.s.Frozen(ctx, &signed); err != nil || what != "" || signed.Hash == "" {
			t.Fatalf("%v %q %+v", err, what, signed)
		}
		if err := decide("account gone", accounts.Keep, "no", sofia); !errors.Is(err, accounts.ErrConflict) {
			t.Fatalf("changed after the signature: %v", err)
		}
		// The next list without the account closes the task; the signature still fits.
		r.at = r.at.Add(time.Hour)
		r.take("windows", strings.ReplaceAll(export, "\"gone\",\"Gordon One\",\"gordon.one@lab.example\",\"True\"", "\"gone\",\"Gordon One\",\"gordon.one@lab.example\",\"False\""))
		check(t, r.s.Tick(ctx))
		if tasks, err = r.s.Tasks(ctx); err != nil || len(tasks) > 0 {
			t.Fatalf("%v %+v", err, tasks)
		}
		if what, err := r.s.Frozen(ctx, &signed); err != nil || what != "" {
			t.Fatalf("%v %q", err, what)
		}
		r.sound()
		// With the key of the tags, but not the past of the ledger: still found.
		check(t, r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE accounts_lines SET decided_by = 'nobody' WHERE decision = 1")
			return err
		}))
		if what, err := r.s.Frozen(ctx, &signed); err != nil || what != "its lines are not those that were signed" {
			t.Fatalf("%v %q", err, what)
		}
		var b strings.Builder
		check(t, accounts.WriteReview(&b, &signed, tasks))
	})
}

// A removal that does not work stays a task, and is tried again.
func TestRemovalThatFailsIsTriedAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		lines := r.lines(r.full())
		r.o.fail = errors.New("away")
		l := lines["token token"]
		check(t, r.s.Decide(ctx, "2026-Q4", []event.ID{l.ID}, accounts.Remove, "unused", r.by("sofia")))
		tasks, err := r.s.Tasks(ctx)
		check(t, err)
		if len(tasks) != 1 || !strings.Contains(tasks[0].Outcome, "tried again") {
			t.Fatalf("%+v", tasks)
		}
		if err := r.s.Done(ctx, l.ID, "by hand", r.by("sofia")); !errors.Is(err, accounts.ErrInvalid) {
			t.Fatalf("a token that still works was called removed: %v", err)
		}
		r.o.fail = nil
		check(t, r.s.Tick(ctx))
		if tasks, err = r.s.Tasks(ctx); err != nil || len(tasks) != 0 || len(r.o.removed) != 1 {
			t.Fatalf("%v %+v %v", err, tasks, r.o.removed)
		}
		v := lines["vendor remote service of analyzers"]
		check(t, r.s.Decide(ctx, "2026-Q4", []event.ID{v.ID}, accounts.Remove, "contract over", r.by("sofia")))
		if err := r.s.Done(ctx, v.ID, "tunnel closed, account deleted", r.by("anna")); !errors.Is(err, accounts.ErrOwn) {
			t.Fatalf("by who answers for them: %v", err)
		}
		check(t, r.s.Done(ctx, v.ID, "tunnel closed, account deleted", r.by("sofia")))
	})
}

func TestReviewComesEachQuarterAndLateIsAnAlarm(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		r.full()
		find := func(kind string) (out []alarm.Alarm) {
			_, all, err := r.s.Alarms(ctx)
			check(t, err)
			for _, a := range all {
				if a.Kind == kind {
					out = append(out, a)
				}
			}
			return out
		}
		if a := find(accounts.AlarmReview); len(a) > 0 {
			t.Fatalf("%+v", a)
		}
		r.at = start.AddDate(0, 0, 31)
		if a := find(accounts.AlarmReview); len(a) != 1 || a[0].About != "2026-Q4" {
			t.Fatalf("%+v", a)
		}
		r.at = time.Date(2027, 1, 1, 0, 30, 0, 0, time.UTC)
		check(t, r.s.Tick(ctx))
		all, err := r.s.Reviews(ctx)
		check(t, err)
		if len(all) != 2 || all[0].Quarter != "2027-Q1" || !all[0].Open {
			t.Fatalf("%+v", all)
		}
		// The agreement ends on 3 January: told at 30, 14, 7, 1 days and after.
		end := time.Date(2027, 1, 3, 0, 0, 0, 0, time.UTC)
		for _, w := range []struct {
			days  int
			grade int64
		}{{31, 0}, {30, 1}, {14, 2}, {7, 3}, {1, 4}, {0, 4}, {-1, 5}} {
			r.at = end.AddDate(0, 0, -w.days).Add(8 * time.Hour)
			a := find(accounts.AlarmAgreement)
			if w.grade == 0 && len(a) > 0 || w.grade > 0 && (len(a) != 1 || a[0].Grade != w.grade) {
				t.Errorf("%d days before: %+v", w.days, a)
			}
		}
		if a := find(accounts.AlarmLeaver); len(a) != 1 {
			t.Errorf("a leaver's account past its day: %+v", a)
		}
	})
}

func TestVendorRegisterAsAFile(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		r.vendor("Analyzer Service Inc")
		_, err := r.s.AddVendor(ctx, accounts.Vendor{Name: "=HYPERLINK(1)", Purpose: "cleaning", Owner: "anna", PHI: accounts.No, Associate: accounts.No}, r.by("anna"))
		check(t, err)
		all, err := r.s.Vendors(ctx, false)
		check(t, err)
		var b strings.Builder
		check(t, accounts.WriteVendors(&b, all))
		if strings.Contains(b.String(), "\n=") {
			t.Fatal("a formula")
		}
		back, problems, err := accounts.ReadVendors([]byte(b.String()))
		if err != nil || len(problems) > 0 || len(back) != 2 {
			t.Fatalf("%v %q %+v", err, problems, back)
		}
		d, err := r.s.CompareVendors(ctx, back)
		if err != nil || d.Same != 2 || len(d.New)+len(d.Changed) > 0 {
			t.Fatalf("%v %+v", err, d)
		}
		text := strings.Replace(b.String(), "remote service of analyzers", "service", 1) + "Courier Ltd,carries samples,no,yes,,,,,,,,anna\r\n"
		back, problems, err = accounts.ReadVendors([]byte(text))
		if err != nil || len(problems) > 0 {
			t.Fatalf("%v %q", err, problems)
		}
		d, err = r.s.TakeVendors(ctx, back, r.by("anna"))
		if err != nil || len(d.New) != 1 || len(d.Changed) != 1 || d.Same != 1 {
			t.Fatalf("%v %+v", err, d)
		}
		_, problems, err = accounts.ReadVendors([]byte("name,purpose,owner,ends,phi\nA,b,anna,31.12.2027,perhaps\nA,b,anna,,\n,b,anna,,\n"))
		if err != nil || len(problems) != 3 {
			t.Fatalf("%v %q", err, problems)
		}
		for _, v := range all {
			if v.Name[0] == 'A' && len(v.Missing()) > 0 || len((&accounts.Vendor{Associate: accounts.Yes}).Missing()) != 2 {
				t.Errorf("%q", v.Missing())
			}
		}
		check(t, r.s.EndVendor(ctx, all[0].ID, r.by("anna")))
		if err := r.s.EndVendor(ctx, all[0].ID, r.by("anna")); !errors.Is(err, accounts.ErrConflict) {
			t.Fatal(err)
		}
		r.sound()
	})
}
