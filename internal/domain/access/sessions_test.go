package access_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/access"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/web"
)

func TestSessionCookie(t *testing.T) {
	w := httptest.NewRecorder()
	access.Started{Token: "x"}.SetCookie(w)
	got := w.Header().Get("Set-Cookie")
	if got != "__Host-lw=x; Path=/; HttpOnly; Secure; SameSite=Lax" {
		t.Error(got)
	}
}

// TestIdentify: a session is its person with their roles, and nothing else is.
func TestIdentify(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		tech := r.join("tech", authz.Grant{Role: authz.Technologist, Sites: []string{"main"}})
		s := r.signIn(tech, authz.LevelTwo)
		who := r.who(r.s, s.Token)
		if who == nil || who.Person != tech.ID || who.Account != "tech" || who.Level != authz.LevelTwo || who.Session != s.ID || !who.FreshAt.Equal(start) || len(who.Grants) != 1 || who.Only != nil {
			t.Fatalf("%+v", who)
		}
		for _, bad := range []string{"", "x", s.Token[:42], s.Token + "A", strings.Repeat("A", 43), s.ID.String()} {
			if got := r.who(r.s, bad); got != nil {
				t.Errorf("%q is %+v", bad, got)
			}
		}
		rows := strings.Join(r.dump("SELECT id, hash, method, device FROM access_sessions"), "") + r.events()
		if strings.Contains(rows, s.Token) {
			t.Error("the token is stored")
		}
		// A role given or taken counts with the next request.
		g, err := r.s.Grant(ctx, r.as(r.admin), tech.ID, authz.Grant{Role: authz.FrontDesk})
		check(t, err)
		if who = r.who(r.s, s.Token); len(who.Grants) != 2 {
			t.Errorf("%+v", who.Grants)
		}
		check(t, r.s.EndGrant(ctx, r.as(r.admin), g.ID))
		if who = r.who(r.s, s.Token); len(who.Grants) != 1 {
			t.Errorf("%+v", who.Grants)
		}
		if _, err := r.s.Start(ctx, access.Start{Person: tech.ID, Level: authz.LevelNone}); err == nil {
			t.Error("a session without a proof")
		}
	})
}

// TestSessionFixation: a token from before the sign-in or step-up opens nothing.
func TestSessionFixation(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		eve, tech := r.join("eve", role(authz.FrontDesk)), r.join("tech", role(authz.Technologist))
		planted := r.signIn(eve, authz.LevelTwo) // Eve's own, put into the victim's browser
		mine, err := r.s.Start(ctx, access.Start{Person: tech.ID, Level: authz.LevelTwo, Method: "passkey", Before: planted.Token, Device: access.Device{Name: "Firefox on Linux"}})
		check(t, err)
		if mine.Token == planted.Token || r.who(r.s, planted.Token) != nil {
			t.Error("the planted session goes on")
		}
		who := r.who(r.s, mine.Token)
		raised, err := r.s.StepUp(ctx, who, authz.LevelPasskey, "passkey")
		check(t, err)
		if raised.ID != mine.ID || raised.Token == mine.Token || r.who(r.s, mine.Token) != nil {
			t.Error("the token from before the step-up still opens the session")
		}
		r.clock.forward(time.Minute)
		who = r.who(r.s, raised.Token)
		if who.Level != authz.LevelPasskey {
			t.Errorf("%+v", who)
		}
		_, err = r.s.StepUp(ctx, who, authz.LevelTwo, "password-totp")
		refused(t, err, access.ErrWeaker)
		// Somebody else's session cannot be raised.
		other := r.as(eve)
		other.Session = who.Session
		_, err = r.s.StepUp(ctx, other, authz.LevelPasskey, "passkey")
		refused(t, err, access.ErrEnded)
	})
}

