package app

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// ReplayOptions narrow a replay.
type ReplayOptions struct {
	Source string // empty: every source
	// Reveal shows the values that would change: patient data.
	Reveal bool
	// Who asks is recorded before anything is looked at: which messages fit a
	// draft's rules is an answer of its own.
	Who      string
	Progress func(done int64)
}

// Replay runs the messages stored on a day (UTC) through the applied revision
// and through c, and calls each for every difference. It works on an open hub,
// running or not, sends nothing and changes nothing but the ledger.
func (h *Hub) Replay(ctx context.Context, c *config.Config, day time.Time, o ReplayOptions, each func(results.Difference) error) (results.ReplaySummary, error) {
	none := results.ReplaySummary{}
	cur, err := h.Current(ctx)
	if err != nil {
		return none, fmt.Errorf("replay: %w", err)
	}
	r := results.Replay{From: day.UTC().Truncate(24 * time.Hour), Source: o.Source, Reveal: o.Reveal, Progress: o.Progress}
	r.To = r.From.Add(24 * time.Hour)
	if r.Old, err = h.settings(cur.Config, nil); err != nil {
		return none, fmt.Errorf("replay: %w", err)
	}
	if r.New, err = h.settings(c, nil); err != nil {
		return none, fmt.Errorf("replay: %w", err)
	}
	reads, err := replayReads(cur.Config, c)
	if err != nil {
		return none, fmt.Errorf("replay: %w", err)
	}
	if err := h.recordReplay(ctx, o.Who, r.From.Format(time.DateOnly), c.Revision(), reads, o.Reveal); err != nil {
		return none, fmt.Errorf("replay: record who asks: %w", err)
	}
	return h.Results.Replay(ctx, r, each)
}
