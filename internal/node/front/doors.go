package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"reflect"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel/frontlink"
)

// doors are the listeners. They stay open while the hub is away.
type doors struct {
	log   *slog.Logger
	ready func(map[string]string)

	mu   sync.Mutex
	hub  *hub
	set  frontlink.Settings
	open map[string]*door
}

// door is a listener whose connections go to whatever serves there now.
type door struct {
	net.Listener
	address string

	mu    sync.Mutex
	take  func(net.Conn)
	stop  func()
	limit frontlink.Listen
	few   chan struct{} // takes that run; nil: as many as there are
	from  map[netip.Addr]int
	all   int
}

// serving is what serves on a door: take is given each connection, stop ends it.
type serving struct {
	take func(net.Conn)
	stop func()
	// atOnce, if not 0, is how many takes may run; who comes meanwhile waits in the
	// system's queue, in order, and is not sent away.
	atOnce int
}

// apply opens and closes listeners until they are as the hub wants them.
func (d *doors) apply(h *hub, set frontlink.Settings) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.open == nil {
		d.open = map[string]*door{}
	}
	fresh := d.hub != h // another link: what served asked the old one
	d.hub = h
	var errs []error
	for _, x := range []struct {
		name    string
		listen  frontlink.Listen
		changed bool
		serve   func() (serving, error)
	}{
		{"sftp", set.SFTP, !reflect.DeepEqual(set.SFTP, d.set.SFTP), func() (serving, error) { return serveSSH(h, d.log), nil }},
		{"ftps", set.FTPS.Listen, !reflect.DeepEqual(set.FTPS, d.set.FTPS), func() (serving, error) { return serveFTPS(h, set.FTPS, d.log) }},
		{"web", set.Web.Listen, !reflect.DeepEqual(set.Web, d.set.Web), func() (serving, error) { return serveWeb(h, set.Web, d.log) }},
	} {
		if err := d.door(x.name, x.listen, fresh || x.changed, x.serve); err != nil {
			errs = append(errs, err)
		}
	}
	d.set = set
	if d.ready != nil {
		at := map[string]string{}
		for name, o := range d.open {
			at[name] = o.Addr().String()
		}
		d.ready(at)
	}
	return errors.Join(errs...)
}

func (d *doors) door(name string, l frontlink.Listen, changed bool, serve func() (serving, error)) error {
	old := d.open[name]
	if old != nil && old.address != l.Address {
		old.end()
		delete(d.open, name)
		old = nil
	}
	if l.Address == "" || old != nil && !changed {
		return nil
	}
	if old == nil {
		in, err := net.Listen("tcp", l.Address)
		if err != nil {
			return fmt.Errorf("listen for %s: %w", name, err)
		}
		old = &door{Listener: in, address: l.Address, from: map[netip.Addr]int{}}
		d.open[name] = old
		go old.accept(d.log)
	}
	s, err := serve()
	if err != nil {
		return fmt.Errorf("serve %s: %w", name, err)
	}
	old.hand(s, l)
	return nil
}

// leave says that the hub is away: who comes now is sent away.
func (d *doors) leave() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hub = nil
	for _, o := range d.open {
		o.hand(serving{}, frontlink.Listen{})
	}
}

func (d *doors) close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.open {
		o.end()
	}
}

// hand gives the door to another who serves there.
func (o *door) hand(s serving, l frontlink.Listen) {
	o.mu.Lock()
	stop := o.stop
	o.take, o.stop, o.limit, o.few = s.take, s.stop, l, nil
	if s.atOnce > 0 {
		o.few = make(chan struct{}, s.atOnce)
	}
	o.mu.Unlock()
	if stop != nil {
		stop()
	}
}

func (o *door) end() {
	_ = o.Close()
	o.hand(serving{}, frontlink.Listen{})
}

// accept takes connections as long as the door is open, and counts them.
func (o *door) accept(log *slog.Logger) {
	for {
		c, err := o.Accept()
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			log.Warn("connection not accepted", "err", err)
			continue
		}
		at := time.Now()
		take, few, done := o.enter(c)
		if take == nil {
			_ = c.Close()
			continue
		}
		if few != nil {
			few <- struct{}{}
		}
		go func() {
			take(&counted{Conn: c, at: at, done: done})
			if few != nil {
				<-few
			}
		}()
	}
}

// enter says who takes the connection, nil for nobody: the hub is away, or there
// are too many from its address or in all.
func (o *door) enter(c net.Conn) (take func(net.Conn), few chan struct{}, done func()) {
	from, err := netip.ParseAddrPort(c.RemoteAddr().String())
	if err != nil {
		return nil, nil, nil
	}
	at := from.Addr().Unmap()
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.take == nil || o.limit.Conns > 0 && o.all >= o.limit.Conns || o.limit.PerAddress > 0 && o.from[at] >= o.limit.PerAddress {
		return nil, nil, nil
	}
	o.all++
	o.from[at]++
	return o.take, o.few, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.all--
		if o.from[at]--; o.from[at] == 0 {
			delete(o.from, at)
		}
	}
}

// counted leaves the count once, when it is closed.
type counted struct {
	net.Conn
	at   time.Time // when it came
	once sync.Once
	done func()
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(c.done)
	return err
}

// serveSSH hands each connection to the hub as it is; the hub counts those it
// has, since they are no longer ours.
func serveSSH(h *hub, log *slog.Logger) serving {
	return serving{take: func(c net.Conn) {
		defer func() { _ = c.Close() }()
		came, ok := c.(*counted)
		if !ok {
			return
		}
		tcp, ok := came.Conn.(*net.TCPConn)
		if !ok {
			return
		}
		if err := h.handOver(context.Background(), tcp, came.at); err != nil {
			log.Info("connection not handed over", "err", err)
		}
	}, stop: func() {}, atOnce: handingOver}
}

// handingOver is how many SSH connections are handed over at one time. In a flood
// a partner waits for its turn, behind which the hub makes room (channel/sftp).
const handingOver = 32

// feed is a listener that is fed connections.
type feed struct {
	in   chan net.Conn
	once sync.Once
	over chan struct{}
}

func newFeed() *feed { return &feed{in: make(chan net.Conn), over: make(chan struct{})} }

func (f *feed) put(c net.Conn) {
	select {
	case f.in <- c:
	case <-f.over:
		_ = c.Close()
	}
}

func (f *feed) Accept() (net.Conn, error) {
	select {
	case c := <-f.in:
		return c, nil
	case <-f.over:
		return nil, net.ErrClosed
	}
}

func (f *feed) Close() error {
	f.once.Do(func() { close(f.over) })
	return nil
}

func (f *feed) Addr() net.Addr { return &net.TCPAddr{} }
