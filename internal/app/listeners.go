package app

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/mllp"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// server builds what serves a source's door; it opens nothing.
func (h *Hub) server(c *config.Config, source string) (*mllp.Server, error) {
	s := c.Sources[source]
	e := exception(s.MLLP.Exception)
	var conf *tls.Config
	var err error
	if s.MLLP.TLS != nil {
		if conf, err = serverTLS(s.MLLP.TLS, c.Node.TLS, e, h.watched("source "+source)); err != nil {
			return nil, fmt.Errorf("source %s: %w", source, err)
		}
	} else if e == nil {
		e = onLoopback(forever)
	}
	in := h.Results.Intake(source)
	return &mllp.Server{
		Handler: in, TLS: conf, Exception: e, Identify: identify(source, s.From),
		Limits: mllp.Limits{
			MaxMessage: int(s.MaxMessage), FrameTime: s.FrameTimeout.Std(), Idle: s.Idle.Std(),
			Conns: s.MaxConnections, ConnsPerAddr: s.MaxConnections, ConnsPerCert: s.MaxConnections,
		},
		Refused: refused(in), Log: h.slog.With("source", source), Now: h.now,
	}, nil
}

func refused(in *results.Intake) func(context.Context, channel.Peer, mllp.Refused) (channel.Reply, error) {
	return func(ctx context.Context, _ channel.Peer, r mllp.Refused) (channel.Reply, error) {
		return channel.Reply{Body: in.Oversize(ctx, r.Head, r.Length, r.SHA256), Close: true}, nil
	}
}

var errNetwork = errors.New("the address is not one this source may connect from")

// identify names the peer: whoever reached this source's door with its
// certificate and from its networks is the source.
func identify(source string, from []config.Network) func(tls.ConnectionState, net.Addr) (channel.Peer, error) {
	return func(s tls.ConnectionState, addr net.Addr) (channel.Peer, error) {
		p := channel.PeerOf(s, addr.String())
		p.Name = source
		if len(from) == 0 {
			return p, nil
		}
		ap, err := netip.ParseAddrPort(addr.String())
		if err != nil {
			return p, fmt.Errorf("read address: %w", err)
		}
		for _, n := range from {
			if prefix, err := netip.ParsePrefix(string(n)); err == nil && prefix.Contains(ap.Addr().Unmap()) {
				return p, nil
			}
		}
		return p, errNetwork
	}
}
