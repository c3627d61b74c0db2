package signin

import (
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/totp"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// RFC 6238 4.1, with the values every authenticator app knows.
const (
	stepSeconds = 30
	seedSize    = 20
	// skew is how many steps a code may be early or late (RFC 6238 5.2).
	skew = 1
)

func codeAt(seed string, step int64) (string, error) {
	return totp.GenerateCode(seed, time.Unix(step*stepSeconds, 0))
}

// stepOf is the time step whose code this is, near now and later than last; 0 for
// none. Every step is compared, whichever fits.
func stepOf(seed, code string, now time.Time, last int64) (int64, error) {
	code = strings.Map(func(r rune) rune {
		if r == ' ' || r == '-' {
			return -1
		}
		return r
	}, code)
	at, found := now.Unix()/stepSeconds, int64(0)
	for step := at - skew; step <= at+skew; step++ {
		want, err := codeAt(seed, step)
		if err != nil {
			return 0, fmt.Errorf("compute a one-time code: %w", err)
		}
		if subtle.ConstantTimeCompare([]byte(want), []byte(code)) == 1 && step > last {
			found = step
		}
	}
	return found, nil
}

func totpPlace(person event.ID) vault.Where {
	return vault.Where{Table: "signin_totp", Column: "seed", Row: person[:]}
}

// Shown is a seed as it is shown once, for the app to take.
type Shown struct {
	// Token confirms it; Key is what is typed where nothing can be scanned, in groups
	// of four; URI is what the picture says; SVG is the picture.
	Token, Key, URI, SVG string
}

// BeginTOTP draws a seed. Nothing changes before ConfirmTOTP.
func (s *Service) BeginTOTP(ctx context.Context, person event.ID, proof Proof) (Shown, error) {
	p, _, err := s.allow(ctx, person, proof, ChangeFor)
	if err != nil {
		return Shown{}, err
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: plain(s.site.Load().Lab), AccountName: plain(p.Account), SecretSize: seedSize, Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
	if err != nil {
		return Shown{}, fmt.Errorf("draw a seed: %w", err)
	}
	data, err := json.Marshal(key.Secret())
	if err != nil {
		return Shown{}, fmt.Errorf("draw a seed: %w", err)
	}
	picture, err := qrSVG(key.URL())
	if err != nil {
		return Shown{}, fmt.Errorf("draw a seed: %w", err)
	}
	token, err := s.begin(ctx, &pending{Kind: stepTOTP, Person: person[:], Data: data}, seedFor, proof.From)
	if err != nil {
		return Shown{}, err
	}
	return Shown{Token: token, Key: grouped(key.Secret(), 4, " "), URI: key.URL(), SVG: picture}, nil
}

// Again shows a seed that was drawn already: a mistyped code must not make people
// scan anew.
func (s *Service) Again(ctx context.Context, person event.ID, token string) (Shown, error) {
	w, err := s.peek(ctx, token, stepTOTP)
	if err != nil {
		return Shown{}, err
	}
	p, ok, err := s.People.ByID(ctx, person)
	var seed string
	if err != nil || !ok || w.person() != person || json.Unmarshal(w.Data, &seed) != nil {
		return Shown{}, errors.Join(err, &Refused{Reason: Gone})
	}
	raw, err := b32.DecodeString(seed)
	if err != nil {
		return Shown{}, fmt.Errorf("read a seed: %w", err)
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: plain(s.site.Load().Lab), AccountName: plain(p.Account), Secret: raw})
	if err != nil {
		return Shown{}, fmt.Errorf("show a seed: %w", err)
	}
	picture, err := qrSVG(key.URL())
	if err != nil {
		return Shown{}, fmt.Errorf("show a seed: %w", err)
	}
	return Shown{Token: token, Key: grouped(seed, 4, " "), URI: key.URL(), SVG: picture}, nil
}

// plain keeps a colon out of a label, where it parts issuer and account.
func plain(s string) string {
	if s = strings.TrimSpace(strings.ReplaceAll(s, ":", " ")); s == "" {
		return "Labwarden"
	}
	return s
}

// ConfirmTOTP takes the seed into use once a code proves that the app has it.
func (s *Service) ConfirmTOTP(ctx context.Context, person event.ID, proof Proof, token, code string) error {
	if _, _, err := s.allow(ctx, person, proof, finishFor); err != nil {
		return err
	}
	w, err := s.peek(ctx, token, stepTOTP)
	if err != nil {
		return err
	}
	var seed string
	if w.person() != person || json.Unmarshal(w.Data, &seed) != nil {
		return &Refused{Reason: Gone}
	}
	was, err := s.reserve(ctx, s.ofPerson(person), proof.From)
	if err != nil {
		return err
	}
	step, err := stepOf(seed, code, s.Now(), 0)
	if err != nil {
		return err
	}
	if step == 0 {
		return s.failed(ctx, proof.ask(), person, ByTOTP, NoMatch, was)
	}
	sealed, err := s.Vault.Seal(vault.PurposeSecrets, totpPlace(person), nil, []byte(seed))
	if err != nil {
		return fmt.Errorf("seal a seed: %w", err)
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if ok, err := spend(ctx, tx, tokenID(token)); err != nil || !ok {
			return errors.Join(err, &Refused{Reason: Gone})
		}
		had, err := s.enrolled(ctx, tx, person)
		if err != nil {
			return err
		}
		_, err = s.tags.Exec(ctx, tx, taggedTOTP, person[:], `INSERT INTO signin_totp (person, seed, made_at, last_step) VALUES ($1, $2, $3, $4)
			ON CONFLICT (person) DO UPDATE SET seed = excluded.seed, made_at = excluded.made_at, last_step = excluded.last_step`,
			person[:], sealed, s.Now().UnixMicro(), step)
		if err != nil {
			return err
		}
		if err := s.ofPerson(person).clear(ctx, tx); err != nil {
			return err
		}
		if err := s.fact(ctx, tx, KindEnrolled, person, proof.ask(), ledger.Pairs{{K: "way", V: string(ByTOTP)}}); err != nil {
			return err
		}
		return s.inform(ctx, tx, had, proof.ask().change(person, addedOr(had.TOTP), ByTOTP))
	})
	if err != nil {
		return fmt.Errorf("enrol an authenticator app: %w", err)
	}
	return nil
}

