package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/folder"
	"github.com/labwarden/labwarden/internal/channel/mllp"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// server builds what serves a source's door; it opens nothing.
func (h *Hub) server(c *config.Config, source string) (*mllp.Server, error) {
	in := h.handler(c, source)
	return doorServer(c, source, h.watched("source "+source), &mllp.Server{Handler: in, Refused: refused(in), Log: h.slog.With("source", source), Now: h.now})
}

// doorServer completes a server with what the configuration says of the
// source's door; handler, log and clock are there already.
func doorServer(c *config.Config, source string, w watched, srv *mllp.Server) (*mllp.Server, error) {
	s := c.Sources[source]
	e := exception(s.MLLP.Exception)
	var conf *tls.Config
	var err error
	if s.MLLP.TLS != nil {
		if conf, err = serverTLS(s.MLLP.TLS, &c.Node, e, w); err != nil {
			return nil, fmt.Errorf("source %s: %w", source, err)
		}
	} else if e == nil {
		e = onLoopback(forever)
	}
	srv.TLS, srv.Exception, srv.Admit, srv.Identify = conf, e, admit(s.From), identify(source, w)
	srv.Limits = mllp.Limits{
		MaxMessage: int(s.MaxMessage), FrameTime: s.FrameTimeout.Std(), Idle: s.Idle.Std(),
		Conns: s.MaxConnections, ConnsPerAddr: s.MaxConnections, ConnsPerCert: s.MaxConnections,
	}
	return srv, nil
}

// handler is who takes what a source sends: intake, or the comparison where the
// source is the copy of an old path.
func (h *Hub) handler(c *config.Config, source string) handler {
	if copies(c, source) {
		return h.Results.Copies(source)
	}
	return h.Results.Intake(source)
}

// handler is results.Intake and results.Copies alike.
type handler interface {
	channel.Handler
	Present(ctx context.Context, from channel.Peer, body []byte) (ack []byte, taken, again bool)
	Oversize(ctx context.Context, begin []byte, size int64, sum [32]byte) []byte
}

// copies says whether the source is the copy of a route's old path.
func copies(c *config.Config, source string) bool {
	return slices.ContainsFunc(c.Routes, func(r config.Route) bool { return r.OldPath == source })
}

func refused(in handler) func(context.Context, channel.Peer, mllp.Refused) (channel.Reply, error) {
	return func(ctx context.Context, _ channel.Peer, r mllp.Refused) (channel.Reply, error) {
		return channel.Reply{Body: in.Oversize(ctx, r.Head, r.Length, r.SHA256), Close: true}, nil
	}
}

// taker lets a folder's files be presented.
type taker struct{ handler }

func (t taker) Present(ctx context.Context, from channel.Peer, body []byte) (folder.Answer, error) {
	ack, taken, again := t.handler.Present(ctx, from, body)
	return folder.Answer{Body: ack, Taken: taken, Again: again}, nil
}

// watcher builds what takes files from a source's folder; it opens nothing.
func (h *Hub) watcher(c *config.Config, source string) (*folder.Watcher, error) {
	s := c.Sources[source]
	w := folder.WatchConfig{
		Name: source, Dir: string(s.Folder.Path), Match: s.Folder.Match, Every: s.Folder.Every.Std(),
		MaxFile: int64(s.Folder.MaxFile), MaxMessage: int64(s.MaxMessage),
		Taker: taker{h.handler(c, source)}, Now: h.now, Log: h.slog.With("source", source),
	}
	if s.Folder.Ready == "settled" {
		w.Settle = s.Folder.Settle.Std()
	}
	out, err := folder.NewWatcher(w)
	if err != nil {
		return nil, fmt.Errorf("source %s: %w", source, err)
	}
	return out, nil
}

var errNetwork = errors.New("the address is not one this source may connect from")

// admit lets a source's networks connect; all where none is named.
func admit(from []config.Network) func(net.Addr) error {
	if len(from) == 0 {
		return nil
	}
	return func(addr net.Addr) error {
		ap, err := netip.ParseAddrPort(addr.String())
		if err != nil {
			return fmt.Errorf("read address: %w", err)
		}
		for _, n := range from {
			if prefix, err := netip.ParsePrefix(string(n)); err == nil && prefix.Contains(ap.Addr().Unmap()) {
				return nil
			}
		}
		return errNetwork
	}
}

// identify names the peer: whoever reached this source's door with its
// certificate and from its networks is the source.
func identify(source string, w watched) func(tls.ConnectionState, net.Addr) (channel.Peer, error) {
	return func(s tls.ConnectionState, addr net.Addr) (channel.Peer, error) {
		p := channel.PeerOf(s, addr.String())
		p.Name = source
		w.negotiated(p.TLS)
		return p, nil
	}
}
