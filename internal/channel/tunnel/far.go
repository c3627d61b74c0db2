package tunnel

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.zx2c4.com/wireguard/conn"

	"github.com/labwarden/labwarden/internal/channel"
)

// FarState is what a far end keeps: its keys and what the hub last asked of it.
type FarState struct {
	Name        string        `json:"name"`
	Lab         string        `json:"lab"`
	Kind        Kind          `json:"kind"`
	Hub         string        `json:"hub"` // HOST:PORT
	Pin         string        `json:"hub_certificate"`
	Certificate []byte        `json:"certificate"`
	Key         []byte        `json:"key"`
	Keys        *Keys         `json:"wireguard,omitempty"`
	Endpoint    string        `json:"endpoint,omitempty"`
	Reach       []string      `json:"reach"`
	Offers      []Offer       `json:"offers"`
	Rotate      time.Duration `json:"rotate"`
	RenewedAt   time.Time     `json:"renewed_at"`
}

// Lines are what the hub asks this end to forward, each as it is confirmed.
func (s FarState) Lines() []string { return lines(s.Reach, s.Offers) }

func (s *FarState) take(p *policy) {
	s.Name, s.Lab, s.Kind, s.Rotate = p.Name, p.Lab, p.Kind, time.Duration(p.Rotate)*time.Second
	s.Reach, s.Offers = nil, nil
	for _, r := range p.Reach {
		if a, err := Line(r); err == nil {
			s.Reach = append(s.Reach, a)
		}
	}
	for _, o := range p.Offers {
		if a, err := Address(o.Listen); err == nil {
			s.Offers = append(s.Offers, Offer{Service: o.Service, Listen: a})
		}
	}
}

// FarDeps are a far end's inputs.
type FarDeps struct {
	// Save keeps a state before it is used. An error keeps the old one in force.
	Save func(FarState) error
	// Confirmed are the lines that a person at this end has agreed to; asked for
	// each stream, so that a change acts at once.
	Confirmed func() []string
	// Host is what the machine calls itself.
	Host string
	Now  func() time.Time
	Log  *slog.Logger
	// Retry is the first wait before connecting again, doubled up to 30 s; default 1 s.
	Retry time.Duration
}

// Join enrols this machine by a token and returns what Run needs. The hub's
// certificate is checked before the token is told.
func Join(ctx context.Context, t Token, d FarDeps) (FarState, error) {
	s := FarState{Hub: t.Hub, Pin: t.Pin}
	var err error
	if s.Certificate, s.Key, err = NewIdentity("labwarden tunnel "+d.Host, d.Now()); err != nil {
		return s, err
	}
	in := hello{Do: "enrol", Token: t.Once, Host: d.Host}
	private, public, err := NewKey()
	if err != nil && !errors.Is(err, ErrFIPS) { // then the hub must want TLS
		return s, err
	}
	in.Public = public
	c, err := s.connect(ctx, d)
	if err != nil {
		return s, err
	}
	defer c.Close()
	w, err := exchange(c, in)
	if err != nil {
		return s, err
	}
	if err := s.agreed(w, private, public, c.ConnectionState()); err != nil {
		return s, err
	}
	s.RenewedAt = d.Now().UTC()
	return s, nil
}

func exchange(c net.Conn, in hello) (welcome, error) {
	var w welcome
	var err error
	within(c, func() error {
		if err = put(c, in); err == nil {
			err = get(c, &w)
		}
		return err
	})
	if err != nil {
		return w, fmt.Errorf("talk to the hub: %w", err)
	}
	if w.No != "" {
		return w, &Refusal{w.No}
	}
	if w.Policy == nil {
		return w, errors.New("talk to the hub: its answer is not whole")
	}
	return w, nil
}

// agreed takes the hub's half.
func (s *FarState) agreed(w welcome, private, public []byte, state tls.ConnectionState) error {
	s.take(w.Policy)
	if s.Kind != Wireguard {
		return nil
	}
	if w.Wire == nil || private == nil {
		return ErrFIPS
	}
	psk, err := preshared(state, w.Wire.Public, public, w.Wire.Epoch)
	if err != nil {
		return err
	}
	hub, err1 := netip.ParseAddr(w.Wire.Hub)
	far, err2 := netip.ParseAddr(w.Wire.Far)
	if err := errors.Join(err1, err2); err != nil {
		return fmt.Errorf("read the hub's answer: %w", err)
	}
	s.Keys = &Keys{Private: private, Public: w.Wire.Public, PSK: psk, Hub: hub, Far: far, Epoch: w.Wire.Epoch}
	s.Endpoint = w.Wire.At
	return nil
}

