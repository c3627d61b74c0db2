package app

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// ReplayOptions narrow a replay.
type ReplayOptions struct {
	Source string // empty: every source
	// Reveal shows the values that would change: patient data. Who asks is
	// recorded before the first is shown.
	Reveal   bool
	Who      string
	Progress func(done int64)
}

// Replay runs the messages stored on a day (UTC) through the applied revision
// and through c, and calls each for every difference. It works on an open hub,
// running or not, sends nothing and changes nothing.
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
	if o.Reveal {
		if o.Who == "" {
			return none, fmt.Errorf("replay: nobody is named who looks at patient data")
		}
		err := h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
			_, err := bus.Publish(ctx, tx, ledger.Event{
				Kind: "result.replay_revealed", At: h.now().UnixMicro(), IDs: ledger.Pairs{{K: "by", V: ledger.Code(o.Who)}},
				Codes: ledger.Pairs{{K: "day", V: r.From.Format(time.DateOnly)}, {K: "revision", V: c.Revision()}},
			})
			return err
		})
		if err != nil {
			return none, fmt.Errorf("replay: record who looks: %w", err)
		}
	}
	return h.Results.Replay(ctx, r, each)
}
