package signin

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// virtual is an authenticator with one passkey in it.
type virtual struct {
	auth virtualwebauthn.Authenticator
	cred virtualwebauthn.Credential
	rp   virtualwebauthn.RelyingParty
	id   event.ID
}

func newVirtual() *virtual {
	cred := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	// The library leaves leading zeros of a coordinate out (RFC 9053 7.1.1 wants
	// them), so one key in 128 would be refused.
	for len(cred.Key.AttestationData()) != 77 {
		cred = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
	}
	return &virtual{
		auth: virtualwebauthn.NewAuthenticator(),
		cred: cred,
		rp:   virtualwebauthn.RelyingParty{ID: "labwarden.millbrook.example", Name: "Millbrook", Origin: publicURL},
	}
}

func (v *virtual) made(options json.RawMessage) []byte {
	o, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		panic(err)
	}
	v.auth.Options.UserHandle, err = base64.RawURLEncoding.DecodeString(o.UserID)
	if err != nil {
		v.auth.Options.UserHandle = []byte(o.UserID)
	}
	return []byte(virtualwebauthn.CreateAttestationResponse(v.rp, v.auth, v.cred, *o))
}

// signed answers a challenge; the counter goes up by one.
func (v *virtual) signed(options json.RawMessage) []byte {
	o, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		panic(err)
	}
	v.cred.Counter++
	return []byte(virtualwebauthn.CreateAssertionResponse(v.rp, v.auth, v.cred, *o))
}

// passkey enrols one.
func (r *rig) passkey(p PersonInfo) *virtual {
	r.t.Helper()
	v := newVirtual()
	c, err := r.BeginPasskey(r.t.Context(), p.ID, r.fresh(authz.LevelPasskey))
	r.must(err)
	k, err := r.FinishPasskey(r.t.Context(), p.ID, r.fresh(authz.LevelPasskey), c.Token, "blue key", v.made(c.Options))
	r.must(err)
	v.id = k.ID
	return v
}

// press signs in with it.
func (r *rig) press(v *virtual, ask Ask) (Step, error) {
	r.t.Helper()
	c, err := r.BeginSignIn(r.t.Context(), ask, "")
	r.must(err)
	return r.FinishSignIn(r.t.Context(), ask, c.Token, v.signed(c.Options))
}

func TestPasskeySignsIn(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a.okafor")
		v := r.passkey(p)
		c, err := r.BeginSignIn(t.Context(), desk, "")
		r.must(err)
		for _, part := range []string{`"userVerification":"required"`, `"rpId":"labwarden.millbrook.example"`} {
			if !strings.Contains(string(c.Options), part) {
				t.Fatalf("%s has no %s", c.Options, part)
			}
		}
		if strings.Contains(string(c.Options), "allowCredentials") {
			t.Fatal("it tells of credentials before anybody is known")
		}
		r.clock.forward(time.Minute)
		step, err := r.FinishSignIn(t.Context(), desk, c.Token, v.signed(c.Options))
		r.must(err)
		if step.Level != authz.LevelPasskey || step.Person != p.ID {
			t.Fatalf("%+v", step)
		}
		e, err := r.Enrolled(t.Context(), p.ID)
		r.must(err)
		if len(e.Passkeys) != 1 || e.Passkeys[0].Name != "blue key" || !e.Passkeys[0].Used.Equal(r.clock.now()) {
			t.Fatalf("%+v", e.Passkeys)
		}
		r.start()
		if step, err = r.press(v, desk); err != nil || step.Person != p.ID {
			t.Fatal(err)
		}
		// After the password: challenged for this person's keys.
		half := r.half(p)
		c, err = r.BeginSignIn(t.Context(), desk, half)
		r.must(err)
		if !strings.Contains(string(c.Options), "allowCredentials") {
			t.Fatal(string(c.Options))
		}
		step, err = r.FinishSignIn(t.Context(), desk, c.Token, v.signed(c.Options))
		r.must(err)
		if step.Level != authz.LevelPasskey {
			t.Fatalf("%+v", step)
		}
		_, err = r.BeginSignIn(t.Context(), desk, half)
		r.want(err, Gone)
		// A step-up is for the person whose session it is.
		again := Ask{Person: p.ID}
		if step, err = r.press(v, again); err != nil || step.Person != p.ID {
			t.Fatal(err)
		}
		r.must(r.Audit(t.Context(), func(table, row, what string) { t.Error(table, row, what) }))
	})
}

