package results

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/platform/lease"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// courier carries one partner's deliveries. Nothing it does can slow another
// partner's: it has its own goroutines, its own queue and its own connections.
type courier struct {
	s       *Service
	partner string
	fence   store.Fence   // of the term in which it delivers; nil for none
	poke    chan struct{} // something changed; look
	handed  handed
	pace    pace

	mu     sync.Mutex
	q      *queue
	full   bool  // the last load found everything there was
	stale  bool  // a person changed something: load anew
	flying int   // being prepared or sent
	noting int   // answered, and being written down
	wire   turns // who may be on the wire
	width  int   // how many at once
	down   down
	heard  time.Time // when the partner last took something, since the process started
}

// maxNoting bounds how many answered deliveries may wait for their commit
// before no more are sent: what is not written down yet is sent again after a
// crash.
const maxNoting = 64

// down is the partner's circuit breaker.
type down struct {
	failures int       // in a row
	until    time.Time // no try before
	since    time.Time // zero while the partner answers
	class    channel.Class
	code     string
}

// wake makes the courier look into the table for work.
func (c *courier) wake() {
	c.handed.miss()
	c.wakeSelf()
}

// fresh forgets that the partner did not answer: it is reached another way now.
func (c *courier) fresh() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.down = down{}
	c.q.hurry(c.s.now())
}

// changed makes the courier load its deliveries anew.
func (c *courier) changed() {
	c.mu.Lock()
	c.stale = true
	c.mu.Unlock()
	c.wake()
}

// Run delivers until ctx ends, then waits for what is under way.
func (s *Service) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	known, _ := s.changes(ctx) // if it cannot be read, every change counts as new
	wg.Go(func() { s.watchChanges(ctx, known) })
	for {
		changed := s.applied() // before the settings, so that no Apply is missed
		set := s.settings.Load()
		s.mu.Lock()
		for key := range set.Partners {
			if s.couriers[key] == nil {
				c := &courier{s: s, partner: key, fence: store.FenceOf(ctx), poke: make(chan struct{}, 1), q: newQueue()}
				s.couriers[key] = c
				wg.Go(func() { c.run(ctx) })
			}
		}
		s.mu.Unlock()
		select {
		case <-ctx.Done():
			wg.Wait()
			s.mu.Lock()
			s.couriers = map[string]*courier{}
			s.mu.Unlock()
			return nil
		case <-changed:
		}
	}
}

// poll is how often a courier looks without being poked: another node may have
// taken something in.
const poll = time.Second

func (c *courier) run(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait := poll
		p := c.s.settings.Load().Partners[c.partner]
		if p != nil {
			if err := c.load(ctx); err != nil && ctx.Err() == nil {
				c.s.slog.Error("waiting results could not be read", "partner", c.partner, "error", err)
			} else if !c.gated(ctx) {
				wait = c.launch(ctx, p, &wg)
			}
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-c.poke:
		case <-timer.C:
			c.handed.miss()
		}
	}
}

// launch starts as many tries as may run and says when to look again.
func (c *courier) launch(ctx context.Context, p *Partner, wg *sync.WaitGroup) time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.stale {
		return poll // a person changed something: what is under way ends, then the queue is read anew
	}
	c.wire.free += max(1, p.Parallel) - c.width
	c.width = max(1, p.Parallel)
	limit := max(1, p.Parallel) + 2 // while some are on the wire, the next are read and rendered
	now := c.s.now()
	if !c.down.since.IsZero() {
		limit = 1 // a partner that is down is only probed
		if wait := c.down.until.Sub(now); wait > 0 {
			return min(wait, poll)
		}
	}
	for c.flying < limit && c.noting < maxNoting {
		e, at := c.q.next(now)
		if e == nil {
			if at.IsZero() {
				return poll
			}
			return min(max(at.Sub(now), time.Millisecond), poll)
		}
		c.flying++
		turn := c.wire.ask()
		p := c.q.unload(e)
		wg.Go(func() { c.try(ctx, e.seq, p, turn) })
	}
	return poll
}

// try makes one attempt and writes down what came of it.
func (c *courier) try(ctx context.Context, seq int64, p *parcel, turn *turn) {
	set := c.s.use()
	next, note := c.attempt(ctx, set, seq, p, turn)
	c.s.release(set)
	if note == nil {
		c.s.claims.sent(seq) // before the queue can give it out again
	}
	c.mu.Lock()
	c.wire.leave(turn)
	c.flying--
	if note != nil {
		c.noting++
	}
	if next != nil {
		next()
		c.renewed(set)
	}
	c.mu.Unlock()
	c.wakeSelf()
	if note == nil {
		return
	}
	// The connection is free again while this waits for its commit; the lanes
	// are not.
	next = note()
	c.s.claims.sent(seq)
	c.mu.Lock()
	c.noting--
	next()
	c.mu.Unlock()
	c.wakeSelf()
}

