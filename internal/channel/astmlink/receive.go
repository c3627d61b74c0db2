package astmlink

import (
	"context"
	"errors"
	"time"

	"github.com/labwarden/labwarden/internal/codec/astm"
)

// receive answers ENQ and takes frames until EOT. It returns an error only when
// the line is over.
func (l *Line) receive(ctx context.Context) error {
	to, err := l.to.Begin(ctx)
	if err != nil {
		return l.say(astm.NAK) // 6.2: busy
	}
	l.stats.sessions.Add(1)
	if err = l.say(astm.ACK); err == nil {
		err = l.session(ctx, to)
	}
	if err == nil {
		to.End(ctx, nil)
		return nil
	}
	l.stats.unfinished.Add(1)
	to.End(ctx, ErrUnfinished)
	if errors.Is(err, errTimer) {
		return nil
	}
	return err
}

// tear is how long the bytes of one frame may be apart. At 300 baud they are 33 ms
// apart; what comes later belongs to something else.
const tear = 2 * time.Second

// session takes frames until EOT. errTimer: the other side stopped (6.5.2.3).
func (l *Line) session(ctx context.Context, to Session) error {
	timer := time.NewTimer(l.cfg.Timers.Receive)
	defer timer.Stop()
	at := place{next: 1} // 6.3.2
	var frame []byte
	var latest time.Time
	for {
		b, err := l.next(ctx, timer)
		if err != nil {
			if errors.Is(err, errTimer) {
				l.stats.timeouts.Add(1)
			}
			return err
		}
		now := time.Now()
		if len(frame) > 0 && now.Sub(latest) > tear {
			frame = frame[:0]
			l.stats.noise.Add(1)
		}
		latest = now
		switch {
		case b == astm.STX: // also in the middle of a frame: the end of that was lost
			frame = append(frame[:0], b)
			continue
		case len(frame) == 0 && b == astm.EOT: // 6.4
			return nil
		case len(frame) == 0:
			// ENQ too: noise that looks like it must not tear a transfer in two. A device
			// that begins anew gets no answer, says EOT and is heard then.
			l.stats.noise.Add(1)
			continue
		}
		if frame = append(frame, b); !whole(frame) {
			continue
		}
		if err := l.take(ctx, to, frame, &at); err != nil {
			return err
		}
		frame = frame[:0]
		timer.Reset(l.cfg.Timers.Receive)
	}
}

// whole reports whether a frame has its end, or can have none any more.
func whole(frame []byte) bool {
	n := len(frame)
	const tail = 4 // two digits, CR, LF
	return n > 1 && frame[n-1] == astm.LF || n > tail && ends(frame[n-1-tail]) || n > astm.MaxText+astm.Overhead
}

func ends(c byte) bool { return c == astm.ETX || c == astm.ETB }

// place is how far a session is.
type place struct{ next, taken int }

// take answers one frame. It returns an error only when the line is over.
func (l *Line) take(ctx context.Context, to Session, b []byte, at *place) error {
	f, err := astm.ReadFrame(b)
	if err == nil && at.taken == 0 && f.Number == 0 {
		at.next = 0 // some devices count from 0; nothing else can be meant
	}
	switch {
	case err == nil && f.Number == at.next&7:
		if err := to.Frame(ctx, f.Text, f.Last); err != nil {
			if ctx.Err() != nil {
				return ctx.Err()
			}
			l.stats.refused.Add(1)
			return l.say(astm.NAK)
		}
		l.stats.frames.Add(1)
		at.next, at.taken = at.next+1, at.taken+1
		if l.cfg.Interrupt && l.want.Load() > 0 {
			return l.say(astm.EOT) // 6.3.5: taken, and please stop
		}
		return l.say(astm.ACK)
	case err == nil && f.Number == (at.next-1)&7 && at.taken > 0:
		l.stats.repeated.Add(1) // our acknowledgement was lost (6.3.2)
		return l.say(astm.ACK)
	}
	l.stats.refused.Add(1)
	return l.say(astm.NAK) // 6.5.1
}
