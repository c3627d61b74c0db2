package ftps

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Server is an FTPS server. Set its fields before Serve and leave them alone
// afterwards; one Server serves one listener, once.
type Server struct {
	// Door lets partners in; required.
	Door channel.BoxDoor
	// TLS holds the certificate (its key may be a signer far away); required.
	// Versions, suites and tickets are the server's own business.
	TLS     *tls.Config
	Passive Passive
	Limits  Limits
	// Banner is the text of the greeting; empty names Labwarden.
	Banner string
	// Now is the clock of listings, of TLS and of a session's age; nil is time.Now.
	Now func() time.Time
	// Rand gives ticket keys and passive ports; nil is the system's.
	Rand io.Reader
	// Log gets one line per connection that ended badly, without names of files;
	// nil discards.
	Log *slog.Logger

	once     sync.Once
	limits   Limits
	stats    counters
	ports    ports
	census   census
	buffers  sync.Pool
	stopping chan struct{}

	mu       sync.Mutex
	stopped  bool
	sessions map[*session]struct{}
	wg       sync.WaitGroup
	quiet    logBudget
}

// aead12 are the TLS 1.2 suites: forward secret and AEAD (RFC 9325 4.2).
func aead12() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

func (s *Server) init() {
	s.once.Do(func() {
		s.limits = s.Limits.withDefaults()
		s.stopping = make(chan struct{})
		s.sessions = map[*session]struct{}{}
		s.buffers.New = func() any { return new([chunkSize]byte) }
		if s.Log == nil {
			s.Log = slog.New(slog.DiscardHandler)
		}
		if s.Now == nil {
			s.Now = time.Now
		}
		if s.Rand == nil {
			s.Rand = rand.Reader
		}
		if s.Banner == "" {
			s.Banner = "Labwarden FTPS, explicit TLS only"
		}
	})
}

func (s *Server) check() error {
	switch {
	case s.Door == nil:
		return errors.New("ftps server has no door")
	case s.TLS == nil:
		return errors.New("ftps server has no TLS configuration")
	case s.TLS.GetConfigForClient != nil || s.TLS.WrapSession != nil || s.TLS.UnwrapSession != nil:
		return errors.New("ftps server makes the TLS configuration and tickets of each session itself")
	case len(s.TLS.Certificates) == 0 && s.TLS.GetCertificate == nil:
		return errors.New("ftps server has no certificate")
	}
	return s.Passive.check()
}

// sessionTLS gives the configurations of one control connection and of its data
// connections. Their ticket key is nobody else's: a data connection that resumes a
// TLS session with it resumes one of this control connection (RFC 4217 10.2). The
// key ends with the session, Limits.Session at the latest, so that what was
// encrypted cannot be opened by a key that is stolen later.
func (s *Server) sessionTLS() (control, data *tls.Config, err error) {
	var key, useless [32]byte
	for _, b := range [][]byte{key[:], useless[:]} {
		if _, err := io.ReadFull(s.Rand, b); err != nil {
			return nil, nil, fmt.Errorf("make ticket key: %w", err)
		}
	}
	c := s.TLS.Clone()
	c.MinVersion = max(c.MinVersion, tls.VersionTLS12)
	c.MaxVersion = 0
	c.CipherSuites = aead12()
	c.SessionTicketsDisabled = false
	c.DynamicRecordSizingDisabled = true // files, not pages: the first byte has no hurry
	c.Time = s.Now
	c.SetSessionTicketKeys([][32]byte{key})
	d := c.Clone()
	// A data connection that resumed nothing may be a stranger's. It is refused, and
	// must not take a ticket along with which it would resume the next time.
	d.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		if !cs.DidResume {
			return useless[:], nil
		}
		return c.EncryptTicket(cs, ss)
	}
	return c, d, nil
}

// Serve accepts connections from ln until ctx ends, then stops: it closes ln,
// lets transfers in flight finish (Limits.Drain), closes every connection and
// returns nil. A listener that fails for good is an error.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	s.init()
	defer ln.Close()
	if err := s.check(); err != nil {
		return err
	}
	// Transfers outlive ctx: what they began they may finish.
	sctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer context.AfterFunc(ctx, func() { s.stop(); ln.Close() })()

	var failed error
	for backoff := 5 * time.Millisecond; ; {
		c, err := ln.Accept()
		if err == nil {
			backoff = 5 * time.Millisecond
			s.admit(sctx, c)
			continue
		}
		if ctx.Err() != nil {
			break
		}
		if !passing(err) {
			failed = fmt.Errorf("accept ftps connection: %w", err)
			break
		}
		// Out of descriptors or alike: others may free some.
		s.Log.Error("ftps accept failed, trying again", "error", err, "after", backoff)
		t := time.NewTimer(backoff)
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
		}
		backoff = min(2*backoff, time.Second)
	}
	s.stop()
	s.drain(cancel)
	return failed
}

// passing reports whether accepting may work again soon.
func passing(err error) bool {
	var ne net.Error
	//nolint:staticcheck // Temporary is what net/http uses for EMFILE and ECONNABORTED
	return errors.As(err, &ne) && ne.Temporary()
}

// admit counts the connection and begins its session, or turns it away.
func (s *Server) admit(ctx context.Context, c net.Conn) {
	s.stats.accepted.Add(1)
	addr := addrOf(c.RemoteAddr())
	if why := s.census.enter(addr, s.limits); why != "" {
		s.stats.overLimit.Add(1)
		// A few bytes into an empty send buffer: this does not wait.
		_ = c.SetWriteDeadline(time.Now().Add(time.Second))
		_, _ = io.WriteString(c, "421 "+why+"\r\n") // RFC 959 5.4: the service is not available
		c.Close()
		return
	}
	se := newSession(ctx, s, c, addr)
	s.mu.Lock()
	if s.stopped {
		s.mu.Unlock()
		s.census.leave(addr, true)
		c.Close()
		return
	}
	s.sessions[se] = struct{}{}
	s.wg.Add(1)
	s.mu.Unlock()
	s.stats.active.Add(1)
	go func() {
		defer s.wg.Done()
		se.serve()
		s.stats.active.Add(-1)
		s.mu.Lock()
		delete(s.sessions, se)
		s.mu.Unlock()
	}()
}

// stop tells every session that waits for a command to say goodbye.
func (s *Server) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.stopping)
	}
	for se := range s.sessions {
		if !se.secured.Load() {
			se.raw.Close() // it is in a blocking read, and nobody is signed in
		}
	}
}

func (s *Server) drain(cancel context.CancelFunc) {
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	t := time.NewTimer(s.limits.Drain)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
		s.mu.Lock()
		n := len(s.sessions)
		s.mu.Unlock()
		s.Log.Warn("ftps stop: transfers cut off", "sessions", n, "after", s.limits.Drain)
		cancel() // closes every connection
		<-done
	}
}