// renewed forgets what the breaker learnt on a way to the partner that a new
// configuration has replaced. Called under the lock.
func (c *courier) renewed(set *Settings) {
	was, is := set.Partners[c.partner], c.s.settings.Load().Partners[c.partner]
	if was != nil && is != nil && was.Sender != is.Sender {
		c.down = down{}
		c.q.hurry(c.s.now())
	}
}

func (c *courier) wakeSelf() {
	select {
	case c.poke <- struct{}{}:
	default:
	}
}

// attempt sends one delivery. It returns either what to apply to the queue,
// under the courier's lock, or, when the partner has answered, the note to
// write down first, which returns that.
func (c *courier) attempt(ctx context.Context, set *Settings, seq int64, now *parcel, turn *turn) (next func(), note func() func()) {
	s := c.s
	later := func(after time.Duration) func() {
		due := s.now().Add(after)
		return func() { c.q.again(seq, due) }
	}
	d, err := c.delivery(ctx, seq, now)
	switch {
	case err != nil && ctx.Err() != nil:
		return later(0), nil
	case err != nil:
		s.slog.Error("a waiting result could not be read", "partner", c.partner, "delivery", seq, "error", err)
		switch {
		case errors.Is(err, store.ErrNoRows):
			return func() { c.q.done(seq) }, nil
		case errors.Is(err, errUnreadable) && d.state == Waiting:
			// Never sent, never skipped; a person must look.
			return c.stop(ctx, d, errUnreadable.Error(), seq), nil
		case !errors.Is(err, errUnreadable):
			return later(poll), nil // the database was away: what waits goes as soon as it is back
		}
		return later(poll * 30), nil
	case d.state >= Done:
		return func() { c.q.done(seq) }, nil
	case d.state != Waiting: // a person was faster than the queue
		return func() { c.q.set(seq, d.state) }, nil
	}
	// Partner, route and revision come from one value: the delivery names the
	// revision whose sender really carried it.
	p := set.Partners[c.partner]
	if p == nil {
		return later(poll), nil
	}
	route, ok := set.routeOf(d.route, d.source)
	if !ok {
		return c.stop(ctx, d, "the route "+d.route+" is no longer in the configuration", seq), nil
	}
	sent := d.body
	if route.Transform != nil {
		if sent, err = route.Transform(d.body); err != nil {
			s.slog.Error("a transformation failed", "route", route.Name, "message", d.id.String())
			return c.stop(ctx, d, "the transformation of route "+route.Name+" failed", seq), nil
		}
	}
	m, err := outgoing(d, sent)
	if err != nil {
		return c.stop(ctx, d, "the message to send is not readable", seq), nil
	}
	if p.Render != nil {
		if m, err = p.Render(Rendering{m, d.route, time.UnixMicro(d.received).UTC(), set.Sources[d.source].Charset, s.SiteOf(d.source, d.leaf), d.order()}); err != nil {
			s.slog.Error("a message could not be put into the partner's form", "partner", c.partner, "message", d.id.String(), "error", err)
			return c.stop(ctx, d, "it cannot be put into the form this partner takes", seq), nil
		}
	}
	if turn.wait(ctx) != nil {
		return later(0), nil
	}
	if !s.claims.send(seq) {
		return later(poll / 10), nil // a person is deciding whether it goes at all
	}
	if held := c.stoppedAt(ctx, d, seq); held != nil {
		return held, nil
	}
	if c.disturbed() || s.outdated() {
		// A person changed something while this waited for a place on the wire:
		// what was held in between must not go out.
		if state, err := s.stateOf(ctx, seq); err != nil || state != Waiting {
			return later(0), nil // the queue is read anew before anything is sent
		}
	}
	if !lease.Live(ctx) {
		return later(0), nil // another node may deliver this by now
	}
	d.began = s.now().UnixMicro()
	receipt, err := p.Sender.Send(ctx, m)
	if err != nil {
		if ctx.Err() != nil {
			return later(0), nil
		}
		return c.failed(ctx, p, d, err), nil
	}
	receipt.At = s.now()
	return nil, func() func() { return c.answered(ctx, set, d, receipt, m.Body) }
}

// disturbed reports whether a person changed something since the queue was read.
func (c *courier) disturbed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.stale
}

