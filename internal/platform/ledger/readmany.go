package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"golang.org/x/mod/sumdb/tlog"
)

// Many is a Groups that finds the rows of many leaves in one go.
type Many interface {
	// ByLeaves calls each with the rows that ByLeaf returns for the leaves, which
	// ascend: every row once, until each returns an error. A leaf without a row is left out.
	ByLeaves(ctx context.Context, leaves []int64, each func(*Group) error) error
}

// EventsOf returns the bytes of several leaves, each checked as Event checks it.
// Where the rows can be read in one go, they are.
func (r *Reader) EventsOf(ctx context.Context, leaves []int64) (map[int64][]byte, error) {
	out := make(map[int64][]byte, len(leaves))
	many, ok := r.groups.(Many)
	if !ok || len(leaves) < 2 {
		for _, leaf := range leaves {
			e, err := r.Event(ctx, leaf)
			if err != nil {
				return nil, err
			}
			out[leaf] = e
		}
		return out, nil
	}
	wanted := slices.Compact(slices.Sorted(slices.Values(leaves)))
	err := many.ByLeaves(ctx, wanted, func(g *Group) error {
		at, _ := slices.BinarySearch(wanted, g.First)
		end, _ := slices.BinarySearch(wanted, g.First+g.Count)
		if at >= end {
			return nil // the row ends before what was asked for
		}
		events, err := r.unpack(g, wanted[at])
		if err != nil {
			return err
		}
		for _, leaf := range wanted[at:end] {
			if out[leaf], err = g.checked(events, leaf); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		if !errors.Is(err, ErrDamaged) {
			err = fmt.Errorf("read ledger leaves: %w", err)
		}
		return nil, err
	}
	for _, leaf := range wanted {
		if _, ok := out[leaf]; !ok {
			return nil, fmt.Errorf("read ledger leaf %d: %w", leaf, ErrNotFound)
		}
	}
	return out, nil
}

// unpack opens the events of a row that holds leaf.
func (r *Reader) unpack(g *Group, leaf int64) ([][]byte, error) {
	events, err := r.codec.Unpack(g.Events)
	if err != nil {
		return nil, fmt.Errorf("read ledger leaf %d: %w: %w", leaf, ErrDamaged, err)
	}
	if int64(len(events)) != g.Count {
		return nil, fmt.Errorf("read ledger leaf %d: %w: the row holds another number of events than it says", leaf, ErrDamaged)
	}
	return events, nil
}

// checked is one of the row's events, held against the leaf's hash.
func (g *Group) checked(events [][]byte, leaf int64) ([]byte, error) {
	e := events[leaf-g.First]
	if h, ok := g.hash(tlog.StoredHashIndex(0, leaf)); !ok || h != tlog.RecordHash(e) {
		return nil, fmt.Errorf("read ledger leaf %d: %w: the event does not fit its hash", leaf, ErrDamaged)
	}
	return e, nil
}
