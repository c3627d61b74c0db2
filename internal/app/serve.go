package app

import (
	"context"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// Serve runs the hub with the configuration until ctx ends: it opens every
// source's door, delivers to every partner while it holds the lease (always,
// where it is the only node), and stops within ten seconds. ready is called with
// the addresses once all doors are open. While it runs, Apply changes sources,
// partners and routes without a restart, on every node.
func (h *Hub) Serve(ctx context.Context, c *config.Config, ready func(map[string]string)) error {
	if err := h.openGate(&c.Node); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	r := newReconciler(ctx, g, h)
	h.rooms.tunnels.open(ctx, c, g)
	defer h.rooms.tunnels.close()
	g.Go(func() error { return h.runSightings(ctx) })
	h.applying.Lock()
	st, err := r.stage(ctx, c, true)
	if err != nil {
		h.applying.Unlock()
		return err
	}
	h.conf.Store(c) // for what begins before its doors are open
	g.Go(func() error { return h.rooms.vpns.run(ctx) })
	h.Results.SetViewsClosed(viewsUnknown) // until whoever holds the lease has said
	known := make(chan struct{})
	settled := sync.OnceFunc(func() { close(known) })
	if h.DB.Engine() != store.SQLite {
		w := newWords()
		h.Results.SetElsewhere(w.say)
		g.Go(func() error { w.run(ctx, h.DB); return nil })
		g.Go(func() error { h.hear(ctx); return nil })
		g.Go(func() error { h.follow(ctx, settled); return nil })
	}
	// Before this node sends anything: what went round the hub must not go out
	// again, or over something newer. The logs are in this node's data folder, so
	// each node reads its own, with the lease or without.
	h.readBypassAtStart(ctx, c)
	h.writeBypassCard(ctx, c)
	g.Go(func() error { return h.keepBypassCard(ctx) })
	g.Go(func() error { return h.keepCertificates(ctx) })
	g.Go(func() error { return h.lease.Run(ctx, func(ctx context.Context) error { return h.act(ctx, settled) }) })
	err = st.commit()
	h.running = r
	h.applying.Unlock()
	defer r.close()
	side, sideErr := h.openSide(ctx, c)
	if sideErr != nil {
		h.slog.Error("the command socket or the metrics could not be opened; results flow without them", "error", sideErr)
	} else {
		g.Go(func() error { return side.serve(ctx) })
		g.Go(func() error { return h.runReplays(ctx) })
	}
	g.Go(func() error {
		// Nothing is added to g once it may have ended.
		<-ctx.Done()
		h.applying.Lock()
		defer h.applying.Unlock()
		h.running = nil
		h.conf.Store(nil)
		h.doors.Store(nil)
		return err
	})
	select { // whoever asks how the hub is should not hear that it does not know
	case <-known:
	case <-ctx.Done():
	case <-time.After(settleTime):
	}
	if ready != nil {
		ready(h.Addresses())
	}
	return g.Wait()
}

// Addresses tells where each source's door is open, and the folder of one that
// is a folder (whether this node takes from it or the one with the lease); nil
// while nothing runs.
func (h *Hub) Addresses() map[string]string {
	if d := h.doors.Load(); d != nil {
		return *d
	}
	return nil
}