func (s *Service) stateOf(ctx context.Context, seq int64) (State, error) {
	var state int64
	err := s.db.QueryRow(ctx, "SELECT state FROM results_deliveries WHERE seq = $1", seq).Scan(&state)
	return State(state), err
}

// answered writes a delivery down that the partner has answered.
func (c *courier) answered(ctx context.Context, set *Settings, d *delivery, receipt channel.Receipt, sent []byte) func() {
	s, seq := c.s, d.seq
	err := s.complete(ctx, set, d, &receipt, sent)
	if errors.Is(err, errGone) {
		s.slog.Warn("a result was sent while a person ended its delivery", "partner", c.partner, "message", d.id.String())
		return func() { c.q.done(seq) }
	}
	if err != nil {
		// The partner has it; only our note of it is missing. It is sent again:
		// at least once, and the partner's own duplicate check catches it.
		s.slog.Error("a delivery could not be recorded", "partner", c.partner, "message", d.id.String(), "error", err)
		due := s.now().Add(poll)
		return func() { c.q.again(seq, due) }
	}
	s.counts.delivered.Add(1)
	c.pace.delivered(receipt.At)
	return func() {
		if !c.down.since.IsZero() {
			s.slog.Info("the partner answers again", "partner", c.partner, "down_since", c.down.since.UTC())
		}
		c.down, c.heard = down{}, receipt.At
		c.q.done(seq)
	}
}

func outgoing(d *delivery, sent []byte) (channel.Message, error) {
	h, err := hl7.ReadHeader(sent)
	if err != nil {
		return channel.Message{}, err
	}
	return channel.Message{
		ID: fmt.Sprintf("%s-%d", d.id, d.seq), ControlID: string(h.ControlID),
		ContentType: "x-application/hl7-v2+er7", Name: d.id.String() + ".hl7",
		Body: sent, AcceptAck: string(h.AcceptAck), AppAck: string(h.AppAck),
	}, nil
}

// failed decides what follows from a try that did not succeed.
func (c *courier) failed(ctx context.Context, p *Partner, d *delivery, err error) func() {
	s, r := c.s, p.Retry.defaults()
	class, code := channel.ClassOf(err), ""
	var ce *channel.Error
	if errors.As(err, &ce) {
		code = ce.Code
	}
	now := s.now()
	d.failed = &failedTry{class.String(), code}
	silent := class == channel.Unreachable || class == channel.Misconfigured
	first := now // of the bad answers in a row: an outage is none and ends the row
	if d.firstAt != nil {
		first = time.UnixMicro(*d.firstAt)
	}
	s.slog.Warn("a result could not be delivered", "partner", c.partner, "message", d.id.String(), "class", class.String(), "code", code, "attempt", d.attempts+1)
	if class == channel.Rejected {
		return c.stop(ctx, d, "the partner's system refused it ("+ledger.Code(code)+")", d.seq)
	}
	if class == channel.Unfit {
		return c.stop(ctx, d, "it cannot be carried to this partner: it holds control characters that the transport uses itself, or lacks what an answer would name", d.seq)
	}
	if !silent && s.steady.now().Sub(first) > r.GiveUpAfter {
		return c.stop(ctx, d, "no usable answer for longer than the policy allows", d.seq)
	}
	asked := time.Duration(0)
	if ce != nil {
		asked = min(ce.RetryAfter, channel.MaxRetryAfter)
	}
	pause := max(backoff(r, d.attempts), asked)
	if silent {
		first = time.Time{}
	}
	c.note(ctx, d, first, now.Add(min(pause, r.Max)), class.String()+" "+ledger.Code(code))
	return func() {
		c.q.again(d.seq, now.Add(pause))
		c.down.failures++
		c.down.class, c.down.code = class, code
		if silent || asked > 0 || c.down.failures >= r.Breaker {
			if c.down.since.IsZero() {
				c.down.since = now
				s.slog.Warn("the partner is down; results wait and the connection is probed", "partner", c.partner, "class", class.String())
			}
			c.down.until = now.Add(max(min(backoff(r, int64(c.down.failures-1)), r.Pause), asked))
			c.q.again(d.seq, c.down.until)
		}
	}
}

// backoff doubles from First to Max and varies by a quarter, so that partners
// that failed together do not return together.
func backoff(r Retry, attempts int64) time.Duration {
	d := min(r.First, r.Max)
	for ; attempts > 0 && d < r.Max; attempts-- {
		d = min(2*min(d, r.Max/2+1), r.Max)
	}
	return d - time.Duration(rand.Int64N(int64(d)/4+1)) //nolint:gosec // jitter, not a secret
}