func (s FarState) connect(ctx context.Context, d FarDeps) (*tls.Conn, error) {
	id, err := ReadIdentity(s.Certificate, s.Key)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, greeting)
	defer cancel()
	raw, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Hub)
	if err != nil {
		return nil, fmt.Errorf("connect to the hub at %s: %w", s.Hub, err)
	}
	c := tls.Client(raw, clientConfig(id, s.Pin, d.Now))
	if err := c.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, fmt.Errorf("connect to the hub at %s: %w", s.Hub, err)
	}
	return c, nil
}

// Far is a far end that runs.
type Far struct {
	d        FarDeps
	renewing sync.Mutex // one renewal at a time

	mu     sync.Mutex
	s      FarState
	wg     *wg
	link   *link
	opened map[string]net.Listener // by line
	ctx    context.Context         // of Run
	up     bool
	wired  time.Time // when the last handshake was begun by us, by the clock that does not jump
	shakes sync.Mutex
}

// NewFar makes one; Run runs it.
func NewFar(s FarState, d FarDeps) *Far {
	if d.Retry <= 0 {
		d.Retry = time.Second
	}
	return &Far{d: d, s: s, opened: map[string]net.Listener{}}
}

// ErrRemoved: the hub has removed this tunnel.
var ErrRemoved = errors.New("the laboratory has removed this tunnel; delete its folder here, and join again with a new token if it was a mistake")

// State is what it knows now, and whether its link stands.
func (f *Far) State() (FarState, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.s, f.up
}

// Run keeps the link and forwards until ctx ends or the hub removes the tunnel
// (ErrRemoved).
func (f *Far) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	f.mu.Lock()
	f.ctx = ctx
	f.mu.Unlock()
	defer f.close()
	if err := f.wire(); err != nil {
		return err
	}
	wait := f.d.Retry
	for {
		began := f.d.Now()
		err := f.control(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrRemoved):
			return err
		case err != nil:
			f.d.Log.Warn("the hub is not reached; it is tried again", "error", err)
		}
		if f.d.Now().Sub(began) > time.Minute || err == nil {
			wait = f.d.Retry
		}
		t := time.NewTimer(wait/2 + rand.N(wait)) //nolint:gosec // spreads reconnections, no secret
		select {
		case <-ctx.Done():
			t.Stop()
			return nil
		case <-t.C:
		}
		wait = min(2*wait, 30*time.Second)
	}
}

func (f *Far) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for line, ln := range f.opened {
		ln.Close()
		delete(f.opened, line)
	}
	if f.wg != nil {
		f.wg.close()
		f.wg = nil
	}
}

// wire starts WireGuard, or gives it the keys of the state.
func (f *Far) wire() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.s
	if s.Kind != Wireguard || f.ctx.Err() != nil {
		return nil
	}
	f.wired = time.Now()
	ctx, cancel := context.WithTimeout(f.ctx, greeting)
	defer cancel()
	at, err := resolve(ctx, s.Endpoint)
	if err != nil {
		return err
	}
	if f.wg != nil {
		return f.wg.set(*s.Keys, []netip.Addr{s.Keys.Hub}, at)
	}
	if f.wg, err = startWG(*s.Keys, s.Keys.Far, []netip.Addr{s.Keys.Hub}, at, conn.NewStdNetBind(), f.d.Log); err != nil {
		return err
	}
	ln, err := f.wg.tun.listen(netip.AddrPortFrom(s.Keys.Far, farPort))
	if err != nil {
		return err
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go f.forward(c)
		}
	}()
	return nil
}

// patience is how long a handshake of WireGuard may take: it is tried again after
// 5 s by itself (whitepaper 6.4).
const patience = 6 * time.Second

