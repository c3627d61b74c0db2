package app

import (
	"context"
	"crypto/fips140"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/channel/tunnel"
	"github.com/labwarden/labwarden/internal/domain/tunnels"
	"github.com/labwarden/labwarden/internal/platform/config"
)

var _ control.Tunnels = (*tunnelRoom)(nil)

func tunnelRefusal(kind control.Kind, format string, a ...any) error {
	return &control.Error{Kind: kind, Message: fmt.Sprintf(format, a...)}
}

// told maps the book's errors to what a caller may read.
func toldTunnel(err error) error {
	switch {
	case errors.Is(err, tunnels.ErrNone):
		return tunnelRefusal(control.NotFound, "there is no tunnel of this name")
	case errors.Is(err, tunnels.ErrTaken), errors.Is(err, tunnel.ErrDown):
		return tunnelRefusal(control.Conflict, "%s", err)
	case errors.Is(err, tunnels.ErrName), errors.Is(err, tunnel.ErrFIPS):
		return tunnelRefusal(control.Invalid, "%s", err)
	}
	return err
}

// settings are node.tunnels while tunnels run here.
func (t *tunnelRoom) settings() (*config.Tunnels, *tunnel.Hub, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.hub == nil {
		if t.fault != "" {
			return nil, nil, tunnelRefusal(control.Unavailable, "%s", t.fault)
		}
		return nil, nil, tunnelRefusal(control.Conflict, "this hub has no tunnels: add node.tunnels to its configuration file (labwarden config reference), then restart it")
	}
	return t.conf, t.hub, nil
}

// checked brings a list into its one form.
func (t *tunnelRoom) checked(l control.TunnelList, standard bool) ([]string, []tunnels.Offer, error) {
	reach, offers := []string{}, []tunnels.Offer{}
	for _, a := range l.Allow {
		x, err := tunnel.Line(a)
		if err != nil {
			return nil, nil, tunnelRefusal(control.Invalid, "%s: write HOST:PORT of one machine at the far side, or HOST:FIRST-LAST", err)
		}
		host, _, _ := net.SplitHostPort(x)
		if ip, err := netip.ParseAddr(host); standard && (err != nil || !ip.Is4()) {
			return nil, nil, tunnelRefusal(control.Invalid, "%s: a device that speaks WireGuard itself is reached by its IPv4 address", x)
		}
		if !slices.Contains(reach, x) {
			reach = append(reach, x)
		}
	}
	c := t.h.inForce()
	for _, o := range l.Offers {
		at, err := tunnel.Address(o.Listen)
		if err != nil {
			return nil, nil, tunnelRefusal(control.Invalid, "%s: write SOURCE@IP:PORT, where the far side's programs connect", err)
		}
		if _, err := netip.ParseAddrPort(at); err != nil {
			return nil, nil, tunnelRefusal(control.Invalid, "%s is not IP:PORT of the far machine", at)
		}
		if c != nil && c.Sources[o.Source].MLLP == nil {
			return nil, nil, tunnelRefusal(control.Invalid, "there is no mllp source %q to open", o.Source)
		}
		offers = append(offers, tunnels.Offer{Service: o.Source, Listen: at})
	}
	if len(reach)+len(offers) == 0 {
		return nil, nil, tunnelRefusal(control.Invalid, "nothing could pass: name what the hub may reach (HOST:PORT) or what the far side may (SOURCE@IP:PORT)")
	}
	return reach, offers, nil
}

// List implements control.Tunnels.
func (t *tunnelRoom) List(ctx context.Context) ([]control.Tunnel, error) {
	all, err := t.book.List(ctx)
	if err != nil {
		return nil, err
	}
	out := []control.Tunnel{}
	for _, x := range all {
		out = append(out, t.tell(x))
	}
	return out, nil
}

// Show implements control.Tunnels.
func (t *tunnelRoom) Show(ctx context.Context, name string) (control.Tunnel, error) {
	x, err := t.book.Get(ctx, name)
	if err != nil {
		return control.Tunnel{}, toldTunnel(err)
	}
	return t.tell(x), nil
}

