package signin

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Password is the first step with account and password; for a step-up the account
// is that of ask.Person. The error is Refused where it was not taken: the same for
// a wrong password, an account that does not exist and one that has ended.
func (s *Service) Password(ctx context.Context, ask Ask, account, password string) (Step, error) {
	p, known, err := s.whose(ctx, ask, account)
	if err != nil {
		return Step{}, err
	}
	c := s.ofAccount(account)
	if ask.again() {
		c = s.ofAccount(p.Account)
	}
	was, err := s.reserve(ctx, c, ask.From)
	if err != nil {
		return Step{}, err
	}
	// Nobody who does not exist has a row, and it is read all the same.
	row, err := s.password(ctx, s.DB, p.ID)
	if err != nil {
		return Step{}, s.giveBack(ctx, c, err)
	}
	// The slot is held until a failure is written: so no more than there are slots
	// are looked at after a network has failed too often.
	release, err := s.Hasher.slot(ctx)
	if err != nil {
		return Step{}, s.giveBack(ctx, c, err)
	}
	right, renewed, err := s.verify(ctx, ask, row, password)
	if err == nil && (!right || !known || !p.Active) {
		defer release()
		return Step{}, s.failed(ctx, ask, p.ID, ByPassword, NoMatch, was)
	}
	release()
	if err != nil {
		return Step{}, s.giveBack(ctx, c, err)
	}
	return s.matched(ctx, ask, p, c, row, renewed)
}

func (s *Service) whose(ctx context.Context, ask Ask, account string) (PersonInfo, bool, error) {
	find := func() (PersonInfo, bool, error) { return s.People.ByAccount(ctx, account) }
	if ask.again() {
		find = func() (PersonInfo, bool, error) { return s.People.ByID(ctx, ask.Person) }
	} else if len(account) > 200 || fold(account) == "" {
		find = func() (PersonInfo, bool, error) { return s.People.ByAccount(ctx, "\x00") }
	}
	p, known, err := find()
	if err != nil {
		return p, false, fmt.Errorf("find who signs in: %w", err)
	}
	if !known {
		p = PersonInfo{}
	}
	return p, known, nil
}

// stored is a row of signin_passwords; phc is empty where there is none.
type stored struct {
	phc     string
	long    bool
	changed time.Time
}

func passwordPlace(person event.ID) vault.Where {
	return vault.Where{Table: "signin_passwords", Column: "phc", Row: person[:]}
}

func (s *Service) password(ctx context.Context, q store.Queryer, person event.ID) (stored, error) {
	var sealed []byte
	var long, changed int64
	err := q.QueryRow(ctx, "SELECT phc, long, changed_at FROM signin_passwords WHERE person = $1", person[:]).Scan(&sealed, &long, &changed)
	if errors.Is(err, store.ErrNoRows) {
		return stored{}, s.asLong(ctx, q)
	}
	if err != nil {
		return stored{}, fmt.Errorf("read a password: %w", err)
	}
	if err := s.genuine(ctx, q, taggedPasswords, person); err != nil {
		return stored{}, err
	}
	phc, err := s.Vault.Unseal(vault.PurposeSecrets, passwordPlace(person), nil, sealed)
	if err != nil {
		return stored{}, fmt.Errorf("open a password: %w", err)
	}
	return stored{string(phc), long == 1, moment(changed)}, nil
}

// asLong reads what genuine reads, for somebody who has no password: the answer
// must not come sooner.
func (s *Service) asLong(ctx context.Context, q store.Queryer) error {
	var n int64
	for range 2 {
		err := q.QueryRow(ctx, "SELECT 1 FROM row_tags WHERE tbl = $1 AND row = $2", taggedPasswords.Table, "").Scan(&n)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return fmt.Errorf("read a password: %w", err)
		}
	}
	return nil
}

// verify needs a slot. It computes one hash, whether there is a password or not.
// renewed is the hash with today's costs, where the stored one has others.
func (s *Service) verify(ctx context.Context, ask Ask, row stored, password string) (right bool, renewed string, err error) {
	if err := s.blocked(ctx, ask.From); err != nil {
		return false, "", err
	}
	prepared, whole := prepare(password)
	if !whole {
		prepared = ""
	}
	phc := row.phc
	if phc == "" {
		phc = s.dummy
	}
	right, old, err := s.Hasher.fits(phc, prepared)
	right = right && whole && row.phc != ""
	if err == nil && right && old {
		renewed, err = s.Hasher.hash(prepared, nil)
	}
	return right, renewed, err
}

