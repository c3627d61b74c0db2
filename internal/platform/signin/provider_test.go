package signin

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// outside knows people by issuer and subject.
type outside struct {
	mu sync.Mutex
	m  map[string]PersonInfo
	as []Outsider // who was asked for
}

func (o *outside) FromProvider(_ context.Context, x Outsider) (PersonInfo, bool, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.as = append(o.as, x)
	p, ok := o.m[x.Issuer+" "+x.Subject]
	return p, ok, nil
}

type away struct {
	*rig
	idp  *idp
	conf *Provider
	out  *outside
	who  PersonInfo
}

// withProvider is a rig that signs in by a provider.
func withProvider(t *testing.T, r *rig) *away {
	t.Helper()
	a := &away{rig: r, idp: newIDP(t, r.clock.now), out: &outside{m: map[string]PersonInfo{}}}
	a.conf = &Provider{
		Issuer: a.idp.srv.URL, ClientID: "labwarden", Scopes: []string{"profile"}, Label: "Millbrook ID", Groups: "groups",
		Secret: func(context.Context) ([]byte, error) { return []byte(idpSecret), nil }, Roots: a.idp.roots,
	}
	a.Provider, a.Outside = func() *Provider { return a.conf }, a.out
	a.who = PersonInfo{ID: event.NewID(), Account: "m.okafor", Active: true}
	a.people.set(a.who)
	a.out.m[a.idp.srv.URL+" 00u-1"] = a.who
	return a
}

// trip goes to the provider and comes back, in one browser.
func (a *away) trip(ask Ask) (Step, string, error) {
	a.t.Helper()
	to, token, err := a.BeginProvider(a.t.Context(), ask, "/results?page=2")
	if err != nil {
		return Step{}, "", err
	}
	return a.FinishProvider(a.t.Context(), ask, token, a.idp.authorize(to))
}

func TestProviderSignsIn(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := withProvider(t, r)
		for _, alg := range []string{"RS256", "ES256"} {
			a.idp.alg = alg
			step, to, err := a.trip(desk)
			r.must(err)
			if step.Person != a.who.ID || step.Level != authz.LevelPassword || to != "/results?page=2" {
				t.Errorf("%s: %+v to %s", alg, step, to)
			}
		}
		if n := r.facts()[KindAccepted]; n != 2 {
			t.Errorf("%d sign-ins are in the record, want 2", n)
		}
		// What it says of itself and its keys are asked for once.
		if n := a.idp.asked["/.well-known/openid-configuration"]; n != 1 {
			t.Errorf("it was asked %d times what it is", n)
		}
		if x := a.out.as[0]; x.Subject != "00u-1" || x.Issuer != a.idp.srv.URL {
			t.Errorf("asked for %+v", x)
		}
	})
}

// TestProviderLevels: only what the configuration names counts for more than one
// factor.
func TestProviderLevels(t *testing.T) {
	a := withProvider(t, sqliteRig(t))
	for name, c := range map[string]struct {
		acr  any
		amr  any
		two  []string
		key  []string
		want authz.Level
	}{
		"says nothing":            {nil, nil, []string{"mfa"}, []string{"hwk"}, authz.LevelPassword},
		"hardware not configured": {"phr", []string{"hwk", "mfa"}, nil, nil, authz.LevelPassword},
		"two factors":             {nil, []string{"pwd", "mfa"}, []string{"mfa"}, []string{"hwk"}, authz.LevelTwo},
		"two factors in a word":   {nil, "mfa", []string{"mfa"}, nil, authz.LevelTwo},
		"by acr":                  {"urn:two", nil, []string{"urn:two"}, nil, authz.LevelTwo},
		"hardware key":            {nil, []string{"hwk"}, []string{"mfa"}, []string{"hwk"}, authz.LevelPasskey},
		"empty is no value":       {"", []string{""}, []string{""}, []string{""}, authz.LevelPassword},
		"not a word":              {nil, []int{1}, []string{"mfa"}, nil, authz.LevelNone},
	} {
		a.conf.TwoFactor, a.conf.Passkey = c.two, c.key
		a.idp.twist = func(m map[string]any) { m["acr"], m["amr"] = c.acr, c.amr }
		step, _, err := a.trip(desk)
		if c.want == authz.LevelNone {
			a.want(err, Forged)
		} else if err != nil || step.Level != c.want {
			t.Errorf("%s: level %d, want %d (%v)", name, step.Level, c.want, err)
		}
	}
}