// shake begins a session anew that the hub does not have, unless one is being
// begun: two at once would be taken for a flood, and dropped.
func (f *Far) shake(ctx context.Context) {
	if !f.shakes.TryLock() {
		return
	}
	defer f.shakes.Unlock()
	asked := f.d.Now()
	f.mu.Lock()
	wait := patience - time.Since(f.wired)
	f.mu.Unlock()
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		select {
		case <-t.C:
		case <-ctx.Done():
			return
		}
		f.mu.Lock()
		w := f.wg
		f.mu.Unlock()
		if w == nil {
			return
		}
		if last, _ := w.seen(); last.After(asked) {
			return
		}
	}
	if err := f.wire(); err != nil {
		f.d.Log.Warn("a session with the hub could not be begun anew", "error", err)
	}
}

// resolve finds the address behind a name; WireGuard itself takes addresses only.
func resolve(ctx context.Context, at string) (string, error) {
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		return "", fmt.Errorf("read the hub's address: %w", err)
	}
	ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil || len(ips) == 0 {
		return "", fmt.Errorf("find the hub at %s: %w", host, err)
	}
	return net.JoinHostPort(ips[0].Unmap().String(), port), nil
}

// control keeps one link until it ends.
func (f *Far) control(ctx context.Context) error {
	s, _ := f.State()
	c, err := s.connect(ctx, f.d)
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	defer stop()
	defer c.Close()
	in := hello{Do: "control"}
	if s.Keys != nil {
		in.Epoch = s.Keys.Epoch
	}
	w, err := exchange(c, in)
	if err != nil {
		return err
	}
	l := &link{c: c}
	f.mu.Lock()
	f.link, f.up = l, true
	f.mu.Unlock()
	defer func() {
		f.mu.Lock()
		f.link, f.up = nil, false
		f.mu.Unlock()
	}()
	if err := f.obey(w.Policy); err != nil {
		return err
	}
	if w.Shake {
		go f.shake(ctx)
	}
	f.d.Log.Info("connected to the hub", "tunnel", s.Name, "hub", s.Hub)
	ended := make(chan struct{})
	defer close(ended)
	go f.keep(l, ended)
	for {
		var w word
		_ = c.SetReadDeadline(time.Now().Add(pingLost)) // fails with the read
		if err := get(c, &w); err != nil {
			return err
		}
		if w.Shake {
			go f.shake(ctx)
		}
		switch {
		case w.Removed:
			return ErrRemoved
		case w.Policy != nil:
			if err := f.obey(w.Policy); err != nil {
				return err
			}
		case w.Open != "":
			go f.called(ctx, w.Open)
		case w.Rekey:
			go f.renewLogged(ctx)
		}
	}
}

// keep answers on the link at an interval, tells what is confirmed, and renews
// the keys when their time has come.
func (f *Far) keep(l *link, ended chan struct{}) {
	t := time.NewTicker(pingEvery / 3)
	defer t.Stop()
	for {
		f.openDoors() // what was confirmed in the meantime
		s, _ := f.State()
		l.say(word{Told: true, Confirm: Confirmed(s, f.d.Confirmed())})
		if s.Rotate > 0 && f.d.Now().Sub(s.RenewedAt) >= s.Rotate {
			f.renewLogged(f.ctx)
		}
		select {
		case <-t.C:
		case <-ended:
			return
		}
	}
}

// Confirmed are the lines that pass: asked by the hub and agreed to here.
func Confirmed(s FarState, agreed []string) []string {
	out := []string{}
	for _, x := range s.Lines() {
		if slices.Contains(agreed, x) {
			out = append(out, x)
		}
	}
	return out
}

func (f *Far) obey(p *policy) error {
	f.mu.Lock()
	s := f.s
	s.take(p)
	if err := f.d.Save(s); err != nil {
		f.mu.Unlock()
		return fmt.Errorf("keep what the hub asks: %w", err)
	}
	f.s = s
	f.mu.Unlock()
	f.openDoors()
	return nil
}

// fingerprintOf is how the hub will know a certificate.
func fingerprintOf(certificate, key []byte) (string, error) {
	id, err := ReadIdentity(certificate, key)
	if err != nil {
		return "", err
	}
	return channel.Fingerprint(id.Leaf), nil
}
