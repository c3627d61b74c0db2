package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Server receives messages. Set its fields before Serve and leave them alone
// afterwards; one Server serves one listener, once.
type Server struct {
	// Handler takes each message; required.
	Handler channel.Handler
	// Refused is told about a block that cannot be handed on; its reply is sent
	// and the connection closed. Nil closes without a reply.
	Refused func(ctx context.Context, from channel.Peer, r Refused) (channel.Reply, error)
	// TLS is the listening side's configuration, from channel.TLS.Server. Nil is
	// plaintext and takes an Exception that says so.
	TLS       *tls.Config
	Exception *channel.Exception
	// Admit is asked who may connect at all, before the handshake; an error closes
	// the connection and counts as Unidentified. Nil admits everybody.
	Admit func(net.Addr) error
	// Identify names the peer after the handshake (a zero state in plaintext).
	// What it leaves empty of Addr, Proof, Fingerprint and TLS is filled in. An
	// error closes the connection. Nil leaves every peer without a name.
	Identify func(tls.ConnectionState, net.Addr) (channel.Peer, error)
	Limits   Limits
	Framing  Framing
	// Log gets one line per connection that ended badly, without content; nil
	// discards.
	Log *slog.Logger
	// Now is the clock of Status and the log's budget; nil is time.Now.
	Now func() time.Time

	once     sync.Once
	limits   Limits
	mem      *memory
	reg      *registry
	stats    counters
	stopping atomic.Bool
	stopped  chan struct{}

	mu    sync.Mutex
	conns map[*conn]struct{}
	wg    sync.WaitGroup
	quiet budget
}

func (s *Server) init() {
	s.once.Do(func() {
		s.limits = s.Limits.withDefaults()
		s.mem = newMemory(s.limits.Mid, s.limits.Big)
		s.reg = &registry{peers: map[string]*quota{}, mem: s.mem}
		s.stopped = make(chan struct{})
		s.conns = map[*conn]struct{}{}
		if s.Log == nil {
			s.Log = slog.New(slog.DiscardHandler)
		}
		if s.Now == nil {
			s.Now = time.Now
		}
	})
}

func (s *Server) check() error {
	if s.Handler == nil {
		return errors.New("mllp server has no handler")
	}
	if s.Exception != nil {
		if err := s.Exception.Validate(); err != nil {
			return err
		}
	}
	if s.TLS == nil && (s.Exception == nil || !s.Exception.Plaintext) {
		return errors.New("mllp server without TLS takes an exception for plaintext")
	}
	return nil
}

// Serve accepts connections from ln until ctx ends, then stops: it closes ln,
// lets handlers in flight finish and their replies leave (Limits.Drain), closes
// every connection and returns nil. A listener that fails for good is an error,
// and so are handlers that outlast the drain.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.init()
	defer ln.Close()
	if err := s.check(); err != nil {
		return err
	}
	if s.stopping.Load() {
		return errors.New("mllp server serves only once")
	}
	// Handlers outlive ctx: what they began they may finish.
	hctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { s.beginStop(ln) })()

	var failed error
	for backoff := 5 * time.Millisecond; ; {
		nc, err := ln.Accept()
		if err == nil {
			backoff = 5 * time.Millisecond
			s.admit(hctx, nc)
			continue
		}
		if s.stopping.Load() || ctx.Err() != nil {
			break
		}
		if !passing(err) {
			failed = fmt.Errorf("accept mllp connection: %w", err)
			break
		}
		// Out of descriptors or alike: others may free some.
		s.Log.Error("mllp accept failed, trying again", "error", err, "after", backoff)
		t := time.NewTimer(backoff)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
		backoff = min(2*backoff, time.Second)
	}
	s.beginStop(ln)
	return errors.Join(failed, s.drain(cancel))
}

// beginStop wakes every connection that waits; those in a handler finish it.
func (s *Server) beginStop(ln net.Listener) {
	if s.stopping.Swap(true) {
		return
	}
	close(s.stopped)
	ln.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		_ = c.nc.SetReadDeadline(time.Unix(1, 0)) // a connection that is closed already needs no waking
	}
}

func (s *Server) drain(cancel context.CancelFunc) error {
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	t := time.NewTimer(s.limits.Drain)
	defer t.Stop()
	select {
	case <-done:
		return nil
	case <-t.C:
	}
	s.mu.Lock()
	n := len(s.conns) // before the cancel, which lets them go by themselves
	cancel()
	for c := range s.conns {
		c.raw.Close()
	}
	s.mu.Unlock()
	t.Reset(time.Second)
	select {
	case <-done:
		return fmt.Errorf("stop mllp server: %d connections cut off after %v", n, s.limits.Drain)
	case <-t.C:
		return fmt.Errorf("stop mllp server: handlers still run after %v", s.limits.Drain)
	}
}

// passing reports whether accepting may work again soon.
func passing(err error) bool {
	var ne net.Error
	//nolint:staticcheck // Temporary is what net/http uses for EMFILE and ECONNABORTED
	return errors.As(err, &ne) && ne.Temporary()
}

// Disconnect closes the connections whose peer match wants gone (a withdrawn
// certificate) and returns how many. A handler in flight finishes; its reply
// does not leave.
func (s *Server) Disconnect(match func(channel.Peer) bool) int {
	s.init()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for c := range s.conns {
		if p := c.who.Load(); p != nil && match(*p) {
			c.raw.Close()
			n++
		}
	}
	return n
}
