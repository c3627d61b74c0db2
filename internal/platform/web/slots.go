package web

import (
	"net/netip"
	"sync"
)

// slots bound the requests under way, in all and of one address. Nobody waits:
// who finds none is told to come back.
type slots struct {
	most, each int

	mu  sync.Mutex
	all int
	of  map[netip.Addr]int
}

func newSlots(most int) *slots {
	return &slots{most: most, each: max(1, most/4), of: map[netip.Addr]int{}}
}

// enter takes a slot for an address; leave gives it back. IPv6 counts by /64: a
// machine has as many addresses there as it likes.
func (s *slots) enter(from netip.Addr) (leave func(), ok bool) {
	if from.Is6() {
		if p, err := from.WithZone("").Prefix(64); err == nil {
			from = p.Addr()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all >= s.most || s.of[from] >= s.each {
		return nil, false
	}
	s.all++
	s.of[from]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all--
		if s.of[from]--; s.of[from] == 0 {
			delete(s.of, from)
		}
	}, true
}
