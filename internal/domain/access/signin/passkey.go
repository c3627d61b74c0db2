package signin

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// selection asks for a credential that is found without an account where the
// authenticator has room for one, and always for a PIN or finger (WebAuthn level 3,
// 5.4.4).
func selection() protocol.AuthenticatorSelection {
	return protocol.AuthenticatorSelection{
		ResidentKey:      protocol.ResidentKeyRequirementPreferred,
		UserVerification: protocol.VerificationRequired,
	}
}

// Challenge is what a browser is given for a passkey: Options are for
// navigator.credentials, Token comes back with the answer.
type Challenge struct {
	Token   string          `json:"token"`
	Options json.RawMessage `json:"options"`
}

// key is a passkey with what verifies it.
type key struct {
	Passkey
	person  event.ID
	record  webauthn.Credential
	counter int64
}

func (s *Service) passkeys(ctx context.Context, q store.Queryer, where string, arg any) ([]key, error) {
	var out []key
	err := q.Query(ctx, "SELECT id, person, record, counter, name, made_at, used_at, cloned FROM signin_passkeys WHERE "+where+" ORDER BY made_at, id", []any{arg},
		func(row store.Scanner) error {
			var id, person []byte
			var record string
			var made, used, cloned int64
			k := key{}
			err := row.Scan(&id, &person, &record, &k.counter, &k.Name, &made, &used, &cloned)
			if err != nil {
				return err
			}
			if err := json.Unmarshal([]byte(record), &k.record); err != nil {
				return err
			}
			k.Made, k.Used, k.Cloned = moment(made), moment(used), cloned == 1
			k.Synced = k.record.Flags.BackupState
			var e1, e2 error
			k.ID, e1 = event.IDFromBytes(id)
			k.person, e2 = event.IDFromBytes(person)
			out = append(out, k)
			return errors.Join(e1, e2)
		})
	if err != nil {
		return nil, fmt.Errorf("read passkeys: %w", err)
	}
	return out, nil
}

// user is a person as the WebAuthn library sees one. The handle is the person's id:
// it says nothing about them (WebAuthn level 3, 14.6.1).
type user struct {
	p    PersonInfo
	keys []key
}

func (u *user) WebAuthnID() []byte          { return u.p.ID[:] }
func (u *user) WebAuthnName() string        { return u.p.Account }
func (u *user) WebAuthnDisplayName() string { return u.p.Name }
func (u *user) WebAuthnCredentials() []webauthn.Credential {
	out := make([]webauthn.Credential, len(u.keys))
	for i := range u.keys {
		out[i] = u.keys[i].record
	}
	return out
}

const (
	maxPasskeys = 20
	maxName     = 60
)

// BeginPasskey draws a challenge for a new passkey.
func (s *Service) BeginPasskey(ctx context.Context, person event.ID, proof Proof) (Challenge, error) {
	p, _, err := s.allow(ctx, person, proof)
	if err != nil {
		return Challenge{}, err
	}
	site := s.site.Load()
	if site.rp == nil {
		return Challenge{}, site.no
	}
	keys, err := s.passkeys(ctx, s.DB, "person = $1", person[:])
	if err != nil {
		return Challenge{}, err
	}
	if len(keys) >= maxPasskeys {
		return Challenge{}, &BadName{fmt.Sprintf("You have %d passkeys. Remove one you no longer use.", len(keys))}
	}
	u := &user{p, keys}
	options, session, err := site.rp.BeginRegistration(u, webauthn.WithExclusions(webauthn.Credentials(u.WebAuthnCredentials()).CredentialDescriptors()),
		webauthn.WithConveyancePreference(protocol.PreferNoAttestation))
	if err != nil {
		return Challenge{}, fmt.Errorf("draw a challenge: %w", err)
	}
	return s.challenge(ctx, &pending{Kind: stepRegister, Person: person[:]}, options, session, proof.ask())
}

// challenge keeps the library's session and returns what the browser needs.
func (s *Service) challenge(ctx context.Context, p *pending, options, session any, ask Ask) (Challenge, error) {
	data, err := json.Marshal(session)
	if err != nil {
		return Challenge{}, fmt.Errorf("draw a challenge: %w", err)
	}
	p.Data = data
	text, err := json.Marshal(options)
	if err != nil {
		return Challenge{}, fmt.Errorf("draw a challenge: %w", err)
	}
	token, err := s.begin(ctx, p, pendingFor, ask.From)
	return Challenge{Token: token, Options: text}, err
}

// BadName is what is wrong with a passkey's name or number, for who gave it.
type BadName struct{ Message string }

func (b *BadName) Error() string { return b.Message }

func name(s string) (string, error) {
	s = strings.TrimSpace(s)
	if s == "" || utf8.RuneCountInString(s) > maxName || strings.ContainsFunc(s, unicode.IsControl) || !utf8.ValidString(s) {
		return "", &BadName{fmt.Sprintf("Give it a name of up to %d characters, such as: blue key, work laptop.", maxName)}
	}
	return s, nil
}

