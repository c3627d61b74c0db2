package app

import (
	"context"
	"fmt"
	"time"
)

// clockEvery is how often the machine's clock is compared with the one that does
// not jump.
const clockEvery = time.Minute

// watchClock looks for jumps of the machine's clock until ctx ends.
func (h *Hub) watchClock(ctx context.Context) error {
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		if err := h.Results.CheckClock(ctx); err != nil && ctx.Err() == nil {
			h.slog.Error("the clock could not be checked", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// clockAlarms are the sentences of `labwarden status` about the clock.
func (h *Hub) clockAlarms() []string {
	by, at, behind := h.Results.Jumped()
	var out []string
	if by != 0 {
		way := "forward"
		if by < 0 {
			way = "back"
		}
		out = append(out, fmt.Sprintf("The machine's clock was put %s by %s; it said %s then. Results flow. Look at the time service of this machine.",
			way, by.Abs().Round(time.Second), at.UTC().Format("2006-01-02 15:04")))
	}
	if behind > 24*time.Hour {
		out = append(out, fmt.Sprintf("The machine's clock is %s ahead of the time that has passed while Labwarden ran. Nothing is erased or forgotten by it until it has run evenly for seven days.",
			behind.Round(time.Hour)))
	}
	return out
}

// storeAlarms are those that do not come from witnesses.
func (h *Hub) storeAlarms() []string { return append(h.auditAlarms(), h.clockAlarms()...) }
