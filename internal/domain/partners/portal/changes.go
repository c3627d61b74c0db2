package portal

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/signin"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// ByLetter is what a Change says that a new letter did: every way before it is gone.
const ByLetter = "letter"

// Answers to a Change.
const (
	Known      = "known"
	Unexpected = "unexpected" // the person is locked out until the laboratory writes a letter
	Settled    = "settled"    // the laboratory has looked into what was unexpected
)

// Change is a change of how somebody of a practice signs in.
type Change struct {
	ID, Person         event.ID
	Name               string // the person's
	Partner, What, Way string
	Device             string
	At, Answered       time.Time
	Answer, AnsweredBy string
}

// changesFor is how long changes are shown.
const changesFor = 30 * 24 * time.Hour

// WayChanged is signin.Teller: it has the practice told, in the transaction of the
// change. What a letter does is told once, when it is used up (Arrive).
func (s *Service) WayChanged(ctx context.Context, tx *store.Tx, c signin.Change) error {
	if c.Session == (event.ID{}) {
		return nil // by letter, or because the person was ended
	}
	return s.changed(ctx, tx, c.Person, c.What, string(c.Way), c.Device)
}

func (s *Service) changed(ctx context.Context, tx *store.Tx, person event.ID, what, way, device string) error {
	p, err := s.person(ctx, tx, "WHERE id = $1", person[:])
	if err != nil {
		return err
	}
	for _, partner := range p.Partners() {
		id := event.NewID()
		_, err := s.tags.Exec(ctx, tx, taggedChanges, id[:], `INSERT INTO partners_portal_changes (id, person, partner, what, way, device, at, answer, answered_at, answered_by)
			VALUES ($1, $2, $3, $4, $5, $6, $7, '', 0, '')`, id[:], person[:], partner, what, way, device, micro(s.Now()))
		if err != nil {
			return err
		}
	}
	return nil
}

const changeColumns = `SELECT c.id, c.person, p.name, c.partner, c.what, c.way, c.device, c.at, c.answer, c.answered_at, c.answered_by
	FROM partners_portal_changes c JOIN partners_portal_people p ON p.id = c.person `

func (s *Service) readChanges(ctx context.Context, where string, args ...any) ([]Change, error) {
	var out []Change
	err := s.DB.Query(ctx, changeColumns+where, args, func(row store.Scanner) error {
		var c Change
		var id, person []byte
		var at, answered int64
		err := row.Scan(&id, &person, &c.Name, &c.Partner, &c.What, &c.Way, &c.Device, &at, &c.Answer, &answered, &c.AnsweredBy)
		if err != nil {
			return err
		}
		c.At, c.Answered = moment(at), moment(answered)
		var e1, e2 error
		c.ID, e1 = event.IDFromBytes(id)
		c.Person, e2 = event.IDFromBytes(person)
		out = append(out, c)
		return errors.Join(e1, e2)
	})
	if err != nil {
		return nil, fmt.Errorf("list changes of ways to sign in: %w", err)
	}
	return out, nil
}

// Changes are those of a practice's people in the last 30 days, newest first.
func (s *Service) Changes(ctx context.Context, partner string) ([]Change, error) {
	return s.readChanges(ctx, "WHERE c.partner = $1 AND c.at > $2 ORDER BY c.at DESC, c.id DESC LIMIT 100", partner, micro(s.Now().Add(-changesFor)))
}

// ChangesOf are a person's own of the last 30 days, newest first, each once.
func (s *Service) ChangesOf(ctx context.Context, person event.ID) ([]Change, error) {
	all, err := s.readChanges(ctx, "WHERE c.person = $1 AND c.at > $2 ORDER BY c.at DESC, c.id DESC LIMIT 100", person[:], micro(s.Now().Add(-changesFor)))
	out := all[:0]
	for _, c := range all {
		if n := len(out); n == 0 || !out[n-1].At.Equal(c.At) || out[n-1].What != c.What || out[n-1].Way != c.Way {
			out = append(out, c)
		}
	}
	return out, err
}

// ForManager are the changes that a manager of a practice has not answered: of others,
// never their own.
func (s *Service) ForManager(ctx context.Context, p *Person, partner string) ([]Change, error) {
	if _, manages := p.Of(partner); !manages {
		return nil, ErrNotFound
	}
	return s.readChanges(ctx, "WHERE c.partner = $1 AND c.person <> $2 AND c.answer = '' AND c.at > $3 ORDER BY c.at", partner, p.ID[:], micro(s.Now().Add(-changesFor)))
}

