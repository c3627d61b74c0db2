package accounts

import (
	"context"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Whose is a person's word on whose an account is.
type Whose struct {
	Kind Kind `json:"kind"`
	// Person is needed for Persons, Owner (an account of ours) and Reason for Shared
	// and Programs, Vendor (an id of the register) for Vendors.
	Person string `json:"person,omitempty"`
	Owner  string `json:"owner,omitempty"`
	Vendor string `json:"vendor,omitempty"`
	Reason string `json:"reason,omitempty"`
}

// Settle writes whose an account is. A shared account may be marked without an
// owner: that is a finding until somebody answers for it.
func (s *Service) Settle(ctx context.Context, id event.ID, w Whose, by By) error {
	if err := by.check(); err != nil {
		return err
	}
	if err := s.checkWhose(ctx, &w); err != nil {
		return err
	}
	var system string
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		a, err := account(ctx, tx, id)
		if err != nil {
			return err
		}
		system = a.System
		now := s.now()
		a.unmatch()
		if a.Kind = w.Kind; w.Kind != Nobodys {
			a.Person, a.Owner, a.Vendor, a.Reason = w.Person, w.Owner, w.Vendor, w.Reason
			a.How, a.By, a.Matched = "confirmed", by.Account, now
		}
		if err := s.writeAccount(ctx, tx, &a); err != nil {
			return err
		}
		codes := ledger.Pairs{{K: "how", V: "confirmed"}, {K: "whose", V: ledger.Code(w.Kind.String())}, {K: "reason", V: ledger.Code(w.Reason)}}
		ids := a.ids()
		if a.Owner != "" {
			ids = append(ids, ledger.Pair{K: "owner", V: ledger.Code(a.Owner)})
		}
		return publish(ctx, tx, "account.matched", now, by, ids, codes)
	})
	if err != nil {
		return fmt.Errorf("settle whose account it is: %w", err)
	}
	return s.Judge(ctx, system)
}

func (s *Service) checkWhose(ctx context.Context, w *Whose) error {
	w.Owner, w.Reason = strings.TrimSpace(w.Owner), strings.TrimSpace(w.Reason)
	if len(w.Reason) > 500 {
		return &FieldError{"reason", "Write at most 500 characters."}
	}
	switch w.Kind {
	case Nobodys:
		*w = Whose{}
	case Persons:
		people, err := s.own.Staff(ctx)
		if err != nil {
			return fmt.Errorf("read people: %w", err)
		}
		if newBook(people).person(w.Person) == nil {
			return &FieldError{"person", "Choose one of the people listed."}
		}
		w.Owner, w.Vendor = "", ""
	case Shared, Programs:
		if w.Reason == "" {
			return &FieldError{"reason", "Say why several people, or a program, use this account."}
		}
		if w.Owner != "" {
			people, err := s.own.Staff(ctx)
			if err != nil {
				return fmt.Errorf("read people: %w", err)
			}
			owners := newBook(people).byAccount[fold(w.Owner)]
			if len(owners) != 1 || gone(owners[0], s.now()) {
				return &FieldError{"owner", "There is nobody active with this account name."}
			}
			w.Owner = owners[0].Account
		}
		w.Person, w.Vendor = "", ""
	case Vendors:
		v, err := event.ParseID(w.Vendor)
		if err == nil {
			_, err = s.Vendor(ctx, v)
		}
		if err != nil {
			return &FieldError{"vendor", "Choose one of the vendors of the register."}
		}
		w.Person, w.Owner = "", ""
	default:
		return &FieldError{"kind", "Choose whose account it is."}
	}
	return nil
}

// Suggest lists whom an account may belong to.
func (s *Service) Suggest(ctx context.Context, a Account) ([]Suggestion, error) {
	people, err := s.own.Staff(ctx)
	if err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	return newBook(people).suggest(a.Entry), nil
}

// People are those an account can be given to.
func (s *Service) People(ctx context.Context) ([]Person, error) {
	people, err := s.own.Staff(ctx)
	if err != nil {
		return nil, fmt.Errorf("read people: %w", err)
	}
	return people, nil
}
