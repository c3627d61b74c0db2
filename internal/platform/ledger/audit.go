package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/mod/sumdb/tlog"
)

// Damage is the first place where a stored ledger does not fit together.
type Damage struct {
	// Row is the First of the row at fault (of the row that should be there
	// where one is missing); -1 when it is the stored head.
	Row int64
	// Leaf is the first leaf that can no longer be relied on.
	Leaf int64
	// What says in words what is wrong. It never holds content of an event.
	What string
}

func (d *Damage) String() string {
	if d.Row < 0 {
		return fmt.Sprintf("ledger head at leaf %d: %s", d.Leaf, d.What)
	}
	return fmt.Sprintf("ledger row %d, leaf %d: %s", d.Row, d.Leaf, d.What)
}

// Audited is what an audit went through.
type Audited struct {
	Leaves, Rows int64
	// Root is the recomputed root of the last leaf that was sound.
	Root tlog.Hash
}

// Audit walks every row from leaf from (the start of a row; 0 for all) to head,
// recomputes every hash from the event bytes and compares. It returns the first
// damage, or nil when all fits; an error means that the walk could not be done.
// With from > 0 the leaves before are taken on the word of the stored hashes.
func Audit(ctx context.Context, groups Groups, c *Codec, from int64, head Head) (Audited, *Damage, error) {
	var done Audited
	at, err := NewReader(groups, c).HeadAt(ctx, from)
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
		return done, &Damage{Row: from, Leaf: 0, What: "the hashes of the leaves before cannot be read: rows are missing or out of place"}, nil
	}
	if err != nil {
		return done, nil, fmt.Errorf("audit ledger: %w", err)
	}
	for at.Size < head.Size {
		if err := ctx.Err(); err != nil {
			return done, nil, fmt.Errorf("audit ledger: %w", err)
		}
		g, err := groups.ByLeaf(ctx, at.Size)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return done, nil, fmt.Errorf("audit ledger: %w", err)
		}
		if err != nil || g.First != at.Size {
			return done, &Damage{Row: at.Size, Leaf: at.Size, What: "the row that should start here is missing or was moved"}, nil
		}
		next, d := auditRow(at, &g, c)
		if d != nil {
			return done, d, nil
		}
		if d := auditLookup(ctx, groups, &g); d != nil {
			return done, d, nil
		}
		at = next
		done.Rows++
		done.Leaves += g.Count
		done.Root = at.Root()
	}
	return done, auditEnd(ctx, groups, at, head), nil
}

// auditRow recomputes one row on top of the sound head at.
func auditRow(at Head, g *Group, c *Codec) (Head, *Damage) {
	bad := func(leaf int64, what string) (Head, *Damage) {
		return Head{}, &Damage{Row: g.First, Leaf: leaf, What: what}
	}
	events, err := c.Unpack(g.Events)
	if err != nil {
		return bad(g.First, "the stored events cannot be read")
	}
	if int64(len(events)) != g.Count {
		return bad(g.First, "the row holds another number of events than it says")
	}
	want, next, err := Append(at, events)
	if err != nil {
		return bad(g.First, "the stored events are not fit for a ledger")
	}
	if g.FirstHash != want.FirstHash {
		return bad(g.First, "the row says a wrong place for its hashes")
	}
	if len(g.Hashes) != len(want.Hashes) {
		return bad(g.First, "the row holds a wrong number of hashes")
	}
	if !bytes.Equal(g.Hashes, want.Hashes) {
		i := 0
		for g.Hashes[i] == want.Hashes[i] {
			i++
		}
		level, n := tlog.SplitStoredHashIndex(g.FirstHash + int64(i/tlog.HashSize))
		if level == 0 {
			return bad(n, "the event or its stored hash was changed: they do not fit each other")
		}
		// The node of n on this level was stored with its last leaf.
		return bad((n+1)<<level-1, "a stored inner hash was changed")
	}
	if g.At != want.At {
		return bad(g.First, "the row's time is not the time of its latest event")
	}
	return next, nil
}

// auditLookup makes sure that the row is also found by its hashes.
func auditLookup(ctx context.Context, groups Groups, g *Group) *Damage {
	for _, x := range []int64{g.FirstHash, g.lastHash() - 1} {
		h, err := groups.ByHash(ctx, x)
		if err != nil || h.First != g.First {
			return &Damage{Row: g.First, Leaf: g.First, What: "the row is not found by its hashes: another row claims their place"}
		}
	}
	return nil
}

func auditEnd(ctx context.Context, groups Groups, at, head Head) *Damage {
	bad := func(what string) *Damage { return &Damage{Row: -1, Leaf: at.Size, What: what} }
	if at.Size != head.Size {
		return bad("the rows reach further than the stored head")
	}
	if at.Root() != head.Root() || !bytes.Equal(at.EdgeBytes(), head.EdgeBytes()) {
		return bad("the stored head does not fit the rows")
	}
	g, err := groups.ByLeaf(ctx, at.Size)
	if err == nil && g.First+g.Count > at.Size {
		return &Damage{Row: g.First, Leaf: at.Size, What: "there is a row after the stored head"}
	}
	return nil
}
