package app

import (
	"context"
	"net"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/watch"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// sideDoors are the hub's doors that results do not pass: the command line's
// socket, metrics and health.
type sideDoors struct {
	control   *control.Server
	controlLn net.Listener // nil: not configured
	watch     watch.Hub
	watchLn   net.Listener // nil: not configured, or not to be had
	pages     *pages       // nil likewise
	front     *frontDoor   // nil likewise
	enrol     *enrolDoor   // nil likewise
	fhir      *fhirDoor    // nil likewise
	portal    *portalSite  // nil likewise
	public    *publicCerts // nil likewise
}

// openSide opens them. Without the socket nobody could hold or release a
// result, so that one must open; metrics that cannot be served are said loudly
// and stop no result.
func (h *Hub) openSide(ctx context.Context, c *config.Config) (*sideDoors, error) {
	var err error
	started := h.now()
	var faults []string
	s := &sideDoors{
		watch: h.watchHub(),
		control: &control.Server{
			Results: h.Results, Log: h.Log, DB: h.DB, Vault: h.Vault, Probe: h.probe, Desk: h.Alarms, Operate: h.Desk, Nodes: h.nodes(),
			Facts:  func() control.Facts { return h.facts(started, faults) },
			Alarms: func() []string { return append(h.alarms(), h.bypassAlarms()...) }, Notes: h.bypassNotes, ReadBypass: h.readBypassNow, Decide: h.decide, Audit: h.auditAndMend, Heard: h.heardAudit, CountNow: h.countNow, Reload: h.Reload, Adoption: adoption{h}, PartnerKeys: h.rooms.keys, Certificates: h.certificateControl(), Bundle: setupPort{h}.Bundle, UID: os.Getuid(), Now: h.now, Slog: h.slog,
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
			faults = append(faults, "Metrics and health are not served: "+addr+" could not be opened. Change node.metrics.listen or free the port, then restart.")
		} else {
			h.slog.Info("metrics and health", "address", s.watchLn.Addr().String())
		}
	}
	if s.enrol, err = h.openEnrol(ctx, c); err != nil {
		h.slog.Error("no certificates can be fetched or renewed; results flow all the same", "error", err)
		faults = append(faults, "Certificates can be neither fetched nor renewed: "+string(c.Node.Enrol.Listen)+" could not be opened. Change node.enrol.listen or free the port, then restart.")
	}
	if s.public, err = h.openPublic(ctx, c); err != nil {
		h.slog.Error("public certificates are neither obtained nor renewed; results flow all the same", "error", err)
		faults = append(faults, "Public certificates are neither obtained nor renewed: the address of challenges could not be opened, or node.acme.ca not be read. Mend node.acme, then restart; the log says more.")
	}
	h.rooms.public.Store(s.public)
	if s.pages, err = h.openPages(ctx, c); err != nil {
		h.slog.Error("the pages are not served; results flow all the same", "error", err)
		faults = append(faults, "The pages are not served: "+string(c.Node.Web.Listen)+" could not be opened, or their certificate could not be used. Mend node.web, then restart; the log says more.")
	}
	if s.portal, err = h.openPortal(ctx, c); err != nil {
		h.slog.Error("the portal is not served; results flow into it all the same", "error", err)
		faults = append(faults, "The portal is not served: "+string(c.Node.Portal.Listen)+" could not be opened, or its certificate could not be used. Mend node.portal, then restart; the log says more.")
	}
	if s.pages != nil {
		s.control.Access = console{h, c}
	}
	if s.fhir, err = h.openFHIR(ctx, c); err != nil {
		h.slog.Error("the FHIR server is not served; results flow all the same", "error", err)
		faults = append(faults, "The FHIR server is not served: "+string(c.Node.FHIR.Listen)+" could not be opened, or its certificate could not be used. Mend node.fhir, then restart; the log says more.")
	}
	if s.front, err = h.openFront(ctx, c, s.behind(c)); err != nil {
		h.slog.Error("partners cannot reach their boxes; results flow all the same", "error", err)
		faults = append(faults, "Partners cannot reach the front: its socket could not be opened. Mend node.front, then restart; the log says more.")
	}
	h.front.Store(s.front)
	s.control.Boxes = boxConsole{h}
	s.control.Tunnels, s.control.Posture = h.rooms.tunnels, h.Posture
	s.control.Trials = &h.rooms.trials
	if fault := h.rooms.tunnels.trouble(); fault != "" {
		faults = append(faults, fault)
	}
	return s, nil
}

// behind are the sites that the front's web door leads to.
func (s *sideDoors) behind(c *config.Config) *frontSites {
	out := &frontSites{public: s.public}
	if s.portal != nil {
		out.add("portal", c.Node.Portal.PublicURL, s.portal.http.Handler, s.portal.cert)
	}
	if s.fhir != nil {
		out.add("fhir", c.Node.FHIR.PublicURL, s.fhir.http.Handler, s.fhir.cert)
	}
	return out
}

// watchHub is the hub as its metrics see it.
func (h *Hub) watchHub() watch.Hub {
	return watch.Hub{
		Results: h.Results, Ledger: h.Log, DB: h.DB, Probe: h.probe, Dates: h.metricDates, Alarms: h.Alarms.Counts, Gate: h.gateway.counts,
		Doors: h.Addresses, Trouble: h.Trouble, Lease: h.Lease, Node: h.node, Version: h.version, Now: h.now, Log: h.slog,
	}
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
	if s.enrol != nil {
		g.Go(func() error { return s.enrol.serve(ctx) })
	}
	if s.portal != nil {
		g.Go(func() error { return s.portal.serve(ctx) })
	}
	if s.public != nil {
		g.Go(func() error { return s.public.serve(ctx) })
	}
	if s.pages != nil {
		g.Go(func() error { return s.pages.serve(ctx) })
		g.Go(func() error { return s.pages.hints(ctx) })
	}
	if s.front != nil {
		g.Go(func() error { return s.front.serve(ctx) })
	}
	if s.fhir != nil {
		g.Go(func() error { return s.fhir.serve(ctx) })
	}
	return g.Wait()
}

// facts are those of what runs now.
func (h *Hub) facts(started time.Time, faults []string) control.Facts {
	f := control.Facts{
		Node: h.node, Version: h.version, FIPS: FIPS(), Started: started, Doors: h.Addresses(), Faults: faults,
		Names: map[string]string{}, AlarmAfter: map[string]time.Duration{}, Dates: []control.Date{},
	}
	c := h.inForce()
	if c == nil {
		return f // it is stopping
	}
	f.Lab = c.Lab.Name
	f.Dates = append(f.Dates, h.endings(c, h.now())...)
	for key, p := range c.Partners {
		f.Names[key], f.AlarmAfter[key] = p.Name, p.AlarmAfter.Std()
	}
	return f
}

func (h *Hub) metricDates() []watch.Date {
	c := h.inForce()
	if c == nil {
		return nil
	}
	var out []watch.Date
	for _, d := range h.endings(c, h.now()) {
		out = append(out, watch.Date{Of: d.Of, Kind: d.Kind, Ends: d.End()})
	}
	return out
}

// field reads a field of what may not be there.
func field[T, V any](p *T, get func(*T) *V) *V {
	if p == nil {
		return nil
	}
	return get(p)
}