func TestPasskeyAttacks(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p, thief := r.person("a.okafor"), r.person("thief")
		v, tv := r.passkey(p), r.passkey(thief)
		challenge := func(ask Ask) Challenge {
			c, err := r.BeginSignIn(t.Context(), ask, "")
			r.must(err)
			return c
		}
		refused := func(name string, ask Ask, token string, answer []byte, why Reason) {
			t.Helper()
			step, err := r.FinishSignIn(t.Context(), ask, token, answer)
			if reason(err) != why || !empty(step) {
				t.Errorf("%s: %+v %v", name, step, err)
			}
		}

		for _, origin := range []string{"https://labwarden.millbrook.example.evil.example", "http://labwarden.millbrook.example", "https://labwarden.millbrook.example:8443", "https://millbrook.example"} {
			c := challenge(desk)
			w := *v
			w.rp.Origin = origin
			refused("wrong origin "+origin, desk, c.Token, w.signed(c.Options), NoMatch)
		}
		{
			c := challenge(desk)
			w := *v
			w.rp.ID = "evil.example"
			refused("another relying party", desk, c.Token, w.signed(c.Options), NoMatch)
		}
		{
			c := challenge(desk)
			w := *v
			w.auth.Options.UserNotVerified = true
			refused("no PIN or finger", desk, c.Token, w.signed(c.Options), NoMatch)
		}
		{
			c := challenge(desk)
			answer := v.signed(c.Options)
			_, err := r.FinishSignIn(t.Context(), desk, c.Token, answer)
			r.must(err)
			refused("replayed challenge", desk, c.Token, answer, Gone)
			refused("old answer for a new challenge", desk, challenge(desk).Token, answer, NoMatch)
		}
		{
			c := challenge(desk)
			r.clock.forward(pendingFor + time.Second)
			refused("a challenge that is over", desk, c.Token, v.signed(c.Options), Gone)
		}
		{
			c := challenge(desk)
			got := together(50, func(int) Reason {
				w := *v
				w.cred.Counter += 100
				_, err := r.FinishSignIn(context.WithoutCancel(t.Context()), desk, c.Token, w.signed(c.Options))
				return reason(err)
			})
			if got[""] != 1 || got[Gone] != 49 {
				t.Errorf("one challenge answered 50 times at once: %v", got)
			}
			v.cred.Counter += 200
		}
		{
			again := Ask{Person: p.ID}
			c := challenge(again)
			refused("somebody else's passkey for a step-up", again, c.Token, tv.signed(c.Options), NoMatch)
			c = challenge(again)
			refused("a step-up's challenge to sign in", desk, c.Token, v.signed(c.Options), Gone)
			c = challenge(desk)
			refused("a sign-in's challenge for a step-up", again, c.Token, v.signed(c.Options), Gone)
		}
		{
			c := challenge(desk)
			w := *tv
			w.auth.Options.UserHandle = v.auth.Options.UserHandle
			refused("one's own passkey with somebody else's handle", desk, c.Token, w.signed(c.Options), NoMatch)
			c = challenge(desk)
			w = *newVirtual()
			refused("an unknown passkey", desk, c.Token, w.signed(c.Options), NoMatch)
			c = challenge(desk)
			w = *newVirtual()
			w.cred.ID = v.cred.ID
			refused("a known id with another key", desk, c.Token, w.signed(c.Options), NoMatch)
			for _, junk := range []string{"", "{}", "null", "[1", `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`, strings.Repeat("[", 10000)} {
				refused("junk", desk, challenge(desk).Token, []byte(junk), NoMatch)
			}
		}
		ended := p
		ended.Active = false
		r.people.set(ended)
		c := challenge(desk)
		refused("somebody who has left", desk, c.Token, v.signed(c.Options), NoMatch)
		r.people.set(p)

		if step, err := r.press(v, desk); err != nil || step.Person != p.ID {
			t.Fatal("after all of that the real one must work: ", err)
		}
	})
}

// empty: whatever was refused says nothing at all.
func empty(s Step) bool { return fmt.Sprintf("%+v", s) == fmt.Sprintf("%+v", Step{}) }

func TestAClonedPasskeyIsRefusedFromThenOn(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a.okafor")
		v := r.passkey(p)
		for range 3 {
			_, err := r.press(v, desk)
			r.must(err)
		}
		b := &bell{}
		r.Raise = b
		clone := *v
		clone.cred.Counter = 1 // made after the first use
		_, err := r.press(&clone, desk)
		r.want(err, Cloned)
		if n := r.facts()[KindCloned]; n != 1 {
			t.Fatal(n, " events")
		}
		if len(b.all) != 1 || b.all[0].Kind != "signin.passkey_cloned" || b.all[0].About != "a.okafor" || !b.all[0].Once {
			t.Fatalf("%+v", b.all)
		}
		_, err = r.press(v, desk) // nobody knows which of the two is the copy
		r.want(err, Cloned)
		e, err := r.Enrolled(t.Context(), p.ID)
		r.must(err)
		if !e.Passkeys[0].Cloned {
			t.Fatalf("%+v", e)
		}
		// It is no second factor any more, so the long password stands alone again.
		step, err := r.Password(t.Context(), desk, p.Account, okPassword)
		r.must(err)
		if step.Level != authz.LevelPassword {
			t.Fatalf("%+v", step)
		}
	})
}

