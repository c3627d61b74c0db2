package accounts

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// perform does the removals that this program can do, and closes those that have
// happened elsewhere. What fails says why and is tried again by Run.
func (s *Service) perform(ctx context.Context) error {
	tasks, err := s.Tasks(ctx)
	if err != nil {
		return err
	}
	for i := range tasks {
		l := &tasks[i]
		how, err := s.removed(ctx, l)
		if err != nil {
			s.log.Warn("a removal of the access review did not work", "line", l.ID.String(), "kind", l.Kind, "error", err)
			how = ""
		}
		if err := s.settleTask(ctx, l.ID, how, By{Account: ledger.Program}, err != nil); err != nil {
			return err
		}
	}
	return nil
}

// removed removes what a line is about, or says how it has gone; empty: it is
// still there.
func (s *Service) removed(ctx context.Context, l *Line) (string, error) {
	switch l.Kind {
	case LineAccount, LineVendorAccount:
		id, err := event.ParseID(l.Subject)
		if err != nil {
			return "", fmt.Errorf("read line: %w", err)
		}
		a, err := s.Account(ctx, id)
		if err != nil {
			return "", err
		}
		switch {
		case !a.Gone.IsZero():
			return "A newer list no longer has it.", nil
		case a.Enabled == No:
			return "A newer list says that it is disabled.", nil
		}
		return "", nil
	case LineVendor:
		id, err := event.ParseID(l.Subject)
		if err != nil {
			return "", fmt.Errorf("read line: %w", err)
		}
		v, err := s.Vendor(ctx, id)
		if err != nil || v.Ended.IsZero() {
			return "", err
		}
		return "The register says that they have ended.", nil
	case LineList:
		return "", nil
	}
	if err := s.held.Remove(ctx, l.Kind, l.Subject, By{Account: l.DecidedBy}, l.Reason); err != nil {
		return "", fmt.Errorf("remove what the review decided: %w", err)
	}
	return "Removed.", nil
}

// failedOnce is what a task says that could not be done.
const failedOnce = "It could not be removed. It is tried again every hour; the log says why."

func (s *Service) settleTask(ctx context.Context, id event.ID, how string, by By, failed bool) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		l, err := line(ctx, tx, id)
		if err != nil || !l.Task() {
			return err
		}
		switch {
		case how != "":
			l.Done, l.DoneBy, l.Outcome = s.now(), by.Account, how
		case failed && l.Outcome != failedOnce:
			l.Outcome = failedOnce
		default:
			return nil
		}
		if err := s.writeLine(ctx, tx, &l); err != nil || how == "" {
			return err
		}
		return s.lineFact(ctx, tx, "review.removed", &l, by)
	})
	if err != nil {
		return fmt.Errorf("write removal: %w", err)
	}
	return nil
}

// Done is a person's word that a removal in another system was done.
func (s *Service) Done(ctx context.Context, id event.ID, how string, by By) error {
	how = strings.TrimSpace(how)
	if err := by.check(); err != nil {
		return err
	}
	if len(how) < 3 || len(how) > 500 {
		return &FieldError{"how", "Say how it was removed, in at most 500 characters."}
	}
	l, err := line(ctx, s.db, id)
	switch {
	case err != nil:
		return err
	case !l.Task():
		return fmt.Errorf("%w: this is done already", ErrConflict)
	case l.ours():
		return fmt.Errorf("%w: Labwarden removes this itself", ErrInvalid)
	case l.Own(by):
		return ErrOwn
	}
	return s.settleTask(ctx, id, how, by, false)
}

// Tick does what is due: lists that were being taken, offers nobody took,
// findings, this quarter's review, removals. It is safe to call on one node at a
// time, as often as one likes.
func (s *Service) Tick(ctx context.Context) error {
	var taking, old []event.ID
	err := s.db.Query(ctx, "SELECT id, state, at FROM accounts_imports WHERE state < 2 ORDER BY at", nil, func(row store.Scanner) error {
		var b []byte
		var state, at int64
		if err := row.Scan(&b, &state, &at); err != nil {
			return err
		}
		id, err := event.IDFromBytes(b)
		if ImportState(state) == Taking {
			taking = append(taking, id)
		} else if s.now().Sub(moment(at)) > offerFor {
			old = append(old, id)
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("look for lists: %w", err)
	}
	var bad []error
	for _, id := range taking {
		bad = append(bad, s.finish(ctx, id))
	}
	for _, id := range old {
		if err := s.Discard(ctx, id, By{Account: ledger.Program}); !errors.Is(err, ErrConflict) {
			bad = append(bad, err)
		}
	}
	systems, err := s.Systems(ctx, false)
	bad = append(bad, err)
	for i := range systems {
		bad = append(bad, s.Judge(ctx, systems[i].Key))
	}
	_, err = s.OpenReview(ctx)
	return errors.Join(append(bad, err, s.perform(ctx))...)
}
