package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/mllp"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/domain/results/resultsfhir"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// reconciler holds what runs and brings it to another configuration: what did
// not change is left alone, connections included. Hub.applying guards it.
type reconciler struct {
	h       *Hub
	ctx     context.Context // ends with Serve
	g       *errgroup.Group
	conf    *config.Config
	senders map[string]carried
	doors   map[string]*door
	ports   map[string]*port
	beater  beater
	term    *term           // while this node holds the lease
	gone    <-chan struct{} // closed when every try under the earlier revisions has ended
}

// carried is a sender and the fingerprint of what it was built from.
type carried struct {
	channel.Sender
	mark string
}

// door is a source's server on its port, or the watcher of its folder (no port).
type door struct {
	mark, port string
	tunnel     string // through which it is reached as well
	server     *mllp.Server
	watcher    taking
	path       string // of the folder
	stop       context.CancelFunc
	ln         net.Listener
}

func newReconciler(ctx context.Context, g *errgroup.Group, h *Hub) *reconciler {
	none := make(chan struct{})
	close(none)
	return &reconciler{h: h, ctx: ctx, g: g, gone: none, senders: map[string]carried{}, doors: map[string]*door{}, ports: map[string]*port{}}
}

// staged is a configuration built and opened beside the running one. Exactly
// one of commit and undo ends it.
type staged struct {
	r         *reconciler // nil: nothing runs, the build was only tried
	conf      *config.Config
	set       *results.Settings
	senders   map[string]carried
	doors     map[string]*door
	built     []channel.Sender // those of senders that are new
	opened    map[string]*port // new ports
	witnesses round
	certs     []control.Date // as they are loaded
	plan      alarm.Plan
	fhir      *resultsfhir.Settings
}

// prepare builds all that c needs. Nothing that runs is touched; an error has
// undone everything. Without a running hub it only tries.
func (h *Hub) prepare(ctx context.Context, c *config.Config) (*staged, error) {
	r := h.running
	if r == nil {
		none := newReconciler(ctx, nil, h)
		st, err := none.stage(ctx, c, false)
		if err != nil {
			return nil, err
		}
		return &staged{}, st.undo()
	}
	return r.stage(ctx, c, true)
}

func (r *reconciler) stage(ctx context.Context, c *config.Config, listen bool) (*staged, error) {
	st := &staged{r: r, conf: c, senders: map[string]carried{}, doors: map[string]*door{}, opened: map[string]*port{}}
	err := st.build(ctx, listen)
	if err != nil {
		return nil, errors.Join(err, st.undo())
	}
	return st, nil
}

func (st *staged) build(ctx context.Context, listen bool) error {
	r, c := st.r, st.conf
	certs, _ := ownCertificates(c) // what uses one that cannot be read says so
	st.certs = append([]control.Date{}, certs...)
	use := map[string]results.Sender{}
	for _, key := range sorted(c.Partners) {
		mark, err := r.h.material(ctx, c.Partners[key].Destination, pair(c, c.Partners[key].Destination), r.h.dates.extendedAt("partner "+key), r.h.keyMark(ctx, key, c.Partners[key].Destination), r.h.partnerMark(key, c.Partners[key].Destination))
		if err != nil {
			return fmt.Errorf("partner %s: %w", key, err)
		}
		s, ok := r.senders[key]
		if !ok || s.mark != mark {
			built, err := r.h.builder().sender(c, key)
			if err != nil {
				return err
			}
			st.built = append(st.built, built)
			s = carried{built, mark}
		}
		st.senders[key] = s
		use[key] = r.h.noticing(key, s.Sender, c.Partners[key].Destination)
	}
	var err error
	if st.set, err = r.h.settings(c, use); err != nil {
		return err
	}
	if st.fhir, err = r.h.fhirSettings(c); err != nil {
		return err
	}
	if st.plan, err = r.h.plan(ctx, c); err != nil {
		if r.conf != nil || !listen {
			return err
		}
		// A start goes on: the way fails, and that shows.
		r.h.slog.Error("somebody on the on-call list cannot be reached as it is configured", "error", err)
	}
	if r.term != nil {
		if st.witnesses, err = r.term.guard.stage(ctx, c); err != nil {
			return err
		}
	}
	for _, source := range sorted(c.Sources) {
		if err := st.door(ctx, source, listen); err != nil {
			return err
		}
	}
	return nil
}

// pair is the node's key pair where a destination may use it: a renewed one is
// nothing to a folder or a plaintext connection.
func pair(c *config.Config, d config.Destination) *config.KeyPair {
	if d.Folder != nil || d.FHIRPull != nil || d.SFTP != nil || d.Portal != nil || d.Box != nil || d.MLLP != nil && d.MLLP.TLS == nil {
		return nil
	}
	return c.Node.TLS
}

