package ftps

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// reply is what a command is answered with.
type reply struct {
	code int
	text string
	// more are the lines between first and last of a longer reply.
	more []string
	// end closes the connection after it.
	end bool
	// aborted: ABOR broke the transfer off, and has a reply of its own.
	aborted bool
}

// session is one control connection. Its fields belong to the goroutine of
// serve; a transfer has its own copies.
type session struct {
	srv     *Server
	raw     net.Conn // as it was accepted
	ctl     net.Conn // raw, then TLS over it
	addr    netip.Addr
	started time.Time
	ctx     context.Context // ends with the connection
	cancel  context.CancelFunc
	secured atomic.Bool

	dataTLS *tls.Config
	suite   string
	in      lineReader
	lines   chan command
	held    *command // came in during a transfer, and waits

	user      string
	attempts  int
	box       channel.BoxSession
	cwd       channel.BoxPath
	sized     bool // PBSZ was sent
	private   bool // PROT P was sent
	extended  bool // EPSV ALL was sent
	rest      int64
	renaming  channel.BoxPath
	facts     []string
	door      *doorway
	part      *part
	transfers int
}

func newSession(ctx context.Context, srv *Server, c net.Conn, addr netip.Addr) *session {
	s := &session{
		srv: srv, raw: c, ctl: c, addr: addr, started: time.Now(),
		in: lineReader{r: c, buf: make([]byte, srv.limits.Line)}, facts: allFacts(),
	}
	s.ctx, s.cancel = context.WithCancel(ctx)
	return s
}

// serve lives as long as the connection.
func (s *session) serve() {
	defer s.close()
	defer s.srv.recovered("ftps session panicked", s.addr)
	// Whatever ends the session ends what blocks in it.
	defer context.AfterFunc(s.ctx, func() { s.raw.Close() })()
	if !s.greet() {
		return
	}
	s.converse()
}

func (s *session) close() {
	if c, ok := s.ctl.(*tls.Conn); ok && s.ctx.Err() == nil {
		_ = c.CloseWrite() // some clients complain of an end without TLS's own
	}
	s.cancel()
	if s.door != nil {
		s.door.close()
	}
	s.dropPart()
	s.raw.Close()
	if s.box != nil {
		s.srv.census.signedOut(s.box.Partner())
		if err := s.box.Close(); err != nil {
			s.log("ftps sign-out failed", "error", err)
		}
	}
	s.srv.census.leave(s.addr, s.box == nil)
}

func (s *session) log(msg string, attrs ...any) {
	if s.srv.quiet.allow(time.Now()) {
		s.srv.Log.Info(msg, append([]any{"addr", s.addr}, attrs...)...)
	}
}

// greet is the part in the clear: it ends with TLS, or with the connection.
func (s *session) greet() bool {
	_ = s.raw.SetReadDeadline(s.started.Add(s.srv.limits.SignIn)) // a closed connection fails at the read
	s.answer(reply{code: 220, text: s.srv.Banner})                // RFC 959 5.4
	for s.ctx.Err() == nil {
		line, err := s.in.next()
		if err != nil {
			s.ended(err)
			return false
		}
		c := parseCommand(line)
		switch c.verb {
		case "AUTH":
			// RFC 4217 4: TLS, and TLS-C which is the same.
			if m := strings.ToUpper(strings.TrimSpace(c.arg)); m != "TLS" && m != "TLS-C" {
				s.answer(reply{code: 504, text: "Use AUTH TLS."}) // RFC 2228 3: mechanism not understood
				continue
			}
			return s.secure()
		case "FEAT":
			s.answer(features())
		case "NOOP":
			s.answer(reply{code: 200, text: "OK."})
		case "QUIT":
			s.answer(reply{code: 221, text: "Goodbye."}) // RFC 959 5.4
			return false
		case "":
			s.answer(reply{code: 500, text: "This is no command."}) // RFC 959 5.4
		default:
			// RFC 4217 4.2: a server that wants TLS refuses what comes before it.
			s.answer(reply{code: 530, text: "Encryption comes first: send AUTH TLS."})
		}
	}
	return false
}

