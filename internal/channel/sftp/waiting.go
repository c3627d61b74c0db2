package sftp

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// waiting is who signs in at the moment. When an address has all its places, the
// one of its own that came to the door first gives its place up: who says nothing
// keeps nobody out who comes after from the same address. When all is full, it is
// the first of the address that has most waiting there: a flood from some
// addresses does not keep out who comes from another. What counts is when they
// came to the door, not when they were handed on from there: under load the one
// is not the order of the other.
type waiting struct {
	mu   sync.Mutex
	max  int
	each int
	all  int
	from map[netip.Addr][]newcomer // of each the first that came is the first
}

// newcomer is a connection and when it came to the door.
type newcomer struct {
	net.Conn
	came time.Time
}

// enter gives the connection a place; false for none. leave gives it back.
func (w *waiting) enter(c net.Conn, came time.Time) (leave func(), ok bool) {
	ap, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return nil, false
	}
	at := ap.Addr().Unmap()
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.from == nil {
		w.from = map[netip.Addr][]newcomer{}
	}
	w.add(at, newcomer{c, came})
	most := at
	switch {
	case len(w.from[at]) > w.each:
	case w.all > w.max:
		has := len(w.from[at]) - 1 // without the newcomer
		for a, conns := range w.from {
			if a != at && len(conns) > has {
				most, has = a, len(conns)
			}
		}
	default:
		return w.leave(at, c), true
	}
	first := w.from[most][0].Conn
	w.drop(most, first)
	if first == c {
		return nil, false // it waited outside for longer than all of them
	}
	_ = first.Close()
	return w.leave(at, c), true
}

func (w *waiting) leave(at netip.Addr, c net.Conn) func() {
	return func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.drop(at, c)
	}
}

// add puts a connection where it belongs by when it came; under mu.
func (w *waiting) add(at netip.Addr, n newcomer) {
	conns := append(w.from[at], n)
	for i := len(conns) - 1; i > 0 && conns[i].came.Before(conns[i-1].came); i-- {
		conns[i], conns[i-1] = conns[i-1], conns[i]
	}
	w.from[at] = conns
	w.all++
}

// drop forgets a connection if it is there; under mu.
func (w *waiting) drop(at netip.Addr, c net.Conn) {
	conns := w.from[at]
	for i, x := range conns {
		if x.Conn == c {
			w.from[at] = append(conns[:i:i], conns[i+1:]...)
			w.all--
			if len(w.from[at]) == 0 {
				delete(w.from, at)
			}
			return
		}
	}
}