// TestProviderTokensThatAreNotTaken: each of them names somebody who exists.
func TestProviderTokensThatAreNotTaken(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := withProvider(t, r)
		set := func(k string, v any) func(map[string]any) { return func(m map[string]any) { m[k] = v } }
		cases := []struct {
			name  string
			alg   string
			twist func(map[string]any)
		}{
			{"wrong nonce", "RS256", set("nonce", "another")},
			{"no nonce", "RS256", set("nonce", nil)},
			{"another issuer", "RS256", set("iss", "https://elsewhere.example")},
			{"the issuer with a slash", "RS256", set("iss", a.idp.srv.URL+"/")},
			{"another audience", "RS256", set("aud", "payroll")},
			{"no audience", "RS256", set("aud", nil)},
			{"many audiences and no party", "RS256", set("aud", []string{"labwarden", "payroll"})},
			{"another party", "RS256", set("azp", "payroll")},
			{"ended", "RS256", set("exp", a.clock.now().Add(-time.Second).Unix())},
			{"without end", "RS256", set("exp", nil)},
			{"not yet", "RS256", set("nbf", a.clock.now().Add(time.Hour).Unix())},
			{"from the future", "RS256", set("iat", a.clock.now().Add(time.Hour).Unix())},
			{"no subject", "RS256", set("sub", nil)},
			{"two words as subject", "RS256", set("sub", "00u-1 x")},
			{"unsigned", "none", nil},
			{"signed with the public key", "HS256", nil},
			{"signed with a strange key", "stranger", nil},
		}
		for _, c := range cases {
			a.idp.alg, a.idp.twist = c.alg, c.twist
			step, _, err := a.trip(desk)
			if reason(err) != Forged || step.Level != authz.LevelNone {
				t.Errorf("%s: %+v, %v", c.name, step, err)
			}
		}
		if f := r.facts(); f[KindAccepted] != 0 || f[KindRefused] != len(cases) {
			t.Errorf("the record has %v, want %d refusals", f, len(cases))
		}
		// A token that brings its own key, or says where to fetch one (RFC 7515 4.1).
		thief := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a token's own key was fetched") }))
		defer thief.Close()
		a.idp.alg, a.idp.twist = "stranger", nil
		for name, head := range map[string]map[string]any{
			"jku": {"jku": thief.URL}, "x5u": {"x5u": thief.URL}, "another kid": {"kid": thief.URL},
			"jwk": {"jwk": map[string]any{"kty": "RSA", "kid": "r", "n": base64.RawURLEncoding.EncodeToString(a.idp.other.N.Bytes()), "e": "AQAB"}},
			"x5c": {"x5c": []string{base64.StdEncoding.EncodeToString(a.idp.srv.Certificate().Raw)}},
		} {
			a.idp.head = head
			if step, _, err := a.trip(desk); reason(err) != Forged || step.Level != authz.LevelNone {
				t.Errorf("a token with %s: %+v, %v", name, step, err)
			}
		}
		a.idp.head = nil
		if len(a.out.as) != 0 {
			t.Error("somebody was looked for by a token that was not good")
		}
	})
}

