package results

import (
	"context"
	"sync"
	"sync/atomic"
	"time"
)

// pace keeps intake from outrunning the deliveries to a partner that answers.
// Both live on the same processor and the same disk; who comes first would be
// chance, and what is taken in would pile up. It holds only while some hundred
// wait, and only for that partner's messages: then as many are taken in as the
// partner takes, but never fewer than freely.
type pace struct {
	behind atomic.Bool // the partner answers, and more than loadLow wait

	mu    sync.Mutex
	slot  time.Time // when the next message may be taken
	since time.Time // when count began
	count int
	rate  float64 // deliveries a second, lately
}

const (
	// freely is how many messages a second for one partner are always taken,
	// however slow the partner is: twenty million a day.
	freely = 250
	// paceMost is how long one message waits at most.
	paceMost = 250 * time.Millisecond
	// paceOver is the time over which deliveries are counted.
	paceOver = 250 * time.Millisecond
)

// delivered counts one delivery.
func (p *pace) delivered(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	d := now.Sub(p.since)
	if d < paceOver && d >= 0 {
		return
	}
	if d < 4*paceOver {
		p.rate = 0.5*p.rate + 0.5*float64(p.count)/d.Seconds()
	} else {
		p.rate = 0 // it rested
	}
	p.since, p.count = now, 0
}

// next is how long a message has to wait that is to be taken now.
func (p *pace) next(now time.Time) time.Duration {
	if !p.behind.Load() {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.slot.Before(now) {
		p.slot = now
	}
	wait := p.slot.Sub(now)
	if wait > paceMost {
		return paceMost // a clock that was set back must not stop anything
	}
	p.slot = p.slot.Add(time.Duration(float64(time.Second) / max(freely, p.rate)))
	return wait
}

// giveWay lets a message wait until the deliveries can follow.
func (s *Service) giveWay(ctx context.Context, plans []plan) {
	wait := time.Duration(0)
	now := s.now()
	s.mu.Lock()
	for _, p := range plans {
		if c := s.couriers[p.partner]; c != nil {
			wait = max(wait, c.pace.next(now))
		}
	}
	s.mu.Unlock()
	if wait <= 0 {
		return
	}
	t := time.NewTimer(wait)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
