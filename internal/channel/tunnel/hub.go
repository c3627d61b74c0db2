package tunnel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"reflect"
	"sync"
	"time"
)

// greeting bounds what comes before a connection is known to belong here.
const greeting = 10 * time.Second

// strangers is how many connections may be in their greeting at once.
const strangers = 256

// Errors of Dial that a caller can act on.
var (
	ErrNoTunnel = errors.New("there is no tunnel of this name")
	ErrDown     = errors.New("the tunnel is down")
)

// Book keeps what must outlive the process. Its methods are called from
// connections of far ends and must be safe for concurrent use.
type Book interface {
	// Invited is the tunnel whose one-time token has this hash, unused and in
	// time; else an error in words for who tries to join.
	Invited(ctx context.Context, token [32]byte) (Peer, error)
	// Joined uses the token up and stores who has joined; only one caller gets nil.
	Joined(ctx context.Context, token [32]byte, p Peer, host string) error
	// Renewed stores new keys (nil for TLS) and pins.
	Renewed(ctx context.Context, name string, k *Keys, pins []string) error
}

// HubConfig is what the hub's side needs.
type HubConfig struct {
	Identity tls.Certificate
	Lab      string
	Book     Book
	// UDP is the port of WireGuard, 0 for any; NoWireguard leaves it closed.
	UDP         uint16
	NoWireguard bool
	// Endpoint is where far ends send WireGuard's packets; its port is replaced by
	// the socket's when it is 0.
	Endpoint string
	Now      func() time.Time
	Log      *slog.Logger
}

// Hub is the hub's side of all tunnels.
type Hub struct {
	cfg    HubConfig
	socket *socket
	slots  chan struct{}

	mu    sync.Mutex
	peers map[string]*peer
	doors map[[2]string]*door
	shut  bool
}

// NewHub opens the UDP port.
func NewHub(c HubConfig) (*Hub, error) {
	h := &Hub{cfg: c, slots: make(chan struct{}, strangers), peers: map[string]*peer{}, doors: map[[2]string]*door{}}
	if !c.NoWireguard {
		var err error
		if h.socket, err = openSocket(c.UDP); err != nil {
			return nil, err
		}
	}
	return h, nil
}

// UDPPort is where WireGuard's packets come in; 0 where they do not.
func (h *Hub) UDPPort() uint16 {
	if h.socket == nil {
		return 0
	}
	return h.socket.port
}

// Set says which tunnels there are. What is not in it any more is cut at once;
// far ends are told of a list that has changed.
func (h *Hub) Set(all []Peer) error {
	h.mu.Lock()
	var gone []*peer
	names := map[string]bool{}
	for _, x := range all {
		names[x.Name] = true
	}
	for name, p := range h.peers {
		if !names[name] {
			gone = append(gone, p)
			delete(h.peers, name)
		}
	}
	var err error
	for _, x := range all {
		p := h.peers[x.Name]
		if p == nil {
			p = &peer{
				h: h, is: x, log: h.cfg.Log, m: meter{now: h.cfg.Now}, streams: map[*counted]struct{}{}, asked: map[string]chan net.Conn{},
				since: h.cfg.Now(),
			}
			h.peers[x.Name] = p
			p.mu.Lock()
			err = errors.Join(err, p.start())
			p.mu.Unlock()
			continue
		}
		err = errors.Join(err, p.change(x))
	}
	h.mu.Unlock()
	for _, p := range gone {
		p.end(true)
	}
	return err
}

// change takes a list that has changed; keys change by joining and renewal only,
// but for another node's, which shows in a higher epoch.
func (p *peer) change(x Peer) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.is
	p.is.Reach, p.is.Offers, p.is.Rotate = x.Reach, x.Offers, x.Rotate
	if reflect.DeepEqual(was.Reach, x.Reach) && reflect.DeepEqual(was.Offers, x.Offers) && was.Rotate == x.Rotate {
		return nil
	}
	if p.link != nil {
		link, policy := p.link, p.is.policy(p.h.cfg.Lab)
		go link.say(word{Policy: policy})
	}
	// What is no longer allowed is cut; what is allowed may connect again.
	for s := range p.streams {
		if s.of != "" && !permits(x.Reach, s.of) || s.service != "" && !offered(x.Offers, s.service) {
			go s.Conn.Close()
		}
	}
	if p.is.Standard && p.wg != nil {
		if err := p.wg.set(*p.is.Keys, p.is.allowed(), ""); err != nil {
			return err
		}
		return p.openInner()
	}
	return nil
}

func (h *Hub) peer(name string) *peer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.peers[name]
}

// Dial opens a connection through the tunnel to addr (HOST:PORT at the far side),
// which must be on the tunnel's list. An error that is ErrDown or a *Refusal may
// pass by itself.
func (h *Hub) Dial(ctx context.Context, name, addr string) (net.Conn, error) {
	p := h.peer(name)
	if p == nil {
		return nil, fmt.Errorf("tunnel %s: %w", name, ErrNoTunnel)
	}
	p.mu.Lock()
	ok := permits(p.is.Reach, addr)
	p.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("tunnel %s to %s: %w", name, addr, ErrNotAllowed)
	}
	to, err := Address(addr)
	if err != nil {
		return nil, err
	}
	c, err := p.dial(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("tunnel %s: %w", name, err)
	}
	s, err := p.track(c)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	s.of, s.remote = to, named{to + " through tunnel " + name}
	p.mu.Unlock()
	return s, nil
}

// Serve takes far ends on ln until ctx ends.
func (h *Hub) Serve(ctx context.Context, ln net.Listener) error {
	conf := serverConfig(h.cfg.Identity, h.cfg.Now)
	stop := context.AfterFunc(ctx, func() { ln.Close() })
	defer stop()
	for {
		raw, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("serve tunnels: %w", err)
		}
		select {
		case h.slots <- struct{}{}:
		default:
			raw.Close() // strangers wait; far ends that are in are not held up
			continue
		}
		go func() {
			left := sync.OnceFunc(func() { <-h.slots })
			defer left()
			defer func() {
				if r := recover(); r != nil {
					h.cfg.Log.Error("a connection of a far end ended in a fault of this program", "fault", fmt.Sprint(r))
					raw.Close()
				}
			}()
			h.conn(ctx, tls.Server(raw, conf), left)
		}()
	}
}

// Close cuts all tunnels; far ends come back when there is a hub again.
func (h *Hub) Close() error {
	h.mu.Lock()
	peers, doors := h.peers, h.doors
	h.peers, h.doors, h.shut = map[string]*peer{}, map[[2]string]*door{}, true
	h.mu.Unlock()
	for _, d := range doors {
		d.Close()
	}
	for _, p := range peers {
		p.end(false)
	}
	if h.socket != nil {
		return h.socket.close()
	}
	return nil
}
