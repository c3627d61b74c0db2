package app

import (
	"context"
	"fmt"
	"net"
)

// through is how a destination is reached by way of a tunnel; nil for no tunnel.
// The tunnel is looked up for each connection: it may be added, or come up, after
// the destination was built.
func (b builder) through(name string) (func(ctx context.Context, network, addr string) (net.Conn, error), error) {
	if name == "" {
		return nil, nil
	}
	if b.hub == nil {
		return nil, fmt.Errorf("it is reached through tunnel %s, and tunnels need the hub", name)
	}
	room := b.hub.rooms.tunnels
	return func(ctx context.Context, _, addr string) (net.Conn, error) {
		hub := room.running()
		if hub == nil {
			return nil, fmt.Errorf("tunnel %s: this node has no tunnels (node.tunnels)", name)
		}
		return hub.Dial(ctx, name, addr)
	}, nil
}

// listen is the door of a source inside a tunnel.
func (t *tunnelRoom) listen(name, source string) (net.Listener, error) {
	hub := t.running()
	if hub == nil {
		// The source's other door is open all the same.
		t.h.slog.Error("a source is not reached through its tunnel: this node has no tunnels (node.tunnels)", "source", source, "tunnel", name)
		return nil, nil
	}
	return hub.Listen(name, source)
}

// inside takes what comes through a tunnel as well, and lets go of the one before.
// It is called by whoever commits a configuration.
func (p *port) inside(name, source string, t *tunnelRoom) {
	if p.via == name {
		return
	}
	if p.more != nil {
		p.more.Close()
	}
	p.more, p.via = nil, name
	if name == "" {
		return
	}
	ln, err := t.listen(name, source)
	if err != nil {
		t.h.slog.Error("a source is not reached through its tunnel", "source", source, "tunnel", name, "error", err)
	}
	if ln == nil {
		return
	}
	p.more = ln
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			p.give(accepted{c, nil})
		}
	}()
}