// secure turns the connection to TLS.
func (s *session) secure() bool {
	// What follows AUTH before our answer was not said by whom TLS will prove; it is
	// dropped with the connection (CVE-2011-0411). What has not been read yet goes
	// to the handshake, which fails on it.
	if s.in.buffered() > 0 {
		s.srv.stats.pipelined.Add(1)
		s.log("ftps commands in the clear behind AUTH TLS: connection closed")
		s.answer(reply{code: 421, text: "Commands were sent behind AUTH TLS before its answer; the connection is closed."})
		return false
	}
	conf, data, err := s.srv.sessionTLS()
	if err != nil {
		s.log("ftps ticket key failed", "error", err)
		s.answer(reply{code: 431, text: "TLS is not available now; try again."}) // RFC 2228 3
		return false
	}
	s.answer(reply{code: 234, text: "Go on with TLS."}) // RFC 2228 3
	conn := tls.Server(s.raw, conf)
	ctx, cancel := context.WithTimeout(s.ctx, s.srv.limits.Handshake)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		s.srv.stats.handshakeFailed.Add(1)
		s.log("ftps handshake failed", "error", err)
		return false
	}
	state := conn.ConnectionState()
	s.dataTLS, s.ctl = data, conn
	s.suite = channel.Secured(state)
	s.in = lineReader{r: conn, buf: s.in.buf}
	return true
}

// converse is the part inside TLS.
func (s *session) converse() {
	s.secured.Store(true)
	s.lines = make(chan command)
	go s.read()
	for s.ctx.Err() == nil {
		c, ok := s.wait()
		if !ok {
			return
		}
		if c.err != nil {
			s.ended(c.err)
			return
		}
		if r := s.do(c); r.code != 0 {
			s.answer(r)
			if r.aborted {
				s.answer(reply{code: 226, text: "Nothing is being sent any more."}) // RFC 959 4.1.3
			}
			if r.end {
				return
			}
		}
	}
}

// read hands on the lines as they are asked for, until the connection ends.
func (s *session) read() {
	for {
		line, err := s.in.next()
		c := parseCommand(line)
		c.err = err
		select {
		case s.lines <- c:
		case <-s.ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// wait gives the next command within its time.
func (s *session) wait() (command, bool) {
	if s.held != nil {
		c := *s.held
		s.held = nil
		return c, true
	}
	until := time.Now().Add(s.srv.limits.Idle)
	if s.box == nil {
		until = s.started.Add(s.srv.limits.SignIn)
	}
	if end := s.started.Add(s.srv.limits.Session); end.Before(until) {
		until = end
	}
	_ = s.raw.SetReadDeadline(until) // a closed connection fails at the read
	var done <-chan struct{}
	if s.box != nil {
		done = s.box.Done()
	}
	select {
	case c := <-s.lines:
		return c, true
	case <-done:
		s.log("ftps session cut: the access ended", "partner", s.box.Partner())
	case <-s.srv.stopping:
		s.answer(reply{code: 421, text: "The server stops; come back soon."}) // RFC 959 5.4
	case <-s.ctx.Done():
	}
	return command{}, false
}

// ended says goodbye where somebody may still listen.
func (s *session) ended(err error) {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		s.srv.stats.tooLate.Add(1)
		s.answer(reply{code: 421, text: "Nothing was sent for too long, or the session is over its time; sign in again."})
	case errors.Is(err, errLineTooLong):
		s.answer(reply{code: 421, text: fmt.Sprintf("The command is longer than %d bytes; the connection is closed.", s.srv.limits.Line)})
	case !errors.Is(err, io.EOF) && !errors.Is(err, net.ErrClosed) && s.ctx.Err() == nil:
		s.log("ftps connection broke", "error", err)
	}
}

// answer sends a reply (RFC 959 4.2). One that cannot leave ends the session.
func (s *session) answer(r reply) {
	var b strings.Builder
	if len(r.more) == 0 {
		fmt.Fprintf(&b, "%03d %s\r\n", r.code, oneLine(r.text))
	} else {
		fmt.Fprintf(&b, "%03d-%s\r\n", r.code, oneLine(r.text))
		for _, m := range r.more {
			b.WriteString(" " + m + "\r\n") // the space keeps it from looking like the last line
		}
		fmt.Fprintf(&b, "%03d End\r\n", r.code)
	}
	_ = s.raw.SetWriteDeadline(time.Now().Add(s.srv.limits.Reply)) // a closed connection fails at the write
	if _, err := io.WriteString(s.ctl, b.String()); err != nil {
		s.cancel()
	}
}
