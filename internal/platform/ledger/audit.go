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

// MaxDamages bounds the list of damages that an audit returns; it goes on
// counting.
const MaxDamages = 200

// Audited is what an audit went through.
type Audited struct {
	// Leaves and Rows are those looked at.
	Leaves, Rows int64
	// Root is the recomputed root of the last leaf before the first damage.
	Root tlog.Hash
	// Sound is how many leaves lie before the first damage.
	Sound int64
	// Damages are the first MaxDamages, Damaged is how many there are.
	Damages []Damage
	Damaged int64
}

func (a *Audited) find(d *Damage) {
	if a.Damaged++; len(a.Damages) < MaxDamages {
		a.Damages = append(a.Damages, *d)
	}
}

// Audit walks every row from leaf from (the start of a row; 0 for all) to head,
// recomputes every hash from the event bytes and compares. After a damage it
// goes on with the rows behind it and names each of them that has one of its
// own. It returns the first damage too, nil when all fits; an error means that
// the walk could not be done. With from > 0 the leaves before are taken on the
// word of the stored hashes. progress, if not nil, is called after each row
// with the number of leaves done; its error ends the walk.
func Audit(ctx context.Context, groups Groups, c *Codec, from int64, head Head, progress func(leaves int64) error) (Audited, *Damage, error) {
	w := &walk{groups: groups, codec: c, reader: NewReader(groups, c)}
	at, err := w.reader.HeadAt(ctx, from)
	switch {
	case errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged):
		w.done.find(&Damage{Row: from, Leaf: 0, What: "the hashes of the leaves before cannot be read: rows are missing or out of place"})
		at = Head{Size: from}
	case err != nil:
		return w.done, nil, fmt.Errorf("audit ledger: %w", err)
	}
	w.at, w.done.Sound = at, from
	for w.at.Size < head.Size {
		if err := ctx.Err(); err != nil {
			return w.done, nil, fmt.Errorf("audit ledger: %w", err)
		}
		if err := w.step(ctx, head); err != nil {
			return w.done, nil, fmt.Errorf("audit ledger: %w", err)
		}
		if progress != nil {
			if err := progress(w.at.Size); err != nil {
				return w.done, nil, fmt.Errorf("audit ledger: %w", err)
			}
		}
	}
	if err := w.end(ctx, head); err != nil {
		return w.done, nil, fmt.Errorf("audit ledger: %w", err)
	}
	if w.done.Damaged > 0 {
		return w.done, &w.done.Damages[0], nil
	}
	return w.done, nil, nil
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

// end compares the stored head with the rows.
func (w *walk) end(ctx context.Context, head Head) error {
	bad := func(what string) { w.done.find(&Damage{Row: -1, Leaf: w.at.Size, What: what}) }
	switch {
	case w.at.Size != head.Size:
		bad("the rows reach further than the stored head")
	case w.done.Damaged > 0:
		// The stored hashes say what the head should be, where the rows that hold
		// them are sound.
		want, err := w.reader.HeadAt(ctx, head.Size)
		if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
			return nil
		}
		if err != nil {
			return err
		}
		if w.doubtful(head.Size) {
			return nil
		}
		if !bytes.Equal(want.EdgeBytes(), head.EdgeBytes()) {
			bad("the stored head does not fit the rows")
		}
	case w.at.Root() != head.Root() || !bytes.Equal(w.at.EdgeBytes(), head.EdgeBytes()):
		bad("the stored head does not fit the rows")
	}
	g, err := w.groups.ByLeaf(ctx, w.at.Size)
	if err == nil && g.First+g.Count > w.at.Size && g.First >= w.at.Size {
		w.done.find(&Damage{Row: g.First, Leaf: w.at.Size, What: "there is a row after the stored head"})
	}
	return nil
}
