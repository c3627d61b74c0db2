package app

import (
	"net"
	"net/netip"
	"sync"

	"github.com/labwarden/labwarden/internal/platform/web"
)

// limitConns bounds the connections at one time, in all and from one address. One
// more in all waits in the machine's queue; one more of an address is closed, so
// that nobody shuts the door for the others.
func limitConns(ln net.Listener, all, each int) net.Listener {
	return &limitedListener{Listener: ln, slots: make(chan struct{}, all), each: each, of: map[netip.Addr]int{}}
}

type limitedListener struct {
	net.Listener
	slots chan struct{}
	each  int

	mu sync.Mutex
	of map[netip.Addr]int
}

func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		l.slots <- struct{}{}
		c, err := l.Listener.Accept()
		if err != nil {
			<-l.slots
			return nil, err
		}
		from := network(c.RemoteAddr())
		if l.count(from, 1) <= l.each {
			return &limitedConn{Conn: c, leave: sync.OnceFunc(func() { l.count(from, -1); <-l.slots })}, nil
		}
		l.count(from, -1)
		<-l.slots
		_ = c.Close() // nothing was said on it
	}
}

func (l *limitedListener) count(from netip.Addr, n int) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.of[from] += n
	now := l.of[from]
	if now == 0 {
		delete(l.of, from)
	}
	return now
}

func network(a net.Addr) netip.Addr {
	p, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return web.Network(p.Addr())
}

type limitedConn struct {
	net.Conn
	leave func()
}

// Close frees the place, once.
func (c *limitedConn) Close() error {
	c.leave()
	return c.Conn.Close()
}
