package app

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/labwarden/labwarden/internal/platform/config"
)

// Serve runs the hub with the configuration until ctx ends: it opens every
// source's door, delivers to every partner, and stops within ten seconds.
// ready is called with the addresses once all doors are open. While it runs,
// Apply changes sources, partners and routes without a restart.
func (h *Hub) Serve(ctx context.Context, c *config.Config, ready func(map[string]string)) error {
	guard := newGuard(h)
	guard.waiting = len(c.Witnesses) > 0
	guard.views()
	h.guard.Store(guard)
	defer h.guard.Store(nil)
	g, ctx := errgroup.WithContext(ctx)
	r := newReconciler(ctx, g, h)
	h.applying.Lock()
	st, err := r.stage(ctx, c, true)
	if err != nil {
		h.applying.Unlock()
		return err
	}
	// Before anything is sent: what went round the hub must not go out again, or
	// over something newer.
	h.readBypassAtStart(ctx, c)
	h.writeBypassCard(ctx, c)
	g.Go(func() error { return h.Results.Run(ctx) })
	g.Go(func() error { return guard.run(ctx) })
	g.Go(func() error { return h.Results.RunIndex(ctx) })
	g.Go(func() error { return h.Results.RunClinical(ctx) })
	g.Go(func() error { return h.Results.RunCompare(ctx) })
	g.Go(func() error { return h.keep(ctx) })
	g.Go(func() error { return h.Alarms.Run(ctx) })
	g.Go(func() error { return newLookout(h).run(ctx) })
	g.Go(func() error { return h.audits(ctx) })
	g.Go(func() error { return h.watchClock(ctx) })
	g.Go(func() error { return h.rewraps(ctx) })
	err = st.commit()
	h.running = r
	h.applying.Unlock()
	defer r.close()
	side, sideErr := h.openSide(ctx, c)
	if sideErr != nil {
		h.slog.Error("the command socket or the metrics could not be opened; results flow without them", "error", sideErr)
	} else {
		g.Go(func() error { return side.serve(ctx) })
	}
	g.Go(func() error {
		// Nothing is added to g once it may have ended.
		<-ctx.Done()
		h.applying.Lock()
		defer h.applying.Unlock()
		h.running = nil
		return err
	})
	if ready != nil {
		ready(r.addresses())
	}
	return g.Wait()
}

func (r *reconciler) addresses() map[string]string {
	r.h.applying.Lock()
	defer r.h.applying.Unlock()
	out := map[string]string{}
	for source, d := range r.doors {
		if d.watcher != nil {
			out[source] = d.path
			continue
		}
		out[source] = r.ports[d.port].ln.Addr().String()
	}
	return out
}

// Addresses tells where each source's door is open; nil while nothing runs.
func (h *Hub) Addresses() map[string]string {
	h.applying.Lock()
	r := h.running
	h.applying.Unlock()
	if r == nil {
		return nil
	}
	return r.addresses()
}
