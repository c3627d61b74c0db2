package results

import (
	"container/heap"
	"encoding/binary"
	"time"
)

// queue orders one partner's open deliveries. A delivery waits in every lane it
// names and may go when it is first in all of them. It is plain data: no clock,
// no database, one goroutine at a time.
//
// Add must be called in the order of seq. Lanes hold only what is loaded; since
// loading is in order, everything that could be ahead of a loaded delivery is
// loaded too.
type queue struct {
	open  map[int64]*entry
	lanes map[uint64][]*entry // in order; the first may go
	ready readyHeap           // first in all lanes, waiting, due now or later
	last  int64               // greatest seq added

	waiting int // open ones that go by themselves
	carried int // bytes of the parcels
}

type entry struct {
	seq   int64
	keys  []uint64
	ahead int // lanes in which another is first
	state State
	due   time.Time
	heap  int // place in ready, -1 when not there
	out   bool

	parcel *parcel // the message itself, while it is at hand
}

func newQueue() *queue {
	return &queue{open: map[int64]*entry{}, lanes: map[uint64][]*entry{}, last: -1}
}

// add takes a delivery in. Held ones and those that need a person keep their
// lanes without ever becoming ready.
func (q *queue) add(seq int64, lanes []byte, state State, due time.Time) *entry {
	e := &entry{seq: seq, state: state, due: due, heap: -1, keys: make([]uint64, 0, len(lanes)/8)}
	for i := 0; i+8 <= len(lanes); i += 8 {
		k := binary.BigEndian.Uint64(lanes[i:])
		e.keys = append(e.keys, k)
		l := q.lanes[k]
		if len(l) > 0 {
			e.ahead++
		}
		q.lanes[k] = append(l, e)
	}
	q.open[seq] = e
	q.last = seq
	if state == Waiting {
		q.waiting++
	}
	q.settle(e)
	return e
}

// carry keeps the message itself with its entry, as far as there is room.
func (q *queue) carry(e *entry, p *parcel) {
	if p != nil && q.carried+len(p.body) <= maxHandedBytes {
		e.parcel, q.carried = p, q.carried+len(p.body)
	}
}

// unload takes the message from its entry: it is for one try.
func (q *queue) unload(e *entry) *parcel {
	p := e.parcel
	if p != nil {
		e.parcel, q.carried = nil, q.carried-len(p.body)
	}
	return p
}

// settle puts e where it belongs after a change.
func (q *queue) settle(e *entry) {
	should := e.ahead == 0 && e.state == Waiting && !e.out
	switch {
	case should && e.heap < 0:
		heap.Push(&q.ready, e)
	case !should && e.heap >= 0:
		heap.Remove(&q.ready, e.heap)
	case should:
		heap.Fix(&q.ready, e.heap)
	}
}

// next takes out the first delivery that is due, or says when the next one
// will be (zero: nothing is ready).
func (q *queue) next(now time.Time) (*entry, time.Time) {
	if len(q.ready) == 0 {
		return nil, time.Time{}
	}
	e := q.ready[0]
	if e.due.After(now) {
		return nil, e.due
	}
	e.out = true
	q.settle(e)
	return e, time.Time{}
}

// again puts a delivery back that was tried without success.
func (q *queue) again(seq int64, due time.Time) {
	if e := q.open[seq]; e != nil {
		e.out, e.due = false, due
		q.settle(e)
	}
}

// set changes the state of an open delivery; it keeps its lanes.
func (q *queue) set(seq int64, state State) {
	if e := q.open[seq]; e != nil {
		if e.state == Waiting {
			q.waiting--
		}
		if e.out, e.state = false, state; state == Waiting {
			q.waiting++
		}
		q.settle(e)
	}
}

// done ends a delivery: those behind it move up.
func (q *queue) done(seq int64) {
	e := q.open[seq]
	if e == nil {
		return
	}
	delete(q.open, seq)
	q.unload(e)
	if e.state == Waiting {
		q.waiting--
	}
	if e.heap >= 0 {
		heap.Remove(&q.ready, e.heap)
	}
	for _, k := range e.keys {
		l := q.lanes[k]
		i := 0
		for i < len(l) && l[i] != e {
			i++
		}
		switch {
		case i == len(l):
			continue
		case i == 0:
			l[0] = nil
			l = l[1:]
			if len(l) > 0 {
				l[0].ahead--
				q.settle(l[0])
			}
		default: // ended by a person while it stood behind another
			l = append(l[:i:i], l[i+1:]...)
		}
		if len(l) == 0 {
			delete(q.lanes, k)
		} else {
			q.lanes[k] = l
		}
	}
}

// hurry makes everything that waits for a time due now.
func (q *queue) hurry(now time.Time) {
	for _, e := range q.open {
		if e.due.After(now) {
			e.due = now
			q.settle(e)
		}
	}
}

// readyCount is how many could go as far as their lanes are concerned; loading
// goes on while it is small.
func (q *queue) readyCount() int { return len(q.ready) }

// readyHeap is ordered by due time, then by seq.
type readyHeap []*entry

func (h readyHeap) Len() int { return len(h) }
func (h readyHeap) Less(i, j int) bool {
	if h[i].due.Equal(h[j].due) {
		return h[i].seq < h[j].seq
	}
	return h[i].due.Before(h[j].due)
}

func (h readyHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].heap, h[j].heap = i, j
}

func (h *readyHeap) Push(x any) {
	e := x.(*entry)
	e.heap = len(*h)
	*h = append(*h, e)
}

func (h *readyHeap) Pop() any {
	old := *h
	e := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	e.heap = -1
	return e
}