// TestProviderAnswersOfAnotherBrowser: state, cookie and code belong together, once.
func TestProviderAnswersOfAnotherBrowser(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := withProvider(t, r)
		ctx := t.Context()
		begin := func() (url.Values, string) {
			to, token, err := a.BeginProvider(ctx, desk, "/")
			r.must(err)
			return a.idp.authorize(to), token
		}
		finish := func(token string, q url.Values) Reason {
			_, _, err := a.FinishProvider(ctx, desk, token, q)
			return reason(err)
		}
		with := func(q url.Values, key string, v ...string) url.Values {
			out := url.Values{}
			for k, x := range q {
				out[k] = x
			}
			if out[key] = v; v == nil {
				delete(out, key)
			}
			return out
		}
		mine, cookie := begin()
		theirs, other := begin()
		for name, got := range map[string]Reason{
			"no cookie":                    finish("", mine),
			"another browser's cookie":     finish(other, mine),
			"my cookie, their answer":      finish(cookie, theirs),
			"wrong state":                  finish(cookie, with(mine, "state", "in.x")),
			"no state":                     finish(cookie, with(mine, "state")),
			"two states":                   finish(cookie, with(mine, "state", mine.Get("state"), "x")),
			"a step-up's state":            finish(cookie, with(mine, "state", "up."+strings.TrimPrefix(mine.Get("state"), "in."))),
			"a half-done password sign-in": finish(r.begunElsewhere(), mine),
		} {
			if got != Gone {
				t.Errorf("%s: %q, want %q", name, got, Gone)
			}
		}
		// None of that used it up; it works once, also where the provider is careless.
		a.idp.loose = true
		r.want(errOf(a.FinishProvider(ctx, desk, cookie, mine)), "")
		r.want(errOf(a.FinishProvider(ctx, desk, cookie, mine)), Gone)
		// A code of somebody else's is bound to their browser (PKCE, nonce).
		again, cookie := begin()
		r.want(errOf(a.FinishProvider(ctx, desk, cookie, with(again, "code", theirs.Get("code")))), Forged)
		// Of many at the same time one comes in.
		q, cookie := begin()
		if n := together(8, func(int) Reason { return finish(cookie, q) }); n[""] != 1 || n[Gone] != 7 {
			t.Errorf("%v came in with one answer", n)
		}
		// It was begun too long ago.
		q, cookie = begin()
		a.clock.forward(seedFor + time.Second)
		if got := finish(cookie, q); got != Gone {
			t.Errorf("late: %q", got)
		}
		// The configuration has another provider meanwhile.
		q, cookie = begin()
		changed := *a.conf
		changed.ClientID = "labwarden-2"
		a.Provider = func() *Provider { return &changed }
		if got := finish(cookie, q); got != Gone {
			t.Errorf("after a change of the configuration: %q", got)
		}
	})
}

// begunElsewhere is the token of another kind of step.
func (r *rig) begunElsewhere() string {
	token, err := r.begin(r.t.Context(), &pending{Kind: stepSecond}, pendingFor, desk.From)
	r.must(err)
	return token
}

func errOf(_ Step, _ string, err error) error { return err }

// TestProviderMixUp: an answer that another provider gave (RFC 9207).
func TestProviderMixUp(t *testing.T) {
	a := withProvider(t, sqliteRig(t))
	for name, iss := range map[string][]string{"another": {"https://evil.example"}, "two": {a.idp.srv.URL, "https://evil.example"}, "empty": {""}} {
		to, token, err := a.BeginProvider(t.Context(), desk, "/")
		a.must(err)
		q := a.idp.authorize(to)
		q["iss"] = iss
		if got := reason(errOf(a.FinishProvider(t.Context(), desk, token, q))); got != Forged {
			t.Errorf("%s: %q", name, got)
		}
	}
	if a.idp.asked["/token"] != 0 {
		t.Error("the code was sent on")
	}
	// One that promises to name itself has to.
	b := withProvider(t, sqliteRig(t))
	b.idp.discovery = func(m map[string]any) { m["authorization_response_iss_parameter_supported"] = true }
	to, token, err := b.BeginProvider(t.Context(), desk, "/")
	b.must(err)
	q := b.idp.authorize(to)
	q.Del("iss")
	b.want(errOf(b.FinishProvider(t.Context(), desk, token, q)), Forged)
}

