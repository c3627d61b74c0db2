package access_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// TestBreakGlass: opened with a reason, for a time, told to others, gives what it
// names, and is reviewed by somebody with another role.
func TestBreakGlass(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		tech := r.join("tech", authz.Grant{Role: authz.Technologist, Sites: []string{"north"}})
		desk := r.join("desk", role(authz.FrontDesk))
		s := r.signIn(tech, authz.LevelTwo)
		other := r.signIn(tech, authz.LevelTwo)
		who := r.who(r.s, s.Token)
		elsewhere := authz.Object{Partner: "riverside", Site: "main"}
		may := func(p authz.Permission) bool {
			t.Helper()
			return r.who(r.s, s.Token).May(p, elsewhere, r.clock.now()) == nil
		}
		const reason = "Power is out at the main site; its calls must be made from here."
		want := []authz.Permission{authz.ResultsReveal, authz.CallsAct}
		for _, c := range []struct {
			why    string
			who    *authz.Subject
			reason string
			last   time.Duration
			perms  []authz.Permission
		}{
			{"by the front desk", r.as(desk), reason, 0, want},
			{"without a reason", who, " because  ", 0, want},
			{"for too long", who, reason, 4*time.Hour + 1, want},
			{"for nothing", who, reason, 0, nil},
			{"for people", who, reason, 0, []authz.Permission{authz.PeopleChange}},
			{"for the configuration", r.who(r.s, r.signIn(r.admin, authz.LevelPasskey).Token), reason, 0, []authz.Permission{authz.ConfigApply}},
			{"for calls, by an administrator", r.who(r.s, r.signIn(r.admin, authz.LevelPasskey).Token), reason, 0, []authz.Permission{authz.CallsAct}},
		} {
			if _, err := r.s.OpenGlass(ctx, c.who, c.reason, c.last, c.perms); err == nil {
				t.Errorf("opened %s", c.why)
			}
		}
		if may(authz.ResultsReveal) {
			t.Fatal("before it is open")
		}
		g, err := r.s.OpenGlass(ctx, who, reason, 0, want)
		check(t, err)
		if !may(authz.ResultsReveal) || !may(authz.CallsAct) || may(authz.QuarantineRead) || may(authz.PeopleChange) {
			t.Error("it gives something else")
		}
		if got := r.who(r.s, s.Token); got.Glass != g.ID {
			t.Errorf("%+v", got)
		}
		if r.who(r.s, other.Token).Glass != (event.ID{}) {
			t.Error("it is open in another session")
		}
		if r.bell.kinds() != "access.break_glass" {
			t.Errorf("told %q", r.bell.kinds())
		}
		if _, err := r.s.OpenGlass(ctx, r.who(r.s, s.Token), reason, 0, want); err == nil {
			t.Error("opened twice")
		}
		// What is done meanwhile.
		view := func(by, glass string) {
			check(t, r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
				e := ledger.Event{Kind: "result.viewed", At: r.clock.now().UnixMicro(), IDs: ledger.Pairs{{K: "by", V: by}, {K: "message", V: event.NewID().String()}}}
				if glass != "" {
					e.IDs = append(e.IDs, ledger.Pair{K: "glass", V: glass})
				}
				_, err := bus.Publish(ctx, tx, e)
				return err
			}))
		}
		view("tech", g.ID.String())
		view("desk", "")
		view("tech", "")
		sec, dir := r.as(r.join("sec", role(authz.SecurityOfficer))), r.as(r.join("dir", role(authz.Director)))
		if err := r.s.ReviewGlass(ctx, sec, g.ID, access.VerdictFine, ""); err == nil {
			t.Error("reviewed while it is open")
		}
		r.clock.forward(time.Hour)
		if may(authz.ResultsReveal) {
			t.Error("after an hour")
		}
		view("tech", "") // after it was over
		check(t, r.s.Tick(ctx))
		check(t, r.s.Tick(ctx))
		g, err = r.s.Glass(ctx, g.ID)
		check(t, err)
		if g.Closed.IsZero() || g.ClosedBy != ledger.Program || strings.Count(r.kinds(), access.KindGlassClosed) != 1 {
			t.Errorf("%+v", g)
		}
		acts, more, err := r.s.GlassEvents(ctx, g, 100)
		check(t, err)
		kinds := ""
		for _, a := range acts {
			kinds += a.Kind + " "
		}
		if kinds != "glass.opened result.viewed result.viewed glass.closed " || more {
			t.Errorf("%s", kinds)
		}
		open, err := r.s.Glasses(ctx, false, 10)
		if err != nil || len(open) != 1 {
			t.Fatalf("%v %v", open, err)
		}
		// Who reviews.
		sec.FreshAt, dir.FreshAt = r.clock.now(), r.clock.now()
		own := r.as(tech)
		own.Grants = append(own.Grants, role(authz.SecurityOfficer))
		refused(t, r.s.ReviewGlass(ctx, own, g.ID, access.VerdictFine, ""), access.ErrOwnReview)
		if err := r.s.ReviewGlass(ctx, r.as(desk), g.ID, access.VerdictFine, ""); err == nil {
			t.Error("the front desk reviewed it")
		}
		if err := r.s.ReviewGlass(ctx, sec, g.ID, access.VerdictNotFine, "no"); err == nil {
			t.Error("not right, and nobody knows why")
		}
		check(t, r.s.ReviewGlass(ctx, sec, g.ID, access.VerdictFine, "Called the site."))
		refused(t, r.s.ReviewGlass(ctx, dir, g.ID, access.VerdictNotFine, "It was not right."), access.ErrReviewed)
		if open, err = r.s.Glasses(ctx, false, 10); err != nil || len(open) != 0 {
			t.Errorf("%v %v", open, err)
		}
		// A security officer's own is reviewed by another role, not by a colleague's.
		sec1 := r.join("sec1", role(authz.SecurityOfficer))
		ws := r.who(r.s, r.signIn(sec1, authz.LevelPasskey).Token)
		g, err = r.s.OpenGlass(ctx, ws, reason, time.Hour, []authz.Permission{authz.ResultsReveal})
		check(t, err)
		if err := r.s.CloseGlass(ctx, dir, g.ID); err == nil {
			t.Error("the director closed it")
		}
		check(t, r.s.CloseGlass(ctx, ws, g.ID))
		refused(t, r.s.CloseGlass(ctx, ws, g.ID), access.ErrEnded)
		if err := r.s.ReviewGlass(ctx, sec, g.ID, access.VerdictFine, ""); err == nil {
			t.Error("a colleague of the same role reviewed it")
		}
		check(t, r.s.ReviewGlass(ctx, dir, g.ID, access.VerdictFine, ""))
		// Whoever signs out leaves nothing open.
		s3 := r.signIn(tech, authz.LevelTwo)
		w3 := r.who(r.s, s3.Token)
		g, err = r.s.OpenGlass(ctx, w3, reason, 0, want)
		check(t, err)
		check(t, r.s.SignOut(ctx, w3))
		check(t, r.s.Tick(ctx))
		if g, err = r.s.Glass(ctx, g.ID); err != nil || g.Closed.IsZero() {
			t.Errorf("%+v %v", g, err)
		}
	})
}

