package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// BeginSignIn draws a challenge to prove with a passkey who one is. For a step-up
// it names the person's passkeys; after the right password, named by the token of
// the half-done sign-in, likewise: so a key without room for accounts works too.
// Else the authenticator knows whom it belongs to, and nothing is told about any
// account.
func (s *Service) BeginSignIn(ctx context.Context, ask Ask, token string) (Challenge, error) {
	site := s.site.Load()
	if site.rp == nil {
		return Challenge{}, site.no
	}
	verified := webauthn.WithUserVerification(protocol.VerificationRequired)
	p := &pending{Kind: stepPasskey, Again: ask.again()}
	who := ask.Person
	if token != "" {
		w, err := s.peek(ctx, token, stepSecond)
		if err != nil {
			return Challenge{}, err
		}
		if w.Again != ask.again() || ask.again() && w.person() != who {
			return Challenge{}, &Refused{Reason: Gone}
		}
		who, p.After = w.person(), tokenID(token)
	}
	if who == (event.ID{}) {
		options, session, err := site.rp.BeginDiscoverableLogin(verified)
		if err != nil {
			return Challenge{}, fmt.Errorf("draw a challenge: %w", err)
		}
		return s.challenge(ctx, p, options, session, ask)
	}
	keys, err := s.taken(ctx, who)
	if err != nil {
		return Challenge{}, err
	}
	if len(keys) == 0 {
		return Challenge{}, &Refused{Reason: NoMatch}
	}
	options, session, err := site.rp.BeginLogin(&user{handle: keys[0].handle, keys: keys}, verified)
	if err != nil {
		return Challenge{}, fmt.Errorf("draw a challenge: %w", err)
	}
	p.Person = who[:]
	return s.challenge(ctx, p, options, session, ask)
}

// taken are a person's passkeys that may be used.
func (s *Service) taken(ctx context.Context, person event.ID) ([]key, error) {
	all, err := s.passkeys(ctx, s.DB, "person = $1", person[:])
	if err != nil {
		return nil, err
	}
	keys := all[:0]
	for _, k := range all {
		if !k.Cloned {
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// FinishSignIn takes the browser's answer. A challenge is good for one answer,
// right or wrong. Wrong passwords, whoever's, never make a passkey wait.
func (s *Service) FinishSignIn(ctx context.Context, ask Ask, token string, answer []byte) (Step, error) {
	w, err := s.take(ctx, token, stepPasskey)
	if err != nil {
		return Step{}, err
	}
	site := s.site.Load()
	if w.Again != ask.again() || ask.again() && w.person() != ask.Person || site.rp == nil {
		return Step{}, &Refused{Reason: Gone}
	}
	k, cred, err := s.asserted(ctx, site, w, answer)
	if err != nil {
		if errors.Is(err, errForged) || ctx.Err() != nil {
			return Step{}, err
		}
		s.Log.Info("a passkey was not taken", "error", detail(err))
		return Step{}, s.notTaken(ctx, ask, w.person(), NoMatch)
	}
	if k.Cloned {
		return Step{}, s.notTaken(ctx, ask, k.person, Cloned)
	}
	p, ok, err := s.People.ByID(ctx, k.person)
	if err != nil {
		return Step{}, fmt.Errorf("find who signs in: %w", err)
	}
	if !ok || !p.Active {
		return Step{}, s.notTaken(ctx, ask, k.person, NoMatch)
	}
	return s.keyed(ctx, ask, w, k, cred)
}

// asserted verifies the answer (WebAuthn level 3, 7.2): challenge, origin, relying
// party, presence, verification, signature, and whose it is.
func (s *Service) asserted(ctx context.Context, site *site, w *pending, answer []byte) (k key, cred *webauthn.Credential, err error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(w.Data, &session); err != nil {
		return k, nil, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return k, nil, err
	}
	keys, err := s.passkeys(ctx, s.DB, "credential = $1", parsed.RawID)
	if err != nil {
		return k, nil, err
	}
	if len(keys) != 1 {
		return k, nil, errors.New("the passkey is not known")
	}
	k = keys[0]
	if err := s.genuine(ctx, s.DB, taggedPasskeys, k.ID); err != nil {
		return k, nil, err
	}
	if who := w.person(); who != (event.ID{}) {
		// Every passkey of the challenge must be there still: the library asks for all.
		all, err := s.passkeys(ctx, s.DB, "person = $1", who[:])
		if err != nil {
			return k, nil, err
		}
		if k.person != who {
			return k, nil, errors.New("the passkey is somebody else's")
		}
		session.UserID = k.handle
		cred, err = site.rp.ValidateLogin(&user{handle: k.handle, keys: all}, session, parsed)
		return k, cred, err
	}
	_, cred, err = site.rp.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		// Whose passkey it is stands in our row; the handle must say the same.
		return &user{handle: k.handle, keys: keys}, nil
	}, session, parsed)
	return k, cred, err
}

// keyed writes the use of a passkey, and refuses one whose counter did not grow:
// then there are two of it (WebAuthn level 3, 6.1.1 and 7.2 step 22). An
// authenticator that does not count says zero always.
func (s *Service) keyed(ctx context.Context, ask Ask, w *pending, k key, cred *webauthn.Credential) (Step, error) {
	counter := int64(cred.Authenticator.SignCount)
	if cred.Authenticator.CloneWarning {
		counter = 0 // the library keeps the old one: it went back
	}
	cred.Authenticator.CloneWarning = false
	record, err := json.Marshal(cred)
	if err != nil {
		return Step{}, fmt.Errorf("write a passkey: %w", err)
	}
	var n int64
	gone := false
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, gone = 0, false
		var stored int64
		err := tx.QueryRow(ctx, "SELECT counter FROM signin_passkeys WHERE id = $1 AND cloned = 0", k.ID[:]).Scan(&stored)
		if errors.Is(err, store.ErrNoRows) {
			gone = true
			return nil
		}
		if err != nil {
			return err
		}
		if counter <= stored && (counter > 0 || stored > 0) {
			if _, err := s.tags.Exec(ctx, tx, taggedPasskeys, k.ID[:], "UPDATE signin_passkeys SET cloned = 1 WHERE id = $1", k.ID[:]); err != nil {
				return err
			}
			return s.fact(ctx, tx, KindCloned, k.person, ask, ledger.Pairs{{K: "id", V: k.ID.String()}},
				ledger.Number{K: "counter", N: counter}, ledger.Number{K: "seen", N: stored})
		}
		if w.After != nil {
			if ok, err := spend(ctx, tx, w.After); err != nil || !ok {
				gone = true
				return err
			}
		}
		n, err = s.tags.Exec(ctx, tx, taggedPasskeys, k.ID[:], "UPDATE signin_passkeys SET counter = $1, record = $2, used_at = $3 WHERE id = $4",
			counter, string(record), s.Now().UnixMicro(), k.ID[:])
		if err != nil {
			return err
		}
		return s.accepted(ctx, tx, ask, k.person, ByPasskey, authz.LevelPasskey, ledger.Pair{K: "id", V: k.ID.String()})
	})
	switch {
	case err != nil:
		return Step{}, fmt.Errorf("sign in: %w", err)
	case gone:
		return Step{}, &Refused{Reason: Gone}
	case n == 0:
		s.Log.Error("the counter of a passkey went back: there may be two of it", "person", k.person.String(), "passkey", k.ID.String())
		s.copied(ctx, k.person)
		return Step{}, s.notTaken(ctx, ask, k.person, Cloned)
	}
	return Step{Level: authz.LevelPasskey, Person: k.person}, nil
}