// TestProviderDescribesItselfWrongly: then it is as if it did not answer, and our
// secret goes nowhere.
func TestProviderDescribesItselfWrongly(t *testing.T) {
	thief := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("something came to the thief") }))
	defer thief.Close()
	for name, twist := range map[string]func(m map[string]any){
		"another issuer":  func(m map[string]any) { m["issuer"] = "https://elsewhere.example" },
		"plain token":     func(m map[string]any) { m["token_endpoint"] = "http://127.0.0.1/token" },
		"plain keys":      func(m map[string]any) { m["jwks_uri"] = "http://127.0.0.1/keys" },
		"a script":        func(m map[string]any) { m["authorization_endpoint"] = "javascript:alert(1)" },
		"not there":       func(m map[string]any) { delete(m, "token_endpoint") },
		"of another type": func(m map[string]any) { m["jwks_uri"] = 7 },
	} {
		a := withProvider(t, sqliteRig(t))
		a.idp.discovery = twist
		if _, _, err := a.trip(desk); reason(err) != Silent {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Nor does it lead us elsewhere.
	r := sqliteRig(t)
	a := withProvider(t, r)
	front := httptest.NewTLSServer(http.RedirectHandler(thief.URL, http.StatusTemporaryRedirect))
	defer front.Close()
	a.conf.Issuer = front.URL
	if _, _, err := a.trip(desk); reason(err) != Silent {
		t.Errorf("led elsewhere: %v", err)
	}
}

// TestProviderDown: the page is drawn without it, who tries hears at once what
// else there is, and it is left alone for a while.
func TestProviderDown(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := withProvider(t, r)
		a.idp.set(func() { a.idp.down = true })
		if a.ProviderLabel() != "Millbrook ID" || len(a.idp.asked) != 0 {
			t.Error("drawing the page asks the provider")
		}
		for range 3 {
			_, _, err := a.trip(desk)
			a.want(err, Silent)
			if err.Error() != "Millbrook ID does not answer. Sign in with your passkey or password." {
				t.Error(err)
			}
		}
		if n := a.idp.asked["/.well-known/openid-configuration"]; n != 1 {
			t.Errorf("asked %d times in a moment", n)
		}
		a.idp.set(func() { a.idp.down = false })
		a.clock.forward(quietFor)
		a.want(errOf(a.trip(desk)), "")
		// Down between going and coming: nobody comes in, and nothing counts as forged.
		to, token, err := a.BeginProvider(t.Context(), desk, "/")
		a.must(err)
		q := a.idp.authorize(to)
		a.idp.set(func() { a.idp.down = true })
		a.want(errOf(a.FinishProvider(t.Context(), desk, token, q)), Silent)
		// What it said of itself stays good while it is away.
		a.clock.forward(2 * discoveryFor)
		if _, _, err := a.BeginProvider(t.Context(), desk, "/"); err != nil {
			t.Error(err)
		}
		if p := r.person("b.adeyemi"); true {
			step, err := r.Password(t.Context(), desk, p.Account, okPassword)
			r.must(err)
			if step.Level != authz.LevelPassword {
				t.Error("the local way in depends on the provider")
			}
		}
	})
}

func TestProviderSlow(t *testing.T) {
	a := withProvider(t, sqliteRig(t))
	a.line.patience = 50 * time.Millisecond
	hold := make(chan struct{})
	a.idp.set(func() { a.idp.hold = hold })
	defer close(hold)
	if n := together(6, func(int) Reason { _, _, err := a.BeginProvider(t.Context(), desk, "/"); return reason(err) }); n[Silent] != 6 {
		t.Errorf("%v", n)
	}
}

// TestProviderUnknown: a subject that nobody here is comes in as nobody, whatever
// its mail address or account says.
func TestProviderUnknown(t *testing.T) {
	a := withProvider(t, sqliteRig(t))
	a.idp.twist = func(m map[string]any) { m["sub"] = "00u-2" } // mail and account stay those of 00u-1
	_, _, err := a.trip(desk)
	a.want(err, Stranger)
	if !strings.Contains(err.Error(), "00u-2") {
		t.Error(err)
	}
	gone := a.who
	gone.Active = false
	a.out.m[a.idp.srv.URL+" 00u-2"] = gone
	a.want(errOf(a.trip(desk)), NoMatch)
	// The person says no over there.
	to, token, err := a.BeginProvider(t.Context(), desk, "/")
	a.must(err)
	q := a.idp.authorize(to)
	q.Del("code")
	q.Set("error", "access_denied")
	a.want(errOf(a.FinishProvider(t.Context(), desk, token, q)), Declined)
	// A careless secret, and none at all.
	a.conf.Secret = func(context.Context) ([]byte, error) { return []byte("wrong"), nil }
	a.want(errOf(a.trip(desk)), Forged)
	a.conf.Secret = func(context.Context) ([]byte, error) { return nil, errors.New("not there") }
	a.want(errOf(a.trip(desk)), Forged)
	a.Provider = nil
	a.want(errOf(a.trip(desk)), Gone)
}