// TestActsAreReviewed by another role, never one's own.
func TestActsAreReviewed(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		sec, both := r.join("sec", role(authz.SecurityOfficer)), r.join("both", role(authz.Administrator), role(authz.SecurityOfficer))
		_, _, err := r.s.Invite(ctx, r.as(both), access.NewPerson{Account: "guest", Name: "Guest"})
		check(t, err)
		check(t, r.s.Tick(ctx))
		check(t, r.node().Tick(ctx))
		who := r.as(sec)
		acts, err := r.s.Acts(ctx, who, false, 100)
		check(t, err)
		var mine, theirs []int64
		for _, a := range acts {
			if a.Account == "both" {
				theirs = append(theirs, a.Leaf)
			} else {
				mine = append(mine, a.Leaf)
			}
		}
		// console: link, invited, granted; okafor: invited, granted, link / invited, granted, granted, link; console: confirmed, confirmed; both: invited, link.
		if len(mine) != 12 || len(theirs) != 2 {
			t.Fatalf("%d and %d: %+v", len(mine), len(theirs), acts)
		}
		if n, err := r.s.OpenActs(ctx, who); err != nil || n != 14 {
			t.Errorf("%d wait, %v", n, err)
		}
		refused(t, r.s.ReviewActs(ctx, r.as(both), theirs, access.VerdictFine, ""), access.ErrOwnReview)
		if err := r.s.ReviewActs(ctx, r.as(r.admin), theirs, access.VerdictFine, ""); err == nil {
			t.Error("an administrator reviewed")
		}
		if err := r.s.ReviewActs(ctx, who, theirs, access.VerdictFine, ""); err == nil || strings.Contains(err.Error(), "reviewed already") {
			t.Errorf("by the role that they hold too: %v", err)
		}
		if err := r.s.ReviewActs(ctx, who, append(mine[:2:2], theirs...), access.VerdictFine, ""); err == nil { // all or none
			t.Error("some of them")
		}
		check(t, r.s.ReviewActs(ctx, who, mine, access.VerdictFine, "Talked to both."))
		refused(t, r.s.ReviewActs(ctx, who, mine[:1], access.VerdictFine, ""), access.ErrReviewed)
		check(t, r.s.ReviewActs(ctx, r.as(r.join("dir", role(authz.Director))), theirs, access.VerdictNotFine, "Nobody knows this guest."))
		refused(t, r.s.ReviewActs(ctx, who, []int64{1 << 40}, access.VerdictFine, ""), access.ErrNotFound)
		found := 0
		check(t, r.s.Audit(ctx, func(table, row, what string) { found++; t.Log(table, row, what) }))
		if found > 0 {
			t.Error("the audit finds something")
		}
	})
}
