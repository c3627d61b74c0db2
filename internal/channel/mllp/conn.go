package mllp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// conn is one accepted connection; one goroutine owns it.
type conn struct {
	s       *Server
	raw     net.Conn
	nc      net.Conn // raw, or TLS over it
	who     atomic.Pointer[channel.Peer]
	peer    channel.Peer
	keys    []string // what it is counted under
	shaking string   // what it is counted under until it has shaken hands

	f        frames
	read     lazyDeadline
	write    lazyDeadline
	frameEnd time.Time // when the block in progress must be done; zero between blocks
	out      []byte
}

var errStopping = errors.New("server is stopping")

// admit counts a new connection in or closes it at once.
func (s *Server) admit(ctx context.Context, raw net.Conn) {
	if s.Admit != nil {
		if err := s.Admit(raw.RemoteAddr()); err != nil {
			s.stats.unidentified.Add(1)
			s.say(slog.LevelWarn, "mllp connection refused", raw.RemoteAddr(), "reason", err.Error())
			raw.Close()
			return
		}
	}
	key := "addr " + host(raw.RemoteAddr())
	c := &conn{s: s, raw: raw, nc: raw}
	if s.TLS != nil {
		c.nc = tls.Server(raw, s.TLS)
	}
	s.mu.Lock()
	full := len(s.conns) >= s.limits.Conns
	var q *quota
	if !full {
		var ok bool
		if q, ok = s.reg.enter(key, s.limits.ConnsPerAddr); ok {
			c.keys = append(c.keys, key)
			full = s.TLS != nil && !c.shake(key)
		} else {
			full = true
		}
	}
	if full {
		c.uncount()
	} else {
		s.conns[c] = struct{}{}
	}
	s.mu.Unlock()
	if full {
		s.stats.overLimit.Add(1)
		s.say(slog.LevelWarn, "mllp connection refused: too many", raw.RemoteAddr())
		raw.Close()
		return
	}
	s.stats.accepted.Add(1)
	s.stats.active.Add(1)
	c.f = frames{src: c.nc, max: s.limits.MaxMessage, Framing: s.Framing, wait: c.waiting}
	c.f.mem = &share{all: s.mem, peer: q, stop: s.stopped, left: func() time.Duration { return time.Until(c.frameEnd) }}
	c.read = lazyDeadline{set: c.nc.SetReadDeadline, slop: s.limits.Idle / 16}
	c.write = lazyDeadline{set: c.nc.SetWriteDeadline, slop: s.limits.WriteTime}
	s.wg.Add(1)
	go c.serve(ctx)
}

// shake counts it in among those of its address that have not shaken hands.
func (c *conn) shake(key string) bool {
	key = "shaking " + key
	_, ok := c.s.reg.enter(key, max(1, c.s.limits.Conns/2))
	if ok {
		c.shaking = key
	}
	return ok
}

func (c *conn) shaken() {
	if c.shaking != "" {
		c.s.reg.leave(c.shaking)
		c.shaking = ""
	}
}

// uncount takes it out of all counts.
func (c *conn) uncount() {
	c.shaken()
	for _, k := range c.keys {
		c.s.reg.leave(k)
	}
}

func host(a net.Addr) string {
	h, _, err := net.SplitHostPort(a.String())
	if err != nil {
		return a.String()
	}
	return h
}

func (c *conn) serve(ctx context.Context) {
	defer c.s.wg.Done()
	defer c.leave()
	defer func() {
		v := recover()
		if v == nil {
			return
		}
		c.s.stats.panics.Add(1)
		// The value may quote content; only the runtime's own errors are safe text.
		what := fmt.Sprintf("%T", v)
		if re, ok := v.(runtime.Error); ok {
			what = re.Error()
		}
		c.s.Log.Error("mllp connection panicked", "addr", c.raw.RemoteAddr().String(),
			"peer", c.peer.Name, "panic", what, "stack", string(debug.Stack()))
	}()
	if err := c.open(ctx); err != nil {
		if !c.s.stopping.Load() {
			c.s.say(slog.LevelWarn, "mllp connection refused", c.raw.RemoteAddr(), "reason", err.Error())
		}
		return
	}
	if err := c.loop(ctx); err != nil {
		c.s.say(slog.LevelWarn, "mllp connection closed", c.raw.RemoteAddr(), "peer", c.peer.Name, "reason", err.Error())
	}
}

func (c *conn) leave() {
	c.nc.Close() // with TLS, crypto/tls gives its alert 5 s at most
	c.f.release()
	c.s.mu.Lock()
	delete(c.s.conns, c)
	c.s.mu.Unlock()
	c.uncount()
	c.s.stats.active.Add(-1)
}

