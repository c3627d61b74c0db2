package tunnel

import (
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// fresh is how old a handshake may be at most while a session counts (whitepaper
// 6.1: a session is renewed after 120 s and refused after 180).
const fresh = 180 * time.Second

// State says in one word how a tunnel is.
type State string

// The states. Nothing is up that was not seen to be.
const (
	Waiting State = "waiting" // nobody has joined
	Up      State = "up"
	Partly  State = "partly" // the link is there, WireGuard's packets are not
	Down    State = "down"
)

// Status is how a tunnel is now.
type Status struct {
	Name  string    `json:"name"`
	Kind  Kind      `json:"kind"`
	State State     `json:"state"`
	Words string    `json:"words"`
	Since time.Time `json:"since"`
	// Handshake is WireGuard's last, for TLS when the far end was last heard.
	Handshake time.Time `json:"last_handshake,omitzero"`
	In        int64     `json:"bytes_in"` // since the hub started
	Out       int64     `json:"bytes_out"`
	InRate    int64     `json:"bytes_in_per_second"` // over the last minute
	OutRate   int64     `json:"bytes_out_per_second"`
	Streams   int       `json:"connections"`
	From      string    `json:"from,omitempty"`
	// Secured names what the link of the far end negotiated while it is there.
	Secured string `json:"secured,omitempty"`
	Epoch   int64  `json:"key_number,omitempty"`
	// Confirmed is what the far end says that it forwards; Missing is on the hub's
	// list only, and does not pass.
	Confirmed []string `json:"confirmed,omitempty"`
	Missing   []string `json:"not_confirmed,omitempty"`
}

// Status tells how a tunnel is; false where there is none of this name.
func (h *Hub) Status(name string) (Status, bool) {
	p := h.peer(name)
	if p == nil {
		return Status{}, false
	}
	now := h.cfg.Now()
	in, out, inRate, outRate := p.m.read()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := Status{Name: name, Kind: p.is.Kind, In: in, Out: out, InRate: inRate, OutRate: outRate, Streams: len(p.streams)}
	linked := p.link != nil
	if linked {
		s.From, s.Secured = p.link.c.RemoteAddr().String(), channel.Secured(p.link.c.ConnectionState())
	}
	if !p.is.Standard {
		s.Handshake = p.last
	}
	if p.wg != nil {
		var at string
		s.Handshake, at = p.wg.seen()
		if at != "" {
			s.From = at
		}
		s.Epoch = p.is.Keys.Epoch
	}
	alive := !s.Handshake.IsZero() && now.Sub(s.Handshake) <= fresh
	s.State, s.Words = p.judge(linked, alive, s.Handshake)
	if p.state != s.State {
		p.state, p.since = s.State, now
	}
	s.Since = p.since
	if p.heard {
		s.Confirmed = p.told
		for _, x := range lines(p.is.Reach, p.is.Offers) {
			if !contains(p.told, x) {
				s.Missing = append(s.Missing, x)
			}
		}
	}
	return s, true
}

// judge says the state and why; under p.mu.
func (p *peer) judge(linked, alive bool, last time.Time) (State, string) {
	ago := "never"
	if !last.IsZero() {
		ago = last.UTC().Format("2006-01-02 15:04:05 MST")
	}
	switch {
	case !p.is.joined():
		return Waiting, "Nobody has joined yet: give the token to the far side."
	case p.is.Standard && alive:
		return Up, "Up: the device and the hub have shaken hands."
	case p.is.Standard:
		return Down, fmt.Sprintf("Not seen to be up: last handshake %s. A device without keepalive is silent while nothing is sent.", ago)
	case p.is.Kind == TLS && linked:
		return Up, "Up: the far end is connected."
	case p.is.Kind == TLS:
		return Down, fmt.Sprintf("Down: the far end is not connected; last heard %s. It comes back by itself when it runs and reaches the hub.", ago)
	case linked && alive:
		return Up, "Up: link and WireGuard."
	case alive:
		return Up, "Up; the link that renews the keys is down and comes back by itself."
	case linked:
		return Partly, fmt.Sprintf("Half up: the far end is connected, but no WireGuard packet gets through (last handshake %s). UDP port %d of the hub is probably closed on the way.", ago, p.h.UDPPort())
	}
	return Down, fmt.Sprintf("Down: the far end is not connected; last handshake %s. It comes back by itself when it runs and reaches the hub.", ago)
}

// lines are the rules of a tunnel in one spelling, for confirmation and for
// people: what the hub reaches, and what the far end opens to the hub's doors.
func lines(reach []string, offers []Offer) []string {
	out := append([]string{}, reach...)
	for _, o := range offers {
		out = append(out, o.line())
	}
	return out
}

func (o Offer) line() string { return o.Listen + " -> " + o.Service }

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
