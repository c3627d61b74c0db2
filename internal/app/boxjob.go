package app

import (
	"context"
	"time"
)

const (
	boxesEvery = time.Minute
	// boxesForget is how long the content of a file that was taken away can still
	// be brought back by a person with the database.
	boxesForget = 24 * time.Hour
	// receiptsKept is how long a receipt lies in a box without results, which says
	// no time of its own.
	receiptsKept = 30 * 24 * time.Hour
)

// keepBoxes passes pick-ups on, writes the receipts that nobody has asked for yet,
// takes away results that were picked up long ago and receipts that are as old,
// and forgets what is gone; on the node with the lease.
func (h *Hub) keepBoxes(ctx context.Context) error {
	tick := time.NewTicker(boxesEvery)
	defer tick.Stop()
	for {
		h.tendBoxes(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (h *Hub) tendBoxes(ctx context.Context) {
	b := h.rooms.boxes
	if err := b.TellPicked(ctx); err != nil && ctx.Err() == nil {
		h.slog.Warn("pick-ups are told later", "error", err)
	}
	if err := b.AllReceipts(ctx); err != nil && ctx.Err() == nil {
		h.slog.Warn("receipts for partners are written later", "error", err)
	}
	if c := h.inForce(); c != nil {
		for _, key := range sorted(c.Partners) {
			keep := receiptsKept
			if d := c.Partners[key].Destination.Box; d != nil {
				keep = d.Keep.Std()
			}
			if err := b.RemoveReceipts(ctx, key, h.now().Add(-keep)); err != nil && ctx.Err() == nil {
				h.slog.Warn("old receipts stay longer", "partner", key, "error", err)
			}
			if d := c.Partners[key].Destination.Box; d != nil {
				if err := b.RemovePicked(ctx, key, h.now().Add(-d.Keep.Std())); err != nil && ctx.Err() == nil {
					h.slog.Warn("files that were picked up stay longer", "partner", key, "error", err)
				}
			}
		}
	}
	if _, err := b.Erase(ctx, h.now().Add(-boxesForget).UnixMicro()); err != nil && ctx.Err() == nil {
		h.slog.Warn("files that are gone are forgotten later", "error", err)
	}
}
