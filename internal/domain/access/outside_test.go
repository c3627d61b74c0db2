package access_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// postman keeps the letters.
type postman struct {
	mu   sync.Mutex
	on   bool
	down bool
	sent []access.Letter
}

func (p *postman) On() bool { return p.on }

func (p *postman) Send(_ context.Context, l access.Letter) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.down {
		return errors.New("the mail server does not answer")
	}
	p.sent = append(p.sent, l)
	return nil
}

// hr is a system that provisions people.
func (r *rig) hr() *authz.Subject {
	return &authz.Subject{Account: "hr", Grants: []authz.Grant{{Role: authz.Service}}, Only: []authz.Permission{authz.Provision}}
}

// TestEndedHereStaysEnded: what a person or a date ended stays so until a person
// lifts it, whatever the other system says; what that ended it may bring back.
func TestEndedHereStaysEnded(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		k := access.Known{External: "e-1", Account: "sam", Name: "Sam Ito"}
		p, err := r.s.Provision(ctx, r.hr(), k)
		check(t, err)
		out := k
		out.Out = true
		for range 2 {
			p, err = r.s.Provision(ctx, r.hr(), out)
			check(t, err)
		}
		if p, err = r.s.Provision(ctx, r.hr(), k); err != nil || p.State != access.Invited {
			t.Fatalf("what it ended it could not bring back: %+v %v", p, err)
		}
		stays := func(why string) {
			t.Helper()
			if _, err := r.s.Provision(ctx, r.hr(), k); !errors.Is(err, access.ErrEndedHere) {
				t.Errorf("%s: %v", why, err)
			}
			if _, err := r.s.Provision(ctx, r.hr(), out); err != nil {
				t.Errorf("%s: %v", why, err)
			}
			if _, err := r.s.Provision(ctx, r.hr(), k); !errors.Is(err, access.ErrEndedHere) {
				t.Errorf("%s, said to be out again: %v", why, err)
			}
			if p = r.as2(p); p.State != access.Ended {
				t.Errorf("%s: %+v", why, p)
			}
		}
		check(t, r.s.End(ctx, who, p.ID))
		stays("ended by hand")
		_, err = r.s.Return(ctx, who, p.ID)
		check(t, err)
		if _, err = r.s.Provision(ctx, r.hr(), k); err != nil {
			t.Error(err)
		}
		p = r.as2(p)
		check(t, r.s.ChangePerson(ctx, who, p.ID, access.Change{Name: p.Name, Ends: r.clock.now().Add(time.Hour), Revision: p.Revision}))
		r.clock.forward(2 * time.Hour)
		check(t, r.s.Tick(ctx))
		stays("ended by a date set here")
	})
}

const oidc = "https://id.example"

// TestLinkedToTheProvider: an administrator or the person links them to a subject
// of the provider, which then is them, with the roles they have here.
func TestLinkedToTheProvider(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		tech, other := r.join("tech", role(authz.Technologist)), r.join("other", role(authz.Technologist))
		comes := func(subject string) (access.Person, error) {
			return r.s.FromProvider(ctx, access.Said{Issuer: oidc, Subject: subject, Account: "thief", Name: "Thief", Groups: []string{"admins"}})
		}
		_, err := r.s.MakeRule(ctx, who, access.Rule{Origin: access.OriginOIDC, Word: "admins", Role: authz.Counsel})
		check(t, err)
		for _, bad := range []string{"", "a b", "é", strings.Repeat("x", 256)} {
			if err := r.s.LinkOutside(ctx, who, tech.ID, oidc, bad); err == nil {
				t.Errorf("linked to %q", bad)
			}
		}
		stale := *who
		stale.FreshAt = r.clock.now().Add(-time.Hour)
		for why, err := range map[string]error{
			"by a technologist": r.s.LinkOutside(ctx, r.as(tech), other.ID, oidc, "s-1"), "of oneself": r.s.LinkOutside(ctx, who, r.admin.ID, oidc, "s-1"),
			"without a step-up": r.s.LinkOutside(ctx, &stale, tech.ID, oidc, "s-1"), "without a provider": r.s.LinkOutside(ctx, who, tech.ID, "", "s-1"),
			"of nobody": r.s.LinkOutside(ctx, who, event.NewID(), oidc, "s-1"),
		} {
			if err == nil {
				t.Errorf("linked %s", why)
			}
		}
		check(t, r.s.LinkOutside(ctx, who, tech.ID, oidc, " s-1 "))
		if r.s.LinkOutside(ctx, who, other.ID, oidc, "s-1") == nil || r.s.LinkOutside(ctx, who, tech.ID, oidc, "s-2") == nil {
			t.Error("one subject is two people, or one person two subjects")
		}
		p, err := comes("s-1")
		check(t, err)
		if p.ID != tech.ID || len(r.as2(p).Grants) != 1 || p.Name != tech.Name {
			t.Fatalf("%+v", p)
		}
		if x, err := r.s.FromProvider(ctx, access.Said{Issuer: "https://evil.example", Subject: "s-1"}); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("another provider's subject is %+v, %v", x, err)
		}
		// The person is asked, by name of who did it, and it is an act to review.
		in := r.signIn(tech, authz.LevelTwo)
		notices, err := r.s.Notices(ctx, r.who(r.s, in.Token))
		check(t, err)
		if len(notices) != 1 || notices[0].What != access.Linked || notices[0].By != r.admin.Account {
			t.Fatalf("%+v", notices)
		}
		check(t, r.s.Answer(ctx, r.who(r.s, in.Token), notices[0].ID, true))
		// Unlinked: the subject is nobody, and sessions it opened end.
		by, err := r.s.Start(ctx, access.Start{Person: tech.ID, Level: authz.LevelTwo, Method: "oidc", Device: access.Device{Name: "Firefox on Linux", Network: "192.0.2.7"}})
		check(t, err)
		check(t, r.s.UnlinkOutside(ctx, who, tech.ID))
		if r.who(r.s, by.Token) != nil || r.who(r.s, in.Token) == nil {
			t.Error("the wrong sessions ended")
		}
		if r.s.UnlinkOutside(ctx, who, tech.ID) == nil {
			t.Error("unlinked twice")
		}
		if p, err := comes("s-1"); err == nil && p.ID == tech.ID {
			t.Error("the subject still opens the account")
		}
		// Whoever is ended loses the link; a thief's row opens nothing.
		self := r.who(r.s, in.Token)
		check(t, r.s.LinkSelf(ctx, self, access.Device{Name: "Firefox on Linux"}, oidc, "s-3"))
		if notices, err = r.s.Notices(ctx, self); err != nil || len(notices) != 1 || notices[0].What != access.Unlinked {
			t.Errorf("asked in the session of the change: %+v %v", notices, err)
		}
		check(t, r.s.LinkOutside(ctx, who, other.ID, oidc, "s-4"))
		check(t, r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := tx.Exec(ctx, "UPDATE access_outside SET subject = 'stolen' WHERE subject = 's-4'")
			return err
		}))
		if p, err := comes("stolen"); err == nil {
			t.Errorf("a changed row opened %+v", p)
		}
		check(t, r.s.End(ctx, who, tech.ID))
		if _, ok, err := r.s.OutsideOf(ctx, tech.ID); ok || err != nil {
			t.Error("the link outlives the person", err)
		}
		for _, k := range []string{access.KindLinked, access.KindUnlinked} {
			if !strings.Contains(r.events(), k) {
				t.Errorf("%s is not in the record", k)
			}
		}
	})
}

