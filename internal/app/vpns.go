package app

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/config"
)

const (
	vpnLook  = time.Second // how often it is looked whose turn it is
	vpnLimit = 5 * time.Second
)

// vpnRoom watches the VPNs that partners keep: whether the far side is reached
// through each. It says nothing of one it has not tried.
type vpnRoom struct {
	h    *Hub
	dial func(ctx context.Context, network, addr string) (net.Conn, error)

	mu   sync.Mutex
	seen map[string]vpnSeen
}

type vpnSeen struct {
	check     config.Address
	at, since time.Time
	up        bool
	why       string
	fails     int
}

func (v *vpnRoom) run(ctx context.Context) error {
	tick := time.NewTicker(vpnLook)
	defer tick.Stop()
	for {
		if c := v.h.inForce(); c != nil {
			v.look(ctx, c)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look tries those whose time has come, all at once.
func (v *vpnRoom) look(ctx context.Context, c *config.Config) {
	var wg sync.WaitGroup
	v.mu.Lock()
	for name := range v.seen {
		if x, ok := c.VPNs[name]; !ok || x.Check != v.seen[name].check {
			delete(v.seen, name)
		}
	}
	due := map[string]config.VPN{}
	for name, x := range c.VPNs {
		if v.h.now().Sub(v.seen[name].at) >= x.Every.Std() {
			due[name] = x
		}
	}
	v.mu.Unlock()
	for name, x := range due {
		wg.Go(func() {
			err := v.try(ctx, string(x.Check))
			if ctx.Err() == nil {
				v.note(name, x.Check, err)
			}
		})
	}
	wg.Wait()
}

func (v *vpnRoom) try(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, vpnLimit)
	defer cancel()
	c, err := v.dial(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return c.Close()
}

func (v *vpnRoom) note(name string, check config.Address, err error) {
	now := v.h.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.seen[name]
	up := err == nil
	if s.at.IsZero() || s.up != up {
		s.since = now
	}
	s.check, s.at, s.up, s.why = check, now, up, ""
	if s.fails++; up {
		s.fails = 0
	} else {
		s.why = err.Error()
	}
	v.seen[name] = s
}

// tell says how each is.
func (v *vpnRoom) tell(c *config.Config) []control.VPN {
	out := []control.VPN{}
	if c == nil {
		return out
	}
	now := v.h.now()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, name := range sorted(c.VPNs) {
		x, s := c.VPNs[name], v.seen[name]
		t := control.VPN{Name: name, Peer: x.Peer, Checked: string(x.Check), Owner: x.Owner, Expires: string(x.Expires), Cipher: "not known", State: "not known"}
		if x.Cipher != "" {
			t.Cipher = fmt.Sprintf("%s (as told by %s on %s)", x.Cipher, x.ToldBy, x.ToldOn)
		}
		switch {
		case s.at.IsZero() || s.check != x.Check:
			t.Words = "Not tried yet."
		case now.Sub(s.at) > 3*x.Every.Std()+vpnLimit:
			t.At, t.Words = s.at, "Not tried since "+when(s.at)+", so nothing is known of it."
		case s.up:
			t.State, t.At, t.Since = "up", s.at, s.since
			t.Words = fmt.Sprintf("%s was reached through it at %s.", x.Check, when(s.at))
		default:
			t.State, t.At, t.Since = "down", s.at, s.since
			t.Words = fmt.Sprintf("%s was not reached through it at %s (%s).", x.Check, when(s.at), s.why)
		}
		out = append(out, t)
	}
	return out
}

// fails is how often in a row it was not reached.
func (v *vpnRoom) fails(name string) int {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.seen[name].fails
}

// VPNs implements control.Tunnels.
func (t *tunnelRoom) VPNs() []control.VPN { return t.h.rooms.vpns.tell(t.h.inForce()) }
