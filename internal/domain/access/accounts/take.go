package accounts

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Take makes an offered list the one at hand, as Preview showed it. whole is the
// person's word that a list which lacks most accounts is complete. A crash in
// between loses nothing: Run goes on with it.
func (s *Service) Take(ctx context.Context, id event.ID, whole bool, by By) (Import, error) {
	if err := by.check(); err != nil {
		return Import{}, err
	}
	p, err := s.Preview(ctx, id)
	if err != nil {
		return p.Import, err
	}
	if len(p.Problems) > 0 {
		return p.Import, fmt.Errorf("%w: %s", ErrInvalid, p.Problems[0])
	}
	if p.Diff.Thin && !whole {
		return p.Import, &FieldError{"whole", "Most accounts at hand are not in this list. Say that it is complete, or put it aside."}
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		i, err := readImport(ctx, tx, id)
		if err != nil {
			return err
		}
		x, err := system(ctx, tx, i.System)
		if err != nil {
			return err
		}
		if i.State != Offered {
			return ErrConflict
		}
		if err := checkAsOf(&x, i.AsOf, s.now()); err != nil {
			return err
		}
		var other int64
		if err := tx.QueryRow(ctx, "SELECT count(*) FROM accounts_imports WHERE system = $1 AND state = 1", i.System).Scan(&other); err != nil {
			return err
		}
		if other > 0 {
			return fmt.Errorf("%w: another list of this system is being taken", ErrConflict)
		}
		i.State, i.EndedBy = Taking, by.Account
		i.Added, i.Changed, i.Gone = int64(p.Diff.New), int64(p.Diff.Changed), int64(p.Diff.Gone)
		return s.writeImport(ctx, tx, &i)
	})
	if err != nil {
		return p.Import, fmt.Errorf("take list: %w", err)
	}
	if err := s.finish(ctx, id); err != nil {
		return p.Import, err
	}
	return readImport(ctx, s.db, id)
}

// finish writes what the list changes, some accounts at a time, then the list as
// taken. It may be called again at any point: what is written already is no
// difference any more.
func (s *Service) finish(ctx context.Context, id event.ID) error {
	i, err := readImport(ctx, s.db, id)
	if err != nil || i.State != Taking {
		return err
	}
	x, err := s.System(ctx, i.System)
	if err != nil {
		return err
	}
	sh, err := read(i.body)
	if err != nil {
		return err
	}
	list, problems, _ := sh.entries(i.Mapping, x.AdminGroups)
	if len(problems) > 0 {
		return fmt.Errorf("take list: %w", ErrInvalid)
	}
	have, err := s.Accounts(ctx, x.Key)
	if err != nil {
		return err
	}
	now := s.now()
	changes := compare(have, list).Changes
	for len(changes) > 0 {
		n := min(batch, len(changes))
		if err := s.applyAll(ctx, &i, changes[:n], now); err != nil {
			return err
		}
		changes = changes[n:]
	}
	by := By{Account: i.EndedBy}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		i, err := readImport(ctx, tx, id)
		if err != nil || i.State != Taking {
			return err
		}
		x, err := system(ctx, tx, i.System)
		if err != nil {
			return err
		}
		i.State, i.body, i.Ended = Taken, nil, now
		x.AsOf, x.Import, x.Mapping = i.AsOf, i.ID.String(), i.Mapping
		if err := s.writeImport(ctx, tx, &i); err != nil {
			return err
		}
		if err := s.writeSystem(ctx, tx, &x, "", by); err != nil {
			return err
		}
		return publish(ctx, tx, "account.list_taken", now, by,
			ledger.Pairs{{K: "list", V: id.String()}, {K: "system", V: i.System}, {K: "file", V: i.Hash}},
			ledger.Pairs{{K: "as_of", V: i.AsOf.Format(time.DateOnly)}},
			ledger.Number{K: "rows", N: i.Listed}, ledger.Number{K: "added", N: i.Added}, ledger.Number{K: "changed", N: i.Changed}, ledger.Number{K: "gone", N: i.Gone})
	})
	if err != nil {
		return fmt.Errorf("end taking the list: %w", err)
	}
	return s.Judge(ctx, x.Key)
}

func (s *Service) applyAll(ctx context.Context, i *Import, changes []Change, now time.Time) error {
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		for n := range changes {
			c := &changes[n]
			a := Account{System: i.System, First: i.AsOf}
			if c.old != nil {
				a = *c.old
			} else {
				a.ID = event.NewID()
			}
			c.apply(&a, now, i.AsOf)
			if err := s.writeAccount(ctx, tx, &a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write accounts of the list: %w", err)
	}
	return nil
}