// TestToldOfAChange: a change of how somebody signs in is asked about in their next
// session and told by mail, again until the mail server takes it.
func TestToldOfAChange(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, who := t.Context(), r.as(r.admin)
		post := &postman{on: true, down: true}
		r.s.MailWith(post)
		tech := r.join("tech", role(authz.Technologist))
		p := r.as2(tech)
		check(t, r.s.ChangePerson(ctx, who, p.ID, access.Change{Name: p.Name, Mail: "tech@lab.example", Revision: p.Revision}))
		mine, next := r.signIn(tech, authz.LevelTwo), r.signIn(tech, authz.LevelTwo)
		tell := func(c access.WayChange) {
			t.Helper()
			c.Person = tech.ID
			check(t, r.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error { return r.s.Changed(ctx, tx, c) }))
		}
		tell(access.WayChange{What: access.WayAdded, Way: "passkey", Session: r.who(r.s, mine.Token).Session, Device: access.Device{Name: "Firefox on Linux", Network: "192.0.2.7"}})
		asked := func(token string) []access.Notice {
			t.Helper()
			n, err := r.s.Notices(ctx, r.who(r.s, token))
			check(t, err)
			return n
		}
		if len(asked(mine.Token)) != 0 {
			t.Error("asked in the session that made the change")
		}
		n := asked(next.Token)
		if len(n) != 1 || n[0].What != access.WayAdded || n[0].Way != "passkey" || n[0].Device.Name != "Firefox on Linux" {
			t.Fatalf("%+v", n)
		}
		if err := r.s.Answer(ctx, r.who(r.s, mine.Token), n[0].ID, true); !errors.Is(err, access.ErrNotFound) {
			t.Errorf("whoever made the change said that it was them: %v", err)
		}
		check(t, r.s.Tick(ctx)) // down
		check(t, r.s.Tick(ctx)) // not due yet
		post.down = false
		r.clock.forward(6 * time.Minute)
		check(t, r.s.Tick(ctx))
		check(t, r.s.Tick(ctx))
		if len(post.sent) != 1 || post.sent[0].To != "tech@lab.example" || post.sent[0].Notice.Way != "passkey" || post.sent[0].Name != tech.Name {
			t.Fatalf("%+v", post.sent)
		}
		// "No" ends what was signed in where the change was made, and wakes somebody.
		check(t, r.s.Answer(ctx, r.who(r.s, next.Token), n[0].ID, false))
		if r.who(r.s, mine.Token) != nil || r.bell.kinds() != "access.stolen" {
			t.Errorf("told %q", r.bell.kinds())
		}
		// The old address is told of a new one.
		p = r.as2(tech)
		check(t, r.s.ChangePerson(ctx, who, p.ID, access.Change{Name: p.Name, Mail: "thief@elsewhere.example", Revision: p.Revision}))
		check(t, r.s.Tick(ctx))
		if len(post.sent) != 2 || post.sent[1].To != "tech@lab.example" || post.sent[1].Notice.By != r.admin.Account {
			t.Fatalf("%+v", post.sent)
		}
		// Without a mail server nothing is queued; who has left is told nothing.
		post.on = false
		tell(access.WayChange{What: access.WayRemoved, Way: "totp"})
		check(t, r.s.End(ctx, who, tech.ID))
		tell(access.WayChange{What: access.WayRemoved, Way: "all", By: "x"})
		post.on = true
		check(t, r.s.Tick(ctx))
		if len(post.sent) != 2 {
			t.Errorf("%+v", post.sent[2:])
		}
	})
}