// TestExpiry: idle and absolute, for every role, by a clock that is moved.
func TestExpiry(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		tried := 0
		for _, l := range access.Limits() {
			info, _ := authz.RoleOf(l.Role)
			g := role(l.Role)
			if info.Boxed {
				g.Until = r.clock.now().Add(1000 * time.Hour)
			}
			if info.Scoped {
				g.Partners = []string{"riverside"}
			}
			p := r.join("e-"+string(l.Role), g)
			s := r.signIn(p, authz.LevelPasskey)
			r.clock.forward(l.Idle - time.Second)
			if r.who(r.s, s.Token) == nil {
				t.Errorf("%s: ended before it was idle", l.Role)
			}
			r.clock.forward(l.Idle - time.Second)
			if r.who(r.s, s.Token) == nil {
				t.Errorf("%s: use did not keep it", l.Role)
			}
			r.clock.forward(l.Idle)
			if r.who(r.s, s.Token) != nil {
				t.Errorf("%s: works after %v without use", l.Role, l.Idle)
			}
			s = r.signIn(p, authz.LevelPasskey)
			for began := r.clock.now(); r.clock.now().Sub(began) < l.Absolute; r.clock.forward(10 * time.Minute) {
				if r.who(r.s, s.Token) == nil {
					t.Fatalf("%s: ended after %v of use", l.Role, r.clock.now().Sub(began))
				}
			}
			if r.who(r.s, s.Token) != nil {
				t.Errorf("%s: works after %v", l.Role, l.Absolute)
			}
			// What no person does keeps nothing.
			s = r.signIn(p, authz.LevelPasskey)
			for range 3 {
				r.clock.forward(l.Idle / 2)
				q := request("/", s.Token)
				q.Header.Set(access.Passive, "1")
				_, err := r.s.Identify(q)
				check(t, err)
				_, err = r.s.Identify(request("/live", s.Token))
				check(t, err)
			}
			if r.who(r.s, s.Token) != nil {
				t.Errorf("%s: a page that draws itself again keeps the session", l.Role)
			}
			tried++
		}
		if tried != len(authz.Roles())-1 {
			t.Errorf("%d roles have a limit, of %d", tried, len(authz.Roles())-1)
		}
		// A clock that was set back makes no old session young.
		s := r.signIn(r.admin, authz.LevelPasskey)
		r.clock.forward(-2 * time.Hour)
		if r.who(r.s, s.Token) != nil {
			t.Error("a session from the future works")
		}
	})
}

// TestALeaverIsOutOnEveryNode within a second, as is whoever's session, role or
// delegation was ended on another.
func TestALeaverIsOutOnEveryNode(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx, other := t.Context(), r.node()
		p := r.join("leaver", role(authz.Technologist))
		s := r.signIn(p, authz.LevelTwo)
		if r.who(other, s.Token) == nil || r.who(r.s, s.Token) == nil {
			t.Fatal("not in")
		}
		check(t, r.s.End(ctx, r.as(r.admin), p.ID))
		if r.who(r.s, s.Token) != nil {
			t.Error("in on the node that ended them")
		}
		r.clock.forward(time.Second)
		if r.who(other, s.Token) != nil {
			t.Error("in on another node after a second")
		}
		// A hint makes it at once.
		p = r.join("quick", role(authz.Technologist))
		s = r.signIn(p, authz.LevelTwo)
		r.clock.forward(time.Second)
		if r.who(other, s.Token) == nil {
			t.Fatal("not in")
		}
		check(t, r.s.EndSession(ctx, r.as(r.admin), s.ID))
		other.Poke()
		if r.who(other, s.Token) != nil {
			t.Error("in after the hint")
		}
		// Dates act by themselves.
		p = r.join("dated", role(authz.Technologist))
		s = r.signIn(p, authz.LevelTwo)
		p = r.as2(p)
		check(t, r.s.ChangePerson(ctx, r.as(r.admin), p.ID, access.Change{Name: p.Name, Ends: r.clock.now().Add(time.Minute), Revision: p.Revision}))
		if r.who(r.s, s.Token) == nil {
			t.Error("out before the end date")
		}
		r.clock.forward(time.Minute)
		if r.who(r.s, s.Token) != nil {
			t.Error("in after the end date")
		}
	})
}

