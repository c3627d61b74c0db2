package results

import (
	"sync"

	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// parcel is a message that was taken a moment ago, as its first delivery needs
// it: then the table has not to be read, nor the body opened.
type parcel struct {
	id       event.ID
	source   string
	route    string
	received int64 // microseconds
	lanes    []byte
	body     []byte
	salt     ledger.Salt
}

// What a partner's courier is handed from intake at most. What is beyond that
// is read from the table, where it stands in any case.
const (
	maxHanded      = 1024
	maxHandedBytes = 2 << 20
)

// handed is what intake gives a courier, in the order of the ledger, without
// ever waiting for it.
type handed struct {
	mu    sync.Mutex
	gap   bool // something is missing: read the table
	list  []handover
	bytes int // of the bodies in list
}

type handover struct {
	seq    int64
	lanes  []byte
	state  State
	parcel *parcel // nil where there was no room
}

func (h *handed) put(o handover) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.gap:
		return
	case len(h.list) == maxHanded:
		h.gap, h.list, h.bytes = true, nil, 0
		return
	case h.bytes+len(o.parcel.body) > maxHandedBytes:
		o.parcel = nil
	default:
		h.bytes += len(o.parcel.body)
	}
	h.list = append(h.list, o)
}

func (h *handed) open() bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return !h.gap
}

// take empties it. ok is false when something is missing; what is put from now
// on is complete again.
func (h *handed) take() (list []handover, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	list, ok = h.list, !h.gap
	h.list, h.bytes, h.gap = nil, 0, false
	return list, ok
}

// miss says that something was written which is not in the list.
func (h *handed) miss() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.gap, h.list, h.bytes = true, nil, 0
}

// handOver gives a committed message's deliveries to their couriers. Called by
// the writer, in the order of the ledger.
func (s *Service) handOver(m *newMessage, leaf int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var body []byte
	for n, plan := range m.plans {
		c := s.couriers[plan.partner]
		if c == nil && plan.state < Done {
			s.tellNode(plan.partner, false)
		}
		if c == nil || plan.state >= Done || !c.handed.open() {
			continue
		}
		if body == nil {
			body = append([]byte(nil), m.body...) // the transport uses its buffer again
		}
		c.handed.put(handover{leaf*maxPlans + int64(n), m.lanes, plan.state, &parcel{m.id, m.source, plan.route, m.at, m.lanes, body, m.salt}})
		c.wakeSelf()
	}
}

// missAfter is for a transaction that writes deliveries in another way than
// insert: the couriers then read the table.
func (s *Service) missAfter(tx *store.Tx) {
	tx.After(func(committed bool) {
		if committed {
			s.missed()
		}
	})
}

// missed makes every courier read the table: another node wrote to it.
func (s *Service) missed() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.couriers {
		c.handed.miss()
		c.wakeSelf()
	}
}