// open shakes hands and finds out who is there.
func (c *conn) open(ctx context.Context) error {
	var state tls.ConnectionState
	if t, ok := c.nc.(*tls.Conn); ok {
		// Whoever stops the server sets the flag before it wakes the connections,
		// so either this check or the handshake's read ends it.
		err := errStopping
		if !c.s.stopping.Load() {
			hctx, cancel := context.WithTimeout(ctx, c.s.limits.Handshake)
			err = t.HandshakeContext(hctx)
			cancel()
		}
		if err != nil {
			c.s.stats.handshakeFailed.Add(1)
			return fmt.Errorf("shake hands: %w", err)
		}
		state = t.ConnectionState()
		c.shaken()
	}
	p := channel.PeerOf(state, c.raw.RemoteAddr().String())
	if c.s.Identify != nil {
		named, err := c.s.Identify(state, c.raw.RemoteAddr())
		if err != nil {
			c.s.stats.unidentified.Add(1)
			return fmt.Errorf("identify peer with certificate %q: %w", p.Fingerprint, err)
		}
		p.Name = named.Name
		p.Proof = either(named.Proof, p.Proof)
		p.Addr = either(named.Addr, p.Addr)
		p.Fingerprint = either(named.Fingerprint, p.Fingerprint)
		p.TLS = either(named.TLS, p.TLS)
	}
	if p.Fingerprint != "" {
		key := "cert " + p.Fingerprint
		q, ok := c.s.reg.enter(key, c.s.limits.ConnsPerCert)
		if !ok {
			c.s.stats.overLimit.Add(1)
			return fmt.Errorf("too many connections with certificate %s", p.Fingerprint)
		}
		c.keys = append(c.keys, key)
		c.f.mem.peer = q
	}
	c.peer = p
	c.who.Store(&p)
	return nil
}

func either(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// waiting sets the deadline of the read that follows: the idle time between
// blocks, the frame time, once, inside one.
func (c *conn) waiting(partial bool) error {
	now := time.Now()
	var err error
	switch {
	case !partial:
		err = c.read.atLeast(now, c.s.limits.Idle)
	case c.frameEnd.IsZero():
		c.frameEnd = now.Add(c.s.limits.FrameTime)
		err = c.read.exactly(c.frameEnd)
	}
	// After the deadline is set: whoever stops the server sets the flag first and
	// its own deadline then, so one of the two is always seen.
	if c.s.stopping.Load() {
		return errStopping
	}
	return err
}

// loop takes message after message. It returns nil for every ordinary end.
func (c *conn) loop(ctx context.Context) error {
	for {
		body, err := c.f.next()
		if err != nil {
			return c.ended(ctx, body, err)
		}
		c.frameEnd = time.Time{}
		c.s.stats.messages.Add(1)
		c.s.stats.bytes.Add(int64(len(body)))
		reply, err := c.s.Handler.Handle(ctx, c.peer, body)
		if err != nil {
			// The handler logs its own error: only it knows what is safe to say.
			c.s.stats.handlerErrors.Add(1)
			return nil
		}
		if err := c.send(reply.Body); err != nil {
			return err
		}
		if reply.Close || c.s.stopping.Load() {
			return nil
		}
	}
}

func (c *conn) send(body []byte) error {
	if len(body) == 0 {
		return nil
	}
	if err := c.write.atLeast(time.Now(), c.s.limits.WriteTime); err != nil {
		return err
	}
	c.out = AppendFrame(c.out[:0], body)
	_, err := c.nc.Write(c.out)
	if cap(c.out) > ownBuf {
		c.out = nil
	}
	if err != nil {
		c.s.stats.writeErrors.Add(1)
		return fmt.Errorf("write reply: %w", err)
	}
	return nil
}

// ended reads why no further block came.
func (c *conn) ended(ctx context.Context, body []byte, err error) error {
	st := &c.s.stats
	switch {
	case errors.Is(err, errStopping) || c.s.stopping.Load():
		return nil
	case errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed):
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded) && c.frameEnd.IsZero():
		st.idleClosed.Add(1)
		return nil
	case errors.Is(err, os.ErrDeadlineExceeded):
		st.slowFrames.Add(1)
		return fmt.Errorf("block not complete after %v", c.s.limits.FrameTime)
	case errors.Is(err, errMemory):
		st.noMemory.Add(1)
	case errors.Is(err, errOversize):
		st.oversize.Add(1)
		return c.refuse(ctx, c.f.swallow(c.s.limits.MaxRead), err)
	case errors.Is(err, errRestart):
		st.badFraming.Add(1)
		return c.refuse(ctx, restarted(body), err)
	case errors.Is(err, errNoStart), errors.Is(err, errNoCR):
		st.badFraming.Add(1)
	default:
		st.brokenOff.Add(1)
	}
	return err
}

func (c *conn) refuse(ctx context.Context, r Refused, why error) error {
	if c.s.Refused == nil {
		return why
	}
	reply, err := c.s.Refused(ctx, c.peer, r)
	if err != nil {
		c.s.stats.handlerErrors.Add(1)
		return why
	}
	return errors.Join(why, c.send(reply.Body))
}

// say logs within the budget.
func (s *Server) say(l slog.Level, msg string, addr net.Addr, args ...any) {
	if s.quiet.allow(s.Now()) {
		s.Log.Log(context.Background(), l, msg, append([]any{"addr", addr.String()}, args...)...)
	}
}
