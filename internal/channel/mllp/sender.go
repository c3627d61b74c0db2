package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Config describes one destination. A zero duration or size takes its default.
type Config struct {
	// Name is the partner's configured name; Addr is host:port.
	Name, Addr string
	// TLS is the connecting side's configuration, from channel.TLS.Client. Nil is
	// plaintext and takes an Exception that says so.
	TLS       *tls.Config
	Exception *channel.Exception
	// Lanes is how many connections are kept, each with one message in flight;
	// default 1.
	Lanes int
	// DialTimeout and HandshakeTimeout (default 10 s each) bound connecting,
	// WriteTimeout (default 30 s) handing over, ReplyTimeout (default 30 s) the
	// first reply.
	DialTimeout, HandshakeTimeout, WriteTimeout, ReplyTimeout time.Duration
	// AwaitApp also waits, after a commit acknowledgement, up to AppTimeout
	// (default 60 s) for the application acknowledgement that MSH-16 asks for, on
	// the same connection.
	AwaitApp   bool
	AppTimeout time.Duration
	// ErrorWait is how long a reply that only comes on an error (ER) is waited
	// for; default 5 s.
	ErrorWait time.Duration
	// MaxReply is the largest reply in bytes; default 1 MiB.
	MaxReply int
	Framing  Framing
	// Classes overrides how a refusal is read, by MSA-1; see DefaultClass.
	Classes map[string]channel.Class
	// Stray is told about a reply that answers an earlier message: a doubled
	// acknowledgement, or an application acknowledgement nobody waited for. It is
	// called from Send or a reading goroutine and must be quick. Nil only counts.
	Stray func(code, controlID string, body []byte)
	// NewControlID makes MSH-10 of the commit acknowledgement that an application
	// acknowledgement may ask for; nil never sends one.
	NewControlID func() string
	// Dial replaces the TCP dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)
	// Now is the clock of receipts; nil is time.Now.
	Now func() time.Time
}

// SenderStats counts since NewSender.
type SenderStats struct {
	Sent, Connects int64
	// Stray replies answered an earlier message, Mismatched none we know of.
	Stray, Mismatched int64
}

// Sender delivers to one destination. It is safe for concurrent use.
type Sender struct {
	cfg    Config
	idle   chan *lane
	lanes  []*lane
	closed chan struct{}
	once   sync.Once
	wg     sync.WaitGroup // reading goroutines

	sent, connects, stray, mismatched atomic.Int64
}

var errClosed = errors.New("sender is closed")

// NewSender checks the configuration; it connects on the first Send.
func NewSender(c Config) (*Sender, error) {
	if c.Addr == "" {
		return nil, errors.New("mllp destination has no address")
	}
	if c.Exception != nil {
		if err := c.Exception.Validate(); err != nil {
			return nil, err
		}
	}
	if c.TLS == nil && (c.Exception == nil || !c.Exception.Plaintext) {
		return nil, errors.New("mllp destination without TLS takes an exception for plaintext")
	}
	for _, d := range []struct {
		v *time.Duration
		d time.Duration
	}{
		{&c.DialTimeout, 10 * time.Second},
		{&c.HandshakeTimeout, 10 * time.Second},
		{&c.WriteTimeout, 30 * time.Second},
		{&c.ReplyTimeout, 30 * time.Second},
		{&c.AppTimeout, time.Minute},
		{&c.ErrorWait, 5 * time.Second},
	} {
		orDefault(d.v, d.d)
	}
	orDefault(&c.MaxReply, 1<<20)
	orDefault(&c.Lanes, 1)
	if c.Dial == nil {
		c.Dial = (&net.Dialer{}).DialContext
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	s := &Sender{cfg: c, idle: make(chan *lane, c.Lanes), closed: make(chan struct{})}
	for range c.Lanes {
		l := &lane{s: s}
		s.lanes = append(s.lanes, l)
		s.idle <- l
	}
	return s, nil
}

// Send hands m over and returns when the partner answered as m's acknowledgement
// mode asks (HL7 v2.5.1 2.9.2, 2.9.3):
//
//   - original mode (MSH-15 and MSH-16 empty): AA gives Accepted;
//   - enhanced mode: CA gives Committed, or Accepted when AwaitApp is set, MSH-16
//     asks and AA followed in time;
//   - nothing asked for (NE), or an ER reply that did not come: Placed.
//
// Its errors are *channel.Error: Unreachable before anything was written,
// Unanswered after, Busy and Rejected by the partner's word (DefaultClass),
// Unfit when m cannot be carried at all.
func (s *Sender) Send(ctx context.Context, m channel.Message) (channel.Receipt, error) {
	if m.ControlID == "" {
		return channel.Receipt{}, s.fail(channel.Unfit, errors.New("message has no control id (MSH-10): no reply could name it"))
	}
	if len(m.Body) == 0 || !Fits(m.Body) {
		return channel.Receipt{}, s.fail(channel.Unfit, errors.New("message is empty or holds MLLP framing bytes"))
	}
	select { // a closed sender must not be outrun by a free lane
	case <-s.closed:
		return channel.Receipt{}, s.fail(channel.Unreachable, errClosed)
	default:
	}
	var l *lane
	select {
	case l = <-s.idle:
	case <-ctx.Done():
		return channel.Receipt{}, s.fail(channel.Unreachable, fmt.Errorf("wait for a connection: %w", ctx.Err()))
	case <-s.closed:
		return channel.Receipt{}, s.fail(channel.Unreachable, errClosed)
	}
	defer func() { l.rest(); s.idle <- l }()
	if err := l.ready(ctx, m.ControlID); err != nil {
		return channel.Receipt{}, s.fail(channel.Unreachable, err)
	}
	r, err := l.exchange(ctx, m)
	if err == nil {
		s.sent.Add(1)
	}
	return r, err
}

func (s *Sender) fail(c channel.Class, err error) error {
	return &channel.Error{Class: c, Peer: channel.Peer{Name: s.cfg.Name, Addr: s.cfg.Addr}, Err: err}
}

// Close ends every connection. A Send in flight returns Unanswered.
func (s *Sender) Close() error {
	s.once.Do(func() {
		close(s.closed)
		for _, l := range s.lanes {
			l.hangUp()
		}
	})
	s.wg.Wait()
	return nil
}

// Stats may be called at any time.
func (s *Sender) Stats() SenderStats {
	return SenderStats{
		Sent: s.sent.Load(), Connects: s.connects.Load(),
		Stray: s.stray.Load(), Mismatched: s.mismatched.Load(),
	}
}

// Warning is the sentence about an exception in force, empty without one.
func (s *Sender) Warning() string { return s.cfg.Exception.Warning(s.cfg.Now()) }