func (st *staged) door(ctx context.Context, source string, listen bool) error {
	r, s := st.r, st.conf.Sources[source]
	switch {
	case s.Folder != nil:
		return st.watch(ctx, source)
	case s.SFTP != nil, s.FTPS != nil:
		return st.fetch(ctx, source)
	}
	addr := string(st.conf.ListenAddress(source))
	// The window and the accession fields belong to intake, not to the door.
	node := st.conf.Node.TLS
	if s.MLLP.TLS == nil {
		node = nil
	}
	mark, err := r.h.material(ctx, addr, s.Tunnel, s.MLLP.TLS, s.MLLP.Exception, s.From, s.MaxMessage, s.MaxConnections, s.Idle, s.FrameTimeout, node, copies(st.conf, source), r.h.sourceMark(source, s.MLLP.TLS))
	if err != nil {
		return fmt.Errorf("source %s: %w", source, err)
	}
	if d := r.doors[source]; d != nil && d.mark == mark {
		st.doors[source] = d
		return nil
	}
	d := &door{mark: mark, port: addr, tunnel: s.Tunnel}
	if d.server, err = r.h.server(st.conf, source); err != nil {
		return err
	}
	if strings.HasSuffix(addr, ":0") {
		d.port = source + " " + addr // any free port: one of its own
	}
	st.doors[source] = d
	if !listen || r.ports[d.port] != nil {
		return nil
	}
	p, err := openPort(ctx, addr)
	if err != nil {
		return fmt.Errorf("source %s: %w", source, err)
	}
	st.opened[d.port] = p
	return nil
}

// watch is door for a source that is a folder. The watcher opens it itself, so
// that a share that is away does not keep the rest from starting.
func (st *staged) watch(ctx context.Context, source string) error {
	r, s := st.r, st.conf.Sources[source]
	mark, err := r.h.material(ctx, *s.Folder, s.MaxMessage, copies(st.conf, source))
	if err != nil {
		return fmt.Errorf("source %s: %w", source, err)
	}
	if d := r.doors[source]; d != nil && d.mark == mark {
		st.doors[source] = d
		return nil
	}
	d := &door{mark: mark, path: string(s.Folder.Path)}
	if d.watcher, err = r.h.watcher(st.conf, source); err != nil {
		return err
	}
	st.doors[source] = d
	return nil
}

// undo closes what stage made.
func (st *staged) undo() error {
	var err error
	for _, p := range st.opened {
		err = errors.Join(err, p.close())
	}
	for _, s := range st.built {
		err = errors.Join(err, s.Close())
	}
	return err
}

// commit puts the staged configuration in force. The old senders close when
// the last try that uses them has ended; the old doors let what they are
// handling finish and answer.
func (st *staged) commit() error {
	r := st.r
	if r == nil {
		return nil
	}
	r.h.rooms.fhir.Apply(st.fhir)
	before, idle := r.gone, r.h.Results.Apply(st.set)
	var old []channel.Sender
	for key, s := range r.senders {
		if st.senders[key].Sender != s.Sender {
			old = append(old, s.Sender)
		}
	}
	gone := make(chan struct{})
	r.gone = gone
	r.g.Go(func() error {
		<-before
		<-idle
		close(gone)
		for _, s := range old {
			if err := s.Close(); err != nil {
				r.h.slog.Warn("a connection did not close cleanly", "error", err)
			}
		}
		return nil
	})
	for key, p := range st.opened {
		r.ports[key] = p
	}
	// The old doors take no more connections from here on: whoever connects after
	// this is served by the new settings. The port stays open in between.
	for source, d := range r.doors {
		if st.doors[source] != d {
			d.close()
		}
	}
	for source, d := range st.doors {
		if p := r.ports[d.port]; p != nil {
			p.inside(d.tunnel, source, r.h.rooms.tunnels)
		}
		if d.stop == nil {
			r.open(source, d)
		}
	}
	var err error
	inUse := map[string]bool{}
	for _, d := range st.doors {
		inUse[d.port] = d.port != ""
	}
	for key, p := range r.ports {
		if !inUse[key] {
			err = errors.Join(err, p.close())
			delete(r.ports, key)
		}
	}
	if r.term != nil {
		r.term.guard.take(r.term.ctx, r.term.g, st.witnesses)
	}
	r.conf, r.senders, r.doors = st.conf, st.senders, st.doors
	r.h.conf.Store(r.conf)
	r.h.Alarms.SetPlan(st.plan)
	r.beat(st.conf)
	r.h.dates.take(r.conf, st.certs)
	r.showDoors()
	go r.h.tellFront(context.WithoutCancel(r.ctx))
	return err
}

// close lets no more in; what is being handled is finished.
func (d *door) close() {
	d.stop()
	if d.ln != nil {
		d.ln.Close()
	}
}

func (r *reconciler) open(source string, d *door) {
	if d.watcher != nil {
		d.stop = func() {}
		if r.term != nil { // else the node takes from it that holds the lease
			d.stop = r.term.takeFrom(d.watcher)
		}
		return
	}
	ctx, stop := context.WithCancel(r.ctx)
	d.stop = stop
	d.ln = r.ports[d.port].turn()
	r.g.Go(func() error {
		defer stop()
		err := d.server.Serve(ctx, d.ln)
		if err != nil && ctx.Err() != nil {
			r.h.slog.Warn("a source's connections did not end in time", "source", source, "error", err)
			return nil
		}
		if err != nil {
			return fmt.Errorf("source %s: %w", source, err)
		}
		return nil
	})
}

// close ends what is left after everything that uses it has ended.
func (r *reconciler) close() {
	for _, p := range r.ports {
		if err := p.close(); err != nil {
			r.h.slog.Warn("a listener did not close cleanly", "error", err)
		}
	}
	for _, s := range r.senders {
		if err := s.Close(); err != nil {
			r.h.slog.Warn("a connection did not close cleanly", "error", err)
		}
	}
}
