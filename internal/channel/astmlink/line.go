package astmlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/codec/astm"
)

// Receiver takes what the other side sends.
type Receiver interface {
	// Begin is asked when the other side wants to send. An error answers that we
	// are busy: the other side tries again in ten seconds or more.
	Begin(ctx context.Context) (Session, error)
}

// Session is one transfer, from ENQ to EOT.
type Session interface {
	// Frame makes one frame durable; text is not kept. After an error the frame is
	// refused, and comes again.
	Frame(ctx context.Context, text []byte, last bool) error
	// End is told how it ended: nil when the other side said EOT, be it done or at
	// the end of its patience.
	End(ctx context.Context, err error)
}

// Timers are the standard's; tests and odd devices shorten or lengthen them. A
// zero field means the standard's value.
type Timers struct {
	Reply   time.Duration // sender: for ENQ or a frame to be answered [15 s] (6.5.2.1, 6.5.2.2)
	Receive time.Duration // receiver: for the next frame or EOT [30 s] (6.5.2.3)
	Busy    time.Duration // sender: after NAK to ENQ [10 s] (6.2)
	Yield   time.Duration // sender: after contention, before the next ENQ [1 s, a host 20 s] (6.2.1)
	Pause   time.Duration // sender: after the receiver interrupted [15 s] (6.3.5)
	Settle  time.Duration // sender: for the true reply after noise, before a frame is sent again [500 ms] (ours)
}

// Config says how a Line behaves. Its fields are not changed afterwards.
type Config struct {
	// Host: this end is the computer, which gives way when both want to send. The
	// end that plays the instrument is not.
	Host bool
	// MaxText is how much text our frames carry [astm.MaxTextE1381].
	MaxText int
	// Tries is how often a frame is sent before the message is given up [6] (6.5.1.2).
	Tries int
	// Interrupt: ask the other side to stop after the frame that comes when a
	// message of ours waits (6.3.5).
	Interrupt bool
	Timers    Timers
}

// Errors of Send.
var (
	ErrBusy        = errors.New("the device is busy")
	ErrSilent      = errors.New("the device did not answer in time")
	ErrRefused     = errors.New("the device refused a frame as often as the standard allows")
	ErrContention  = errors.New("the device wanted to send at the same time")
	ErrInterrupted = errors.New("the device wants to send first")
	ErrClosed      = errors.New("the line is closed")
)

// ErrUnfinished ends a session whose sender stopped in the middle.
var ErrUnfinished = errors.New("the device stopped in the middle of a transfer")

// Stats counts what happened on a Line.
type Stats struct {
	Frames, Resent, Refused, Repeated, Noise, Contentions, Timeouts, Sessions, Unfinished uint64
}

// Line is one end of a link. Run serves it.
type Line struct {
	conn io.ReadWriter
	cfg  Config
	to   Receiver

	in   chan []byte // what was read; closed when reading ended
	end  error       // why; read after in is closed
	out  chan *sending
	want atomic.Int32 // messages that wait to be sent
	rest []byte       // of what was read, not looked at yet
	over chan struct{}

	hold *time.Timer // until then we don't establish the link ourselves; nil: now
	held bool

	stats counters
}

type counters struct {
	frames, resent, refused, repeated, noise, contentions, timeouts, sessions, unfinished atomic.Uint64
}

// New makes a Line over a connection. Whoever made the connection closes it.
func New(conn io.ReadWriter, cfg Config, to Receiver) *Line {
	t := &cfg.Timers
	yield := time.Second
	if cfg.Host {
		yield = 20 * time.Second
	}
	for _, d := range []struct {
		v   *time.Duration
		std time.Duration
	}{{&t.Reply, 15 * time.Second}, {&t.Receive, 30 * time.Second}, {&t.Busy, 10 * time.Second}, {&t.Yield, yield}, {&t.Pause, 15 * time.Second}, {&t.Settle, 500 * time.Millisecond}} {
		if *d.v <= 0 {
			*d.v = d.std
		}
	}
	if cfg.MaxText <= 0 || cfg.MaxText > astm.MaxText {
		cfg.MaxText = astm.MaxTextE1381
	}
	if cfg.Tries <= 0 {
		cfg.Tries = 6
	}
	return &Line{conn: conn, cfg: cfg, to: to, in: make(chan []byte, 4), out: make(chan *sending), over: make(chan struct{})}
}

