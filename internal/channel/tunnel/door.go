package tunnel

import (
	"errors"
	"fmt"
	"net"
	"sync"
)

// door takes the streams that a far end opens to one service of the hub.
type door struct {
	h    *Hub
	key  [2]string
	in   chan net.Conn
	gone chan struct{}
	once sync.Once
}

// Listen takes what comes through the tunnel for a service. The tunnel need not
// be there yet; nothing comes before it is, and before the service is offered to
// it.
func (h *Hub) Listen(name, service string) (net.Listener, error) {
	d := &door{h: h, key: [2]string{name, service}, in: make(chan net.Conn), gone: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.shut {
		return nil, net.ErrClosed
	}
	if h.doors[d.key] != nil {
		return nil, fmt.Errorf("listen in tunnel %s: something listens for %s already", name, service)
	}
	h.doors[d.key] = d
	return d, nil
}

func (h *Hub) listening(name, service string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.doors[[2]string{name, service}] != nil
}

var errNobody = errors.New("nobody listens for this service")

// deliver hands a stream to the door; on an error c is still the caller's.
func (h *Hub) deliver(p *peer, service string, c net.Conn) error {
	h.mu.Lock()
	d := h.doors[[2]string{p.is.Name, service}]
	h.mu.Unlock()
	if d == nil {
		return errNobody
	}
	s, err := p.track(c)
	if err != nil {
		return err
	}
	p.mu.Lock()
	s.service = service
	p.mu.Unlock()
	select {
	case d.in <- s:
		return nil
	case <-d.gone:
		s.Close()
		return nil
	}
}

func (d *door) Accept() (net.Conn, error) {
	select {
	case c := <-d.in:
		return c, nil
	case <-d.gone:
		return nil, net.ErrClosed
	}
}

func (d *door) Close() error {
	d.once.Do(func() {
		close(d.gone)
		d.h.mu.Lock()
		defer d.h.mu.Unlock()
		if d.h.doors[d.key] == d {
			delete(d.h.doors, d.key)
		}
	})
	return nil
}

func (d *door) Addr() net.Addr { return named{"tunnel " + d.key[0] + ", service " + d.key[1]} }

// named is an address inside a tunnel.
type named struct{ words string }

func (named) Network() string  { return "tunnel" }
func (n named) String() string { return n.words }
