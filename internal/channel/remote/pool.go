package remote

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// pool keeps connections that are not in use for a while. At most cap(places)
// are open at once.
type pool struct {
	dial     Dial
	patience time.Duration
	keep     time.Duration
	places   chan struct{}

	mu     sync.Mutex
	free   []*link
	all    map[*link]bool
	closed bool
}

func newPool(dial Dial, connections int, patience, keep time.Duration) *pool {
	return &pool{dial: dial, patience: patience, keep: keep, places: make(chan struct{}, connections), all: map[*link]bool{}}
}

var errClosed = errors.New("sender is closed")

// take gives a connection, a kept one where there is one (used). give must
// follow.
func (p *pool) take(ctx context.Context) (l *link, used bool, err error) {
	select {
	case p.places <- struct{}{}:
	case <-ctx.Done():
		return nil, false, ctx.Err()
	}
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		<-p.places
		return nil, false, errClosed
	}
	if n := len(p.free); n > 0 {
		l, p.free = p.free[n-1], p.free[:n-1]
		l.idle.Stop()
		p.mu.Unlock()
		return l, true, nil
	}
	p.mu.Unlock()
	l, err = p.open(ctx)
	if err != nil {
		<-p.places
	}
	return l, false, err
}

// open dials. The connecting has the patience of one step.
func (p *pool) open(ctx context.Context) (*link, error) {
	dialing, cancel := context.WithTimeout(ctx, p.patience)
	defer cancel()
	d, err := p.dial(dialing)
	if err != nil {
		return nil, err
	}
	l := &link{Dir: d, patience: p.patience}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		_ = d.Close()
		return nil, errClosed
	}
	p.all[l] = true
	return l, nil
}

// drop closes a connection; its place is still taken.
func (p *pool) drop(l *link) {
	p.mu.Lock()
	delete(p.all, l)
	p.mu.Unlock()
	_ = l.Close()
}

// give keeps l, nil where it was dropped, for the next.
func (p *pool) give(l *link) {
	defer func() { <-p.places }()
	if l == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		delete(p.all, l)
		_ = l.Close()
		return
	}
	p.free = append(p.free, l)
	l.idle = time.AfterFunc(p.keep, func() { p.expire(l) })
}

func (p *pool) expire(l *link) {
	p.mu.Lock()
	at := -1
	for i, x := range p.free {
		if x == l {
			at = i
		}
	}
	if at >= 0 {
		p.free = append(p.free[:at], p.free[at+1:]...)
		delete(p.all, l)
	}
	p.mu.Unlock()
	if at >= 0 {
		_ = l.Close()
	}
}

// close ends every connection; calls in flight fail.
func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for l := range p.all {
		if l.idle != nil {
			l.idle.Stop()
		}
		_ = l.Close()
	}
	p.all, p.free = nil, nil
}

// with runs f on a connection. A kept one that turns out to be dead before f has
// done anything is replaced once: f says how far it came.
func (p *pool) with(ctx context.Context, f func(l *link) (begun bool, err error)) error {
	l, used, err := p.take(ctx)
	if err != nil {
		return err
	}
	for {
		release := l.under(ctx)
		begun, err := f(l)
		err = l.why(err)
		release()
		if !lost(err) {
			p.give(l)
			return err
		}
		p.drop(l)
		if !used || begun || ctx.Err() != nil {
			p.give(nil)
			return err
		}
		used = false
		if l, err = p.open(ctx); err != nil {
			p.give(nil)
			return err
		}
	}
}

// classed makes err an *channel.Error.
func classed(err error, peer channel.Peer) error {
	var e *channel.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	return &channel.Error{Class: channel.Unreachable, Peer: peer, Err: err}
}
