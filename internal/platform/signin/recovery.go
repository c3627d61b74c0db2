package signin

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

const (
	recoveryCodes = 10
	// recoverySize is the length of a code in characters of 5 bits: 50 bits. That is
	// less than 112, so codes are hashed as passwords are (NIST SP 800-63B-4 3.1.2.2).
	recoverySize = 10
)

// recoveryLetters have no I, L, O and U: nothing that is read for another.
const recoveryLetters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// unread undoes what people read for another.
var unread = strings.NewReplacer("I", "1", "L", "1", "O", "0", " ", "", "-", "")

func recoveryPlace(id []byte) vault.Where {
	return vault.Where{Table: "signin_recovery", Column: "phc", Row: id}
}

// NewRecoveryCodes makes ten codes, each good for one second step, and makes the
// earlier ones worth nothing. They are shown now and never again.
func (s *Service) NewRecoveryCodes(ctx context.Context, person event.ID, proof Proof) ([]string, error) {
	if _, _, err := s.allow(ctx, person, proof, ChangeFor); err != nil {
		return nil, err
	}
	release, err := s.Hasher.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	codes := make([]string, recoveryCodes)
	ids, sealed := make([]event.ID, recoveryCodes), make([][]byte, recoveryCodes)
	// One salt for the ten: they are random, and one hash looks for all of them.
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails
	for i := range codes {
		var b [recoverySize]byte
		_, _ = rand.Read(b[:]) // never fails
		for j := range b {
			b[j] = recoveryLetters[b[j]&31]
		}
		phc, err := s.Hasher.hash(string(b[:]), salt)
		if err != nil {
			return nil, err
		}
		ids[i] = event.NewID()
		if sealed[i], err = s.Vault.Seal(vault.PurposeSecrets, recoveryPlace(ids[i][:]), nil, []byte(phc)); err != nil {
			return nil, fmt.Errorf("seal a recovery code: %w", err)
		}
		codes[i] = grouped(string(b[:]), 5, "-")
	}
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		had, err := s.enrolled(ctx, tx, person)
		if err != nil {
			return err
		}
		old, err := s.recoveryIDs(ctx, tx, person)
		if err != nil {
			return err
		}
		for _, id := range old {
			if _, err := s.tags.Exec(ctx, tx, taggedRecovery, id, "DELETE FROM signin_recovery WHERE id = $1", id); err != nil {
				return err
			}
		}
		for i, id := range ids {
			_, err := s.tags.Exec(ctx, tx, taggedRecovery, id[:], "INSERT INTO signin_recovery (id, person, phc, made_at, used_at) VALUES ($1, $2, $3, $4, 0)",
				id[:], person[:], sealed[i], s.Now().UnixMicro())
			if err != nil {
				return err
			}
		}
		if err := s.fact(ctx, tx, KindEnrolled, person, proof.ask(), ledger.Pairs{{K: "way", V: string(ByRecovery)}}, ledger.Number{K: "codes", N: recoveryCodes}); err != nil {
			return err
		}
		return s.inform(ctx, tx, had, proof.ask().change(person, addedOr(len(old) > 0), ByRecovery))
	})
	if err != nil {
		return nil, fmt.Errorf("make recovery codes: %w", err)
	}
	return codes, nil
}

func (s *Service) recoveryIDs(ctx context.Context, q store.Queryer, person event.ID) (ids [][]byte, err error) {
	err = q.Query(ctx, "SELECT id FROM signin_recovery WHERE person = $1 ORDER BY id", []any{person[:]}, func(row store.Scanner) error {
		var id []byte
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// Recovery is the second step with a recovery code.
func (s *Service) Recovery(ctx context.Context, ask Ask, token, code string) (Step, error) {
	code = unread.Replace(strings.ToUpper(code))
	return s.second(ctx, ask, token, ByRecovery, func(ctx context.Context, person event.ID) (use, error) {
		id, err := s.recoveryOf(ctx, person, code)
		if err != nil || id == nil {
			return nil, err
		}
		return func(ctx context.Context, tx *store.Tx) (bool, error) {
			n, err := s.tags.Exec(ctx, tx, taggedRecovery, id, "UPDATE signin_recovery SET used_at = $1 WHERE id = $2 AND used_at = 0", s.Now().UnixMicro(), id)
			return n == 1, err
		}, nil
	})
}

// recoveryOf finds the unused code of a person, nil where it is none. One hash is
// computed, also for a code that cannot be one.
func (s *Service) recoveryOf(ctx context.Context, person event.ID, code string) (found []byte, err error) {
	type row struct {
		id  []byte
		phc phc
	}
	var rows []row
	err = s.DB.Query(ctx, "SELECT id, phc FROM signin_recovery WHERE person = $1 AND used_at = 0 ORDER BY id", []any{person[:]}, func(q store.Scanner) error {
		var id, sealed []byte
		if err := q.Scan(&id, &sealed); err != nil {
			return err
		}
		text, err := s.Vault.Unseal(vault.PurposeSecrets, recoveryPlace(id), nil, sealed)
		if err != nil {
			return err
		}
		p, err := parsePHC(string(text))
		rows = append(rows, row{id, p})
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read recovery codes: %w", err)
	}
	release, err := s.Hasher.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if len(rows) == 0 {
		_, _, err := s.Hasher.fits(s.dummy, code)
		return nil, err
	}
	got := rows[0].phc
	if err := s.Hasher.fill(&got, code); err != nil {
		return nil, err
	}
	for _, r := range rows {
		if subtle.ConstantTimeCompare(r.phc.hash, got.hash) == 1 {
			found = r.id
		}
	}
	if found == nil {
		return nil, nil
	}
	id, err := event.IDFromBytes(found)
	if err == nil {
		err = s.genuine(ctx, s.DB, taggedRecovery, id)
	}
	return found, err
}
