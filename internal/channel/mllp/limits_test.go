package mllp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
)

func TestConnectionLimits(t *testing.T) {
	a := ct.NewAuthority(t)
	s := startServer(t, a, func(s *Server) { s.Limits.ConnsPerCert, s.Limits.Conns = 2, 5 })
	works := func(cfg *tls.Config) (*tls.Conn, bool) {
		nc := tls.Client(dial(t, s.addr), cfg)
		nc.Write(frame(message(1, 1).Body))
		b, err := bufio.NewReader(nc).ReadByte()
		return nc, err == nil && b == startBlock
	}
	one, two := clientTLS(t, a, "hub.test"), clientTLS(t, a, "hub.test")
	first, ok1 := works(one)
	_, ok2 := works(one)
	_, third := works(one)
	_, other := works(two)
	if !ok1 || !ok2 || third || !other {
		t.Errorf("per certificate: %v %v %v %v", ok1, ok2, third, other)
	}
	// A place that is given up can be had again.
	first.Close()
	ct.Eventually(t, "place is free", func() error {
		if nc, ok := works(one); !ok {
			nc.Close()
			return errors.New("still refused")
		}
		return nil
	})
	for range 2 { // all five places
		dial(t, s.addr)
	}
	if _, ok := works(two); ok {
		t.Error("over the limit in all")
	}
}

// TestHandlerErrorAndSilence: an error closes without a reply; an empty reply
// sends nothing and goes on; Close closes after the reply.
func TestHandlerErrorAndSilence(t *testing.T) {
	s := startServer(t, nil, func(s *Server) {
		s.Handler = channel.HandlerFunc(func(_ context.Context, p channel.Peer, b []byte) (channel.Reply, error) {
			switch string(b) {
			case "error":
				return channel.Reply{Body: []byte("must not leave")}, errors.New("disk full")
			case "silent":
				return channel.Reply{}, nil
			case "last":
				return channel.Reply{Body: []byte("bye"), Close: true}, nil
			}
			return channel.Reply{Body: append([]byte("re "), b...)}, nil
		})
	})
	for send, want := range map[string]string{
		"a silent b error c": "\x0bre a\x1c\r\x0bre b\x1c\r",
		"a last c":           "\x0bre a\x1c\r\x0bbye\x1c\r",
	} {
		nc := dial(t, s.addr)
		var all []byte
		for _, m := range strings.Fields(send) {
			all = append(all, frame([]byte(m))...)
		}
		nc.Write(all)
		if got, err := io.ReadAll(nc); err != nil || string(got) != want {
			t.Errorf("%q: got %q", send, got)
		}
	}
	ct.Eventually(t, "counted", func() error {
		if st := s.Status(); st.HandlerErrors != 1 {
			return fmt.Errorf("%+v", st.Stats)
		}
		return nil
	})
}

func TestReplyTooLarge(t *testing.T) {
	a := ct.NewAuthority(t)
	f := newFar(t, a, func(nc net.Conn, _ int, b []byte) bool {
		nc.Write(frame(append(ackTo(b, "AA", ""), bytes.Repeat([]byte("NTE|x\r"), 100)...)))
		return true
	})
	go f.serve()
	defer f.close()
	s := newSender(t, Config{Addr: f.ln.Addr().String(), TLS: clientTLS(t, a, "far.test"), MaxReply: 600, ReplyTimeout: time.Second})
	if _, err := s.Send(t.Context(), message(1, 1)); channel.ClassOf(err) != channel.Unanswered || !errors.Is(err, errOversize) {
		t.Errorf("%v", err)
	}
}

func TestLogBudget(t *testing.T) {
	var log bytes.Buffer
	now := time.Unix(1000, 0)
	s := &Server{Log: slog.New(slog.NewTextHandler(&log, nil)), Now: func() time.Time { return now }}
	s.init()
	for range 1000 {
		s.say(slog.LevelWarn, "refused", &net.TCPAddr{})
	}
	if n := strings.Count(log.String(), "refused"); n != linesPerSecond {
		t.Errorf("%d lines", n)
	}
	now = now.Add(time.Second)
	s.say(slog.LevelWarn, "refused", &net.TCPAddr{})
	if n := strings.Count(log.String(), "refused"); n != linesPerSecond+1 {
		t.Errorf("%d lines after a second", n)
	}
}

