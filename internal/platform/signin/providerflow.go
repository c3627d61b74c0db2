package signin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Why a sign-in by the provider was not taken.
const (
	Silent   Reason = "provider-silent"
	Declined Reason = "provider-declined"
	Forged   Reason = "provider-answer"
	Stranger Reason = "provider-stranger"
	Stale    Reason = "provider-not-fresh"
)

// provider is what people read of these.
func (r *Refused) provider() string {
	switch r.Reason {
	case Silent:
		return r.Who + " does not answer. Sign in with your passkey or password."
	case Declined:
		return r.Who + " did not sign you in. Try again, or use your passkey or password."
	case Forged:
		return "What " + r.Who + " answered could not be relied on, so nobody was signed in. Try again, and if it happens twice tell your administrator."
	case Stranger:
		return r.Who + " knows you, and Labwarden does not know you yet. An administrator has to let you in: give them the id that " + r.Who + " knows you by, " + r.Subject + "."
	case Stale:
		return r.Who + " did not ask you again who you are. Use your passkey or password."
	}
	return ""
}

const stepProvider = "provider" // the browser was sent to the provider

// provided is what is kept while the browser is there.
type provided struct {
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Issuer   string `json:"issuer"`
	Client   string `json:"client"`
	To       string `json:"to"`
	Link     bool   `json:"link,omitempty"`
	Began    int64  `json:"began"`
}

const (
	stateIn = "in."
	stateUp = "up."
	stateLn = "ln."
	// clocks is how far the provider's clock may be from ours.
	clocks = time.Minute
	// oldest is how long ago a person may have proved to the provider who they are,
	// where it says so: no session here is open longer.
	oldest = 12 * time.Hour
)

// StateAgain says whether an answer of the provider is for a step-up.
func StateAgain(state string) bool { return strings.HasPrefix(state, stateUp) }

// StateLink says whether an answer of the provider is for a link to it.
func StateLink(state string) bool { return strings.HasPrefix(state, stateLn) }

// BeginLink is BeginProvider for somebody who wants to be linked to whom the
// provider says they are: what FinishProvider returns then is that, and no sign-in.
// It asks for the proof that any change of a way to sign in asks for.
func (s *Service) BeginLink(ctx context.Context, person event.ID, proof Proof) (address, token string, err error) {
	if _, _, err := s.allow(ctx, person, proof, ChangeFor); err != nil {
		return "", "", err
	}
	return s.beginProvider(ctx, Ask{From: proof.From, Person: person}, "", true)
}

// BeginProvider returns where the browser goes to sign in, and the token that it
// keeps meanwhile; to is where it wants to go afterwards. A step-up asks the
// provider for a fresh proof, a sign-in for one of the last twelve hours.
func (s *Service) BeginProvider(ctx context.Context, ask Ask, to string) (address, token string, err error) {
	return s.beginProvider(ctx, ask, to, false)
}

func (s *Service) beginProvider(ctx context.Context, ask Ask, to string, link bool) (address, token string, err error) {
	p := s.provider()
	if p == nil {
		return "", "", &Refused{Reason: Gone}
	}
	r, err := s.reach(ctx, p)
	if err != nil {
		return "", "", err
	}
	state, _ := newToken()
	nonce, _ := newToken()
	x := provided{State: stateIn + state, Nonce: nonce, Verifier: oauth2.GenerateVerifier(), Issuer: p.Issuer, Client: p.ClientID, To: to, Began: s.Now().UnixMicro(), Link: link}
	w := &pending{Kind: stepProvider, Again: ask.again()}
	more := []oauth2.AuthCodeOption{oidc.Nonce(nonce), oauth2.S256ChallengeOption(x.Verifier)}
	if ask.again() {
		x.State, w.Person = stateUp+state, ask.Person[:]
		if link {
			x.State = stateLn + state
		}
		// OpenID Connect Core 3.1.2.1: the provider must ask anew, and say when it did.
		more = append(more, oauth2.SetAuthURLParam("max_age", "0"), oauth2.SetAuthURLParam("prompt", "login"))
	} else {
		more = append(more, oauth2.SetAuthURLParam("max_age", strconv.Itoa(int(oldest/time.Second))))
	}
	if w.Data, err = json.Marshal(x); err != nil {
		return "", "", fmt.Errorf("write a pending step: %w", err)
	}
	if token, err = s.begin(ctx, w, seedFor, ask.From); err != nil {
		return "", "", err
	}
	return s.oauth(r, p, "").AuthCodeURL(x.State, more...), token, nil
}