// TestSeenIsWrittenOnceAMinute, and another node does not take a session that is
// in use for idle.
func TestSeenIsWrittenOnceAMinute(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.join("tech", role(authz.Technologist))
		s := r.signIn(p, authz.LevelTwo)
		other := r.node()
		if r.who(other, s.Token) == nil {
			t.Fatal("not in")
		}
		before := len(r.kinds())
		values := map[string]bool{}
		for range 40 * 6 {
			r.clock.forward(10 * time.Second)
			if r.who(r.s, s.Token) == nil {
				t.Fatal("out")
			}
			for _, x := range r.dump("SELECT seen_at, network, '', '' FROM access_seen") {
				values[x] = true
			}
		}
		if n := len(values); n < 40 || n > 41 { // one is that of the sign-in
			t.Errorf("written %d times in 40 minutes", len(values))
		}
		if len(r.kinds()) != before {
			t.Error("being seen is a fact of the ledger")
		}
		if r.who(other, s.Token) == nil {
			t.Error("the other node takes it for idle")
		}
	})
}

func TestListAndEndSessions(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		tech, desk := r.join("tech", role(authz.Technologist)), r.join("desk", role(authz.FrontDesk))
		a, b, c := r.signIn(tech, authz.LevelTwo), r.signIn(tech, authz.LevelTwo), r.signIn(desk, authz.LevelTwo)
		who := r.who(r.s, a.Token)
		own, err := r.s.OwnSessions(ctx, who)
		check(t, err)
		if len(own) != 2 || own[0].ID != b.ID || !own[1].Current || own[0].Current || own[0].Device.Name != "Firefox on Linux" || own[0].Device.Network != "192.0.2.7" {
			t.Fatalf("%+v", own)
		}
		if _, err := r.s.Sessions(ctx, who); err == nil {
			t.Error("a technologist lists everybody's")
		}
		if err := r.s.EndSession(ctx, who, c.ID); err == nil {
			t.Error("a technologist ended somebody else's")
		}
		refused(t, r.s.EndSession(ctx, who, event.NewID()), access.ErrNotFound)
		n, err := r.s.EndOthers(ctx, who)
		if err != nil || n != 1 || r.who(r.s, b.Token) != nil || r.who(r.s, a.Token) == nil {
			t.Errorf("ended %d, %v", n, err)
		}
		sec := r.as(r.join("sec", role(authz.SecurityOfficer)))
		all, err := r.s.Sessions(ctx, sec)
		if err != nil || len(all) != 2 {
			t.Errorf("%+v %v", all, err)
		}
		check(t, r.s.EndSession(ctx, sec, c.ID))
		if r.who(r.s, c.Token) != nil {
			t.Error("still in")
		}
		check(t, r.s.SignOut(ctx, who))
		if r.who(r.s, a.Token) != nil {
			t.Error("signed out and in")
		}
		past, err := r.s.PastSessions(ctx, who, tech.ID, 10)
		if err != nil || len(past) != 2 || past[1].Why != "signed out" || past[1].EndedBy != "tech" {
			t.Errorf("%+v %v", past, err)
		}
		for _, want := range []string{access.KindSignedIn, access.KindSignedOut} {
			if !strings.Contains(r.kinds(), want) {
				t.Errorf("no %s in the ledger", want)
			}
		}
	})
}

