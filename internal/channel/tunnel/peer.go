package tunnel

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"
	"time"
)

// farPort is where each end takes streams inside a WireGuard tunnel.
const farPort = 77

// Peer is a tunnel as it is stored.
type Peer struct {
	Name string
	Kind Kind
	// Standard is a device that speaks WireGuard itself: no link, no renewal.
	Standard bool
	// Pins are fingerprints of the far end's certificates: the one in use, and
	// during a renewal the next. None: nobody has joined.
	Pins []string
	// Reach are the addresses at the far side that the hub may connect to.
	Reach  []string
	Offers []Offer
	// Keys are WireGuard's; nil for TLS. Before somebody joins they hold the
	// addresses alone.
	Keys *Keys
	// Rotate is the time between two renewals of keys.
	Rotate time.Duration
}

func (p Peer) joined() bool {
	return p.Standard || len(p.Pins) > 0
}

func (p Peer) policy(lab string) *policy {
	return &policy{Name: p.Name, Lab: lab, Kind: p.Kind, Reach: p.Reach, Offers: p.Offers, Rotate: int64(p.Rotate / time.Second)}
}

// allowed are the addresses that the peer's packets may come from.
func (p Peer) allowed() []netip.Addr {
	out := []netip.Addr{p.Keys.Far}
	if !p.Standard {
		return out
	}
	for _, r := range p.Reach { // devices behind the one that speaks WireGuard
		host, _, _, err := span(r)
		if err != nil {
			continue
		}
		if a, err := netip.ParseAddr(host); err == nil && a.Is4() && !slices.Contains(out, a) {
			out = append(out, a)
		}
	}
	return out
}

// peer is a tunnel that runs.
type peer struct {
	h   *Hub
	m   meter
	log *slog.Logger

	renewing sync.Mutex // one renewal of keys at a time

	mu      sync.Mutex
	is      Peer
	link    *link
	wg      *wg
	line    *lineIn
	inner   []net.Listener // inside the WireGuard tunnel
	streams map[*counted]struct{}
	asked   map[string]chan net.Conn
	cut     bool
	state   State
	since   time.Time
	told    []string // what the far end says that it forwards
	heard   bool     // it has said so
	last    time.Time
}

// start brings WireGuard up where there are keys for it; under p.mu.
func (p *peer) start() error {
	if p.is.Kind != Wireguard || p.is.Keys == nil || len(p.is.Keys.Public) == 0 || p.wg != nil || p.cut {
		return nil
	}
	if p.h.socket == nil {
		return fmt.Errorf("start tunnel %s: WireGuard is off on this node", p.is.Name)
	}
	public, err := PublicOf(p.is.Keys.Private)
	if err != nil {
		return err
	}
	if p.line, err = p.h.socket.attach(public); err != nil {
		return err
	}
	if p.wg, err = startWG(*p.is.Keys, p.is.Keys.Hub, p.is.allowed(), "", p.line, p.log); err != nil {
		return fmt.Errorf("start tunnel %s: %w", p.is.Name, err)
	}
	return p.openInner()
}

// openInner listens inside the tunnel: on one port for a far end, which names the
// service, and on the port of each service for a device; under p.mu.
func (p *peer) openInner() error {
	for _, ln := range p.inner {
		ln.Close()
	}
	p.inner = nil
	if p.wg == nil {
		return nil
	}
	if !p.is.Standard {
		return p.inside(farPort, func(c net.Conn) {
			var r request
			if !within(c, func() error { return get(c, &r) }) {
				c.Close()
				return
			}
			p.arrive(c, r.To)
		})
	}
	for _, o := range p.is.Offers {
		_, port, err := net.SplitHostPort(o.Listen)
		if err != nil {
			return fmt.Errorf("read offer: %w", err)
		}
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return fmt.Errorf("read offer: %w", err)
		}
		if err := p.inside(uint16(n), func(c net.Conn) {
			if err := p.h.deliver(p, o.Service, c); err != nil {
				c.Close()
			}
		}); err != nil {
			return err
		}
	}
	return nil
}

func (p *peer) inside(port uint16, take func(net.Conn)) error {
	ln, err := p.wg.tun.listen(netip.AddrPortFrom(p.is.Keys.Hub, port))
	if err != nil {
		return err
	}
	p.inner = append(p.inner, ln)
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go take(c)
		}
	}()
	return nil
}

// arrive answers a far end that asks for a service of the hub.
func (p *peer) arrive(c net.Conn, service string) {
	p.mu.Lock()
	ok := offered(p.is.Offers, service)
	p.mu.Unlock()
	no := ""
	switch {
	case !ok:
		no = "this service is not opened to this tunnel"
	case !p.h.listening(p.is.Name, service):
		no = "nobody listens for this service at the hub now"
	}
	if no != "" {
		p.log.Warn("a far end asked for what it may not have", "tunnel", p.is.Name, "why", no)
	}
	if !within(c, func() error { return put(c, verdict{No: no}) }) || no != "" || p.h.deliver(p, service, c) != nil {
		c.Close()
	}
}

// within bounds the talk before a stream is its own.
func within(c net.Conn, do func() error) bool {
	// Both fail only on a connection that is over, which the reading says too.
	_ = c.SetDeadline(time.Now().Add(greeting))
	err := do()
	_ = c.SetDeadline(time.Time{})
	return err == nil
}

func known(a net.Addr) net.Addr {
	if a == nil { // it has ended already
		return named{"ended"}
	}
	return a
}

// track counts a stream and lets it be cut with its tunnel.
func (p *peer) track(c net.Conn) (*counted, error) {
	s := &counted{Conn: c, m: &p.m, remote: known(c.RemoteAddr()), local: known(c.LocalAddr()), gone: func(s *counted) {
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.streams, s)
	}}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cut {
		c.Close()
		return nil, ErrNoTunnel
	}
	p.streams[s] = struct{}{}
	return s, nil
}

// end cuts the tunnel with all that is in it.
func (p *peer) end(removed bool) {
	p.mu.Lock()
	p.cut = true
	streams, link, wg, line, inner := p.streams, p.link, p.wg, p.line, p.inner
	p.streams, p.link, p.wg, p.line, p.inner = map[*counted]struct{}{}, nil, nil, nil, nil
	p.mu.Unlock()
	if link != nil {
		if removed {
			link.say(word{Removed: true})
		}
		link.c.Close()
	}
	for s := range streams {
		s.Conn.Close()
	}
	for _, ln := range inner {
		ln.Close()
	}
	if wg != nil {
		wg.close()
	}
	if line != nil {
		line.Close()
	}
}

// dial opens a stream to addr, which is allowed.
func (p *peer) dial(ctx context.Context, addr string) (net.Conn, error) {
	p.mu.Lock()
	w, is := p.wg, p.is
	p.mu.Unlock()
	var c net.Conn
	var err error
	switch {
	case is.Kind == TLS:
		c, err = p.ask(ctx)
	case w == nil:
		return nil, fmt.Errorf("%w: nobody has joined it yet", ErrDown)
	case is.Standard:
		to, perr := netip.ParseAddrPort(addr)
		if perr != nil {
			return nil, fmt.Errorf("connect through tunnel %s: a device that speaks WireGuard itself is reached by IP address, not by name", is.Name)
		}
		return w.dial(ctx, to)
	default:
		c, err = w.dial(ctx, netip.AddrPortFrom(is.Keys.Far, farPort))
	}
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	err = open(c, addr)
	if !stop() || err != nil {
		c.Close()
		if err == nil {
			err = ctx.Err()
		}
		return nil, err
	}
	return c, nil
}
