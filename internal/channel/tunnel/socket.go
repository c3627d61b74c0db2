package tunnel

import (
	"encoding/binary"
	"fmt"
	"net"
	"sync"

	"golang.zx2c4.com/wireguard/conn"
	"golang.zx2c4.com/wireguard/device"
)

// WireGuard's messages (whitepaper 5.4): type in the first byte, then indices.
const (
	initiation     = 1 // sender at 4; carries mac1 over our public key
	response       = 2 // sender at 4, receiver at 8
	cookie         = 3 // receiver at 4
	transport      = 4 // receiver at 4
	initiationSize = 148
	waiting        = 512 // packets that wait for one device; more are dropped, as UDP does
	indices        = 64  // how many of a device's latest indices are known
)

// socket is one UDP port for the devices of all tunnels. A message belongs to
// the device that chose its receiver index; the first of a handshake to the one
// whose public key its mac1 was made for.
type socket struct {
	under conn.Bind
	port  uint16
	wg    sync.WaitGroup

	mu      sync.RWMutex
	index   map[uint32]*lineIn
	devices map[*lineIn]struct{}
}

// lineIn is the socket as one device sees it.
type lineIn struct {
	s     *socket
	check device.CookieChecker
	in    chan packet
	gone  chan struct{}
	shut  sync.Once
	mine  [indices]uint32
	n     int
}

type packet struct {
	b  []byte
	ep conn.Endpoint
}

var packets = sync.Pool{New: func() any { b := make([]byte, 0, 2048); return &b }}

func openSocket(port uint16) (*socket, error) {
	s := &socket{under: conn.NewStdNetBind(), index: map[uint32]*lineIn{}, devices: map[*lineIn]struct{}{}}
	fns, got, err := s.under.Open(port)
	if err != nil {
		return nil, fmt.Errorf("open the UDP port of WireGuard: %w", err)
	}
	s.port = got
	for _, f := range fns {
		s.wg.Go(func() { s.read(f) })
	}
	return s, nil
}

func (s *socket) close() error {
	err := s.under.Close()
	s.wg.Wait()
	return err
}

func (s *socket) read(f conn.ReceiveFunc) {
	n := s.under.BatchSize()
	bufs, sizes, eps := make([][]byte, n), make([]int, n), make([]conn.Endpoint, n)
	for i := range bufs {
		bufs[i] = make([]byte, device.MaxMessageSize)
	}
	for {
		got, err := f(bufs, sizes, eps)
		if err != nil {
			return // the socket is closed
		}
		for i := range got {
			b := bufs[i][:sizes[i]]
			d := s.whose(b)
			if d == nil {
				continue
			}
			p := packets.Get().(*[]byte)
			*p = append((*p)[:0], b...)
			select {
			case d.in <- packet{*p, eps[i]}:
			default:
				packets.Put(p)
			}
		}
	}
}

func (s *socket) whose(b []byte) *lineIn {
	if len(b) < 12 {
		return nil
	}
	at := 4
	switch b[0] {
	case initiation:
		if len(b) != initiationSize {
			return nil
		}
		s.mu.RLock()
		defer s.mu.RUnlock()
		for d := range s.devices {
			if d.check.CheckMAC1(b) {
				return d
			}
		}
		return nil
	case response:
		at = 8
	case cookie, transport:
	default:
		return nil
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.index[binary.LittleEndian.Uint32(b[at:])]
}

// attach makes a line for the device with this public key.
func (s *socket) attach(public []byte) (*lineIn, error) {
	d := &lineIn{s: s}
	return d, d.renew(public)
}

// renew tells that the device has another key from now on.
func (d *lineIn) renew(public []byte) error {
	k, err := key32(public)
	if err != nil {
		return err
	}
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	d.check.Init(k)
	return nil
}

// Open implements conn.Bind; the port is the socket's, whatever is asked.
func (d *lineIn) Open(uint16) ([]conn.ReceiveFunc, uint16, error) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	d.in, d.gone, d.shut = make(chan packet, waiting), make(chan struct{}), sync.Once{}
	d.s.devices[d] = struct{}{}
	return []conn.ReceiveFunc{d.receive}, d.s.port, nil
}

func (d *lineIn) receive(bufs [][]byte, sizes []int, eps []conn.Endpoint) (int, error) {
	var p packet
	select {
	case p = <-d.in:
	case <-d.gone:
		return 0, net.ErrClosed
	}
	for n := 0; ; {
		sizes[n], eps[n] = copy(bufs[n], p.b), p.ep
		b := p.b
		packets.Put(&b)
		if n++; n == len(bufs) {
			return n, nil
		}
		select {
		case p = <-d.in:
		default:
			return n, nil
		}
	}
}

// Close implements conn.Bind: nothing comes in any more.
func (d *lineIn) Close() error {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if d.gone == nil {
		return nil
	}
	d.shut.Do(func() { close(d.gone) })
	delete(d.s.devices, d)
	for i, x := range d.s.index {
		if x == d {
			delete(d.s.index, i)
		}
	}
	return nil
}

// Send implements conn.Bind, and learns the indices the device chooses.
func (d *lineIn) Send(bufs [][]byte, ep conn.Endpoint) error {
	for _, b := range bufs {
		if len(b) >= 12 && (b[0] == initiation || b[0] == response) {
			d.learn(binary.LittleEndian.Uint32(b[4:]))
		}
	}
	return d.s.under.Send(bufs, ep)
}

func (d *lineIn) learn(i uint32) {
	d.s.mu.Lock()
	defer d.s.mu.Unlock()
	if d.s.index[i] == d {
		return
	}
	old := d.mine[d.n%indices]
	if d.n >= indices && d.s.index[old] == d {
		delete(d.s.index, old)
	}
	d.mine[d.n%indices] = i
	d.n++
	d.s.index[i] = d
}

// SetMark implements conn.Bind; the socket has no mark.
func (d *lineIn) SetMark(uint32) error { return nil }

// ParseEndpoint implements conn.Bind.
func (d *lineIn) ParseEndpoint(s string) (conn.Endpoint, error) { return d.s.under.ParseEndpoint(s) }

// BatchSize implements conn.Bind.
func (d *lineIn) BatchSize() int { return batch }
