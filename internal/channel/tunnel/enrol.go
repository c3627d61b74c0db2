package tunnel

import (
	"context"
	"crypto/fips140"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net"
	"strconv"
	"strings"
)

// enrol lets a far end join by its one-time token.
func (h *Hub) enrol(ctx context.Context, in hello, pin string, state tls.ConnectionState) welcome {
	token := sha256.Sum256(in.Token)
	p, err := h.cfg.Book.Invited(ctx, token)
	if err != nil {
		h.cfg.Log.Warn("somebody tried to join a tunnel and was refused", "why", err)
		return welcome{No: err.Error()}
	}
	p.Pins = []string{pin}
	var w *wire
	if p.Kind == Wireguard && fips140.Enabled() {
		return welcome{No: ErrFIPS.Error()}
	}
	if p.Kind == Wireguard {
		k, err := agree(*p.Keys, in.Public, p.Keys.Epoch+1, state)
		if err != nil {
			return welcome{No: err.Error()}
		}
		p.Keys = &k
		if w, err = h.wire(k); err != nil {
			return welcome{No: err.Error()}
		}
	}
	// The token is used up here, in one transaction: of two who try with the same
	// one, one gets in.
	if err := h.cfg.Book.Joined(ctx, token, p, host(in.Host)); err != nil {
		h.cfg.Log.Warn("somebody tried to join a tunnel and was refused", "tunnel", p.Name, "why", err)
		return welcome{No: err.Error()}
	}
	h.mu.Lock()
	run := h.peers[p.Name]
	h.mu.Unlock()
	if run != nil {
		run.mu.Lock()
		run.is.Pins, run.is.Keys = p.Pins, p.Keys
		err = run.start()
		run.mu.Unlock()
		if err != nil {
			h.cfg.Log.Error("a tunnel that was joined does not start", "tunnel", p.Name, "error", err)
		}
	}
	h.cfg.Log.Info("a far end has joined", "tunnel", p.Name, "certificate", pin)
	return welcome{Policy: p.policy(h.cfg.Lab), Wire: w}
}

// host keeps what a machine calls itself to what a person can read.
func host(s string) string {
	s = strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '.' || r == '_' {
			return r
		}
		return -1
	}, s)
	return s[:min(len(s), 64)]
}

// agree makes our half of a new pair of keys and the preshared key with it.
func agree(k Keys, far []byte, epoch int64, state tls.ConnectionState) (Keys, error) {
	if _, err := key32(far); err != nil {
		return k, err
	}
	private, public, err := NewKey()
	if err != nil {
		return k, err
	}
	psk, err := preshared(state, public, far, epoch)
	if err != nil {
		return k, err
	}
	k.Private, k.Public, k.PSK, k.Epoch = private, far, psk, epoch
	return k, nil
}

func (h *Hub) wire(k Keys) (*wire, error) {
	public, err := PublicOf(k.Private)
	if err != nil {
		return nil, err
	}
	return &wire{Public: public, Hub: k.Hub.String(), Far: k.Far.String(), At: h.Endpoint(), Epoch: k.Epoch}, nil
}

// Endpoint is where WireGuard's packets come in, as others are told.
func (h *Hub) Endpoint() string {
	host, port, err := net.SplitHostPort(h.cfg.Endpoint)
	if err != nil || port != "0" {
		return h.cfg.Endpoint
	}
	return net.JoinHostPort(host, strconv.Itoa(int(h.UDPPort())))
}

// renew makes new keys with a far end that is known: on both sides, and of the
// certificate by which it is known too.
func (p *peer) renew(ctx context.Context, in hello, pin string, state tls.ConnectionState) welcome {
	p.renewing.Lock()
	defer p.renewing.Unlock()
	p.mu.Lock()
	is, cut := p.is, p.cut
	p.mu.Unlock()
	if cut || len(in.Next) != 64 {
		return welcome{No: "the hub cannot renew these keys"}
	}
	pins := []string{pin, in.Next}
	var k *Keys
	var w *wire
	if is.Kind == Wireguard {
		next, err := agree(*is.Keys, in.Public, is.Keys.Epoch+1, state)
		if err != nil {
			return welcome{No: err.Error()}
		}
		k = &next
		if w, err = p.h.wire(next); err != nil {
			return welcome{No: err.Error()}
		}
	}
	if err := p.h.cfg.Book.Renewed(ctx, is.Name, k, pins); err != nil {
		p.log.Error("new keys of a tunnel could not be stored; the old ones stay", "tunnel", is.Name, "error", err)
		return welcome{No: "the hub could not store the new keys; the old ones stay"}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.is.Pins = pins
	if k != nil {
		p.is.Keys = k
		if err := p.switchKeys(*k); err != nil {
			p.log.Error("new keys of a tunnel could not be put in force", "tunnel", is.Name, "error", err)
			return welcome{No: fmt.Sprint(err)}
		}
	}
	p.log.Info("the keys of a tunnel are new", "tunnel", is.Name)
	return welcome{Policy: p.is.policy(p.h.cfg.Lab), Wire: w}
}

// switchKeys: the far end does the same as soon as it has the answer, and begins
// the handshake; what is sent meanwhile waits or is sent again by TCP. Under p.mu.
func (p *peer) switchKeys(k Keys) error {
	if p.wg == nil {
		return p.start()
	}
	public, err := PublicOf(k.Private)
	if err != nil {
		return err
	}
	if err := p.line.renew(public); err != nil {
		return err
	}
	return p.wg.set(k, p.is.allowed(), "")
}

// Rekey asks the far end to renew the keys now.
func (h *Hub) Rekey(name string) error {
	p := h.peer(name)
	if p == nil {
		return fmt.Errorf("tunnel %s: %w", name, ErrNoTunnel)
	}
	p.mu.Lock()
	l := p.link
	p.mu.Unlock()
	if l == nil {
		return fmt.Errorf("tunnel %s: %w: the far end must be connected to renew its keys", name, ErrDown)
	}
	l.say(word{Rekey: true})
	return nil
}