// Stats says what happened so far.
func (l *Line) Stats() Stats {
	c := &l.stats
	return Stats{
		c.frames.Load(), c.resent.Load(), c.refused.Load(), c.repeated.Load(), c.noise.Load(), c.contentions.Load(), c.timeouts.Load(), c.sessions.Load(), c.unfinished.Load(),
	}
}

// Run serves the line until ctx ends or the connection does; it returns why. It
// must be called once. The reading goroutine ends when the connection is closed.
func (l *Line) Run(ctx context.Context) error {
	defer close(l.over)
	done := make(chan struct{})
	defer close(done)
	go l.read(done)
	l.hold = time.NewTimer(0)
	defer l.hold.Stop()
	<-l.hold.C
	for {
		b, s, err := l.idle(ctx)
		switch {
		case err != nil:
			return err
		case s != nil:
			err = l.send(ctx, s)
		case b == astm.ENQ:
			err = l.receive(ctx)
		default:
			l.stats.noise.Add(1) // 6.2: nothing but ENQ is heard in the neutral state
		}
		if err != nil {
			return err
		}
	}
}

// read hands on what comes until the connection ends.
func (l *Line) read(done <-chan struct{}) {
	for {
		b := make([]byte, 4096)
		n, err := l.conn.Read(b)
		if n > 0 {
			select {
			case l.in <- b[:n]:
			case <-done:
				return
			}
		}
		if err != nil {
			l.end = err
			close(l.in)
			return
		}
	}
}

// idle waits for a byte or for something to send.
func (l *Line) idle(ctx context.Context) (b byte, s *sending, err error) {
	if len(l.rest) > 0 {
		b, l.rest = l.rest[0], l.rest[1:]
		return b, nil, nil
	}
	out := l.out
	if l.held {
		out = nil
	}
	for {
		select {
		case <-ctx.Done():
			return 0, nil, ctx.Err()
		case got, ok := <-l.in:
			if !ok {
				return 0, nil, l.ended()
			}
			b, l.rest = got[0], got[1:]
			return b, nil, nil
		case <-l.hold.C:
			l.held, out = false, l.out
		case s := <-out:
			return 0, s, nil
		}
	}
}

func (l *Line) ended() error {
	if errors.Is(l.end, io.EOF) {
		return io.EOF
	}
	return fmt.Errorf("read the line: %w", l.end)
}

// wait holds back our own wish to send.
func (l *Line) wait(d time.Duration) {
	l.held = true
	l.hold.Reset(d)
}

var errTimer = errors.New("timer")

// next is the next byte, errTimer when the timer ran out.
func (l *Line) next(ctx context.Context, timer *time.Timer) (byte, error) {
	if len(l.rest) == 0 {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-timer.C:
			return 0, errTimer
		case got, ok := <-l.in:
			if !ok {
				return 0, l.ended()
			}
			l.rest = got
		}
	}
	b := l.rest[0]
	l.rest = l.rest[1:]
	return b, nil
}

func (l *Line) say(b ...byte) error {
	if c, ok := l.conn.(interface{ SetWriteDeadline(time.Time) error }); ok {
		if err := c.SetWriteDeadline(time.Now().Add(l.cfg.Timers.Reply)); err != nil {
			return fmt.Errorf("set deadline: %w", err)
		}
	}
	if _, err := l.conn.Write(b); err != nil {
		return fmt.Errorf("write to the line: %w", err)
	}
	return nil
}
