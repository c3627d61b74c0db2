package ledger

import (
	"context"
	"errors"
	"math/bits"
	"sort"

	"golang.org/x/mod/sumdb/tlog"
)

// walk is one audit under way. Before the first damage each row is recomputed
// on top of the head of the rows before it. After it that head is not to be had
// any more: each row is then held against itself and against the stored hashes
// of sound rows, so that one damage does not name all rows behind it.
type walk struct {
	groups Groups
	codec  *Codec
	reader *Reader
	done   Audited
	at     Head
	loose  bool
	// gaps are stretches of stored hash indexes whose rows are missing or
	// damaged, in order.
	gaps [][2]int64
}

// step looks at the row that should start at the present leaf.
func (w *walk) step(ctx context.Context, head Head) error {
	g, err := w.groups.ByLeaf(ctx, w.at.Size)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if err != nil || g.First != w.at.Size {
		w.damaged(&Damage{Row: w.at.Size, Leaf: w.at.Size, What: "the row that should start here is missing or was moved"})
		return w.skip(ctx, w.at.Size, head.Size)
	}
	w.done.Rows++
	var d *Damage
	next := Head{Size: g.First + g.Count}
	if w.loose {
		d, err = w.alone(ctx, &g)
		if err != nil {
			return err
		}
	} else {
		var sound Head
		if sound, d = auditRow(w.at, &g, w.codec); d == nil {
			d = auditLookup(ctx, w.groups, &g)
			next = sound
		}
	}
	if d != nil {
		w.damaged(d)
		// Whatever the row says, the next one begins where there is one.
		return w.skip(ctx, g.First, head.Size)
	}
	w.done.Leaves += g.Count
	w.at = next
	if !w.loose {
		w.done.Root, w.done.Sound = next.Root(), next.Size
	}
	return nil
}

func (w *walk) damaged(d *Damage) {
	w.done.find(d)
	w.loose = true
}

// skip goes on at the next row that starts after leaf from.
func (w *walk) skip(ctx context.Context, from, size int64) error {
	lo, hi := from+1, size // the first leaf in [lo, hi) whose row starts after from
	for lo < hi {
		mid := lo + (hi-lo)/2
		g, err := w.groups.ByLeaf(ctx, mid)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err == nil && g.First > from {
			hi = mid
		} else {
			lo = mid + 1
		}
	}
	gap := [2]int64{tlog.StoredHashCount(from), tlog.StoredHashCount(lo)}
	if n := len(w.gaps); n > 0 && w.gaps[n-1][1] == gap[0] {
		w.gaps[n-1][1] = gap[1]
	} else {
		w.gaps = append(w.gaps, gap)
	}
	w.at = Head{Size: lo}
	return nil
}

// doubtful says whether the stored edge of a ledger of this size lies in rows
// that are damaged or missing.
func (w *walk) doubtful(size int64) bool {
	lo := int64(0)
	for level := bits.Len64(uint64(size)) - 1; level >= 0; level-- {
		if size&(1<<level) == 0 {
			continue
		}
		if x := tlog.StoredHashIndex(level, lo>>level); w.unknown(x) {
			return true
		}
		lo += 1 << level
	}
	return false
}

func (w *walk) unknown(x int64) bool {
	i := sort.Search(len(w.gaps), func(i int) bool { return w.gaps[i][1] > x })
	return i < len(w.gaps) && x >= w.gaps[i][0]
}

// alone holds one row against itself: each leaf's hash against its event, each
// inner hash against the two below it, where those are not in doubt.
func (w *walk) alone(ctx context.Context, g *Group) (*Damage, error) {
	bad := func(leaf int64, what string) (*Damage, error) {
		return &Damage{Row: g.First, Leaf: leaf, What: what}, nil
	}
	events, err := w.codec.Unpack(g.Events)
	if err != nil {
		return bad(g.First, "the stored events cannot be read")
	}
	switch {
	case int64(len(events)) != g.Count:
		return bad(g.First, "the row holds another number of events than it says")
	case g.FirstHash != tlog.StoredHashCount(g.First):
		return bad(g.First, "the row says a wrong place for its hashes")
	case int64(len(g.Hashes)) != tlog.HashSize*(tlog.StoredHashCount(g.First+g.Count)-g.FirstHash):
		return bad(g.First, "the row holds a wrong number of hashes")
	}
	at := int64(0)
	for _, e := range events {
		at = max(at, eventTime(e))
	}
	if g.At != at {
		return bad(g.First, "the row's time is not the time of its latest event")
	}
	for x := g.FirstHash; x < g.lastHash(); x++ {
		have, _ := g.hash(x)
		level, n := tlog.SplitStoredHashIndex(x)
		if level == 0 {
			if have != tlog.RecordHash(events[n-g.First]) {
				return bad(n, "the event or its stored hash was changed: they do not fit each other")
			}
			continue
		}
		left, ok, err := w.below(ctx, g, level-1, 2*n)
		if err != nil {
			return nil, err
		}
		right, ok2, err := w.below(ctx, g, level-1, 2*n+1)
		if err != nil {
			return nil, err
		}
		if ok && ok2 && have != tlog.NodeHash(left, right) {
			return bad((n+1)<<level-1, "a stored inner hash was changed")
		}
	}
	return auditLookup(ctx, w.groups, g), nil
}

// below reads a hash that an inner one is made of; false where it is in doubt.
func (w *walk) below(ctx context.Context, g *Group, level int, n int64) (tlog.Hash, bool, error) {
	x := tlog.StoredHashIndex(level, n)
	if h, ok := g.hash(x); ok {
		return h, true, nil
	}
	if w.unknown(x) {
		return tlog.Hash{}, false, nil
	}
	hs, err := w.reader.readHashes(ctx, []int64{x})
	if errors.Is(err, ErrNotFound) || errors.Is(err, ErrDamaged) {
		return tlog.Hash{}, false, nil
	}
	if err != nil {
		return tlog.Hash{}, false, err
	}
	return hs[0], true, nil
}
