package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"

	"golang.zx2c4.com/wireguard/tun"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	outbox "gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
	"gvisor.dev/gvisor/pkg/tcpip/transport/icmp"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

const (
	// mtu of the tunnel: 1500 less 80 for IPv6, UDP and WireGuard.
	mtu = 1420
	nic = 1
	// batch is how many packets are handed to WireGuard at once. Its buffers are
	// 64 KiB each, so more costs memory for each tunnel.
	batch = 32
	queue = 1024
	// window is the most bytes under way in one connection: 40 MB/s at 100 ms.
	window = 4 << 20
)

// netTUN is a TCP stack of its own in the place of a network interface. It
// differs from the one that comes with wireguard-go in that packets leave in
// batches, and in having IPv4, TCP and echo requests only. It forwards nothing: a
// packet for another address than its own is dropped.
type netTUN struct {
	ep     *outbox.Endpoint
	stack  *stack.Stack
	events chan tun.Event
	wake   chan struct{}
	gone   chan struct{}
	once   sync.Once
}

func newTUN(local netip.Addr) (*netTUN, error) {
	t := &netTUN{
		ep: outbox.New(queue, mtu, ""),
		stack: stack.New(stack.Options{
			NetworkProtocols:   []stack.NetworkProtocolFactory{ipv4.NewProtocol},
			TransportProtocols: []stack.TransportProtocolFactory{tcp.NewProtocol, icmp.NewProtocol4},
		}),
		events: make(chan tun.Event, 1), wake: make(chan struct{}, 1), gone: make(chan struct{}),
	}
	sack := tcpip.TCPSACKEnabled(true)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: 4 << 10, Default: 1 << 20, Max: window}
	send := tcpip.TCPSendBufferSizeRangeOption{Min: 4 << 10, Default: 1 << 20, Max: window}
	grow := tcpip.TCPModerateReceiveBufferOption(true)
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &receive, &send, &grow} {
		if err := t.stack.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return nil, fmt.Errorf("set up TCP in the tunnel: %s", err)
		}
	}
	t.ep.AddNotify(t)
	if err := t.stack.CreateNIC(nic, t.ep); err != nil {
		return nil, fmt.Errorf("set up the tunnel's network: %s", err)
	}
	a := tcpip.ProtocolAddress{Protocol: ipv4.ProtocolNumber, AddressWithPrefix: tcpip.AddrFromSlice(local.AsSlice()).WithPrefix()}
	if err := t.stack.AddProtocolAddress(nic, a, stack.AddressProperties{}); err != nil {
		return nil, fmt.Errorf("set up the tunnel's address: %s", err)
	}
	t.stack.AddRoute(tcpip.Route{Destination: header.IPv4EmptySubnet, NIC: nic})
	t.events <- tun.EventUp
	return t, nil
}

// WriteNotify is told that a packet waits to leave.
func (t *netTUN) WriteNotify() {
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

func (t *netTUN) Read(bufs [][]byte, sizes []int, offset int) (int, error) {
	for {
		n := 0
		for n < len(bufs) {
			p := t.ep.Read()
			if p == nil {
				break
			}
			size := 0
			for _, s := range p.AsSlices() {
				size += copy(bufs[n][offset+size:], s)
			}
			p.DecRef()
			sizes[n] = size
			n++
		}
		if n > 0 {
			return n, nil
		}
		select {
		case <-t.wake:
		case <-t.gone:
			return 0, os.ErrClosed
		}
	}
}

func (t *netTUN) Write(bufs [][]byte, offset int) (int, error) {
	for _, b := range bufs {
		packet := b[offset:]
		if len(packet) == 0 {
			continue
		}
		if packet[0]>>4 != 4 {
			return 0, syscall.EAFNOSUPPORT
		}
		p := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithData(packet)})
		t.ep.InjectInbound(header.IPv4ProtocolNumber, p)
		p.DecRef()
	}
	return len(bufs), nil
}

func (t *netTUN) Close() error {
	t.once.Do(func() {
		close(t.gone)
		t.stack.RemoveNIC(nic)
		t.stack.Close()
		t.ep.Close()
		close(t.events)
	})
	return nil
}

func (t *netTUN) Name() (string, error)    { return "labwarden", nil }
func (t *netTUN) File() *os.File           { return nil }
func (t *netTUN) Events() <-chan tun.Event { return t.events }
func (t *netTUN) MTU() (int, error)        { return mtu, nil }
func (t *netTUN) BatchSize() int           { return batch }

func full(a netip.AddrPort) tcpip.FullAddress {
	return tcpip.FullAddress{NIC: nic, Addr: tcpip.AddrFromSlice(a.Addr().AsSlice()), Port: a.Port()}
}

func (t *netTUN) dial(ctx context.Context, to netip.AddrPort) (net.Conn, error) {
	if !to.Addr().Is4() {
		return nil, errors.New("connect in the tunnel: the address is not IPv4")
	}
	c, err := gonet.DialContextTCP(ctx, t.stack, full(to), ipv4.ProtocolNumber)
	if err != nil {
		return nil, fmt.Errorf("connect in the tunnel: %w", err)
	}
	return c, nil
}

func (t *netTUN) listen(at netip.AddrPort) (net.Listener, error) {
	ln, err := gonet.ListenTCP(t.stack, full(at), ipv4.ProtocolNumber)
	if err != nil {
		return nil, fmt.Errorf("listen in the tunnel: %w", err)
	}
	return ln, nil
}