// FinishPasskey takes the browser's answer and enrols the passkey under a name.
func (s *Service) FinishPasskey(ctx context.Context, person event.ID, proof Proof, token, called string, answer []byte) (Passkey, error) {
	called, err := name(called)
	if err != nil {
		return Passkey{}, err
	}
	p, _, err := s.allow(ctx, person, proof)
	if err != nil {
		return Passkey{}, err
	}
	w, err := s.take(ctx, token, stepRegister)
	if err != nil {
		return Passkey{}, err
	}
	site := s.site.Load()
	if w.person() != person || site.rp == nil {
		return Passkey{}, &Refused{Reason: Gone}
	}
	cred, err := s.created(site, p, w, answer)
	if err != nil {
		s.Log.Info("a new passkey was not taken", "person", person.String(), "error", detail(err))
		return Passkey{}, s.notTaken(ctx, proof.ask(), person, NoMatch)
	}
	record, err := json.Marshal(cred)
	if err != nil {
		return Passkey{}, fmt.Errorf("write a passkey: %w", err)
	}
	k := Passkey{ID: event.NewID(), Name: called, Made: s.Now(), Synced: cred.Flags.BackupState}
	taken := false
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		taken = false
		var n int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM signin_passkeys WHERE credential = $1", cred.ID).Scan(&n); err != nil || n > 0 {
			taken = n > 0
			return err
		}
		_, err := s.tags.Exec(ctx, tx, taggedPasskeys, k.ID[:], `INSERT INTO signin_passkeys (id, person, credential, record, counter, name, made_at, used_at, cloned)
			VALUES ($1, $2, $3, $4, $5, $6, $7, 0, 0)`,
			k.ID[:], person[:], cred.ID, string(record), int64(cred.Authenticator.SignCount), called, micro(k.Made))
		if err != nil {
			return err
		}
		return s.fact(ctx, tx, KindEnrolled, person, proof.ask(), ledger.Pairs{{K: "way", V: string(ByPasskey)}, {K: "id", V: k.ID.String()}})
	})
	if err != nil {
		return Passkey{}, fmt.Errorf("enrol a passkey: %w", err)
	}
	if taken {
		// WebAuthn level 3, 7.1 step 26: a credential belongs to one account.
		return Passkey{}, s.notTaken(ctx, proof.ask(), person, NoMatch)
	}
	return k, nil
}

func (s *Service) created(site *site, p PersonInfo, w *pending, answer []byte) (*webauthn.Credential, error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(w.Data, &session); err != nil {
		return nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, err
	}
	cred, err := site.rp.CreateCredential(&user{p: p}, session, parsed)
	if err == nil && len(cred.ID) > 1023 { // WebAuthn level 3, 7.1 step 25
		err = errors.New("its id is too long")
	}
	return cred, err
}

// detail is what the library says besides its sentence; it holds no secret.
func detail(err error) string {
	var e *protocol.Error
	if errors.As(err, &e) {
		return e.Details + " " + e.DevInfo
	}
	return err.Error()
}

// notTaken writes that a passkey was refused. It makes nobody wait.
func (s *Service) notTaken(ctx context.Context, ask Ask, person event.ID, why Reason) error {
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.counter("passkey refusals", onNetwork, network(ask.From)).fail(ctx, tx, s.Now())
		if err != nil || onNetwork.wait(n.failures) > 0 && why != Cloned {
			return err // told often enough: a program that sends rubbish must not fill the ledger
		}
		return s.fact(ctx, tx, KindRefused, person, ask, ledger.Pairs{{K: "way", V: string(ByPasskey)}, {K: "reason", V: string(why)}})
	})
	if err != nil {
		return fmt.Errorf("write a refusal: %w", err)
	}
	return &Refused{Reason: why}
}

// own runs a statement on a passkey if it is this person's.
func (s *Service) own(ctx context.Context, tx *store.Tx, person, id event.ID, query string, args ...any) (bool, error) {
	n, err := s.tags.Exec(ctx, tx, taggedPasskeys, id[:], query+" WHERE id = $1 AND person = $2", append([]any{id[:], person[:]}, args...)...)
	return n == 1, err
}

// RemovePasskey takes a passkey from a person, unless it is the last way in.
func (s *Service) RemovePasskey(ctx context.Context, person event.ID, proof Proof, id event.ID) error {
	return s.remove(ctx, person, proof, ByPasskey, id, func(ctx context.Context, tx *store.Tx) (bool, error) {
		return s.own(ctx, tx, person, id, "DELETE FROM signin_passkeys")
	})
}

// RenamePasskey gives one's own passkey another name.
func (s *Service) RenamePasskey(ctx context.Context, person, id event.ID, called string) error {
	called, err := name(called)
	if err != nil {
		return err
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if ok, err := s.own(ctx, tx, person, id, "UPDATE signin_passkeys SET name = $3", called); err != nil || !ok {
			return errors.Join(err, ErrNotFound)
		}
		return s.fact(ctx, tx, KindRenamed, person, Ask{}, ledger.Pairs{{K: "way", V: string(ByPasskey)}, {K: "id", V: id.String()}})
	})
	if err != nil {
		return fmt.Errorf("rename a passkey: %w", err)
	}
	return nil
}
