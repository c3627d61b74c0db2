package results

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// KindClockJumped is the fact that the machine's clock was put forward or back.
const KindClockJumped = "clock.jumped"

const (
	// clockTolerance is what clocks may drift apart between two looks before it
	// is a jump: more than any slewing does in a minute.
	clockTolerance = time.Minute
	// clockSettles is for how long the machine's clock must run ahead evenly,
	// with the alarm standing all that time, before it is believed.
	clockSettles = 7 * 24 * time.Hour
	// clockKept is how often the believed time is written down.
	clockKept = time.Hour
)

var taggedClock = &bus.Tagged{Table: "results_clock", Key: "id", Columns: []string{"believed"}}

// steady is the time by which things are erased, forgotten or given up: never
// ahead of the machine's clock, and never ahead of what has passed by the clock
// that does not jump (the time the hub was not running does not count until the
// machine's clock has run evenly for clockSettles). Things are kept too long
// rather than too short.
type steady struct {
	wall func() time.Time
	mono func() time.Duration

	mu     sync.Mutex
	base   time.Time     // what was believed
	from   time.Duration // when, by mono
	loaded bool
	kept   time.Duration // when it was written down last
	saved  bool

	seen     time.Time // the machine's clock at the last look
	seenAt   time.Duration
	ahead    time.Duration // by how much the machine's clock is ahead, evenly
	aheadAt  time.Duration // since when
	lastJump time.Duration
	jumpedAt time.Time
}

func newSteady(wall func() time.Time, mono func() time.Duration) *steady {
	w, m := wall().Round(0), mono()
	return &steady{wall: wall, mono: mono, base: w, from: m, seen: w, seenAt: m}
}

// now is the steady time.
func (c *steady) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nowLocked()
}

func (c *steady) nowLocked() time.Time {
	w, b := c.wall().Round(0), c.base.Add(c.mono()-c.from)
	if w.Before(b) {
		return w
	}
	return b
}

// look compares the clocks and returns by how much the machine's clock has
// jumped since the last look, 0 for not.
func (c *steady) look() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	w, m := c.wall().Round(0), c.mono()
	jump := w.Sub(c.seen) - (m - c.seenAt)
	c.seen, c.seenAt = w, m
	if jump.Abs() <= clockTolerance {
		jump = 0
	} else {
		c.lastJump, c.jumpedAt = jump, w
	}
	off := w.Sub(c.base.Add(m - c.from))
	switch {
	case off < 0: // the machine's clock is behind: that is believed at once
		c.base, c.from, c.ahead = w, m, 0
	case off <= clockTolerance:
		c.ahead = 0
	case (off - c.ahead).Abs() > clockTolerance:
		c.ahead, c.aheadAt = off, m
	case m-c.aheadAt >= clockSettles:
		c.base, c.from, c.ahead = w, m, 0
	}
	return jump
}

// Jumped tells of the last jump of the machine's clock in the last day, and by
// how much the steady time is behind the machine's clock.
func (s *Service) Jumped() (by time.Duration, at time.Time, behind time.Duration) {
	c := s.steady
	c.mu.Lock()
	defer c.mu.Unlock()
	w := c.wall().Round(0)
	if !c.jumpedAt.IsZero() && w.Sub(c.jumpedAt).Abs() < 24*time.Hour {
		by, at = c.lastJump, c.jumpedAt
	}
	if behind = w.Sub(c.nowLocked()); behind <= clockTolerance {
		behind = 0
	}
	return by, at, behind
}

// CheckClock looks whether the machine's clock has jumped. Call it about once a
// minute. A jump is logged and becomes a fact; what waits for another try is
// tried at once, because the times written down are those of another clock.
func (s *Service) CheckClock(ctx context.Context) error {
	if err := s.loadClock(ctx); err != nil {
		return err
	}
	jump := s.steady.look()
	if jump != 0 {
		s.slog.Error("ALARM: the machine's clock was put forward or back; nothing is erased or forgotten by it until it has run evenly for a week", "by", jump.Round(time.Second))
		s.mu.Lock()
		couriers := make([]*courier, 0, len(s.couriers))
		for _, c := range s.couriers {
			couriers = append(couriers, c)
		}
		s.mu.Unlock()
		for _, c := range couriers {
			c.fresh()
			c.wake()
		}
	}
	return s.keepClock(ctx, jump)
}

// loadClock takes over, once, what was believed before the start. Where nothing
// was written down, or it was changed since, the ledger's last entry says how
// late it was at least.
func (s *Service) loadClock(ctx context.Context) error {
	c := s.steady
	c.mu.Lock()
	loaded := c.loaded
	c.mu.Unlock()
	if loaded {
		return nil
	}
	fits, saved := true, true
	var believed int64
	err := s.db.QueryRow(ctx, "SELECT believed FROM results_clock WHERE id = 1").Scan(&believed)
	switch {
	case errors.Is(err, store.ErrNoRows):
		saved = false
	case err != nil:
		return fmt.Errorf("read the clock: %w", err)
	default:
		if err := s.tags.Row(ctx, s.db, taggedClock, int64(1), func(string, string) { fits = false }); err != nil {
			return err
		}
	}
	if !saved || !fits {
		err = s.db.QueryRow(ctx, "SELECT at FROM ledger_groups ORDER BY first DESC LIMIT 1").Scan(&believed)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return fmt.Errorf("read the clock: %w", err)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.loaded, c.saved = true, saved
	if t := time.UnixMicro(believed); believed > 0 && t.Before(c.base) {
		c.base = t
	}
	return nil
}

// keepClock writes down what is believed, now and then, and a jump at once.
func (s *Service) keepClock(ctx context.Context, jump time.Duration) error {
	c := s.steady
	c.mu.Lock()
	due := !c.saved || jump != 0 || c.mono()-c.kept >= clockKept
	believed := c.nowLocked().UnixMicro()
	c.mu.Unlock()
	if !due {
		return nil
	}
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		if jump != 0 {
			_, err := bus.Publish(ctx, tx, ledger.Event{
				Kind: KindClockJumped, At: s.now().UnixMicro(), Numbers: []ledger.Number{{K: "seconds", N: int64(jump / time.Second)}},
			})
			if err != nil {
				return err
			}
		}
		err := tx.Queue(ctx, `INSERT INTO results_clock (id, believed) VALUES (1, $1)
			ON CONFLICT (id) DO UPDATE SET believed = excluded.believed`, believed)
		if err != nil {
			return err
		}
		return s.tags.Put(ctx, tx, taggedClock, int64(1))
	})
	if err != nil {
		return fmt.Errorf("keep the clock: %w", err)
	}
	c.mu.Lock()
	c.saved, c.kept = true, c.mono()
	c.mu.Unlock()
	return nil
}
