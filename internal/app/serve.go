package app

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// Serve runs the hub with the configuration until ctx ends: it opens every
// source's door, delivers to every partner, and stops within ten seconds.
// ready is called with the addresses once all doors are open.
func (h *Hub) Serve(ctx context.Context, c *config.Config, ready func(map[string]string)) error {
	senders := map[string]results.Sender{}
	var open []channel.Sender
	defer func() {
		for _, s := range open {
			if err := s.Close(); err != nil {
				h.slog.Warn("a connection did not close cleanly", "error", err)
			}
		}
	}()
	for _, key := range sorted(c.Partners) {
		s, err := h.sender(c, key)
		if err != nil {
			return err
		}
		open = append(open, s)
		senders[key] = s
	}
	set, err := h.settings(c, senders)
	if err != nil {
		return err
	}
	h.Results.Apply(set)

	var doors []*listener
	addrs := map[string]string{}
	for _, source := range sorted(c.Sources) {
		l, err := h.listen(ctx, c, source)
		if err != nil {
			for _, d := range doors {
				err = errors.Join(err, d.ln.Close())
			}
			return err
		}
		doors = append(doors, l)
		addrs[source] = l.ln.Addr().String()
	}
	side, err := h.openSide(ctx, c, addrs)
	if err != nil {
		for _, d := range doors {
			err = errors.Join(err, d.ln.Close())
		}
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return h.Results.Run(ctx) })
	g.Go(func() error { return side.serve(ctx) })
	for _, d := range doors {
		g.Go(func() error {
			if err := d.server.Serve(ctx, d.ln); err != nil {
				return fmt.Errorf("source %s: %w", d.source, err)
			}
			return nil
		})
	}
	if ready != nil {
		ready(addrs)
	}
	return g.Wait()
}
