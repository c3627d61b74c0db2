package sftp

import (
	"net"
	"net/netip"
	"sync"
)

// waiting is who signs in at the moment. A newcomer whose address has all its
// places takes the one of its own that waited longest: who says nothing keeps
// nobody out who comes from the same address. When all is full, it takes the
// place of the oldest of the address that has most waiting there: a flood from
// some addresses does not keep out who comes from another.
type waiting struct {
	mu   sync.Mutex
	max  int
	each int
	all  int
	from map[netip.Addr][]net.Conn
}

// enter gives the connection a place; false for none. leave gives it back.
func (w *waiting) enter(c net.Conn) (leave func(), ok bool) {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return nil, false
	}
	at := ap.Addr().Unmap()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.from == nil {
		w.from = map[netip.Addr][]net.Conn{}
	}
	most := at
	if len(w.from[at]) < w.each && w.all >= w.max {
		for a, conns := range w.from {
			if len(conns) > len(w.from[most]) {
				most = a
			}
		}
	}
	if len(w.from[at]) >= w.each || w.all >= w.max {
		if len(w.from[most]) == 0 {
			return nil, false
		}
		victim := w.from[most][0]
		_ = victim.Close()
		w.drop(most, victim)
	}
	w.from[at] = append(w.from[at], c)
	w.all++
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.drop(at, c)
	}, true
}

// drop forgets a connection that is there; under mu.
func (w *waiting) drop(at netip.Addr, c net.Conn) {
	conns := w.from[at]
	for i, x := range conns {
		if x == c {
			w.from[at] = append(conns[:i:i], conns[i+1:]...)
			w.all--
			if len(w.from[at]) == 0 {
				delete(w.from, at)
			}
			return
		}
	}
}
