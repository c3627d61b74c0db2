package results

import "sync"

// claims decide, delivery by delivery, between a courier that is about to send
// and a person who ends the delivery without its being sent: only one of them
// can have it. A courier takes it right before the bytes leave and gives it back
// when what came of the try is written down. Other nodes do not send while this
// one's couriers run; that a term has not ended meanwhile is asked in the
// transaction (courier.fence).
type claims struct {
	mu    sync.Mutex
	out   map[int64]bool // on the wire, or being written down
	aside map[int64]int  // not to be sent now, and how many want it so
}

// send takes a delivery for the wire; false: it was set aside, not now.
func (c *claims) send(seq int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.aside[seq] > 0 {
		return false
	}
	if c.out == nil {
		c.out = map[int64]bool{}
	}
	c.out[seq] = true
	return true
}

// sent gives it back, taken or not.
func (c *claims) sent(seq int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.out, seq)
}

// keep sets deliveries aside, all or none: until back is called no courier of
// this node sends them. ok is false when one of them, which, is on the wire.
func (c *claims) keep(seqs []int64) (back func(), which int64, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, seq := range seqs {
		if c.out[seq] {
			return nil, seq, false
		}
	}
	if c.aside == nil {
		c.aside = map[int64]int{}
	}
	for _, seq := range seqs {
		c.aside[seq]++
	}
	return func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, seq := range seqs {
			if c.aside[seq]--; c.aside[seq] == 0 {
				delete(c.aside, seq)
			}
		}
	}, 0, true
}