func (t *tunnelRoom) tell(x tunnels.Tunnel) control.Tunnel {
	out := control.Tunnel{
		Name: x.Name, Kind: x.Kind, Standard: x.Standard, State: "down", Words: "This node has no tunnels (node.tunnels).",
		Allow: x.Reach, Offers: []control.TunnelOffer{}, Host: x.Host, JoinedAt: x.JoinedAt, KeysAt: x.KeysAt, KeyNumber: x.Epoch,
		PostQuantum: x.Epoch > 0 && !x.Standard, Certificates: x.Pins, InvitedUntil: x.InvitedUntil, MadeAt: x.MadeAt, MadeBy: x.MadeBy, Users: t.users(x.Name),
	}
	for _, o := range x.Offers {
		out.Offers = append(out.Offers, control.TunnelOffer{Source: o.Service, Listen: o.Listen})
	}
	hub := t.running()
	if hub == nil {
		return out
	}
	s, ok := hub.Status(x.Name)
	if !ok {
		out.Words = "It does not run here; the hub's log says why."
		return out
	}
	out.State, out.Words, out.Since, out.Handshake = string(s.State), s.Words, s.Since, s.Handshake
	out.Missing, out.In, out.Out, out.InRate, out.OutRate, out.Connections, out.From = s.Missing, s.In, s.Out, s.InRate, s.OutRate, s.Streams, s.From
	if x.Standard && x.Epoch == 0 {
		out.State, out.Words = "waiting", "It has no keys yet: the device's configuration is still to be made."
	}
	return out
}

// users are the partners and sources of the configuration that go through it.
func (t *tunnelRoom) users(name string) []string {
	c := t.h.inForce()
	if c == nil {
		return nil
	}
	var out []string
	for _, key := range sorted(c.Partners) {
		if c.Partners[key].Destination.Tunnel == name {
			out = append(out, "partner "+key)
		}
	}
	for _, key := range sorted(c.Sources) {
		if c.Sources[key].Tunnel == name {
			out = append(out, "source "+key)
		}
	}
	return out
}

// Add implements control.Tunnels.
func (t *tunnelRoom) Add(ctx context.Context, n control.NewTunnel, who string) (control.Invitation, error) {
	var none control.Invitation
	conf, hub, err := t.settings()
	if err != nil {
		return none, err
	}
	switch kind := tunnel.Kind(n.Kind); {
	case kind != tunnel.Wireguard && kind != tunnel.TLS:
		return none, tunnelRefusal(control.Invalid, "a tunnel's kind is wireguard or tls")
	case kind == tunnel.Wireguard && fips140.Enabled():
		return none, toldTunnel(tunnel.ErrFIPS)
	case kind == tunnel.Wireguard && hub.UDPPort() == 0:
		return none, tunnelRefusal(control.Conflict, "WireGuard is closed on this node (node.tunnels.wireguard_port: 0); choose kind tls")
	case kind == tunnel.TLS && n.Standard:
		return none, tunnelRefusal(control.Invalid, "a device that speaks WireGuard itself needs kind wireguard")
	}
	reach, offers, err := t.checked(n.Allowed, n.Standard)
	if err != nil {
		return none, err
	}
	x := tunnels.Tunnel{Name: n.Name, Kind: n.Kind, Standard: n.Standard, Reach: reach, Offers: offers}
	var hash []byte
	var until time.Time
	var token string
	if !n.Standard {
		token, hash, until = t.token(conf)
	}
	if x, err = t.book.Add(ctx, x, hash, until, tunnels.By{Who: who, Reason: n.Reason}); err != nil {
		return none, toldTunnel(err)
	}
	if err := t.refresh(ctx); err != nil {
		return none, err
	}
	return control.Invitation{Tunnel: t.tell(x), Token: token, Until: until}, nil
}

func (t *tunnelRoom) token(conf *config.Tunnels) (text string, hash []byte, until time.Time) {
	t.mu.Lock()
	pin := t.pin
	t.mu.Unlock()
	token, sum := tunnel.NewToken(string(conf.Address), pin)
	return token.String(), sum[:], t.h.now().Add(conf.TokenLife.Std()).UTC().Truncate(time.Second)
}

// Invite implements control.Tunnels.
func (t *tunnelRoom) Invite(ctx context.Context, name, who, reason string) (control.Invitation, error) {
	var none control.Invitation
	conf, _, err := t.settings()
	if err != nil {
		return none, err
	}
	x, err := t.book.Get(ctx, name)
	if err != nil {
		return none, toldTunnel(err)
	}
	if x.Standard {
		return none, tunnelRefusal(control.Conflict, "a device that speaks WireGuard itself has no token; labwarden tunnel export makes its configuration anew")
	}
	token, hash, until := t.token(conf)
	if err := t.book.Invite(ctx, name, hash, until, tunnels.By{Who: who, Reason: reason}); err != nil {
		return none, toldTunnel(err)
	}
	if err := t.refresh(ctx, name); err != nil {
		return none, err
	}
	shown, err := t.Show(ctx, name)
	return control.Invitation{Tunnel: shown, Token: token, Until: until}, err
}