// TestBench: people follow each other at a shared device.
func TestBench(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		one, two := r.join("one", role(authz.Technologist), role(authz.SecurityOfficer)), r.join("two", role(authz.Technologist))
		_, _, err := r.s.PairBench(ctx, r.as(two), "Chemistry bench", "main")
		if err == nil {
			t.Fatal("a technologist paired a bench")
		}
		b, bench, err := r.s.PairBench(ctx, r.as(r.admin), "Chemistry bench", "main")
		check(t, err)
		in := func(p access.Person) access.Started {
			t.Helper()
			s, err := r.s.Start(ctx, access.Start{Person: p.ID, Level: authz.LevelPasskey, Method: "passkey", Bench: bench, Device: access.Device{Name: "Firefox on Linux", Network: "192.0.2.7"}})
			check(t, err)
			return s
		}
		s1 := in(one)
		who := r.who(r.s, s1.Token, bench)
		if who == nil || who.Account != "one" || len(who.Grants) != 1 || who.Grants[0].Role != authz.Technologist {
			t.Fatalf("%+v", who)
		}
		if r.who(r.s, s1.Token) != nil || r.who(r.s, s1.Token, strings.Repeat("A", 43)) != nil {
			t.Error("the session works away from its bench")
		}
		s2 := in(two)
		if r.who(r.s, s1.Token, bench) != nil || r.who(r.s, s2.Token, bench).Account != "two" {
			t.Error("the next person did not take over")
		}
		r.clock.forward(2 * time.Minute)
		if r.who(r.s, s2.Token, bench) != nil {
			t.Error("works after two minutes without use")
		}
		s2 = in(two)
		check(t, r.s.EndBench(ctx, r.as(r.admin), b.ID))
		if r.who(r.s, s2.Token, bench) != nil {
			t.Error("works at a bench that was ended")
		}
		_, err = r.s.Start(ctx, access.Start{Person: one.ID, Level: authz.LevelPasskey, Bench: bench})
		refused(t, err, access.ErrNotFound)
	})
}

// TestWasThatYou: a new device or network asks its person; a copied cookie ends
// the session.
func TestWasThatYou(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		ctx := t.Context()
		p := r.join("tech", role(authz.Technologist))
		first := r.signIn(p, authz.LevelTwo)
		who := r.who(r.s, first.Token)
		notices := func() (what string) {
			t.Helper()
			all, err := r.s.Notices(ctx, who)
			check(t, err)
			for _, n := range all {
				what += n.What + " "
			}
			return what
		}
		r.signIn(p, authz.LevelTwo)
		if got := notices(); got != "" {
			t.Errorf("the same device asks: %s", got)
		}
		from := func(name, network string) access.Started {
			s, err := r.s.Start(ctx, access.Start{Person: p.ID, Level: authz.LevelTwo, Method: "passkey", Device: access.Device{Name: name, Network: network}})
			check(t, err)
			return s
		}
		from("Firefox on Linux", "192.0.2.200") // the same /24
		if got := notices(); got != "" {
			t.Errorf("the same network asks: %s", got)
		}
		from("Firefox on Linux", "198.51.100.9")
		bad := from("Chrome on Windows", "203.0.113.5")
		if got := notices(); got != "new-device new-network " {
			t.Errorf("%s", got)
		}
		all, err := r.s.Notices(ctx, who)
		check(t, err)
		check(t, r.s.Answer(ctx, who, all[1].ID, true))
		refused(t, r.s.Answer(ctx, r.as(r.admin), all[0].ID, true), access.ErrNotFound)
		check(t, r.s.Answer(ctx, who, all[0].ID, false))
		q := request("/", bad.Token)
		q.Header.Set("User-Agent", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Safari/537.36")
		if got, err := r.s.Identify(q); err != nil || got != nil {
			t.Errorf("the session they disowned works: %+v %v", got, err)
		}
		if r.who(r.s, first.Token) == nil || r.bell.kinds() != "access.stolen" || notices() != "" {
			t.Errorf("alarms %q, notices %q", r.bell.kinds(), notices())
		}
		// The cookie, copied to another machine.
		stolen := request("/", first.Token)
		stolen.Header.Set("User-Agent", "curl/8.0")
		if got, err := r.s.Identify(stolen); err != nil || got != nil {
			t.Errorf("a copied cookie works: %+v %v", got, err)
		}
		if r.who(r.s, first.Token) != nil {
			t.Error("the session that moved goes on")
		}
		if got := notices(); got != "moved " {
			t.Errorf("%s", got)
		}
	})
}

