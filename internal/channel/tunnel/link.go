package tunnel

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

const (
	pingEvery = 15 * time.Second
	pingLost  = 3 * pingEvery
)

// link is the standing TLS connection of a far end.
type link struct {
	c  *tls.Conn
	mu sync.Mutex
}

// say sends a word; who cannot be told is gone, which the reading notices.
func (l *link) say(w word) {
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.c.SetWriteDeadline(time.Now().Add(greeting))
	if err := put(l.c, w); err != nil {
		l.c.Close()
	}
}

// conn serves one connection of a far end. left is called when it is no stranger
// any more.
func (h *Hub) conn(ctx context.Context, c *tls.Conn, left func()) {
	stop := context.AfterFunc(ctx, func() { c.Close() })
	kept := false
	defer func() {
		if !kept {
			stop()
			c.Close()
		}
	}()
	var in hello
	if !within(c, func() error {
		if err := c.HandshakeContext(ctx); err != nil {
			return err
		}
		return get(c, &in)
	}) {
		return
	}
	state := c.ConnectionState()
	pin := channel.Fingerprint(state.PeerCertificates[0])
	if in.Do == "enrol" {
		answer := h.enrol(ctx, in, pin, state)
		within(c, func() error { return put(c, answer) })
		return
	}
	p := h.pinned(pin)
	if p == nil {
		h.cfg.Log.Warn("a far end that no tunnel knows was turned away", "address", c.RemoteAddr().String(), "certificate", pin)
		within(c, func() error {
			return put(c, welcome{No: "the hub knows no tunnel with this far end's certificate: it was removed, or never joined"})
		})
		return
	}
	left()
	switch in.Do {
	case "control":
		if within(c, func() error { return put(c, welcome{Policy: p.policy(), Shake: p.silent()}) }) {
			p.control(ctx, &link{c: c}, in, pin)
		}
	case "rekey":
		answer := p.renew(ctx, in, pin, state)
		within(c, func() error { return put(c, answer) })
	case "stream":
		// The stream's end is up to who takes it; a hub that stops cuts its tunnels.
		kept = true
		stop()
		if in.Answer == "" {
			p.arrive(c, in.To)
		} else if !p.answer(in.Answer, c) {
			c.Close()
		}
	}
}

func (p *peer) policy() *policy {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.is.policy(p.h.cfg.Lab)
}

// silent: there is no WireGuard session, as after a restart of the hub. The hub
// does not know where the far end is, which by itself would begin one anew after
// minutes only.
func (p *peer) silent() bool {
	p.mu.Lock()
	w := p.wg
	p.mu.Unlock()
	if w == nil {
		return false
	}
	last, _ := w.seen()
	return p.h.cfg.Now().Sub(last) > fresh
}

func (h *Hub) pinned(pin string) *peer {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.peers {
		p.mu.Lock()
		ok := slices.Contains(p.is.Pins, pin)
		p.mu.Unlock()
		if ok {
			return p
		}
	}
	return nil
}

// control serves the link until it ends.
func (p *peer) control(ctx context.Context, l *link, in hello, pin string) {
	p.mu.Lock()
	if p.cut {
		p.mu.Unlock()
		return
	}
	old := p.link
	p.link, p.last = l, p.h.cfg.Now()
	pins, settled := p.is.Pins, len(p.is.Pins) == 1
	behind := p.is.Kind == Wireguard && p.is.Keys != nil && in.Epoch != p.is.Keys.Epoch
	p.mu.Unlock()
	if old != nil {
		old.c.Close()
	}
	// Once the newest certificate is in use the one before it counts no more.
	if !settled && pin == pins[len(pins)-1] {
		if err := p.h.cfg.Book.Renewed(ctx, p.is.Name, nil, []string{pin}); err != nil {
			p.log.Error("that a far end uses its new certificate could not be stored", "tunnel", p.is.Name, "error", err)
		} else {
			p.mu.Lock()
			p.is.Pins = []string{pin}
			p.mu.Unlock()
		}
	}
	p.log.Info("a far end has connected", "tunnel", p.is.Name, "address", l.c.RemoteAddr().String())
	if behind { // the last renewal did not reach it whole
		l.say(word{Rekey: true})
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		t := time.NewTicker(pingEvery)
		defer t.Stop()
		for {
			select {
			case <-t.C:
				l.say(word{Ping: true, Shake: p.silent()})
			case <-done:
				return
			}
		}
	}()
	for {
		var w word
		_ = l.c.SetReadDeadline(time.Now().Add(pingLost)) // fails with the read
		if err := get(l.c, &w); err != nil {
			break
		}
		p.mu.Lock()
		p.last = p.h.cfg.Now()
		if w.Told {
			p.told, p.heard = w.Confirm, true
		}
		p.mu.Unlock()
	}
	p.mu.Lock()
	mine := p.link == l
	if mine {
		p.link = nil
	}
	p.mu.Unlock()
	if mine {
		p.log.Warn("the link of a far end has ended; it comes back by itself", "tunnel", p.is.Name)
	}
}

// ask has the far end open a stream of its own for us.
func (p *peer) ask(ctx context.Context) (net.Conn, error) {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	id, back := hex.EncodeToString(b[:]), make(chan net.Conn, 1)
	p.mu.Lock()
	l := p.link
	if l != nil {
		p.asked[id] = back
	}
	p.mu.Unlock()
	if l == nil {
		return nil, ErrDown
	}
	defer func() {
		p.mu.Lock()
		delete(p.asked, id)
		p.mu.Unlock()
		select {
		case c := <-back: // it came when nobody waited any more
			c.Close()
		default:
		}
	}()
	l.say(word{Open: id})
	timer := time.NewTimer(greeting)
	defer timer.Stop()
	select {
	case c := <-back:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-timer.C:
		return nil, fmt.Errorf("%w: its far end opens no connection", ErrDown)
	}
}

func (p *peer) answer(id string, c net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	back, ok := p.asked[id]
	if !ok {
		return false
	}
	delete(p.asked, id)
	back <- c
	return true
}
