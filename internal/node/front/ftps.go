package front

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net/netip"

	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/channel/ftps"
)

// serveFTPS runs FTP inside TLS with the hub's signature; the boxes are the hub's.
func serveFTPS(h *hub, w frontlink.FTPS, log *slog.Logger) (serving, error) {
	key, err := newSigner(h, w.Key, w.Chain)
	if err != nil {
		return serving{}, err
	}
	if w.FirstPort < 1 || w.LastPort > 65535 || w.LastPort < w.FirstPort {
		return serving{}, fmt.Errorf("ports %d to %d are no range", w.FirstPort, w.LastPort)
	}
	s := &ftps.Server{
		Door: h, Log: log,
		TLS:     &tls.Config{Certificates: []tls.Certificate{{Certificate: w.Chain, PrivateKey: key}}, MinVersion: tls.VersionTLS12},
		Passive: ftps.Passive{First: uint16(w.FirstPort), Last: uint16(w.LastPort)},
		Limits:  ftps.Limits{Conns: w.Conns, ConnsPerAddr: w.PerAddress},
	}
	if w.Host != "" {
		if s.Passive.Host, err = netip.ParseAddr(w.Host); err != nil {
			return serving{}, fmt.Errorf("read the address of data connections: %w", err)
		}
	}
	f := newFeed()
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		if err := s.Serve(ctx, f); err != nil && ctx.Err() == nil {
			log.Error("FTPS is not served", "err", err)
		}
	}()
	return serving{take: f.put, stop: cancel}, nil
}