// TestChangedRowsGiveNobodyAccess: whoever edits the database gets nowhere, and
// the audit names the row.
func TestChangedRowsGiveNobodyAccess(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.join("tech", role(authz.Technologist))
		desk := r.join("desk", role(authz.FrontDesk))
		for _, c := range []struct{ table, damage, mend string }{
			{"access_sessions", "UPDATE access_sessions SET level = 9", "UPDATE access_sessions SET level = 2"},
			{"access_people", "UPDATE access_people SET account = 'root' WHERE account = 'tech'", "UPDATE access_people SET account = 'tech' WHERE account = 'root'"},
			{"access_grants", "UPDATE access_grants SET role = 'administrator' WHERE role = 'technologist'", "UPDATE access_grants SET role = 'technologist' WHERE given_by = 'okafor' AND role = 'administrator'"},
		} {
			s := r.signIn(p, authz.LevelTwo)
			if r.who(r.s, s.Token) == nil {
				t.Fatal("not in")
			}
			r.exec(c.damage)
			r.s.Poke()
			r.clock.forward(2 * time.Minute) // what is kept is read again
			who, err := r.s.Identify(request("/", s.Token))
			var e *web.Error
			if who != nil || !errors.As(err, &e) || e.Kind != web.KindUnavailable || !strings.Contains(r.bell.kinds(), "access.forged") {
				t.Errorf("%s: %+v, %v, alarms %q", c.damage, who, err, r.bell.kinds())
			}
			found := ""
			check(t, r.s.Audit(t.Context(), func(table, _, _ string) { found += table + " " }))
			if !strings.Contains(found, c.table) {
				t.Errorf("%s: the audit found %q", c.damage, found)
			}
			r.exec(c.mend)
			if r.who(r.s, s.Token) == nil {
				t.Errorf("%s: put back, and not in", c.damage)
			}
		}
		// A delegation that nobody gave.
		s := r.signIn(desk, authz.LevelTwo)
		id := event.NewID()
		r.exec("INSERT INTO access_delegations (id, person, permission, from_at, until_at, note, given_at, given_by, giver, revoked_at, revoked_by) VALUES ($1, $2, 'results.hold', 0, 0, '', 0, '', $2, 0, '')", id[:], desk.ID[:])
		if who, err := r.s.Identify(request("/", s.Token)); who != nil || err == nil {
			t.Errorf("a forged delegation: %+v %v", who, err)
		}
	})
}

// TestCheckIsQuick: less than 50 µs with what is kept.
func TestCheckIsQuick(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		s := r.signIn(r.admin, authz.LevelPasskey)
		q := request("/", s.Token)
		best := time.Hour
		for range 20 {
			began := time.Now()
			for range 100 {
				if who, err := r.s.Identify(q); who == nil || err != nil {
					t.Fatal(who, err)
				}
			}
			best = min(best, time.Since(began)/100)
		}
		t.Logf("a check costs %v", best)
		if best > 50*time.Microsecond {
			t.Errorf("a check costs %v", best)
		}
	})
}

// TestLimitsStandInTheDocs: the table people read is the one the program has.
func TestLimitsStandInTheDocs(t *testing.T) {
	page, err := os.ReadFile("../../../docs/use/people.md")
	check(t, err)
	row := func(name string, l access.Limit) string {
		return fmt.Sprintf("| %s | %d min | %d h |", name, int(l.Idle.Minutes()), int(l.Absolute.Hours()))
	}
	want := []string{row("Anybody at a shared bench", access.BenchLimit())}
	for _, l := range access.Limits() {
		info, _ := authz.RoleOf(l.Role)
		want = append(want, row(info.Name, l))
	}
	for _, line := range want {
		if !strings.Contains(string(page), line) {
			t.Errorf("docs/use/people.md has not the line\n%s", line)
		}
	}
}
