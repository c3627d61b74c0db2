package ftps

import (
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// ports knows which passive ports wait for whom.
type ports struct {
	mu       sync.Mutex
	used     map[uint16]bool
	partners map[string]int
	addrs    map[netip.Addr]int
}

var errNoPort = errors.New("no passive port is free")

// take listens on a free port for one partner's client. release gives it back.
func (s *Server) take(local, from netip.Addr, partner string) (ln *net.TCPListener, release func(), err error) {
	p := &s.ports
	size := s.Passive.size()
	perPartner, perAddr := s.Passive.PerPartner, s.Passive.PerAddr
	orDefault(&perPartner, max(2, size/4))
	orDefault(&perAddr, max(2, size/2))
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.used == nil {
		p.used, p.partners, p.addrs = map[uint16]bool{}, map[string]int{}, map[netip.Addr]int{}
	}
	if p.partners[partner] >= perPartner || p.addrs[from] >= perAddr {
		return nil, nil, errNoPort
	}
	port, ln, err := s.listenFree(local, size)
	if err != nil {
		return nil, nil, err
	}
	p.used[port] = true
	p.partners[partner]++
	p.addrs[from]++
	return ln, sync.OnceFunc(func() {
		ln.Close()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.used, port)
		if p.partners[partner]--; p.partners[partner] == 0 {
			delete(p.partners, partner)
		}
		if p.addrs[from]--; p.addrs[from] == 0 {
			delete(p.addrs, from)
		}
	}), nil
}

// listenFree tries the range from a random port on, so that the next one cannot be
// guessed (RFC 2577 8). The caller holds ports.mu.
func (s *Server) listenFree(local netip.Addr, size int) (uint16, *net.TCPListener, error) {
	if s.Passive.First == 0 {
		ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, 0)))
		if err != nil {
			return 0, nil, fmt.Errorf("listen for data: %w", err)
		}
		return uint16(ln.Addr().(*net.TCPAddr).Port), ln, nil
	}
	var seed [4]byte
	if _, err := io.ReadFull(s.Rand, seed[:]); err != nil {
		return 0, nil, fmt.Errorf("choose passive port: %w", err)
	}
	start := int(binary.BigEndian.Uint32(seed[:]) % uint32(size))
	last := errNoPort
	for i := range size {
		port := s.Passive.First + uint16((start+i)%size)
		if s.ports.used[port] {
			continue
		}
		ln, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(local, port)))
		if err == nil {
			return port, ln, nil
		}
		last = err
	}
	return 0, nil, fmt.Errorf("listen for data: %w", last)
}

// doorway is a passive port that waits for one data connection.
type doorway struct {
	got     chan *knock // closed when nobody came
	release func()
	port    uint16
}

// knock is a data connection that came, and shakes hands.
type knock struct {
	raw    net.Conn
	net    *paced
	tls    *tls.Conn
	shaken chan error
}

// await opens a doorway. It is shut by the first connection from the client's own
// address, by time, and by close. The handshake begins at once: some clients begin
// it when they have connected, some when they have read 150.
func (s *session) await() (*doorway, error) {
	local := addrOf(s.raw.LocalAddr())
	ln, release, err := s.srv.take(local, s.addr, s.box.Partner())
	if err != nil {
		return nil, err
	}
	d := &doorway{got: make(chan *knock, 1), release: release, port: uint16(ln.Addr().(*net.TCPAddr).Port)}
	_ = ln.SetDeadline(time.Now().Add(s.srv.limits.Connect)) // a closed listener fails at the accept
	go func() {
		defer s.srv.recovered("ftps data connection panicked", s.addr)
		k := s.knocked(ln)
		release()
		if k == nil {
			close(d.got)
			return
		}
		d.got <- k
		close(d.got)
		err := errPanicked
		defer func() { k.shaken <- err }()
		err = k.tls.HandshakeContext(s.ctx)
	}()
	return d, nil
}

// knocked is the first connection from the client's own address, nil when none
// came.
func (s *session) knocked(ln net.Listener) *knock {
	for {
		c, err := ln.Accept()
		if err != nil {
			return nil
		}
		// RFC 2577 8, RFC 4217 10: a data connection comes from where its control
		// connection comes from. Who else comes is sent away unheard.
		if addrOf(c.RemoteAddr()) != s.addr {
			s.srv.stats.dataForeign.Add(1)
			c.Close()
			continue
		}
		// Until a command asks for it, it may wait as long as the session may.
		p := &paced{Conn: c, stall: s.srv.limits.Idle, minSpeed: s.srv.limits.MinSpeed}
		return &knock{raw: c, net: p, tls: tls.Server(p, s.dataTLS), shaken: make(chan error, 1)}
	}
}

// close gives up the port and the connection that nobody asked for.
func (d *doorway) close() {
	d.release()
	if k := <-d.got; k != nil {
		k.raw.Close()
	}
}

// open puts a new doorway in the place of the last.
func (s *session) open() (*doorway, reply) {
	if s.door != nil {
		s.door.close()
		s.door = nil
	}
	d, err := s.await()
	if err != nil {
		s.srv.stats.passiveRefused.Add(1)
		s.log("ftps passive port refused", "partner", s.box.Partner(), "error", err)
		return nil, reply{code: 425, text: "No port is free for a data connection; try again in a moment."}
	}
	s.door = d
	return d, reply{}
}

// passive answers PASV (RFC 959 4.1.2).
func (s *session) passive() reply {
	host := s.srv.Passive.Host.Unmap()
	if !host.IsValid() {
		host = addrOf(s.raw.LocalAddr())
	}
	switch {
	case !s.private:
		return unprotected()
	case s.extended:
		return reply{code: 503, text: "You said EPSV ALL: use EPSV."} // RFC 2428 4
	case !host.Is4() || !s.addr.Is4():
		return reply{code: 425, text: "PASV cannot name an IPv6 address: use EPSV."}
	}
	d, no := s.open()
	if no.code != 0 {
		return no
	}
	h := host.As4()
	return reply{code: 227, text: fmt.Sprintf("Entering Passive Mode (%d,%d,%d,%d,%d,%d)", h[0], h[1], h[2], h[3], d.port>>8, d.port&0xff)}
}

// extendedPassive answers EPSV (RFC 2428 3).
func (s *session) extendedPassive(arg string) reply {
	mine := "1"
	if s.addr.Is6() {
		mine = "2"
	}
	switch arg = strings.ToUpper(strings.TrimSpace(arg)); arg {
	case "", mine:
	case "ALL":
		s.extended = true
		return reply{code: 200, text: "Only EPSV from now on."} // RFC 2428 4
	default:
		return reply{code: 522, text: "Network protocol not supported, use (" + mine + ")"} // RFC 2428 2
	}
	if !s.private {
		return unprotected()
	}
	d, no := s.open()
	if no.code != 0 {
		return no
	}
	return reply{code: 229, text: fmt.Sprintf("Entering Extended Passive Mode (|||%d|)", d.port)}
}