// Allow implements control.Tunnels.
func (t *tunnelRoom) Allow(ctx context.Context, name string, l control.TunnelList, who, reason string) (control.Tunnel, error) {
	x, err := t.book.Get(ctx, name)
	if err != nil {
		return control.Tunnel{}, toldTunnel(err)
	}
	reach, offers, err := t.checked(l, x.Standard)
	if err != nil {
		return control.Tunnel{}, err
	}
	if err := t.book.Allow(ctx, name, reach, offers, tunnels.By{Who: who, Reason: reason}); err != nil {
		return control.Tunnel{}, toldTunnel(err)
	}
	if err := t.refresh(ctx); err != nil {
		return control.Tunnel{}, err
	}
	return t.Show(ctx, name)
}

// Rotate implements control.Tunnels.
func (t *tunnelRoom) Rotate(ctx context.Context, name, _ string) error {
	_, hub, err := t.settings()
	if err != nil {
		return err
	}
	x, err := t.book.Get(ctx, name)
	if err != nil {
		return toldTunnel(err)
	}
	if x.Standard {
		return tunnelRefusal(control.Conflict, "a device that speaks WireGuard itself gets new keys by a new configuration: labwarden tunnel export %s", name)
	}
	return toldTunnel(hub.Rekey(name))
}

// Remove implements control.Tunnels.
func (t *tunnelRoom) Remove(ctx context.Context, name, who, reason string) error {
	if err := t.book.Remove(ctx, name, tunnels.By{Who: who, Reason: reason}); err != nil {
		return toldTunnel(err)
	}
	return t.refresh(ctx)
}

// Export implements control.Tunnels: new keys on both sides each time, because the
// device's private key is not kept here.
func (t *tunnelRoom) Export(ctx context.Context, name, public, who string) (control.TunnelFile, error) {
	var none control.TunnelFile
	_, hub, err := t.settings()
	if err != nil {
		return none, err
	}
	x, err := t.book.Get(ctx, name)
	if err != nil {
		return none, toldTunnel(err)
	}
	if !x.Standard {
		return none, tunnelRefusal(control.Conflict, "tunnel %s has Labwarden's own far end, which needs no file; --standard tunnels are for devices that speak WireGuard themselves", name)
	}
	p, err := t.peer(ctx, x)
	if err != nil {
		return none, err
	}
	ours, oursPublic, err := tunnel.NewKey()
	if err != nil {
		return none, toldTunnel(err)
	}
	var theirs []byte
	theirsPublic, err := base64.StdEncoding.DecodeString(public)
	if err != nil || public != "" && len(theirsPublic) != 32 {
		return none, tunnelRefusal(control.Invalid, "this is not a public key of WireGuard: wg pubkey shows it, 44 characters")
	}
	if public == "" {
		if theirs, theirsPublic, err = tunnel.NewKey(); err != nil {
			return none, toldTunnel(err)
		}
	}
	psk := make([]byte, 32)
	_, _ = rand.Read(psk) // never fails (crypto/rand)
	if err := t.book.Exported(ctx, name, x.Epoch+1, theirsPublic, tunnels.Secrets{Private: ours, PSK: psk}, tunnels.By{Who: who}); err != nil {
		return none, toldTunnel(err)
	}
	if err := t.refresh(ctx, name); err != nil {
		return none, err
	}
	text := base64.StdEncoding.EncodeToString
	var b strings.Builder
	fmt.Fprintf(&b, "# Tunnel %s to %s, made %s. A secret: whoever has it is the device.\n[Interface]\n", name, t.h.labName(), t.h.now().UTC().Format("2006-01-02 15:04 MST"))
	if theirs != nil {
		fmt.Fprintf(&b, "PrivateKey = %s\n", text(theirs))
	}
	fmt.Fprintf(&b, "Address = %s/32\nMTU = 1420\n\n[Peer]\nPublicKey = %s\nPresharedKey = %s\nAllowedIPs = %s/32\nEndpoint = %s\nPersistentKeepalive = 25\n",
		p.Keys.Far, text(oursPublic), text(psk), p.Keys.Hub, hub.Endpoint())
	return control.TunnelFile{Name: name, Config: b.String()}, nil
}

func (h *Hub) labName() string {
	if c := h.inForce(); c != nil {
		return c.Lab.Name
	}
	return "the laboratory"
}