// one is a parameter that is there once.
func one(q url.Values, key string) string {
	if len(q[key]) != 1 {
		return ""
	}
	return q[key][0]
}

// FinishProvider takes what the provider sent the browser back with. token is what
// this browser was given by BeginProvider: an answer that another browser asked for
// is not taken. Whatever comes out, it was the only try.
func (s *Service) FinishProvider(ctx context.Context, ask Ask, token string, q url.Values) (step Step, to string, err error) {
	w, err := s.peek(ctx, token, stepProvider)
	if err != nil {
		return step, "", err
	}
	var x provided
	if err := json.Unmarshal(w.Data, &x); err != nil {
		return step, "", fmt.Errorf("read a pending step: %w", err)
	}
	p := s.provider()
	if subtle.ConstantTimeCompare([]byte(one(q, "state")), []byte(x.State)) != 1 || w.Again != ask.again() || ask.again() && w.person() != ask.Person ||
		p == nil || p.Issuer != x.Issuer || p.ClientID != x.Client {
		return step, "", &Refused{Reason: Gone}
	}
	if _, err := s.take(ctx, token, stepProvider); err != nil {
		return step, "", err
	}
	step, err = s.provided(ctx, ask, p, &x, q)
	return step, x.To, err
}

func (s *Service) provided(ctx context.Context, ask Ask, p *Provider, x *provided, q url.Values) (Step, error) {
	no := func(person event.ID, why Reason, subject string) (Step, error) {
		err := s.notTakenBy(ctx, ask, ByProvider, person, why)
		var r *Refused
		if errors.As(err, &r) {
			r.Who, r.Subject = p.Label, subject
		}
		return Step{}, err
	}
	r, err := s.reach(ctx, p)
	if err != nil {
		return Step{}, err
	}
	// RFC 9207 2.4: an answer of another provider is not taken.
	if iss := one(q, "iss"); len(q["iss"]) > 0 && iss != p.Issuer || len(q["iss"]) == 0 && r.says {
		s.Log.Warn("an answer did not come from the OpenID provider of the configuration")
		return no(event.ID{}, Forged, "")
	}
	code := one(q, "code")
	if code == "" || len(q["error"]) > 0 {
		return no(event.ID{}, Declined, "")
	}
	t, c, err := s.redeem(ctx, p, r, x, code)
	if err != nil {
		var quiet *Refused
		if errors.As(err, &quiet) || ctx.Err() != nil {
			return Step{}, err
		}
		s.Log.Warn("an answer of the OpenID provider was not taken", "issuer", p.Issuer, "error", cropped(err))
		return no(event.ID{}, Forged, "")
	}
	if ask.again() && !c.since(time.UnixMicro(x.Began), s.Now()) {
		return no(ask.Person, Stale, "")
	}
	if now := s.Now(); !ask.again() && c.AuthTime != nil && !c.since(now.Add(-oldest), now) {
		return no(event.ID{}, Stale, "")
	}
	if x.Link {
		return Step{Person: ask.Person, Linked: &Outsider{Issuer: p.Issuer, Subject: t.Subject}}, nil
	}
	info, ok, err := s.Outside.FromProvider(ctx, Outsider{Issuer: p.Issuer, Subject: t.Subject, Account: c.Account, Name: c.Name, Groups: c.groups(p.Groups), SCIM: p.SCIM})
	if err != nil {
		return Step{}, fmt.Errorf("find who signs in: %w", err)
	}
	if !ok {
		return no(event.ID{}, Stranger, t.Subject)
	}
	if !info.Active || ask.again() && info.ID != ask.Person {
		return no(info.ID, NoMatch, "")
	}
	step := Step{Level: c.level(p), Person: info.ID}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		return s.accepted(ctx, tx, ask, info.ID, ByProvider, step.Level, ledger.Pair{K: "fresh", V: yesNo(ask.again())})
	})
	if err != nil {
		return Step{}, fmt.Errorf("sign in: %w", err)
	}
	return step, nil
}

func yesNo(yes bool) string {
	if yes {
		return "yes"
	}
	return "no"
}

