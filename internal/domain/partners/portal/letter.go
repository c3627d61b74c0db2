package portal

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
)

const (
	// letters have no I, L, O and U: nothing that is read for another.
	letters = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	// numberSize characters name the letter, codeSize are its secret: 40 bits, and ten
	// tries.
	numberSize, codeSize = 4, 8
	maxTries             = 10
	ticketFor            = 30 * time.Minute
)

// Letter is an invitation as it is printed: Code is shown once.
type Letter struct {
	ID      event.ID
	Person  Person
	Partner string
	Code    string // "7K3M-9XDT-PQ4R"
	Until   time.Time
}

// Standing is a letter that can still be used.
type Standing struct {
	Person event.ID
	Until  time.Time
}

// codeIndex: whoever has the database without the vault's key cannot try codes.
func (s *Service) codeIndexes(number, secret string) [][16]byte {
	return s.Vault.IndexVersions("portal letter", []byte(number), []byte(secret))
}

func drawn(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	for i := range b {
		b[i] = letters[b[i]&31]
	}
	return string(b)
}

// write makes a letter; an earlier one of the person ends.
func (s *Service) write(ctx context.Context, tx *store.Tx, p *Person, partner, by string) (*Letter, error) {
	if err := s.endLetters(ctx, tx, p.ID); err != nil {
		return nil, err
	}
	l := &Letter{ID: event.NewID(), Person: *p, Partner: partner, Until: s.Now().Add(s.Settings().Letter)}
	number := ""
	for there := int64(1); there > 0; {
		number = drawn(numberSize)
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM partners_portal_letters WHERE number = $1", number).Scan(&there); err != nil {
			return nil, err
		}
	}
	secret := drawn(codeSize)
	l.Code = number + "-" + secret[:4] + "-" + secret[4:]
	key := s.Vault.Index("portal letter", []byte(number), []byte(secret))
	_, err := s.tags.Exec(ctx, tx, taggedLetters, l.ID[:], `INSERT INTO partners_portal_letters (id, number, code, person, partner, made_at, made_by, until_at, tries, ticket, ticket_until, used_at, ended_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, 0, 0, 0)`, l.ID[:], number, key[:], p.ID[:], partner, micro(s.Now()), by, micro(l.Until), []byte{})
	if err != nil {
		return nil, err
	}
	return l, s.fact(ctx, tx, KindLetter, ledger.Pairs{pair("person", p.ID), pair("letter", l.ID), code("partner", partner), code("by", by)}, nil, ledger.Number{K: "until", N: micro(l.Until)})
}

func (s *Service) endLetters(ctx context.Context, tx *store.Tx, person event.ID) error {
	var ids [][]byte
	err := tx.Query(ctx, "SELECT id FROM partners_portal_letters WHERE person = $1 AND used_at = 0 AND ended_at = 0", []any{person[:]}, func(row store.Scanner) error {
		var id []byte
		err := row.Scan(&id)
		ids = append(ids, id)
		return err
	})
	for _, id := range ids {
		if err == nil {
			_, err = s.tags.Exec(ctx, tx, taggedLetters, id, "UPDATE partners_portal_letters SET ended_at = $1 WHERE id = $2", micro(s.Now()), id)
		}
	}
	return err
}

// Rewrite makes another letter for somebody: the one before is lost, or their ways
// to sign in are. Those work until the new letter is used.
func (s *Service) Rewrite(ctx context.Context, partner string, person event.ID, by string) (*Letter, error) {
	var l *Letter
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := s.person(ctx, tx, "WHERE id = $1", person[:])
		if err != nil {
			return err
		}
		if is, _ := p.Of(partner); !is || !p.Active() {
			return ErrNotFound
		}
		l, err = s.write(ctx, tx, &p, partner, by)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("write a letter: %w", err)
	}
	return l, nil
}

// Standing lists the letters of a practice that were not used yet.
func (s *Service) Standing(ctx context.Context, partner string) (map[event.ID]Standing, error) {
	out := map[event.ID]Standing{}
	err := s.DB.Query(ctx, "SELECT person, until_at FROM partners_portal_letters WHERE partner = $1 AND used_at = 0 AND ended_at = 0 AND until_at > $2 AND tries < $3",
		[]any{partner, micro(s.Now()), int64(maxTries)}, func(row store.Scanner) error {
			var raw []byte
			var until int64
			if err := row.Scan(&raw, &until); err != nil {
				return err
			}
			id, err := event.IDFromBytes(raw)
			out[id] = Standing{id, moment(until)}
			return err
		})
	if err != nil {
		return nil, fmt.Errorf("list letters: %w", err)
	}
	return out, nil
}

// typed brings a code into the one form it has: people read 0 for O and 1 for I.
func typed(code string) (number, secret string, ok bool) {
	clean := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '-', '.', '\t':
			return -1
		case 'O':
			return '0'
		case 'I', 'L':
			return '1'
		}
		return r
	}, strings.ToUpper(code))
	if len(clean) != numberSize+codeSize || strings.Trim(clean, letters) != "" {
		return "", "", false
	}
	return clean[:numberSize], clean[numberSize:], true
}