// RemoveTOTP takes the authenticator app from a person.
func (s *Service) RemoveTOTP(ctx context.Context, person event.ID, proof Proof) error {
	return s.remove(ctx, person, proof, ByTOTP, event.ID{}, func(ctx context.Context, tx *store.Tx) (bool, error) {
		n, err := s.tags.Exec(ctx, tx, taggedTOTP, person[:], "DELETE FROM signin_totp WHERE person = $1", person[:])
		return n == 1, err
	})
}

// Code is the second step with a code of the authenticator app. A code that was
// used, and every earlier one, is not taken again, whatever the clock says.
func (s *Service) Code(ctx context.Context, ask Ask, token, code string) (Step, error) {
	return s.second(ctx, ask, token, ByTOTP, func(ctx context.Context, person event.ID) (use, error) {
		var sealed []byte
		var last int64
		err := s.DB.QueryRow(ctx, "SELECT seed, last_step FROM signin_totp WHERE person = $1", person[:]).Scan(&sealed, &last)
		if errors.Is(err, store.ErrNoRows) {
			return nil, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read a seed: %w", err)
		}
		if err := s.genuine(ctx, s.DB, taggedTOTP, person); err != nil {
			return nil, err
		}
		seed, err := s.Vault.Unseal(vault.PurposeSecrets, totpPlace(person), nil, sealed)
		if err != nil {
			return nil, fmt.Errorf("open a seed: %w", err)
		}
		step, err := stepOf(string(seed), code, s.Now(), last)
		if err != nil || step == 0 {
			return nil, err
		}
		return func(ctx context.Context, tx *store.Tx) (bool, error) {
			n, err := s.tags.Exec(ctx, tx, taggedTOTP, person[:], "UPDATE signin_totp SET last_step = $1 WHERE person = $2 AND last_step < $1", step, person[:])
			return n == 1, err
		}, nil
	})
}

// use takes a proof that was right, within the transaction that signs in; false:
// it was used already.
type use func(ctx context.Context, tx *store.Tx) (bool, error)

// Half returns what a half-done sign-in may be done with.
func (s *Service) Half(ctx context.Context, ask Ask, token string) ([]Way, error) {
	w, err := s.peek(ctx, token, stepSecond)
	if err != nil {
		return nil, err
	}
	if w.Again != ask.again() || ask.again() && ask.Person != w.person() {
		return nil, &Refused{Reason: Gone}
	}
	return s.seconds(ctx, w.person())
}

// second is a second step: look says whether the proof is right, nil where not.
func (s *Service) second(ctx context.Context, ask Ask, token string, way Way, look func(context.Context, event.ID) (use, error)) (Step, error) {
	w, err := s.peek(ctx, token, stepSecond)
	if err != nil {
		return Step{}, err
	}
	person := w.person()
	if w.Again != ask.again() || ask.again() && ask.Person != person {
		return Step{}, &Refused{Reason: Gone}
	}
	p, ok, err := s.People.ByID(ctx, person)
	if err != nil || !ok || !p.Active {
		return Step{}, errors.Join(err, &Refused{Reason: Gone})
	}
	c := s.ofPerson(person)
	was, err := s.reserve(ctx, c, ask.From)
	if err != nil {
		return Step{}, err
	}
	take, err := look(ctx, person)
	if err != nil {
		return Step{}, s.giveBack(ctx, c, err)
	}
	if take == nil {
		return Step{}, s.failed(ctx, ask, person, way, NoMatch, was)
	}
	taken, fresh := false, false
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if fresh, err = spend(ctx, tx, tokenID(token)); err != nil || !fresh {
			return err
		}
		if taken, err = take(ctx, tx); err != nil || !taken {
			return err
		}
		if err := c.clear(ctx, tx); err != nil {
			return err
		}
		if way == ByRecovery {
			if err := s.fact(ctx, tx, KindRecovered, person, ask, nil); err != nil {
				return err
			}
			had, err := s.enrolled(ctx, tx, person)
			if err != nil {
				return err
			}
			if err := s.inform(ctx, tx, had, ask.change(person, Used, ByRecovery)); err != nil {
				return err
			}
		}
		return s.accepted(ctx, tx, ask, person, way, authz.LevelTwo)
	})
	switch {
	case err != nil:
		return Step{}, fmt.Errorf("sign in: %w", err)
	case !fresh:
		return Step{}, &Refused{Reason: Gone}
	case !taken:
		return Step{}, s.failed(ctx, ask, person, way, NoMatch, was)
	}
	return Step{Level: authz.LevelTwo, Person: person}, nil
}