// TestProviderStepUp: a fresh proof, of the same person.
func TestProviderStepUp(t *testing.T) {
	each(t, func(t *testing.T, r *rig) {
		a := withProvider(t, r)
		up := Ask{From: desk.From, Person: a.who.ID}
		to, token, err := a.BeginProvider(t.Context(), up, "/")
		r.must(err)
		u, err := url.Parse(to)
		r.must(err)
		if q := u.Query(); q.Get("max_age") != "0" || q.Get("prompt") != "login" || !StateAgain(q.Get("state")) {
			t.Errorf("a step-up asks %s", to)
		}
		q := a.idp.authorize(to)
		a.want(errOf(a.FinishProvider(t.Context(), desk, token, q)), Gone) // not to sign in
		a.want(errOf(a.FinishProvider(t.Context(), Ask{Person: event.NewID()}, token, q)), Gone)
		a.want(errOf(a.FinishProvider(t.Context(), up, token, q)), "")
		for name, at := range map[string]any{
			"of this morning": a.clock.now().Add(-2 * time.Hour).Unix(), "unsaid": nil, "of tomorrow": a.clock.now().Add(24 * time.Hour).Unix(), "not a time": -1,
		} {
			a.idp.twist = func(m map[string]any) { m["auth_time"] = at }
			if got := reason(errOf(a.trip(up))); got != Stale {
				t.Errorf("a proof %s: %q", name, got)
			}
		}
		// Somebody else is signed in over there.
		a.idp.twist = func(m map[string]any) { m["sub"] = "00u-2" }
		a.out.m[a.idp.srv.URL+" 00u-2"] = PersonInfo{ID: event.NewID(), Active: true}
		a.want(errOf(a.trip(up)), NoMatch)
	})
}

type bell struct {
	mu  sync.Mutex
	all []alarm.Alarm
}

func (b *bell) Raise(_ context.Context, a alarm.Alarm) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.all = append(b.all, a)
}

// TestGuessingRaisesAnAlarm: once an account is shut, and when a network does not
// stop; what was typed as an account stands in none.
func TestGuessingRaisesAnAlarm(t *testing.T) {
	r := sqliteRig(t)
	b := &bell{}
	r.Raise = b
	p := r.person("b.adeyemi")
	from := func(i int) Ask { return Ask{From: netip.AddrFrom4([4]byte{10, byte(i), 0, 1})} }
	for i := range 100 {
		_, err := r.Password(t.Context(), from(i), p.Account, "wrong wrong wrong")
		r.want(err, NoMatch)
		_, err = r.Password(t.Context(), from(i), "hunter2 typed as account", "wrong wrong wrong")
		r.want(err, NoMatch)
		r.clock.forward(13 * time.Hour)
	}
	if len(b.all) != 1 || b.all[0].Kind != "signin.guessing" || b.all[0].About != p.Account || !b.all[0].Once {
		t.Fatalf("%+v", b.all)
	}
	b.all = nil
	for i := range 90 {
		_, err := r.Password(t.Context(), desk, "somebody"+string(rune('a'+i%26))+string(rune('a'+i/26)), "wrong wrong wrong")
		if x := new(Refused); errors.As(err, &x) && x.Reason == Wait {
			r.clock.forward(x.After)
		}
	}
	if len(b.all) == 0 || b.all[0].About != "192.0.2.0/24" {
		t.Fatalf("%+v", b.all)
	}
}
