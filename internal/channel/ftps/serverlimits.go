package ftps

import (
	"fmt"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits bounds what clients can cost. A zero field takes its default.
type Limits struct {
	// Connections in all (default 512) and per address (default 64).
	Conns, ConnsPerAddr int
	// Connections that have not signed in, in all (default a quarter of Conns) and
	// per address (default 16): who cannot sign in does not keep partners out.
	Unsigned, UnsignedPerAddr int
	// SessionsPerPartner that are signed in at once; default 16.
	SessionsPerPartner int
	// Handshake bounds a TLS handshake; default 10 s.
	Handshake time.Duration
	// SignIn is the time from connecting to being signed in; default 60 s.
	SignIn time.Duration
	// Attempts to sign in on one connection; default 3.
	Attempts int
	// Idle is how long a session may be silent between commands; default 5 min.
	Idle time.Duration
	// Session is the longest a control connection lives (a transfer may end
	// first); default 24 h. Its ticket key lives as long. Never over six days,
	// after which TLS itself would refuse to resume.
	Session time.Duration
	// Line is the longest command in bytes; default 4608, which holds a path of
	// 4096.
	Line int
	// Reply is how long a reply may take to leave; default 30 s.
	Reply time.Duration
	// Connect is how long a passive port waits for its client; default 15 s.
	Connect time.Duration
	// Stall is how long a transfer may move nothing; default 60 s.
	Stall time.Duration
	// MinSpeed in bytes a second, over a minute of waiting for the client; default
	// 256. Time that the box takes is not the client's.
	MinSpeed int
	// Drain is how long Serve waits for transfers when told to stop; default 8 s.
	Drain time.Duration
}

func orDefault[T int | time.Duration](v *T, d T) {
	if *v <= 0 {
		*v = d
	}
}

func (l Limits) withDefaults() Limits {
	orDefault(&l.Conns, 512)
	orDefault(&l.ConnsPerAddr, 64)
	orDefault(&l.Unsigned, max(1, l.Conns/4))
	orDefault(&l.UnsignedPerAddr, 16)
	orDefault(&l.SessionsPerPartner, 16)
	orDefault(&l.Handshake, 10*time.Second)
	orDefault(&l.SignIn, time.Minute)
	orDefault(&l.Attempts, 3)
	orDefault(&l.Idle, 5*time.Minute)
	orDefault(&l.Session, 24*time.Hour)
	l.Session = min(l.Session, 6*24*time.Hour)
	orDefault(&l.Line, 4608)
	orDefault(&l.Reply, 30*time.Second)
	orDefault(&l.Connect, 15*time.Second)
	orDefault(&l.Stall, time.Minute)
	orDefault(&l.MinSpeed, 256)
	orDefault(&l.Drain, 8*time.Second)
	return l
}

// census counts who is connected.
type census struct {
	mu       sync.Mutex
	all      int
	unsigned int
	addrs    map[netip.Addr]*heads
	partners map[string]int
}

type heads struct{ all, unsigned int }

// enter counts a new connection, or says why it must go.
func (c *census) enter(a netip.Addr, l Limits) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.addrs == nil {
		c.addrs, c.partners = map[netip.Addr]*heads{}, map[string]int{}
	}
	h := c.addrs[a]
	switch {
	case c.all >= l.Conns || c.unsigned >= l.Unsigned:
		return "Too many connections; try again in a minute."
	case h != nil && (h.all >= l.ConnsPerAddr || h.unsigned >= l.UnsignedPerAddr):
		return "Too many connections from your address; close some and try again."
	}
	if h == nil {
		h = &heads{}
		c.addrs[a] = h
	}
	c.all++
	c.unsigned++
	h.all++
	h.unsigned++
	return ""
}

// signed moves a connection to those that are signed in; false when the partner
// has too many already.
func (c *census) signed(a netip.Addr, partner string, l Limits) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.partners[partner] >= l.SessionsPerPartner {
		return false
	}
	c.partners[partner]++
	c.unsigned--
	c.addrs[a].unsigned--
	return true
}

// leave uncounts a connection that was not signed in.
func (c *census) leave(a netip.Addr, unsigned bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h := c.addrs[a]
	c.all--
	h.all--
	if unsigned {
		c.unsigned--
		h.unsigned--
	}
	if h.all == 0 {
		delete(c.addrs, a)
	}
}

// signedOut uncounts one of a partner's sessions.
func (c *census) signedOut(partner string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.partners[partner]--; c.partners[partner] <= 0 {
		delete(c.partners, partner)
	}
}

// addrOf is the address without port, an IPv4 one in its own form. What is no
// internet address (a pipe in a test) is the zero address.
func addrOf(a net.Addr) netip.Addr {
	ap, err := netip.ParseAddrPort(a.String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// Passive is where data connections are waited for.
type Passive struct {
	// First and Last bound the ports, both included; a firewall has to let them in.
	// Both zero leaves the choice to the system.
	First, Last uint16
	// Host is the IPv4 address that PASV names, where the server stands behind
	// address translation; the zero value names the address the client came to.
	// EPSV needs none.
	Host netip.Addr
	// PerPartner and PerAddr are how many ports wait for one partner and one
	// address at once; zero takes a quarter and half of the range, two at least.
	PerPartner, PerAddr int
}

func (p Passive) check() error {
	switch {
	case (p.First == 0) != (p.Last == 0) || p.Last < p.First:
		return fmt.Errorf("passive ports %d to %d are no range", p.First, p.Last)
	case p.Host.IsValid() && !p.Host.Unmap().Is4():
		return fmt.Errorf("passive host %s is no IPv4 address; EPSV serves IPv6 without one", p.Host)
	}
	return nil
}

func (p Passive) size() int {
	if p.First == 0 {
		return 1024
	}
	return int(p.Last) - int(p.First) + 1
}
