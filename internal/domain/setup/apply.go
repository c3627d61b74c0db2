package setup

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// ready is a look at a draft that may go on: seen is the hash the person saw.
func (s *Service) ready(ctx context.Context, number int64, seen *approval.Hash) (*Look, error) {
	l, err := s.Look(ctx, number)
	if err != nil {
		return nil, err
	}
	switch {
	case l.State != DraftOpen:
		return l, ErrEnded
	case len(l.Problems.Errors()) > 0:
		return l, ErrProblems
	case l.Moved:
		return l, ErrMoved
	case len(l.Changes) == 0:
		return l, ErrUnchanged
	case seen != nil && l.Seen != *seen:
		return l, approval.ErrChanged
	}
	return l, nil
}

// Ask asks a second person to apply the draft and, where something of it is the
// laboratory director's, the director or a delegate to decide about that.
func (s *Service) Ask(ctx context.Context, number int64, by approval.Person, reason string) (*Look, error) {
	l, err := s.ready(ctx, number, nil)
	if err != nil {
		return l, err
	}
	a := approval.Ask{
		Kind: ActApply, Object: object(number), Hash: l.Seen, Author: by, Barred: l.Writers,
		Reason: reason, Expires: s.clock().Add(waits),
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if l.Apply, err = s.approvals.Request(ctx, tx, a); err != nil {
			return err
		}
		if !l.NeedsDirector() {
			return nil
		}
		d := a
		d.Kind = ActDirector
		l.Director, err = s.approvals.Request(ctx, tx, d)
		return err
	})
	return l, err
}

// Decide is the laboratory director's decision about what of the draft is
// theirs, or a delegate's: the caller has checked authz.RoutesApprove. noOldPath
// names the routes of which they state that there is no old path.
func (s *Service) Decide(ctx context.Context, number int64, by approval.Person, seen approval.Hash, noOldPath []string, reason string) (*Look, error) {
	l, err := s.ready(ctx, number, &seen)
	if err != nil {
		return l, err
	}
	if err := s.approvals.Bars(ctx, s.db, l.Director, by); err != nil {
		return l, err
	}
	if l.Director.State != approval.Open || l.Director.Hash != seen {
		return l, approval.ErrDecided
	}
	if err := s.steps(ctx, l, by, noOldPath, reason); err != nil {
		return l, err
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		l.Director, err = s.approvals.Approve(ctx, tx, l.Director.ID, by, seen)
		return err
	})
	return l, err
}

// steps records the director's decision about each route. Done twice it changes
// nothing: a route that was let carry as it is needs no second word.
func (s *Service) steps(ctx context.Context, l *Look, by approval.Person, noOldPath []string, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return approval.ErrReason
	}
	for _, st := range l.Steps {
		if st.Approved == "" && !st.OldPath && !slices.Contains(noOldPath, st.Route) {
			return ErrDirecting
		}
	}
	for _, st := range l.Steps {
		if st.Approved != "" {
			continue
		}
		if err := s.directing.Approve(ctx, l.target(l.meaning), st, !st.OldPath, by.Account, reason); err != nil {
			return fmt.Errorf("approve route %s: %w", st.Route, err)
		}
	}
	return nil
}

// Apply is the second person's yes, and puts the draft in force: the caller has
// checked authz.ConfigApply. Where it was approved already and the apply did not
// go through, it is tried again.
func (s *Service) Apply(ctx context.Context, number int64, by approval.Person, seen approval.Hash) (Outcome, error) {
	l, err := s.ready(ctx, number, &seen)
	if err != nil {
		return Outcome{}, err
	}
	if l.Apply.ID == (event.ID{}) {
		return Outcome{}, approval.ErrMissing
	}
	if err := s.approvals.Bars(ctx, s.db, l.Apply, by); err != nil {
		return Outcome{}, err
	}
	if !l.Directed() {
		return Outcome{}, ErrDirector
	}
	if l.Apply.State != approval.Approved {
		err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			l.Apply, err = s.approvals.Approve(ctx, tx, l.Apply.ID, by, seen)
			return err
		})
		if err != nil {
			return Outcome{}, err
		}
	}
	why := Why{By: by.Account, Reason: l.Apply.Reason}
	if l.NeedsDirector() {
		why.ApprovedBy = l.Director.By.Account
	}
	out, err := s.conf.Apply(ctx, l.target(l.meaning), why)
	if err != nil {
		return out, err
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if _, err := s.approvals.Use(ctx, tx, ActApply, object(number), seen); err != nil {
			return err
		}
		if l.NeedsDirector() {
			if _, err := s.approvals.Use(ctx, tx, ActDirector, object(number), seen); err != nil {
				return err
			}
		}
		return s.end(ctx, tx, l.Draft, DraftApplied, out.Number, by)
	})
	if err != nil {
		// The revision stands and names everybody; only the draft still looks open.
		return out, fmt.Errorf("the configuration is in force as revision %d, but the draft could not be closed: %w", out.Number, err)
	}
	return out, nil
}

// Refuse says no to a draft, with a reason for who wrote it; the author takes
// the request back with it.
func (s *Service) Refuse(ctx context.Context, number int64, by approval.Person, why string) error {
	return s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		d, err := s.open(ctx, tx, number)
		if err != nil {
			return err
		}
		refused := false
		for _, act := range []string{ActApply, ActDirector} {
			r, err := s.approvals.Live(ctx, tx, act, object(d.Number))
			if errors.Is(err, approval.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if _, err := s.approvals.Refuse(ctx, tx, r.ID, by, why); err != nil {
				return err
			}
			refused = true
		}
		if !refused {
			return approval.ErrMissing
		}
		return nil
	})
}
