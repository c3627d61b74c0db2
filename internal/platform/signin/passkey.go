package signin

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
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
	handle  []byte
	record  webauthn.Credential
	counter int64
}

func (s *Service) passkeys(ctx context.Context, q store.Queryer, where string, arg any) ([]key, error) {
	var out []key
	err := q.Query(ctx, "SELECT id, person, handle, record, counter, name, made_at, used_at, cloned FROM signin_passkeys WHERE "+where+" ORDER BY made_at, id", []any{arg},
		func(row store.Scanner) error {
			var id, person []byte
			var record string
			var made, used, cloned int64
			k := key{}
			err := row.Scan(&id, &person, &k.handle, &record, &k.counter, &k.Name, &made, &used, &cloned)
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

// user is a person as the WebAuthn library sees one. The handle is random and says
// nothing about them (WebAuthn level 3, 14.6.1).
type user struct {
	handle        []byte
	account, name string
	keys          []key
}

func (u *user) WebAuthnID() []byte          { return u.handle }
func (u *user) WebAuthnName() string        { return u.account }
func (u *user) WebAuthnDisplayName() string { return u.name }
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
	p, _, err := s.allow(ctx, person, proof, ChangeFor)
	if err != nil {
		return Challenge{}, err
	}
	keys, err := s.passkeys(ctx, s.DB, "person = $1", person[:])
	if err != nil {
		return Challenge{}, err
	}
	if len(keys) >= maxPasskeys {
		return Challenge{}, &BadName{fmt.Sprintf("You have %d passkeys. Remove one you no longer use.", len(keys))}
	}
	u := &user{account: p.Account, name: p.Name, keys: keys}
	if len(keys) > 0 {
		u.handle = keys[0].handle
	}
	return s.register(ctx, u, person, proof.ask())
}

// FirstPasskey draws a challenge for somebody who came by a one-time link, and who
// may not be known yet: then p has no ID.
func (s *Service) FirstPasskey(ctx context.Context, p PersonInfo, ask Ask) (Challenge, error) {
	return s.register(ctx, &user{account: p.Account, name: p.Name}, p.ID, ask)
}

func (s *Service) register(ctx context.Context, u *user, person event.ID, ask Ask) (Challenge, error) {
	site := s.site.Load()
	if site.rp == nil {
		return Challenge{}, site.no
	}
	if u.handle == nil {
		u.handle = make([]byte, 32)
		_, _ = rand.Read(u.handle) // never fails
	}
	options, session, err := site.rp.BeginRegistration(u, webauthn.WithExclusions(webauthn.Credentials(u.WebAuthnCredentials()).CredentialDescriptors()),
		webauthn.WithConveyancePreference(protocol.PreferNoAttestation))
	if err != nil {
		return Challenge{}, fmt.Errorf("draw a challenge: %w", err)
	}
	return s.challenge(ctx, &pending{Kind: stepRegister, Person: person[:]}, options, session, ask)
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

// CheckName says what is wrong with a passkey's name: ask before the authenticator
// makes one, or it keeps a passkey that nobody knows.
func CheckName(called string) error {
	_, err := name(called)
	return err
}

// FinishPasskey takes the browser's answer and enrols the passkey under a name.
func (s *Service) FinishPasskey(ctx context.Context, person event.ID, proof Proof, token, called string, answer []byte) (Passkey, error) {
	if _, _, err := s.allow(ctx, person, proof, finishFor); err != nil {
		return Passkey{}, err
	}
	m, err := s.ProvedPasskey(ctx, person, proof.ask(), token, called, answer)
	if err != nil {
		return Passkey{}, err
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error { return s.Keep(ctx, tx, person, m, proof.ask()) })
	if errors.Is(err, errTaken) {
		return Passkey{}, s.notTaken(ctx, proof.ask(), person, NoMatch)
	}
	if err != nil {
		return Passkey{}, fmt.Errorf("enrol a passkey: %w", err)
	}
	return Passkey{ID: m.id, Name: m.called, Made: m.at, Synced: m.cred.Flags.BackupState}, nil
}

// Made is a way to sign in that was proved and is not stored yet. Keep stores it.
type Made struct {
	way     Way
	account string
	phc     string // a password's
	long    bool
	id      event.ID // a passkey's
	called  string
	at      time.Time
	handle  []byte
	cred    *webauthn.Credential
}

// ProvedPasskey takes the browser's answer to a challenge for a new passkey: it is
// good for one answer, right or wrong. person is zero where FirstPasskey knew none.
func (s *Service) ProvedPasskey(ctx context.Context, person event.ID, ask Ask, token, called string, answer []byte) (*Made, error) {
	called, err := name(called)
	if err != nil {
		return nil, err
	}
	w, err := s.take(ctx, token, stepRegister)
	if err != nil {
		return nil, err
	}
	site := s.site.Load()
	if w.person() != person || site.rp == nil {
		return nil, &Refused{Reason: Gone}
	}
	m := &Made{way: ByPasskey, id: event.NewID(), called: called, at: s.Now()}
	if m.cred, m.handle, err = s.created(site, w, answer); err != nil {
		s.Log.Info("a new passkey was not taken", "person", person.String(), "error", detail(err))
		return nil, s.notTaken(ctx, ask, person, NoMatch)
	}
	return m, nil
}

// created verifies the answer (WebAuthn level 3, 7.1).
func (s *Service) created(site *site, w *pending, answer []byte) (*webauthn.Credential, []byte, error) {
	var session webauthn.SessionData
	if err := json.Unmarshal(w.Data, &session); err != nil {
		return nil, nil, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, nil, err
	}
	cred, err := site.rp.CreateCredential(&user{handle: session.UserID}, session, parsed)
	if err == nil && len(cred.ID) > 1023 { // WebAuthn level 3, 7.1 step 25
		err = errors.New("its id is too long")
	}
	return cred, session.UserID, err
}

// errTaken: WebAuthn level 3, 7.1 step 26: a credential belongs to one account.
var errTaken = errors.New("this passkey is enrolled already")

// Keep stores a way that was made, within the caller's transaction.
func (s *Service) Keep(ctx context.Context, tx *store.Tx, person event.ID, m *Made, ask Ask) error {
	had, err := s.enrolled(ctx, tx, person)
	if err != nil {
		return err
	}
	codes := ledger.Pairs{{K: "way", V: string(m.way)}}
	keep := s.keepPassword
	if m.way == ByPasskey {
		codes, keep = append(codes, ledger.Pair{K: "id", V: m.id.String()}), s.keepPasskey
	}
	if err := keep(ctx, tx, person, m); err != nil {
		return err
	}
	if err := s.fact(ctx, tx, KindEnrolled, person, Ask{From: ask.From}, codes); err != nil {
		return err
	}
	return s.inform(ctx, tx, had, ask.change(person, addedOr(m.way == ByPassword && had.Password), m.way))
}

func (s *Service) keepPasskey(ctx context.Context, tx *store.Tx, person event.ID, m *Made) error {
	record, err := json.Marshal(m.cred)
	if err != nil {
		return fmt.Errorf("write a passkey: %w", err)
	}
	var n int64
	if err := tx.QueryRow(ctx, "SELECT count(*) FROM signin_passkeys WHERE credential = $1", m.cred.ID).Scan(&n); err != nil {
		return err
	}
	if n > 0 {
		return errTaken
	}
	_, err = s.tags.Exec(ctx, tx, taggedPasskeys, m.id[:], `INSERT INTO signin_passkeys (id, person, credential, handle, record, counter, name, made_at, used_at, cloned)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, 0)`,
		m.id[:], person[:], m.cred.ID, m.handle, string(record), int64(m.cred.Authenticator.SignCount), m.called, micro(m.at))
	return err
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
	return s.notTakenBy(ctx, ask, ByPasskey, person, why)
}

func (s *Service) notTakenBy(ctx context.Context, ask Ask, way Way, person event.ID, why Reason) error {
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		n, err := s.counter(string(way)+" refusals", onNetwork, network(ask.From)).fail(ctx, tx, s.Now())
		if err != nil || onNetwork.wait(n.failures) > 0 && why != Cloned {
			return err // told often enough: a program that sends rubbish must not fill the ledger
		}
		return s.fact(ctx, tx, KindRefused, person, ask, ledger.Pairs{{K: "way", V: string(way)}, {K: "reason", V: string(why)}})
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
