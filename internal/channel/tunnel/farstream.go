package tunnel

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"time"
)

// called opens a TLS connection for a stream that the hub wants.
func (f *Far) called(ctx context.Context, id string) {
	s, _ := f.State()
	c, err := s.connect(ctx, f.d)
	if err != nil {
		f.d.Log.Warn("a connection that the hub asked for could not be opened", "error", err)
		return
	}
	if !within(c, func() error { return put(c, hello{Do: "stream", Answer: id}) }) {
		c.Close()
		return
	}
	f.forward(c)
}

// forward connects a stream of the hub to the device it names, if that stands on
// the hub's list and on the one confirmed here.
func (f *Far) forward(c net.Conn) {
	defer func() {
		if r := recover(); r != nil {
			f.d.Log.Error("a stream ended in a fault of this program", "fault", r)
		}
		c.Close()
	}()
	var r request
	if !within(c, func() error { return get(c, &r) }) {
		return
	}
	s, _ := f.State()
	no := ""
	var d net.Conn
	switch {
	case !permits(s.Reach, r.To):
		no = "the address is not on this tunnel's list"
	case !permits(f.d.Confirmed(), r.To):
		no = "the address is not confirmed at the far end: run labwarden tunnel confirm there"
	default:
		ctx, cancel := context.WithTimeout(f.ctx, greeting)
		var err error
		d, err = (&net.Dialer{}).DialContext(ctx, "tcp", r.To)
		cancel()
		if err != nil {
			no = "the device does not answer at " + r.To
			var t net.Error
			if errors.As(err, &t) && t.Timeout() {
				no += " within 10 s"
			}
		}
	}
	if no != "" {
		f.d.Log.Warn("a connection of the hub was not forwarded", "to", r.To, "why", no)
	}
	ok := within(c, func() error { return put(c, verdict{No: no}) })
	if d == nil {
		return
	}
	if !ok {
		d.Close()
		return
	}
	defer context.AfterFunc(f.ctx, func() { c.Close(); d.Close() })()
	relay(c, d)
}

// openDoors listens on this machine for the hub's doors that are confirmed, and
// stops for those that are no more.
func (f *Far) openDoors() {
	f.mu.Lock()
	defer f.mu.Unlock()
	agreed := f.d.Confirmed()
	want := map[string]Offer{}
	for _, o := range f.s.Offers {
		if slices.Contains(agreed, o.line()) {
			want[o.line()] = o
		}
	}
	for line, ln := range f.opened {
		if _, ok := want[line]; !ok {
			ln.Close()
			delete(f.opened, line)
		}
	}
	for line, o := range want {
		if f.opened[line] != nil || f.ctx.Err() != nil {
			continue
		}
		ln, err := (&net.ListenConfig{}).Listen(f.ctx, "tcp", o.Listen)
		if err != nil {
			f.d.Log.Error("a door of the hub cannot be opened on this machine", "listen", o.Listen, "error", err)
			continue
		}
		f.opened[line] = ln
		f.d.Log.Info("this machine's programs reach the hub here", "listen", o.Listen, "service", o.Service)
		go func() {
			for {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				go f.inward(c, o.Service)
			}
		}()
	}
}

// inward carries a connection of this end's network to a door of the hub.
func (f *Far) inward(c net.Conn, service string) {
	defer c.Close()
	up, err := f.toHub(service)
	if err != nil {
		f.d.Log.Warn("a connection to the hub could not be carried", "service", service, "error", err)
		return
	}
	defer context.AfterFunc(f.ctx, func() { c.Close(); up.Close() })()
	relay(c, up)
}

func (f *Far) toHub(service string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(f.ctx, greeting)
	defer cancel()
	f.mu.Lock()
	s, w := f.s, f.wg
	f.mu.Unlock()
	var c net.Conn
	var err error
	if s.Kind == Wireguard {
		c, err = w.dial(ctx, netip.AddrPortFrom(s.Keys.Hub, farPort))
	} else if c, err = s.connect(ctx, f.d); err == nil {
		err = put(c, hello{Do: "stream", To: service})
	}
	if err != nil {
		if c != nil {
			c.Close()
		}
		return nil, err
	}
	_ = c.SetDeadline(time.Now().Add(greeting)) // fails with the talk
	if s.Kind == Wireguard {
		err = open(c, service)
	} else {
		var v verdict
		if err = get(c, &v); err == nil && v.No != "" {
			err = &Refusal{v.No}
		}
	}
	_ = c.SetDeadline(time.Time{})
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}
