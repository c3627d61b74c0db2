package app

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/watch"
	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// sideDoors are the hub's doors that results do not pass: the command line's
// socket, metrics and health.
type sideDoors struct {
	control   *control.Server
	controlLn net.Listener // nil: not configured
	watch     watch.Hub
	watchLn   net.Listener // nil: not configured, or not to be had
}

// openSide opens them. doors are the sources' open addresses. Without the
// socket nobody could hold or release a result, so that one must open; metrics
// that cannot be served are said loudly and stop no result.
func (h *Hub) openSide(ctx context.Context, c *config.Config, doors map[string]string) (*sideDoors, error) {
	certs, err := certificates(c)
	if err != nil {
		return nil, err
	}
	s := &sideDoors{
		watch: watch.Hub{
			Results: h.Results, Ledger: h.Log, DB: h.DB, Probe: h.probe, Certificates: certs, Alarms: h.Alarms.Counts,
			Doors: func() map[string]string { return doors }, Version: h.version, Now: h.now, Log: h.slog,
		},
		control: &control.Server{
			Results: h.Results, Log: h.Log, DB: h.DB, Vault: h.Vault, Probe: h.probe, Desk: h.Alarms, Facts: h.facts(c, doors, certs),
			Alarms: func() []string { return append(h.alarms(), h.bypassAlarms()...) }, Notes: h.bypassNotes, ReadBypass: h.readBypassNow, Decide: h.decide, Audit: h.auditAndMend, Heard: h.heardAudit, Keys: h.keyStatus, Reload: h.reload, Adoption: adoption{h}, UID: os.Getuid(), Now: h.now, Slog: h.slog,
		},
	}
	if path := string(c.Node.Control.Socket); path != "" {
		if s.controlLn, err = control.Listen(ctx, path); err != nil {
			return nil, err
		}
	}
	if addr := string(c.Node.Metrics.Listen); addr != "" {
		if s.watchLn, err = (&net.ListenConfig{}).Listen(ctx, "tcp", addr); err != nil {
			s.watchLn = nil
			h.slog.Error("metrics and health are not served; results flow all the same", "error", err)
			s.control.Facts.Faults = append(s.control.Facts.Faults, "Metrics and health are not served: "+addr+" could not be opened. Change node.metrics.listen or free the port, then restart.")
		} else {
			h.slog.Info("metrics and health", "address", s.watchLn.Addr().String())
		}
	}
	return s, nil
}

// serve answers until ctx ends.
func (s *sideDoors) serve(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	if s.controlLn != nil {
		g.Go(func() error { return s.control.Serve(ctx, s.controlLn) })
	}
	if s.watchLn != nil {
		g.Go(func() error { return watch.Serve(ctx, s.watchLn, s.watch) })
	}
	return g.Wait()
}

// reload takes over what another process did to the keys.
func (h *Hub) reload(ctx context.Context) ([]string, error) {
	if err := h.Vault.Reload(ctx); err != nil {
		return nil, err
	}
	return []string{"keys"}, nil
}

func (h *Hub) facts(c *config.Config, doors map[string]string, certs []watch.Certificate) control.Facts {
	f := control.Facts{
		Lab: c.Lab.Name, Node: h.node, Version: h.version, Started: h.now(), Doors: doors, Certificates: certs,
		Names: map[string]string{}, AlarmAfter: map[string]time.Duration{}, Exceptions: map[string]*channel.Exception{},
	}
	for of, e := range exceptions(c) {
		f.Exceptions[of] = exception(e)
	}
	for key, p := range c.Partners {
		f.Names[key], f.AlarmAfter[key] = p.Name, p.AlarmAfter.Std()
	}
	return f
}

// field reads a field of what may not be there.
func field[T, V any](p *T, get func(*T) *V) *V {
	if p == nil {
		return nil
	}
	return get(p)
}

// certificates lists our configured certificates with their ends.
func certificates(c *config.Config) ([]watch.Certificate, error) {
	var out []watch.Certificate
	var errs []error
	add := func(name string, path config.Path) {
		if path == "" {
			return
		}
		ends, err := endOf(string(path))
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
			return
		}
		out = append(out, watch.Certificate{Name: name, Ends: ends})
	}
	if c.Node.TLS != nil {
		add("node", c.Node.TLS.Certificate)
	}
	for _, key := range sorted(c.Sources) {
		if t := field(c.Sources[key].MLLP, func(m *config.MLLPListener) *config.ServerTLS { return m.TLS }); t != nil {
			add("source "+key, t.Certificate)
		}
	}
	for _, key := range sorted(c.Partners) {
		d := c.Partners[key].Destination
		for _, t := range []*config.ClientTLS{
			field(d.MLLP, func(m *config.MLLPDestination) *config.ClientTLS { return m.TLS }),
			field(d.FHIR, func(m *config.FHIRDestination) *config.ClientTLS { return m.TLS }),
			field(d.HTTP, func(m *config.HTTPDestination) *config.ClientTLS { return m.TLS }),
		} {
			if t != nil {
				add("partner "+key, t.Certificate)
			}
		}
	}
	return out, errors.Join(errs...)
}

// endOf reads when the first certificate of a PEM file ends.
func endOf(path string) (time.Time, error) {
	rest, err := os.ReadFile(path)
	if err != nil {
		return time.Time{}, fmt.Errorf("read certificate: %w", err)
	}
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			return time.Time{}, fmt.Errorf("read certificate: %s holds none", path)
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, fmt.Errorf("read certificate %s: %w", path, err)
		}
		return cert.NotAfter, nil
	}
}
