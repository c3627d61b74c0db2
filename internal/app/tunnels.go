package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/tunnel"
	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// tunnelRoom runs what the book of tunnels says.
type tunnelRoom struct {
	h    *Hub
	book *tunnels.Book

	mu    sync.Mutex
	hub   *tunnel.Hub     // nil: there are none on this node
	conf  *config.Tunnels // of the start; node sections do not change while it runs
	pin   string
	fault string
	turn  sync.Mutex // one reading of the book into the hub at a time
}

// open opens the doors of tunnels, if the configuration has any. Where that fails
// what needs no tunnel flows all the same, and it is said.
func (t *tunnelRoom) open(ctx context.Context, c *config.Config, g *errgroup.Group) {
	if c.Node.Tunnels == nil {
		return
	}
	if err := t.begin(ctx, c, g); err != nil {
		t.h.slog.Error("tunnels are not served; what needs none flows all the same", "error", err)
		t.mu.Lock()
		t.fault = "Tunnels are not served: " + err.Error() + ". Mend node.tunnels or free the port, then restart."
		t.mu.Unlock()
	}
}

func (t *tunnelRoom) begin(ctx context.Context, c *config.Config, g *errgroup.Group) error {
	n := c.Node.Tunnels
	cert, key, err := t.book.Identity(ctx, func() ([]byte, []byte, error) { return tunnel.NewIdentity("labwarden "+c.Lab.ID, t.h.now()) })
	if err != nil {
		return err
	}
	id, err := tunnel.ReadIdentity(cert, key)
	if err != nil {
		return err
	}
	at := string(n.Outside)
	if at == "" {
		host, _, err := net.SplitHostPort(string(n.Address))
		if err != nil {
			return fmt.Errorf("read node.tunnels.address: %w", err)
		}
		at = net.JoinHostPort(host, strconv.Itoa(n.Wireguard))
	}
	hub, err := tunnel.NewHub(tunnel.HubConfig{
		Identity: id, Lab: c.Lab.Name, Book: tunnelBook{t}, UDP: uint16(n.Wireguard), NoWireguard: n.Wireguard == 0 || fipsMode(), Endpoint: at,
		Now: t.h.now, Log: t.h.slog,
	})
	if err != nil {
		return err
	}
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", string(n.Listen))
	if err != nil {
		return errors.Join(fmt.Errorf("listen for tunnels: %w", err), hub.Close())
	}
	t.mu.Lock()
	t.hub, t.conf, t.pin = hub, n, channel.Fingerprint(id.Leaf)
	t.mu.Unlock()
	if err := t.refresh(ctx); err != nil {
		// One tunnel that does not start keeps no other from it.
		t.h.slog.Error("not every tunnel could be started", "error", err)
	}
	t.h.slog.Info("tunnels", "address", ln.Addr().String(), "wireguard_port", hub.UDPPort())
	g.Go(func() error {
		if err := hub.Serve(ctx, ln); err != nil {
			t.h.slog.Error("tunnels are no longer served; results that need none flow", "error", err)
		}
		return nil
	})
	return nil
}

func (t *tunnelRoom) close() {
	t.mu.Lock()
	hub := t.hub
	t.hub = nil
	t.mu.Unlock()
	if hub != nil {
		if err := hub.Close(); err != nil {
			t.h.slog.Warn("a tunnel did not close cleanly", "error", err)
		}
	}
}

func (t *tunnelRoom) trouble() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.fault
}

func (t *tunnelRoom) running() *tunnel.Hub {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hub
}

// refresh brings what runs to what the book says. without names tunnels that are
// cut in between, so that they begin anew.
func (t *tunnelRoom) refresh(ctx context.Context, without ...string) error {
	t.turn.Lock()
	defer t.turn.Unlock()
	hub := t.running()
	if hub == nil {
		return nil
	}
	all, err := t.book.List(ctx)
	if err != nil {
		return err
	}
	var peers, rest []tunnel.Peer
	var bad error
	for _, x := range all {
		p, err := t.peer(ctx, x)
		if err != nil {
			bad = errors.Join(bad, err)
			continue
		}
		peers = append(peers, p)
		if len(without) == 0 || without[0] != x.Name {
			rest = append(rest, p)
		}
	}
	if len(without) > 0 {
		bad = errors.Join(bad, hub.Set(rest))
	}
	return errors.Join(bad, hub.Set(peers))
}

