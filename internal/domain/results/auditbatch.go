package results

import (
	"context"
	"strconv"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
)

// batchEvents is how many events are held against their rows at a time.
const batchEvents = 1024

// batch is a stretch of the ledger, leaves lo to before hi, with what the rows
// of these leaves are held against.
type batch struct {
	lo, hi int64
	// events are those that must have a row of the same number.
	events map[int64]*expected
	// unknown are stretches whose events cannot be read.
	unknown [][2]int64
	// delivered is how many events of that kind are in the stretch.
	delivered int64
	// acts are the entries that must have a row in results_acts.
	acts map[int64]bool
}

// expected is an event that has a row, and what was found of it.
type expected struct {
	kind string
	e    ledger.Event
	seen bool
	// Of a message: what its body showed.
	opened bool
	salt   ledger.Salt
	sum    []byte
	// Of a message: its deliveries so far.
	planned  *planDigest
	next     int64
	lanes    []byte
	badPlace bool
}

func parseSeq(s string) (int64, error) { return strconv.ParseInt(s, 10, 64) }

func (b *batch) add(first int64, events [][]byte) {
	if b.events == nil {
		b.events = make(map[int64]*expected, batchEvents)
	}
	if first > b.hi { // rows of the ledger are missing between
		b.unknown = append(b.unknown, [2]int64{b.hi, first})
	}
	b.hi = max(b.hi, first+int64(len(events)))
	if events == nil {
		b.unknown = append(b.unknown, [2]int64{first, first + ledger.MaxGroup})
		b.hi = max(b.hi, first+1)
	}
	for i, raw := range events {
		leaf := first + int64(i)
		kind := ledger.KindOf(raw)
		if actKinds[kind] {
			if b.acts == nil {
				b.acts = map[int64]bool{}
			}
			b.acts[leaf] = true
		}
		switch kind {
		case KindDelivered:
			b.delivered++
		case KindReceived, KindQuarantined, KindResent:
			e, err := ledger.ParseEvent(raw)
			if err != nil {
				b.unknown = append(b.unknown, [2]int64{leaf, leaf + 1})
				continue
			}
			b.events[leaf] = &expected{kind: kind, e: e}
		}
	}
}

// of returns the event a row of this number and kind stands for; nil, false
// where there is none, nil, true where that cannot be said.
func (b *batch) of(leaf int64, kind string) (*expected, bool) {
	if x := b.events[leaf]; x != nil && x.kind == kind {
		return x, true
	}
	for _, u := range b.unknown {
		if leaf >= u[0] && leaf < u[1] {
			return nil, true
		}
	}
	return nil, false
}

// nearby reads events at any place and remembers the rows it read last:
// deliveries are completed soon after and in about the order they were made.
type nearby struct {
	log  *bus.Log
	rows map[int64][][]byte // by first leaf
	ends map[int64]int64
}

const nearbyRows = 64

func (n *nearby) event(ctx context.Context, leaf int64) (ledger.Event, error) {
	for first, end := range n.ends {
		if leaf >= first && leaf < end {
			return ledger.ParseEvent(n.rows[first][leaf-first])
		}
	}
	first, events, err := n.log.Events(ctx, leaf)
	if err != nil {
		return ledger.Event{}, err
	}
	if leaf-first >= int64(len(events)) {
		return ledger.Event{}, ledger.ErrNotFound
	}
	if n.rows == nil || len(n.rows) >= nearbyRows {
		n.rows, n.ends = map[int64][][]byte{}, map[int64]int64{}
	}
	n.rows[first], n.ends[first] = events, first+int64(len(events))
	return ledger.ParseEvent(events[leaf-first])
}
