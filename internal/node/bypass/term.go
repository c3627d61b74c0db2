package bypass

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"
)

// Length is how long a bypass stays open unless a named person extends it
// (SAFETY.md 3).
const Length = 8 * time.Hour

// warnings are how long before the end a person is told.
func warnings() []time.Duration {
	return []time.Duration{time.Hour, 30 * time.Minute, 10 * time.Minute, time.Minute}
}

// Named is who does something and why.
type Named struct {
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// ErrUnnamed: nobody is named.
var ErrUnnamed = errors.New("name who does this and why")

// Check refuses what names nobody.
func (n Named) Check() error {
	if strings.TrimSpace(n.By) == "" || strings.TrimSpace(n.Reason) == "" {
		return ErrUnnamed
	}
	if len(n.By) > 200 || len(n.Reason) > 500 {
		return fmt.Errorf("%w, in fewer words", ErrUnnamed)
	}
	return nil
}

// term is the time a bypass has. Its timers go by the monotonic clock: a wall
// clock that jumps neither ends a bypass nor prolongs it.
type term struct {
	now  func() time.Time
	warn func(left time.Duration) // called once for each warning of a term

	mu    sync.Mutex
	until time.Time
	moved chan struct{}
}

func newTerm(now func() time.Time, warn func(time.Duration)) *term {
	return &term{now: now, warn: warn, until: now().Add(Length), moved: make(chan struct{}, 1)}
}

func (t *term) end() time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.until
}

// extend gives it another Length from now.
func (t *term) extend() time.Time {
	t.mu.Lock()
	t.until = t.now().Add(Length)
	until := t.until
	t.mu.Unlock()
	select {
	case t.moved <- struct{}{}:
	default:
	}
	return until
}

// run returns when the time is over (true) or ctx ended (false).
func (t *term) run(ctx context.Context) bool {
	for {
		moved, over := t.count(ctx)
		if !moved {
			return over
		}
	}
}

// count goes through one term's warnings to its end.
func (t *term) count(ctx context.Context) (moved, over bool) {
	until := t.end()
	for _, before := range append(warnings(), 0) {
		wait := until.Sub(t.now()) - before
		if wait < 0 {
			continue
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false, false
		case <-t.moved:
			timer.Stop()
			return true, false
		case <-timer.C:
		}
		if before > 0 {
			t.warn(before)
		}
	}
	return false, true
}