// ForLab are the changes that wait for the laboratory: those that a practice did not
// expect, and those of people beside whom the practice has no manager.
func (s *Service) ForLab(ctx context.Context) ([]Change, error) {
	all, err := s.readChanges(ctx, "WHERE (c.answer = '' OR c.answer = 'unexpected') AND c.at > $1 ORDER BY c.at LIMIT 500", micro(s.Now().Add(-changesFor)))
	if err != nil {
		return nil, err
	}
	out := all[:0]
	managers := map[string][]Membership{}
	for _, c := range all {
		of, ok := managers[c.Partner]
		if !ok {
			if of, err = s.Members(ctx, c.Partner); err != nil {
				return nil, err
			}
			managers[c.Partner] = of
		}
		if c.Answer == Unexpected || !watched(of, c.Person, s.Now()) {
			out = append(out, c)
		}
	}
	return out, nil
}

// watched says whether a practice has a manager besides a person.
func watched(of []Membership, person event.ID, now time.Time) bool {
	for i := range of {
		if m := &of[i]; m.Kind == Manager && m.Person != person && m.In(now) {
			return true
		}
	}
	return false
}

// AnswerChange says whether a practice knows of a change: by a manager, of somebody
// else's. What is unexpected takes every way to sign in from the person at once, and
// alarms the laboratory: a session alone would be back with the next sign-in.
func (s *Service) AnswerChange(ctx context.Context, p *Person, partner string, id event.ID, known bool) error {
	if _, manages := p.Of(partner); !manages {
		return ErrNotFound
	}
	answer := Unexpected
	if known {
		answer = Known
	}
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		person, was, err := s.change(ctx, tx, partner, id)
		if err != nil {
			return err
		}
		if was != "" || person == p.ID {
			return ErrNotFound
		}
		if err := s.answerChange(ctx, tx, partner, person, id, answer, "portal:"+p.Account); err != nil || known {
			return err
		}
		if err := s.endSessions(ctx, tx, "a change of ways was not expected", "person = $1", person[:]); err != nil {
			return err
		}
		if err := s.endLetters(ctx, tx, person); err != nil {
			return err
		}
		return s.signin.Forget(ctx, tx, person, "portal:"+p.Account)
	})
	if err != nil {
		return fmt.Errorf("answer a change of ways to sign in: %w", err)
	}
	if !known && s.Raise != nil {
		s.Raise.Raise(context.WithoutCancel(ctx), alarm.Alarm{
			Key: alarm.Key{Kind: "portal.way_unexpected", About: partner}, Severity: alarm.Urgent, Once: true,
			Sentence: s.Settings().Partners[partner] + " did not expect that somebody of theirs changed how they sign in to the portal. That person is locked out.",
			Advice:   "Open the practice's portal page: call them, look at what was opened since, and write a new letter when it is clear who has it.",
		})
	}
	return nil
}

// SettleChange is the laboratory's answer.
func (s *Service) SettleChange(ctx context.Context, partner string, id event.ID, by string) error {
	err := s.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		person, was, err := s.change(ctx, tx, partner, id)
		if err != nil {
			return err
		}
		if was != "" && was != Unexpected {
			return ErrNotFound
		}
		return s.answerChange(ctx, tx, partner, person, id, Settled, by)
	})
	if err != nil {
		return fmt.Errorf("settle a change of ways to sign in: %w", err)
	}
	return nil
}

func (s *Service) change(ctx context.Context, tx *store.Tx, partner string, id event.ID) (person event.ID, answer string, err error) {
	var raw []byte
	err = tx.QueryRow(ctx, "SELECT person, answer FROM partners_portal_changes WHERE id = $1 AND partner = $2", id[:], partner).Scan(&raw, &answer)
	if errors.Is(err, store.ErrNoRows) {
		return person, "", ErrNotFound
	}
	if err == nil {
		err = s.genuine(ctx, tx, taggedChanges, id[:])
	}
	if err != nil {
		return person, "", err
	}
	person, err = event.IDFromBytes(raw)
	return person, answer, err
}

func (s *Service) answerChange(ctx context.Context, tx *store.Tx, partner string, person, id event.ID, answer, by string) error {
	_, err := s.tags.Exec(ctx, tx, taggedChanges, id[:], "UPDATE partners_portal_changes SET answer = $1, answered_at = $2, answered_by = $3 WHERE id = $4", answer, micro(s.Now()), by, id[:])
	if err != nil {
		return err
	}
	return s.fact(ctx, tx, KindChange, ledger.Pairs{pair("person", person), pair("change", id), code("partner", partner), code("by", by)}, ledger.Pairs{code("answer", answer)})
}
