package tunnel

import (
	"net"
	"sync"
	"time"
)

// meter counts what passes and how much of it in the last minute.
type meter struct {
	now func() time.Time

	mu      sync.Mutex
	in, out int64
	last    [60]second
}

type second struct{ at, in, out int64 }

func (m *meter) add(in, out int) {
	at := m.now().Unix()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.in += int64(in)
	m.out += int64(out)
	s := &m.last[at%int64(len(m.last))]
	if s.at != at {
		*s = second{at: at}
	}
	s.in += int64(in)
	s.out += int64(out)
}

// read returns the totals, and bytes a second over the last minute.
func (m *meter) read() (in, out, inRate, outRate int64) {
	now := m.now().Unix()
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.last {
		if s.at > now-int64(len(m.last)) && s.at <= now {
			inRate += s.in
			outRate += s.out
		}
	}
	n := int64(len(m.last))
	return m.in, m.out, inRate / n, outRate / n
}

// counted is a stream that is counted and can be cut with its tunnel.
type counted struct {
	net.Conn
	m             *meter
	once          sync.Once
	gone          func(*counted)
	remote, local net.Addr
	// of is the address it goes to, or service what it comes for; under peer.mu.
	of, service string
}

// RemoteAddr is the other end's as it was: the stack of a WireGuard tunnel forgets
// it when a connection ends, and nobody expects none.
func (c *counted) RemoteAddr() net.Addr { return c.remote }

// LocalAddr is likewise ours.
func (c *counted) LocalAddr() net.Addr { return c.local }

func (c *counted) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.m.add(n, 0)
	return n, err
}

func (c *counted) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.m.add(0, n)
	return n, err
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.gone(c) })
	return err
}

// CloseWrite ends the outgoing direction alone.
func (c *counted) CloseWrite() error {
	if w, ok := c.Conn.(closeWriter); ok {
		return w.CloseWrite()
	}
	return c.Close()
}