func TestEnrollingPasskeys(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p, other := r.person("a.okafor"), r.person("b")
		begin := func() Challenge {
			c, err := r.BeginPasskey(t.Context(), p.ID, r.fresh(authz.LevelPasskey))
			r.must(err)
			return c
		}
		finish := func(who PersonInfo, c Challenge, answer []byte) error {
			_, err := r.FinishPasskey(t.Context(), who.ID, r.fresh(authz.LevelPasskey), c.Token, "x", answer)
			return err
		}
		v := newVirtual()
		c := begin()
		v.rp.Origin = "https://evil.example"
		r.want(finish(p, c, v.made(c.Options)), NoMatch)
		v = newVirtual()
		c = begin()
		answer := v.made(c.Options)
		r.want(finish(other, c, answer), Gone)
		r.want(finish(p, c, answer), Gone) // it was used up
		c = begin()
		v.auth.Options.UserNotVerified = true
		r.want(finish(p, c, v.made(c.Options)), NoMatch)
		v.auth.Options.UserNotVerified = false
		c = begin()
		answer = v.made(c.Options)
		r.must(finish(p, c, answer))
		r.want(finish(p, c, answer), Gone)
		// The same credential again, by the same person or by another.
		c = begin()
		r.want(finish(p, c, v.made(c.Options)), NoMatch)
		c, err := r.BeginPasskey(t.Context(), other.ID, r.fresh(authz.LevelPasskey))
		r.must(err)
		r.want(finish(other, c, v.made(c.Options)), NoMatch)
		// Names.
		var no *BadName
		for _, bad := range []string{"", "  ", strings.Repeat("x", 61), "a\nb"} {
			if err := r.RenamePasskey(t.Context(), p.ID, event.NewID(), bad); !errors.As(err, &no) {
				t.Errorf("%q: %v", bad, err)
			}
		}
		e, err := r.Enrolled(t.Context(), p.ID)
		r.must(err)
		id := e.Passkeys[0].ID
		if err := r.RenamePasskey(t.Context(), other.ID, id, "mine"); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		if err := r.RemovePasskey(t.Context(), other.ID, r.fresh(authz.LevelPasskey), id); !errors.Is(err, ErrNotFound) {
			t.Fatal(err)
		}
		r.must(r.RenamePasskey(t.Context(), p.ID, id, "<b>red</b>"))
		r.must(r.RemovePasskey(t.Context(), p.ID, r.fresh(authz.LevelPasskey), id))
		r.must(r.Audit(t.Context(), func(table, row, what string) { t.Error(table, row, what) }))
	})
}

// TestTheLastPasskeyOfAnAdministratorStays: also when both are removed at once.
func TestTheLastPasskeyOfAnAdministratorStays(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("admin")
		p.MustPasskey = true
		r.people.set(p)
		one, two := r.passkey(p), r.passkey(p)
		proof := r.fresh(authz.LevelPasskey)
		ids := []event.ID{one.id, two.id}
		got := together(2, func(i int) Reason {
			err := r.RemovePasskey(context.WithoutCancel(t.Context()), p.ID, proof, ids[i])
			var last *LastWay
			if errors.As(err, &last) {
				return "last"
			}
			return reason(err)
		})
		if got[""] != 1 || got["last"] != 1 {
			t.Fatal(got)
		}
		r.must(r.RemovePassword(t.Context(), p.ID, proof))
	})
}

func TestPasskeysNeedAName(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		p := r.person("a")
		for _, url := range []string{"", "http://labwarden.example", "https://192.0.2.1", "://", "https://"} {
			r.Apply(Settings{PublicURL: url})
			if r.PasskeysWork() == nil {
				t.Errorf("%q works", url)
			}
			if _, err := r.BeginSignIn(t.Context(), desk, ""); err == nil {
				t.Errorf("%q: a challenge", url)
			}
			if _, err := r.BeginPasskey(t.Context(), p.ID, r.fresh(authz.LevelPasskey)); err == nil {
				t.Errorf("%q: a challenge", url)
			}
		}
		r.Apply(Settings{PublicURL: "http://localhost:8443"})
		r.must(r.PasskeysWork())
	})
}