// Enter takes the code of a letter and returns a ticket for the browser, with which
// the person makes their way to sign in. The code still works until that is done.
func (s *Service) Enter(ctx context.Context, text string, ask signin.Ask) (ticket string, err error) {
	number, secret, whole := typed(text)
	err = s.signin.Guarded(ctx, "letter", number, ask, func(ctx context.Context) (bool, error) {
		if !whole {
			return false, nil
		}
		var token [32]byte
		_, _ = rand.Read(token[:]) // never fails
		ticket = base64.RawURLEncoding.EncodeToString(token[:])
		right := false
		err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			right = false
			var id, key []byte
			var tries int64
			now := s.Now()
			err := tx.QueryRow(ctx, "SELECT id, code, tries FROM partners_portal_letters WHERE number = $1 AND used_at = 0 AND ended_at = 0 AND until_at > $2", number, micro(now)).Scan(&id, &key, &tries)
			if errors.Is(err, store.ErrNoRows) {
				return nil
			}
			if err != nil {
				return err
			}
			if err := s.genuine(ctx, tx, taggedLetters, id); err != nil || tries >= maxTries {
				return err
			}
			for _, x := range s.codeIndexes(number, secret) {
				right = right || subtle.ConstantTimeCompare(x[:], key) == 1
			}
			if !right {
				_, err = s.tags.Exec(ctx, tx, taggedLetters, id, "UPDATE partners_portal_letters SET tries = tries + 1 WHERE id = $1", id)
				return err
			}
			_, err = s.tags.Exec(ctx, tx, taggedLetters, id, "UPDATE partners_portal_letters SET ticket = $1, ticket_until = $2 WHERE id = $3", hashOf(ticket), micro(now.Add(ticketFor)), id)
			return err
		})
		return right, err
	})
	if err != nil {
		return "", fmt.Errorf("take the code of a letter: %w", err)
	}
	return ticket, nil
}

func hashOf(token string) []byte {
	if len(token) != 43 {
		return nil
	}
	sum := sha256.Sum256([]byte("labwarden portal " + token))
	return sum[:]
}

// Comer is who holds a ticket.
type Comer struct {
	Person  Person
	Partner string
	letter  []byte
}

// Ticket finds whose ticket it is.
func (s *Service) Ticket(ctx context.Context, ticket string) (Comer, error) {
	return s.ticket(ctx, s.DB, ticket)
}

func (s *Service) ticket(ctx context.Context, q store.Queryer, ticket string) (Comer, error) {
	var c Comer
	hash := hashOf(ticket)
	if hash == nil {
		return c, ErrNotFound
	}
	var person, stored []byte
	err := q.QueryRow(ctx, "SELECT id, person, partner, ticket FROM partners_portal_letters WHERE ticket = $1 AND ticket_until > $2 AND until_at > $2 AND used_at = 0 AND ended_at = 0",
		hash, micro(s.Now())).Scan(&c.letter, &person, &c.Partner, &stored)
	if errors.Is(err, store.ErrNoRows) || err == nil && !bytes.Equal(stored, hash) {
		return c, ErrNotFound
	}
	if err != nil {
		return c, fmt.Errorf("read a letter: %w", err)
	}
	if err := s.genuine(ctx, q, taggedLetters, c.letter); err != nil {
		return c, err
	}
	if c.Person, err = s.person(ctx, q, "WHERE id = $1", person); err != nil {
		return c, err
	}
	if !c.Person.Active() {
		return c, ErrNotFound
	}
	return c, nil
}

// Begin stores the first half of a way to sign in, a password: what the person had
// before is forgotten. The letter stays good until Arrive.
func (s *Service) Begin(ctx context.Context, ticket string, made *signin.Made, ask signin.Ask) error {
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		c, err := s.ticket(ctx, tx, ticket)
		if err != nil {
			return err
		}
		if err := s.signin.Forget(ctx, tx, c.Person.ID, c.Person.Account); err != nil {
			return err
		}
		return s.signin.Keep(ctx, tx, c.Person.ID, made, ask)
	})
	if err != nil {
		return fmt.Errorf("begin a way to sign in: %w", err)
	}
	return nil
}

// Arrive uses the letter up and opens the first session. made is a passkey; nil where
// password and code stand already.
func (s *Service) Arrive(ctx context.Context, ticket string, made *signin.Made, in Start) (token string, err error) {
	err = s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		c, err := s.ticket(ctx, tx, ticket)
		if err != nil {
			return err
		}
		if made != nil {
			if err := s.signin.Forget(ctx, tx, c.Person.ID, c.Person.Account); err != nil {
				return err
			}
			if err := s.signin.Keep(ctx, tx, c.Person.ID, made, in.Ask); err != nil {
				return err
			}
		}
		now := micro(s.Now())
		if !c.Person.Entered.IsZero() {
			if err := s.changed(ctx, tx, c.Person.ID, ByLetter, "", in.Device); err != nil {
				return err
			}
		}
		if _, err := s.tags.Exec(ctx, tx, taggedLetters, c.letter, "UPDATE partners_portal_letters SET used_at = $1 WHERE id = $2", now, c.letter); err != nil {
			return err
		}
		if _, err := s.tags.Exec(ctx, tx, taggedPeople, c.Person.ID[:], "UPDATE partners_portal_people SET entered_at = $1 WHERE id = $2", now, c.Person.ID[:]); err != nil {
			return err
		}
		if err := s.endSessions(ctx, tx, "a new letter was used", "person = $1", c.Person.ID[:]); err != nil {
			return err
		}
		if err := s.fact(ctx, tx, KindEntered, ledger.Pairs{pair("person", c.Person.ID), code("partner", c.Partner)}, ledger.Pairs{code("method", in.Method)}); err != nil {
			return err
		}
		in.Person = c.Person.ID
		token, err = s.start(ctx, tx, in)
		return err
	})
	if err != nil {
		return "", fmt.Errorf("arrive by letter: %w", err)
	}
	return token, nil
}
