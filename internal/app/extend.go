package app

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindExtended is the ledger's word for an end that a person has moved.
const KindExtended = "date.extended"

const (
	// extension is how long a person may let a channel keep its state past an
	// end (SAFETY.md 7).
	extension = 72 * time.Hour
	// extendFrom is how long before an end it can be extended; earlier there is
	// time to renew.
	extendFrom = 7 * 24 * time.Hour
)

// Extend lets a channel ("partner riverside", "source lis") keep its state until
// 72 h after now or after the last of its ends that comes within seven days. An
// extension made again begins anew; it never adds up. It is refused while
// everything known of the channel ends later than in seven days.
func (h *Hub) Extend(ctx context.Context, channel, who, reason string) (desk.Extension, error) {
	x := desk.Extension{Channel: channel, By: who, Reason: reason}
	if strings.TrimSpace(who) == "" || strings.TrimSpace(reason) == "" {
		return x, desk.Refuse("name why it is extended; the reason goes into the ledger")
	}
	c := h.inForce()
	if c == nil {
		cur, err := h.Current(ctx)
		if err != nil {
			return x, err
		}
		c = cur.Config
	}
	if !hasChannel(c, channel) {
		return x, desk.Refuse(fmt.Sprintf("the applied configuration has no %s; say `partner NAME` or `source NAME`", channel))
	}
	now := h.now()
	from, known, near := now, false, false
	for _, e := range h.endings(c, now) {
		if e.Of != channel || e.Kind == control.DateOurs {
			continue // a partner judges our certificate; we cannot extend it
		}
		known = true
		if e.Ends.Sub(now) <= extendFrom {
			near = true
			if e.Ends.After(from) {
				from = e.Ends
			}
		}
	}
	if known && !near {
		return x, fmt.Errorf("extend %s: %w: there is time to renew it or to set another date", channel, desk.ErrNothingEnds)
	}
	x.At, x.Until = now.UTC().Truncate(time.Microsecond), from.Add(extension).UTC().Truncate(time.Microsecond)
	err := h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) (err error) {
		x.Leaf, err = bus.Publish(ctx, tx, ledger.Event{
			Kind: KindExtended, At: x.At.UnixMicro(), IDs: ledger.Pairs{{K: "by", V: ledger.Code(who)}, {K: "channel", V: ledger.Code(channel)}},
			Codes:   ledger.Pairs{{K: "reason", V: ledger.Code(reason)}},
			Numbers: []ledger.Number{{K: "until", N: x.Until.UnixMicro()}},
		})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO hub_extensions (channel, until, made_at, made_by, reason, leaf) VALUES ($1, $2, $3, $4, $5, $6)
			ON CONFLICT (channel) DO UPDATE SET until = excluded.until, made_at = excluded.made_at, made_by = excluded.made_by,
			reason = excluded.reason, leaf = excluded.leaf`, channel, x.Until.UnixMicro(), x.At.UnixMicro(), who, reason, x.Leaf)
		if err != nil {
			return err
		}
		return bus.NewTags(h.Vault).Put(ctx, tx, taggedExtended, channel)
	})
	if err != nil {
		return x, fmt.Errorf("record the extension: %w", err)
	}
	d := h.dates
	d.mu.Lock()
	d.extended[channel] = x
	d.mu.Unlock()
	h.slog.Warn("a person has extended a date", "channel", channel, "until", x.Until, "by", ledger.Code(who))
	// A partner that was refused is connected to anew, so that what waits goes now.
	if _, err := h.restage(ctx); err != nil {
		h.slog.Warn("what was extended is tried again later", "channel", channel, "error", err)
	}
	return x, nil
}

// extendedAt is when a channel was extended last; it makes a new sender.
func (d *dates) extendedAt(channel string) time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.extended[channel].At
}