// peer is a row of the book as it runs.
func (t *tunnelRoom) peer(ctx context.Context, x tunnels.Tunnel) (tunnel.Peer, error) {
	p := tunnel.Peer{Name: x.Name, Kind: tunnel.Kind(x.Kind), Standard: x.Standard, Pins: x.Pins, Reach: x.Reach}
	for _, o := range x.Offers {
		p.Offers = append(p.Offers, tunnel.Offer{Service: o.Service, Listen: o.Listen})
	}
	t.mu.Lock()
	network := t.conf.Network
	p.Rotate = t.conf.Rotate.Std()
	t.mu.Unlock()
	if p.Kind != tunnel.Wireguard {
		return p, nil
	}
	s, err := t.book.Secrets(ctx, x.Name)
	if err != nil {
		return p, err
	}
	hub, far, err := addresses(string(network), x.Number)
	if err != nil {
		return p, err
	}
	p.Keys = &tunnel.Keys{Private: s.Private, Public: x.Public, PSK: s.PSK, Hub: hub, Far: far, Epoch: x.Epoch}
	return p, nil
}

// addresses inside a tunnel: the hub's is the first of the network in each, the
// far end's goes by the tunnel's number.
func addresses(network string, number int64) (hub, far netip.Addr, err error) {
	p, err := netip.ParsePrefix(network)
	if err != nil || !p.Addr().Is4() || p.Bits() > 24 {
		return hub, far, fmt.Errorf("node.tunnels.network %s is not an IPv4 network of /24 or larger", network)
	}
	base := p.Masked().Addr().As4()
	room := int64(1)<<(32-p.Bits()) - 3
	if number < 1 || number > room {
		return hub, far, fmt.Errorf("node.tunnels.network %s has no address for tunnel number %d: choose a larger one", network, number)
	}
	at := func(n int64) netip.Addr {
		v := int64(base[0])<<24 | int64(base[1])<<16 | int64(base[2])<<8 | int64(base[3])
		v += n
		return netip.AddrFrom4([4]byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)})
	}
	return at(1), at(1 + number), nil
}

// tunnelBook is the book as what runs uses it.
type tunnelBook struct{ t *tunnelRoom }

// Invited implements tunnel.Book.
func (b tunnelBook) Invited(ctx context.Context, token [32]byte) (tunnel.Peer, error) {
	x, err := b.t.book.Invited(ctx, token[:])
	if err != nil {
		return tunnel.Peer{}, plainly(err, tunnels.ErrToken)
	}
	return b.t.peer(ctx, x)
}

// plainly is what of an error a far end may hear.
func plainly(err, known error) error {
	if errors.Is(err, known) {
		return known
	}
	return errors.New("the hub could not look this up; try again")
}

// Joined implements tunnel.Book.
func (b tunnelBook) Joined(ctx context.Context, token [32]byte, p tunnel.Peer, host string) error {
	var s tunnels.Secrets
	var public []byte
	epoch := int64(1)
	if p.Keys != nil {
		s, public, epoch = tunnels.Secrets{Private: p.Keys.Private, PSK: p.Keys.PSK}, p.Keys.Public, p.Keys.Epoch
	}
	if err := b.t.book.Joined(ctx, token[:], p.Pins[0], epoch, public, s, host); err != nil {
		return plainly(err, tunnels.ErrToken)
	}
	return nil
}

// Renewed implements tunnel.Book.
func (b tunnelBook) Renewed(ctx context.Context, name string, k *tunnel.Keys, pins []string) error {
	switch {
	case k != nil:
		return b.t.book.Renewed(ctx, name, pins, k.Epoch, k.Public, tunnels.Secrets{Private: k.Private, PSK: k.PSK})
	case len(pins) == 1:
		return b.t.book.Settled(ctx, name, pins)
	}
	x, err := b.t.book.Get(ctx, name)
	if err != nil {
		return err
	}
	return b.t.book.Renewed(ctx, name, pins, x.Epoch+1, nil, tunnels.Secrets{})
}
