package record

import (
	"context"
	"fmt"
	"strconv"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// Audit compares every row with the ledger, and the position with its tag. It
// may run while the table grows.
func (r *Record) Audit(ctx context.Context, found func(table, row, what string)) error {
	if err := r.tags.Audit(ctx, r.db, taggedPosition, func(row, what string) { found(taggedPosition.Table, row, what) }); err != nil {
		return err
	}
	to, by, err := r.position(ctx, r.db)
	if err != nil {
		return fmt.Errorf("read position of the record: %w", err)
	}
	if by != rules {
		return nil // it is being made anew
	}
	name := func(leaf int64, what string) { found("record_events", strconv.FormatInt(leaf, 10), what) }
	lo := int64(0)
	var want []Entry
	flush := func(hi int64) error {
		err := r.compare(ctx, lo, hi, want, name)
		lo, want = hi, want[:0]
		return err
	}
	err = r.book.Walk(ctx, 0, to, func(first int64, events [][]byte) error {
		for i, raw := range events {
			if e, ok := entry(first+int64(i), raw); ok {
				want = append(want, e)
			}
		}
		if len(want) < 1000 {
			return nil
		}
		return flush(first + int64(len(events)))
	})
	if err != nil {
		return fmt.Errorf("audit the record: %w", err)
	}
	if err := flush(max(to, lo)); err != nil {
		return err
	}
	// What lies before the ledger, or behind what was read when the walk began and
	// what is read now.
	now, _, err := r.position(ctx, r.db)
	if err != nil {
		return fmt.Errorf("read position of the record: %w", err)
	}
	err = r.db.Query(ctx, "SELECT leaf FROM record_events WHERE leaf < 0 OR leaf >= $1 ORDER BY leaf LIMIT 100", []any{max(to, now)}, func(s store.Scanner) error {
		var leaf int64
		err := s.Scan(&leaf)
		name(leaf, "it stands for a leaf that was not read: it was added or moved")
		return err
	})
	if err != nil {
		return fmt.Errorf("audit the record: %w", err)
	}
	return nil
}

// compare holds the rows of leaves lo to hi against what they should be.
func (r *Record) compare(ctx context.Context, lo, hi int64, want []Entry, found func(leaf int64, what string)) error {
	have := map[int64]Entry{}
	err := r.db.Query(ctx, "SELECT leaf, at, kind, class, who, message FROM record_events WHERE leaf >= $1 AND leaf < $2", []any{lo, hi}, func(s store.Scanner) error {
		e, err := scanEntry(s)
		have[e.Leaf] = e
		return err
	})
	if err != nil {
		return fmt.Errorf("audit the record: %w", err)
	}
	for _, w := range want {
		h, ok := have[w.Leaf]
		delete(have, w.Leaf)
		if !ok {
			found(w.Leaf, "it is missing: the ledger has this entry")
		} else if h != w {
			found(w.Leaf, "it does not say what the ledger says")
		}
	}
	for leaf := range have {
		found(leaf, "the ledger has no such entry: it was added or moved")
	}
	return nil
}

func scanEntry(s store.Scanner) (Entry, error) {
	var e Entry
	var class int64
	err := s.Scan(&e.Leaf, &e.At, &e.Kind, &class, &e.Who, &e.Message)
	e.Class = Class(class)
	return e, err
}
