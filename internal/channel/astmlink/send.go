package astmlink

import (
	"context"
	"errors"
	"time"

	"github.com/labwarden/labwarden/internal/codec/astm"
)

// sending is a message on its way.
type sending struct {
	ctx     context.Context
	message []byte
	done    chan error
}

// Send sends one message, whole, and returns when the other side acknowledged
// it, or why it did not: ErrBusy, ErrSilent, ErrRefused, ErrContention,
// ErrInterrupted (try again), ErrClosed. After ErrSilent and ErrRefused the other
// side may have a part. Messages are sent one after the other.
func (l *Line) Send(ctx context.Context, message []byte) error {
	s := &sending{ctx: ctx, message: message, done: make(chan error, 1)}
	l.want.Add(1)
	defer l.want.Add(-1)
	select {
	case l.out <- s:
	case <-ctx.Done():
		return ctx.Err()
	case <-l.over:
		return ErrClosed
	}
	select {
	case err := <-s.done:
		return err
	case <-l.over:
		select {
		case err := <-s.done:
			return err
		default:
			return ErrClosed
		}
	}
}

// send establishes the link, transfers and ends it. It returns an error only
// when the line is over.
func (l *Line) send(ctx context.Context, s *sending) error {
	if s.ctx.Err() != nil {
		s.done <- s.ctx.Err()
		return nil
	}
	if err := l.say(astm.ENQ); err != nil { // 6.2
		s.done <- ErrClosed
		return err
	}
	b, err := l.answer(ctx, l.cfg.Timers.Reply, astm.ACK, astm.NAK, astm.ENQ)
	switch {
	case errors.Is(err, errTimer): // 6.5.2.1
		s.done <- ErrSilent
		return l.say(astm.EOT)
	case err != nil:
		s.done <- ErrClosed
		return err
	case b == astm.NAK: // 6.2: no sooner than in ten seconds
		l.wait(l.cfg.Timers.Busy)
		s.done <- ErrBusy
		return nil
	case b == astm.ENQ: // 6.2.1
		l.stats.contentions.Add(1)
		l.wait(l.cfg.Timers.Yield)
		s.done <- ErrContention
		return nil
	}
	err = l.transfer(ctx, s.message)
	if over := l.lost(err); over != nil {
		s.done <- ErrClosed
		return over
	}
	s.done <- err
	if errors.Is(err, ErrInterrupted) {
		l.wait(l.cfg.Timers.Pause)
	}
	return l.say(astm.EOT) // 6.4
}

// lost is the error if the line is over.
func (l *Line) lost(err error) error {
	for _, own := range []error{nil, ErrSilent, ErrRefused, ErrInterrupted} {
		if errors.Is(err, own) {
			return nil
		}
	}
	return err
}

// transfer sends the frames. The last may be answered with EOT as well: it was
// taken (6.3.5).
func (l *Line) transfer(ctx context.Context, message []byte) error {
	var buf []byte
	frames := astm.Frames(message, 1, l.cfg.MaxText)
	for i, f := range frames {
		buf = astm.AppendFrame(buf[:0], f)
		for try := 1; ; try++ {
			if try > l.cfg.Tries {
				return ErrRefused // 6.5.1.2
			}
			if try > 1 {
				l.stats.resent.Add(1)
			}
			if err := l.say(buf...); err != nil {
				return err
			}
			b, err := l.answer(ctx, l.cfg.Timers.Reply)
			if errors.Is(err, errTimer) {
				return ErrSilent // 6.5.2.2
			}
			if err != nil {
				return err
			}
			if !reply(b) {
				// 6.5.1: whatever else comes is taken for NAK. But noise may come beside the
				// true reply, which would then be taken for the reply to what is sent next.
				if b, err = l.answer(ctx, l.cfg.Timers.Settle, astm.ACK, astm.NAK, astm.EOT); err != nil && !errors.Is(err, errTimer) {
					return err
				}
			}
			if b == astm.ACK {
				break
			}
			if b == astm.EOT {
				if i == len(frames)-1 {
					return nil
				}
				return ErrInterrupted
			}
		}
	}
	return nil
}

func reply(b byte) bool { return b == astm.ACK || b == astm.NAK || b == astm.EOT }

// answer is the next byte, or the next of those given, within the time.
func (l *Line) answer(ctx context.Context, within time.Duration, of ...byte) (byte, error) {
	timer := time.NewTimer(within)
	defer timer.Stop()
	for {
		b, err := l.next(ctx, timer)
		if err != nil {
			if errors.Is(err, errTimer) {
				l.stats.timeouts.Add(1)
			}
			return 0, err
		}
		if len(of) == 0 {
			return b, nil
		}
		for _, c := range of {
			if b == c {
				return b, nil
			}
		}
		l.stats.noise.Add(1)
	}
}
