package lease

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
)

// watchEvery is how often a holder looks whether its time has run out.
const watchEvery = 100 * time.Millisecond

// Run works whenever this node holds the lease, until ctx ends. work must end
// soon after its context has; a new term begins only then. An error of work
// while its term holds ends Run with it. On SQLite work runs once.
func (l *Lease) Run(ctx context.Context, work func(ctx context.Context) error) error {
	if l.db.Engine() == store.SQLite {
		s, err := l.State(ctx)
		if err != nil {
			return err
		}
		l.hold(s, nil)
		defer l.hold(State{}, nil)
		return work(ctx)
	}
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		case <-l.poke:
		}
		if s, began, ok := l.stand(ctx); ok {
			if err := l.serve(ctx, s, began, work); err != nil {
				return err
			}
		}
		timer.Reset(l.o.Try)
	}
}

// stand takes the lease if it seems free.
func (l *Lease) stand(ctx context.Context) (State, time.Time, bool) {
	l.mu.Lock()
	withheld := l.withheld != ""
	l.mu.Unlock()
	if withheld {
		return State{}, time.Time{}, false
	}
	look, cancel := context.WithTimeout(ctx, l.o.TTL)
	defer cancel()
	s, err := l.State(look)
	if err == nil && s.Live && !l.heir(s.instance) {
		l.fresh = false
		return State{}, time.Time{}, false
	}
	done := l.unstick(ctx)
	defer done()
	var began time.Time
	if err == nil {
		s, began, err = l.take(ctx)
	}
	l.fresh = l.fresh && err != nil
	if err != nil && ctx.Err() == nil {
		l.o.Log.Warn("the lease could not be looked at; it is tried again", "error", err)
	}
	return s, began, err == nil && s.Mine
}

// unstick ends a session that keeps all nodes from writing, if what begins now
// does not end in time.
func (l *Lease) unstick(ctx context.Context) (done func()) {
	ctx, cancel := context.WithCancel(ctx)
	timer := time.AfterFunc(3*l.o.Renew, func() {
		n, err := l.db.Unstick(ctx)
		switch {
		case err != nil && ctx.Err() == nil:
			l.o.Log.Warn("it could not be found out who keeps the database from writing", "error", err)
		case n > 0:
			l.o.Log.Warn("a node that stands still kept the database from writing; its session was ended")
		}
	})
	return func() { timer.Stop(); cancel() }
}

func (l *Lease) hold(s State, end context.CancelCauseFunc) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mine, l.end = s, end
	if end != nil && l.withheld != "" { // since it stood
		end(errWithheld)
	}
}

// serve runs one term.
func (l *Lease) serve(ctx context.Context, s State, began time.Time, work func(context.Context) error) error {
	tctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	t := &term{epoch: s.Epoch, now: l.o.Now, lost: end}
	t.extend(began.Add(l.o.TTL - l.o.Margin))
	l.hold(s, end)
	l.o.Log.Info("this node holds the lease: it delivers and runs the jobs", "epoch", s.Epoch)

	// Renewing outlives the parent context: what is under way at a stop is still
	// to be noted.
	keep, stop := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { l.keep(keep, t, end) })
	wg.Go(func() { l.watch(keep, t, end) })
	err := work(context.WithValue(store.WithFence(tctx, t.fence), termKey{}, t))
	why := context.Cause(tctx)
	stop()
	wg.Wait()
	l.hold(State{}, nil)
	if ctx.Err() == nil {
		l.o.Log.Warn("this node's term has ended: it takes results in and delivers nothing", "epoch", s.Epoch, "why", why)
	}
	if !errors.Is(why, ErrLost) {
		l.giveBack(ctx, s.Epoch)
	}
	if why != nil { // it was told to end
		return nil
	}
	return err
}

// keep renews until ctx ends.
func (l *Lease) keep(ctx context.Context, t *term, end context.CancelCauseFunc) {
	tick := time.NewTicker(l.o.Renew)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked := l.o.Now()
		done := l.unstick(ctx)
		err := l.renew(ctx, t.epoch, l.o.TTL)
		done()
		switch {
		case err == nil:
			t.extend(asked.Add(l.o.TTL - l.o.Margin))
		case errors.Is(err, ErrLost):
			end(ErrLost)
			return
		case ctx.Err() == nil:
			l.o.Log.Warn("the lease could not be renewed", "error", err)
		}
	}
}

// watch ends the term when its time has run out by this node's clocks. It does
// not depend on a database that may not answer.
func (l *Lease) watch(ctx context.Context, t *term, end context.CancelCauseFunc) {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if !t.live() {
			end(errExpired)
			return
		}
	}
}

var errExpired = errors.New("the lease could not be renewed in time")

// giveBack lets another node begin at once.
func (l *Lease) giveBack(ctx context.Context, epoch int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	err := l.renew(ctx, epoch, 0)
	if err == nil {
		err = l.db.Hint(ctx, Hint)
	}
	if err != nil && !errors.Is(err, ErrLost) {
		l.o.Log.Warn("the lease could not be given back; it runs out by itself", "error", err)
	}
}

// Hint is the word with which a node tells the others that the lease is free.
const Hint = "lease"
