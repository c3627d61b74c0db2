package shieldlink

import (
	"context"
	"sync"
)

// room bounds what is on its way to the hub.
type room struct {
	mu    sync.Mutex
	most  int
	used  int
	sent  []sent
	again chan struct{} // closed when there is more room
}

type sent struct {
	n     uint64
	bytes int
}

func newRoom(most int) *room { return &room{most: most, again: make(chan struct{})} }

// take waits until there is room; one record alone always has it.
func (r *room) take(ctx context.Context, n uint64, bytes int) error {
	for {
		r.mu.Lock()
		if r.used == 0 || r.used+bytes <= r.most {
			r.used += bytes
			r.sent = append(r.sent, sent{n, bytes})
			r.mu.Unlock()
			return nil
		}
		again := r.again
		r.mu.Unlock()
		select {
		case <-again:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// full: the next record would probably wait, so what is written must go out.
func (r *room) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.used > r.most/2
}

// give says that the hub has records up to the number.
func (r *room) give(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := 0
	for i < len(r.sent) && r.sent[i].n <= n {
		r.used -= r.sent[i].bytes
		i++
	}
	if i > 0 {
		r.sent = append(r.sent[:0], r.sent[i:]...)
		close(r.again)
		r.again = make(chan struct{})
	}
}
