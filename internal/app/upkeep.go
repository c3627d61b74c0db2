package app

import (
	"context"
	"fmt"
	"time"

	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// retainEvery is how often retention looks. A pass works in small batches, so
// it needs no quiet hour; the first comes some minutes after the start, when a
// hub that was down has caught up.
const (
	retainEvery = 6 * time.Hour
	retainFirst = 5 * time.Minute
)

// keep runs retention until ctx ends. What the law or a hold protects is never
// erased; when that leaves more than the size asked for, it is an alarm.
func (h *Hub) keep(ctx context.Context) error {
	timer := time.NewTimer(retainFirst)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(retainEvery)
		h.applying.Lock()
		r := h.running
		h.applying.Unlock()
		if r == nil {
			continue
		}
		done, err := h.Results.Retain(ctx, retention(r.conf))
		if err != nil && ctx.Err() == nil {
			h.slog.Error("retention could not finish; it goes on at the next pass", "error", err)
			continue
		}
		if done.OverBytes > 0 {
			h.Alarms.Raise(ctx, alarm.Alarm{
				Key: alarm.Key{Kind: kindRetention}, Severity: alarm.Warning,
				Sentence: fmt.Sprintf("The stored results exceed retention.max_size by %d MiB, and nothing that is left may be erased.", done.OverBytes>>20),
				Advice:   "Give the disk more room, or raise retention.max_size.",
			})
			h.slog.Error("the stored results exceed their size and nothing that is left may be erased: give the disk more room", "bytes_over", done.OverBytes)
		} else {
			h.Alarms.Over(ctx, alarm.Key{Kind: kindRetention})
		}
		h.slog.Info("retention has looked", "erased", done.Erased, "of_quarantine", done.Apart, "control_ids", done.Controls,
			"kept_by_law", done.LegalMinimum, "kept_by_hold", done.OnHold, "undelivered", done.Undelivered)
	}
}

func retention(c *config.Config) results.Retention {
	r := c.Retention
	return results.Retention{
		MaxAge: r.Messages.Std(), MaxApart: r.Apart.Std(), MaxBytes: int64(r.MaxSize), Reports: r.Minimum.Reports.Std(),
		Immunohaematology: r.Minimum.Immunohaematology.Std(), Pathology: r.Minimum.Pathology.Std(),
	}
}
