package access

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/authz"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// ActRecover is the act of the approval desk that lets somebody of weight in again.
const ActRecover = "access.recover"

// recoveryWaits is how long a request for a recovery link waits for a second person.
const recoveryWaits = 24 * time.Hour

// recoveryHash is what a second person allows: this account, as it is now.
func recoveryHash(p Person) approval.Hash {
	return sha256.Sum256(fmt.Appendf(nil, "recover %s %s %d", p.ID, p.Account, p.Revision))
}

func hands(who *authz.Subject) approval.Person {
	return approval.Person{ID: who.Person, Account: who.Account}
}

// refusal is what the desk refuses, as this package says it.
func refusal(err error) error {
	switch {
	case errors.Is(err, approval.ErrHand):
		return ErrOneHand
	case errors.Is(err, approval.ErrOwn), errors.Is(err, approval.ErrDecided), errors.Is(err, approval.ErrExpired), errors.Is(err, approval.ErrChanged),
		errors.Is(err, approval.ErrMissing), errors.Is(err, approval.ErrDamaged):
		return &Refusal{Kind: KindConflict, Text: upper(err.Error()) + "."}
	case errors.Is(err, approval.ErrNotFound):
		return &Refusal{Kind: KindNotFound, Text: "Nobody asks for this any more."}
	}
	return err
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }

// cleanReason is why somebody asks for a second person.
func cleanReason(reason string) (string, error) {
	reason = strings.TrimSpace(reason)
	if n := utf8.RuneCountInString(reason); n < 10 || n > maxNote || !utf8.ValidString(reason) {
		return "", invalid("reason", "Say why, in 10 to %d characters, without naming a patient.", maxNote)
	}
	return reason, nil
}

// AskRecovery asks a second person to let somebody in again who holds a role of
// weight and lost every way to sign in. Needs people.change, never one's own.
func (s *Service) AskRecovery(ctx context.Context, who *authz.Subject, person event.ID, reason string) error {
	if err := s.mayChange(who, person); err != nil {
		return err
	}
	reason, err := cleanReason(reason)
	if err != nil {
		return err
	}
	var account string
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE id = $1", person[:])
		if err != nil {
			return err
		}
		if !p.In(s.now()) {
			return &Refusal{Kind: KindConflict, Text: "Only somebody who has come in and has not left can be recovered."}
		}
		account = p.Account
		_, err = s.desk.Request(ctx, tx, approval.Ask{
			Kind: ActRecover, Object: person.String(), Hash: recoveryHash(p), Author: hands(who), Barred: []approval.Person{{ID: p.ID, Account: p.Account}},
			Reason: reason, Expires: s.now().Add(recoveryWaits),
		})
		return err
	})
	if err == nil {
		s.tell(ctx, AlarmAsked, account, alarm.Warning, who.Account+" asks for a recovery link for "+account+".",
			"Ask that person, not by mail, whether they lost every way to sign in. A second person then makes the link on their page, or says no.")
	}
	return wrap("ask for a recovery link", refusal(err))
}

// Recovery is the request for a recovery link that waits for a second person; false
// where there is none.
func (s *Service) Recovery(ctx context.Context, person event.ID) (approval.Request, bool, error) {
	r, err := s.desk.Of(ctx, ActRecover, person.String())
	if errors.Is(err, approval.ErrNotFound) {
		return r, false, nil
	}
	return r, err == nil && r.State == approval.Open && r.Live(s.now()), wrap("read a request for a recovery link", err)
}

// Recoveries lists the requests for recovery links that wait.
func (s *Service) Recoveries(ctx context.Context) ([]approval.Request, error) {
	return s.asked(ctx, ActRecover)
}

func (s *Service) asked(ctx context.Context, act string) ([]approval.Request, error) {
	all, err := s.desk.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list what waits for a second person: %w", err)
	}
	var out []approval.Request
	for _, r := range all {
		if r.Kind == act && r.State == approval.Open {
			out = append(out, r)
		}
	}
	return out, nil
}

// AllowRecovery is the second person's yes, and makes the link for them to hand
// over: whoever asked never has it. The person counts as let in by the second
// person until somebody else has confirmed them. Needs people.confirm.
func (s *Service) AllowRecovery(ctx context.Context, who *authz.Subject, person event.ID) (l Link, err error) {
	if err := s.mayConfirm(who, person); err != nil {
		return l, err
	}
	var account string
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		p, err := personBy(ctx, tx, "WHERE id = $1", person[:])
		if err != nil {
			return err
		}
		if !p.In(s.now()) {
			return &Refusal{Kind: KindConflict, Text: "Only somebody who has come in and has not left can be recovered."}
		}
		r, err := s.desk.Live(ctx, tx, ActRecover, person.String())
		if err != nil {
			return err
		}
		h := recoveryHash(p)
		if _, err := s.desk.Approve(ctx, tx, r.ID, hands(who), h); err != nil {
			return err
		}
		if _, err := s.desk.Use(ctx, tx, ActRecover, person.String(), h); err != nil {
			return err
		}
		if err := s.doubt(ctx, tx, p.ID, who.Account); err != nil {
			return err
		}
		account = p.Account
		if l, err = s.makeLink(ctx, tx, who.Account, LinkRecover, p.ID); err != nil {
			return err
		}
		return s.Changed(ctx, tx, WayChange{Person: p.ID, What: RecoveryMade, By: who.Account})
	})
	if err == nil {
		s.tellRecovery(ctx, account, who.Account+" made a recovery link for "+account+", for which somebody else had asked.")
	}
	return l, wrap("allow a recovery link", refusal(err))
}

// RefuseRecovery is a no, with a reason; also of whoever asked, who takes it back.
// Needs people.confirm or people.change.
func (s *Service) RefuseRecovery(ctx context.Context, who *authz.Subject, person event.ID, why string) error {
	if s.mayConfirm(who, person) != nil {
		if err := s.mayChange(who, person); err != nil {
			return err
		}
	}
	why, err := cleanReason(why)
	if err != nil {
		return err
	}
	err = s.write(ctx, func(ctx context.Context, tx *store.Tx) error {
		r, err := s.desk.Live(ctx, tx, ActRecover, person.String())
		if err == nil {
			_, err = s.desk.Refuse(ctx, tx, r.ID, hands(who), why)
		}
		return err
	})
	return wrap("refuse a recovery link", refusal(err))
}

func (s *Service) mayConfirm(who *authz.Subject, person event.ID) error {
	if err := who.May(authz.PeopleConfirm, authz.Object{}, s.now()); err != nil {
		return err
	}
	if who.Person == person {
		return ErrOwn
	}
	return nil
}

func (s *Service) tellRecovery(ctx context.Context, account, sentence string) {
	s.tell(ctx, AlarmRecovered, account, alarm.Warning, sentence,
		"Ask that person whether they lost every way to sign in. If not, end their sessions and their account at once, and read in the record what was done with it.")
}