// matched goes on after the right password: done, or a second step.
func (s *Service) matched(ctx context.Context, ask Ask, p PersonInfo, c counter, row stored, renewed string) (Step, error) {
	ways, err := s.seconds(ctx, p.ID)
	if err != nil {
		return Step{}, err
	}
	if len(ways) == 0 && !row.long {
		return Step{}, &Refused{Reason: NoWay}
	}
	var sealed []byte
	if renewed != "" {
		if sealed, err = s.Vault.Seal(vault.PurposeSecrets, passwordPlace(p.ID), nil, []byte(renewed)); err != nil {
			return Step{}, fmt.Errorf("seal a password: %w", err)
		}
	}
	step := Step{Level: authz.LevelPassword, Person: p.ID}
	var id, body []byte
	second := &pending{Kind: stepSecond, Person: p.ID[:], Again: ask.again(), Expires: s.Now().Add(pendingFor).UnixMicro()}
	if len(ways) > 0 {
		step = Step{Ways: ways}
		step.Pending, id = newToken()
		if body, err = s.sealPending(id, second); err != nil {
			return Step{}, err
		}
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if err := c.clear(ctx, tx); err != nil {
			return err
		}
		if sealed != nil {
			// The seal binds it; the tag's columns stay.
			if err := tx.Queue(ctx, "UPDATE signin_passwords SET phc = $1 WHERE person = $2", sealed, p.ID[:]); err != nil {
				return err
			}
		}
		if id != nil {
			return s.put(ctx, tx, id, body, second.Expires, ask.From)
		}
		return s.accepted(ctx, tx, ask, p.ID, ByPassword, step.Level)
	})
	if err != nil {
		return Step{}, fmt.Errorf("sign in: %w", err)
	}
	return step, nil
}

// accepted writes that somebody proved who they are.
func (s *Service) accepted(ctx context.Context, tx *store.Tx, ask Ask, person event.ID, way Way, level authz.Level, more ...ledger.Pair) error {
	codes := append(ledger.Pairs{{K: "way", V: string(way)}}, more...)
	return s.fact(ctx, tx, KindAccepted, person, ask, codes, ledger.Number{K: "level", N: int64(level)})
}

// seconds are the second factors a person has. A recovery code replaces one, so it
// counts only beside another.
func (s *Service) seconds(ctx context.Context, person event.ID) ([]Way, error) {
	e, err := s.Enrolled(ctx, person)
	if err != nil {
		return nil, err
	}
	var ways []Way
	if e.TOTP {
		ways = append(ways, ByTOTP)
	}
	if e.strong() > 0 {
		ways = append(ways, ByPasskey)
	}
	if len(ways) > 0 && e.RecoveryLeft > 0 {
		ways = append(ways, ByRecovery)
	}
	return ways, nil
}

// SetPassword gives a person a password, or another one. The error is BadPassword
// where it is not good enough, authz.Denied where the proof is not.
func (s *Service) SetPassword(ctx context.Context, person event.ID, proof Proof, password string) error {
	p, e, err := s.allow(ctx, person, proof, ChangeFor)
	if err != nil {
		return err
	}
	m, err := s.newPassword(ctx, p, (e.TOTP || e.strong() > 0) && !p.MustTwo, password)
	if err != nil {
		return err
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error { return s.Keep(ctx, tx, person, m, proof.ask()) })
	if err != nil {
		return fmt.Errorf("set a password: %w", err)
	}
	return nil
}

// FirstPassword makes what Keep stores of the password of somebody who came by a
// one-time link: it stands alone, so it is a long one.
func (s *Service) FirstPassword(ctx context.Context, p PersonInfo, password string) (*Made, error) {
	return s.newPassword(ctx, p, false, password)
}

func (s *Service) newPassword(ctx context.Context, p PersonInfo, second bool, password string) (*Made, error) {
	prepared, whole := prepare(password)
	if !whole {
		return nil, bad("A password has at most %d characters.", MaxLong)
	}
	if err := s.check(ctx, p, prepared, second); err != nil {
		return nil, err
	}
	phc, err := s.Hasher.Hash(ctx, prepared)
	if err != nil {
		return nil, err
	}
	return &Made{way: ByPassword, account: p.Account, phc: phc, long: len([]rune(prepared)) >= MinAlone}, nil
}

func (s *Service) keepPassword(ctx context.Context, tx *store.Tx, person event.ID, m *Made) error {
	sealed, err := s.Vault.Seal(vault.PurposeSecrets, passwordPlace(person), nil, []byte(m.phc))
	if err != nil {
		return fmt.Errorf("seal a password: %w", err)
	}
	_, err = s.tags.Exec(ctx, tx, taggedPasswords, person[:], `INSERT INTO signin_passwords (person, phc, long, changed_at) VALUES ($1, $2, $3, $4)
		ON CONFLICT (person) DO UPDATE SET phc = excluded.phc, long = excluded.long, changed_at = excluded.changed_at`,
		person[:], sealed, flag(m.long), s.Now().UnixMicro())
	if err != nil {
		return err
	}
	return s.ofAccount(m.account).clear(ctx, tx)
}

// RemovePassword leaves a person with their passkeys.
func (s *Service) RemovePassword(ctx context.Context, person event.ID, proof Proof) error {
	return s.remove(ctx, person, proof, ByPassword, event.ID{}, func(ctx context.Context, tx *store.Tx) (bool, error) {
		n, err := s.tags.Exec(ctx, tx, taggedPasswords, person[:], "DELETE FROM signin_passwords WHERE person = $1", person[:])
		return n == 1, err
	})
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