// redeem exchanges the code, and judges the token (OpenID Connect Core 3.1.3.7).
func (s *Service) redeem(ctx context.Context, p *Provider, r *reached, x *provided, code string) (*oidc.IDToken, *claims, error) {
	secret, err := p.Secret(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("read the secret of the OpenID provider: %w", err)
	}
	ctx, stop := context.WithTimeout(oidc.ClientContext(ctx, r.http), s.line.patience)
	defer stop()
	tokens, err := s.oauth(r, p, string(secret)).Exchange(ctx, code, oauth2.VerifierOption(x.Verifier))
	if err != nil {
		var said *oauth2.RetrieveError
		var address *url.Error
		switch {
		case errors.As(err, &said) && said.Response != nil && said.Response.StatusCode < 500:
			return nil, nil, fmt.Errorf("the provider did not take the code: %s %q", said.Response.Status, said.ErrorCode)
		case said != nil || errors.As(err, &address) || ctx.Err() != nil:
			return nil, nil, &Refused{Reason: Silent, Who: p.Label}
		}
		return nil, nil, err
	}
	raw, _ := tokens.Extra("id_token").(string)
	if raw == "" {
		return nil, nil, errors.New("there is no ID token in the answer")
	}
	t, err := r.verifier.Verify(ctx, raw)
	if err != nil {
		if ctx.Err() != nil {
			return nil, nil, &Refused{Reason: Silent, Who: p.Label}
		}
		return nil, nil, err
	}
	c := &claims{}
	if err := errors.Join(t.Claims(c), t.Claims(&c.all)); err != nil {
		return nil, nil, fmt.Errorf("read the claims: %w", err)
	}
	switch {
	case t.Issuer != p.Issuer:
		return nil, nil, errors.New("another issuer")
	case subtle.ConstantTimeCompare([]byte(t.Nonce), []byte(x.Nonce)) != 1:
		return nil, nil, errors.New("the nonce is not the one that was asked with")
	case len(t.Audience) != 1 && c.Party == "" || c.Party != "" && c.Party != p.ClientID:
		return nil, nil, errors.New("the token was made for another program")
	case t.IssuedAt.After(s.Now().Add(clocks)):
		return nil, nil, errors.New("the token comes from the future: compare the clocks")
	case t.Subject == "" || len(t.Subject) > 255 || strings.ContainsFunc(t.Subject, func(c rune) bool { return c <= ' ' || c > '~' }):
		return nil, nil, errors.New("the subject is not as OpenID Connect Core 2 has it")
	}
	return t, c, nil
}

// claims are what of a token decides something.
type claims struct {
	Party    string   `json:"azp"`
	Account  string   `json:"preferred_username"`
	Name     string   `json:"name"`
	ACR      string   `json:"acr"`
	AMR      wordList `json:"amr"`
	AuthTime *float64 `json:"auth_time"`
	all      map[string]json.RawMessage
}

// wordList is a list of words, or one.
type wordList []string

// UnmarshalJSON implements json.Unmarshaler.
func (l *wordList) UnmarshalJSON(b []byte) error {
	var list []string
	if json.Unmarshal(b, &list) == nil {
		*l = list
		return nil
	}
	var one string
	if err := json.Unmarshal(b, &one); err != nil {
		return errors.New("neither a word nor a list of words")
	}
	*l = wordList{one}
	return nil
}

// groups are those the claim names; none where it is not there, or is not a list
// of words.
func (c *claims) groups(claim string) []string {
	var l wordList
	if raw, ok := c.all[claim]; ok && json.Unmarshal(raw, &l) == nil {
		return l
	}
	return nil
}

// level is how well the provider says that it has looked; what the configuration
// does not name counts as one factor.
func (c *claims) level(p *Provider) authz.Level {
	has := func(counts []string) bool {
		for _, v := range counts {
			if v == "" {
				continue
			}
			if c.ACR == v {
				return true
			}
			for _, m := range c.AMR {
				if m == v {
					return true
				}
			}
		}
		return false
	}
	switch {
	case has(p.Passkey):
		return authz.LevelPasskey
	case has(p.TwoFactor):
		return authz.LevelTwo
	}
	return authz.LevelPassword
}

// since says whether the person proved to the provider who they are after that
// moment.
func (c *claims) since(began, now time.Time) bool {
	if c.AuthTime == nil || *c.AuthTime < 0 || *c.AuthTime > 1<<40 {
		return false
	}
	at := time.Unix(int64(*c.AuthTime), 0)
	return !at.Before(began.Add(-clocks)) && !at.After(now.Add(clocks))
}