// TestDefaultTimes runs on a fake clock: the default limits, to the second.
func TestDefaultTimes(t *testing.T) {
	for name, c := range map[string]struct {
		drip       time.Duration // between bytes inside a block; 0: nothing is sent
		atLeast    time.Duration
		atMost     time.Duration
		slow, idle int64
	}{
		"one byte a second": {drip: time.Second, atLeast: 60 * time.Second, atMost: 62 * time.Second, slow: 1},
		"silence":           {atLeast: 15 * time.Minute, atMost: 16 * time.Minute, idle: 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ln := &pipeListener{conns: make(chan net.Conn), done: make(chan struct{})}
				s := &Server{Exception: plaintext(), Handler: channel.HandlerFunc(func(context.Context, channel.Peer, []byte) (channel.Reply, error) {
					return channel.Reply{}, nil
				})}
				ctx, cancel := context.WithCancel(t.Context())
				served := make(chan error, 1)
				go func() { served <- s.Serve(ctx, ln) }()
				near, far := net.Pipe()
				ln.conns <- far
				start := time.Now()
				var drip sync.WaitGroup
				if c.drip > 0 {
					drip.Go(func() {
						near.Write([]byte{startBlock})
						for tick := time.NewTicker(c.drip); ; <-tick.C {
							if _, err := near.Write([]byte("x")); err != nil {
								tick.Stop()
								return
							}
						}
					})
				}
				if _, err := near.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
					t.Errorf("read: %v", err)
				}
				if d := time.Since(start); d < c.atLeast || d > c.atMost {
					t.Errorf("closed after %v", d)
				}
				synctest.Wait()
				if st := s.Status(); st.SlowFrames != c.slow || st.IdleClosed != c.idle || st.Active != 0 {
					t.Errorf("%+v", st.Stats)
				}
				cancel()
				if err := <-served; err != nil {
					t.Error(err)
				}
				near.Close()
				drip.Wait()
			})
		})
	}
}

type pipeListener struct {
	conns chan net.Conn
	done  chan struct{}
}

func (l *pipeListener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}

func (l *pipeListener) Close() error {
	select {
	case <-l.done:
	default:
		close(l.done)
	}
	return nil
}

func (l *pipeListener) Addr() net.Addr { return &net.TCPAddr{} }

// TestHandshakesOfOneAddressLeaveRoom: whoever has no certificate and only holds
// connections open keeps no sender out that comes from elsewhere.
func TestHandshakesOfOneAddressLeaveRoom(t *testing.T) {
	a := ct.NewAuthority(t)
	s := startServer(t, a, func(s *Server) { s.Limits = Limits{Conns: 8, ConnsPerAddr: 8, ConnsPerCert: 8} })
	for range 20 {
		nc, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", s.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
	}
	ct.Eventually(t, "the rest is turned away", func() error {
		if st := s.Status(); st.Active != 4 || st.OverLimit != 16 {
			return fmt.Errorf("%+v", st.Stats)
		}
		return nil
	})
	for range 4 { // each stays connected: who has shaken hands counts there no more
		snd := newSender(t, Config{Addr: s.addr, TLS: clientTLS(t, a, "hub.test")})
		if _, err := snd.Send(t.Context(), message(1, 1)); err != nil {
			t.Errorf("a good sender: %v", err)
		}
	}
}

func TestAdmitIsAskedBeforeTheHandshake(t *testing.T) {
	a := ct.NewAuthority(t)
	s := startServer(t, a, func(s *Server) {
		s.Admit = func(addr net.Addr) error {
			if strings.HasPrefix(addr.String(), "127.0.0.2:") {
				return errors.New("not from here")
			}
			return nil
		}
	})
	nc, err := (&net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 2)}}).Dial("tcp", s.addr)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if n, err := nc.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("%d bytes, %v", n, err)
	}
	if st := s.Status(); st.Unidentified != 1 || st.HandshakeFailed != 0 || st.Accepted != 0 {
		t.Errorf("%+v", st.Stats)
	}
	if _, err := newSender(t, Config{Addr: s.addr, TLS: clientTLS(t, a, "hub.test")}).Send(t.Context(), message(1, 1)); err != nil {
		t.Error(err)
	}
}
