package mllp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
)

type running struct {
	*Server
	addr string
	stop func() error
}

// startServer serves on a loopback port with mutual TLS until the test ends.
// Its handler answers AA unless change sets another.
func startServer(t testing.TB, a *ct.Authority, change func(*Server)) *running {
	t.Helper()
	s := &Server{Handler: channel.HandlerFunc(func(_ context.Context, _ channel.Peer, b []byte) (channel.Reply, error) {
		return channel.Reply{Body: ackTo(b, "AA", "")}, nil
	})}
	if a != nil {
		cfg, err := channel.TLS{Certificate: ct.Source(a.Issue("hub.test", time.Time{})), Roots: a.Pool}.Server()
		if err != nil {
			t.Fatal(err)
		}
		s.TLS = cfg
	} else {
		s.Exception = plaintext()
	}
	if change != nil {
		change(s)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx, ln) }()
	var result error
	var stopped atomic.Bool
	r := &running{Server: s, addr: ln.Addr().String(), stop: func() error {
		if !stopped.Swap(true) {
			cancel()
			result = <-done
		}
		return result
	}}
	t.Cleanup(func() { r.stop() })
	return r
}

func plaintext() *channel.Exception {
	return &channel.Exception{Plaintext: true, Reason: "old analyzer", Owner: "N. N.", Until: time.Date(2030, 1, 2, 0, 0, 0, 0, time.UTC)}
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(10 * time.Second))
	return nc
}

// reply reads one framed reply without this package's code.
func reply(t testing.TB, r *bufio.Reader) string {
	t.Helper()
	b, err := r.ReadBytes('\r')
	for err == nil && !bytes.HasSuffix(b, []byte("\x1c\r")) {
		var more []byte
		more, err = r.ReadBytes('\r')
		b = append(b, more...)
	}
	if err != nil {
		t.Fatalf("read reply: %v (%d bytes)", err, len(b))
	}
	return strings.TrimSuffix(strings.TrimPrefix(string(b), "\x0b"), "\x1c\r")
}

func TestPipelinedRepliesInOrder(t *testing.T) {
	s := startServer(t, nil, nil)
	nc := dial(t, s.addr)
	var all []byte
	for i := range 500 {
		all = append(all, frame(message(i, i*7%3000).Body)...)
	}
	go nc.Write(all)
	r := bufio.NewReader(nc)
	for i := range 500 {
		if got, want := reply(t, r), string(ackTo(message(i, i*7%3000).Body, "AA", "")); got != want {
			t.Fatalf("reply %d = %q, want %q", i, got, want)
		}
	}
}

// TestFraming: what closes the connection, and what reaches the handler.
func TestFraming(t *testing.T) {
	ok := string(message(1, 5).Body)
	for name, c := range map[string]struct {
		send    string
		lax     bool
		replies int
		stat    func(Stats) int64
	}{
		"bytes before":           {send: "x\x0b" + ok + "\x1c\r", stat: func(s Stats) int64 { return s.BadFraming }},
		"bytes between":          {send: "\x0b" + ok + "\x1c\r\n\x0b" + ok + "\x1c\r", replies: 1, stat: func(s Stats) int64 { return s.BadFraming }},
		"no CR":                  {send: "\x0b" + ok + "\x1c\x0b" + ok + "\x1c\r", stat: func(s Stats) int64 { return s.BadFraming }},
		"no CR, allowed":         {send: "\x0b" + ok + "\x1c\x0b" + ok + "\x1c\r\x0b" + ok + "\x1c", lax: true, replies: 3, stat: func(s Stats) int64 { return 1 - s.BadFraming }},
		"start block inside":     {send: "\x0bMSH|half" + "\x0b" + ok + "\x1c\r", stat: func(s Stats) int64 { return s.BadFraming }},
		"closed inside a block":  {send: "\x0b" + ok, stat: func(s Stats) int64 { return s.BrokenOff }},
		"closed before end's CR": {send: "\x0b" + ok + "\x1c", stat: func(s Stats) int64 { return s.BrokenOff }},
		"HTTP":                   {send: "GET / HTTP/1.1\r\n\r\n", stat: func(s Stats) int64 { return s.BadFraming }},
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t, nil, func(s *Server) { s.Framing.MissingCR = c.lax })
			nc := dial(t, s.addr)
			io.WriteString(nc, c.send)
			nc.(*net.TCPConn).CloseWrite()
			got, _ := io.ReadAll(nc)
			if n := bytes.Count(got, []byte("MSA|AA")); n != c.replies {
				t.Errorf("%d replies, want %d", n, c.replies)
			}
			ct.Eventually(t, "counted", func() error {
				if st := s.Status().Stats; c.stat(st) != 1 || st.Active != 0 || st.Messages != int64(c.replies) {
					return fmt.Errorf("stats %+v", st)
				}
				return nil
			})
		})
	}
}

func TestOversize(t *testing.T) {
	const limit = 2 << 20
	for _, size := range []int{limit + 1, limit + 5000, 3*limit + 17} {
		got := make(chan Refused, 1)
		var heads []byte
		s := startServer(t, nil, func(s *Server) {
			s.Limits.MaxMessage = limit
			s.Refused = func(_ context.Context, p channel.Peer, r Refused) (channel.Reply, error) {
				heads = bytes.Clone(r.Head)
				got <- r
				return channel.Reply{Body: []byte("too much")}, nil
			}
		})
		nc := dial(t, s.addr)
		body := ct.Bytes(3, size, "\x0b\x1c")
		go nc.Write(frame(body))
		r := bufio.NewReader(nc)
		if msg := reply(t, r); msg != "too much" {
			t.Errorf("reply %q", msg)
		}
		if _, err := r.ReadByte(); !errors.Is(err, io.EOF) {
			t.Errorf("connection not closed: %v", err)
		}
		o := <-got
		if o.Length != int64(size) || o.SHA256 != sha256.Sum256(body) || !o.Complete || !bytes.Equal(heads, body[:1<<20]) {
			t.Errorf("size %d: length %d complete %v hash ok %v head %d", size, o.Length, o.Complete, o.SHA256 == sha256.Sum256(body), len(heads))
		}
		// Exactly the limit is no problem.
		nc2 := dial(t, s.addr)
		m := message(1, 0)
		m.Body = append(m.Body, ct.Bytes(1, limit-len(m.Body), "\x0b\x1c")...)
		go nc2.Write(frame(m.Body))
		if msg := reply(t, bufio.NewReader(nc2)); !strings.Contains(msg, "MSA|AA") {
			t.Errorf("reply to a message of the limit's size: %q", msg)
		}
	}
}

// TestEndlessFrame: no end block ever; reading stops at MaxRead.
func TestEndlessFrame(t *testing.T) {
	got := make(chan Refused, 1)
	s := startServer(t, nil, func(s *Server) {
		s.Limits.MaxMessage, s.Limits.MaxRead = 100<<10, 1<<20
		s.Refused = func(_ context.Context, p channel.Peer, r Refused) (channel.Reply, error) {
			got <- r
			return channel.Reply{}, nil
		}
	})
	nc := dial(t, s.addr)
	nc.Write([]byte{startBlock})
	junk := bytes.Repeat([]byte("OBX|"), 4096)
	for {
		if _, err := nc.Write(junk); err != nil {
			break // the server closed
		}
	}
	if r := <-got; r.Complete || r.Length < 1<<20 || r.Length > 1<<20+64<<10 || len(r.Head) != 1<<20 {
		t.Errorf("refused %+v, head %d", r.Length, len(r.Head))
	}
}

// TestSlowPeerHurtsNobody: one byte at a time runs into the frame time, while
// another peer's messages pass.
func TestSlowPeerHurtsNobody(t *testing.T) {
	s := startServer(t, nil, func(s *Server) { s.Limits.FrameTime = 300 * time.Millisecond })
	slow := dial(t, s.addr)
	start := time.Now()
	end := make(chan time.Duration, 1)
	go func() {
		slow.Write([]byte{startBlock})
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for range tick.C {
			if _, err := slow.Write([]byte("x")); err != nil {
				end <- time.Since(start)
				return
			}
		}
	}()
	nc := dial(t, s.addr)
	r := bufio.NewReader(nc)
	for i := range 200 {
		nc.Write(frame(message(i, 100).Body))
		reply(t, r)
	}
	if d := <-end; d < 290*time.Millisecond || d > 3*time.Second {
		t.Errorf("slow peer closed after %v", d)
	}
	if st := s.Status(); st.SlowFrames != 1 || st.Messages != 200 {
		t.Errorf("stats %+v", st.Stats)
	}
}

func TestPanicCostsOneConnection(t *testing.T) {
	var log bytes.Buffer
	s := startServer(t, nil, func(s *Server) {
		s.Log = slog.New(slog.NewTextHandler(&log, nil))
		s.Handler = channel.HandlerFunc(func(_ context.Context, _ channel.Peer, b []byte) (channel.Reply, error) {
			if bytes.Contains(b, []byte("DOE^JANE")) {
				panic("cannot read " + string(b))
			}
			return channel.Reply{Body: ackTo(b, "AA", "")}, nil
		})
	})
	other, bad := dial(t, s.addr), dial(t, s.addr)
	bad.Write(frame([]byte("MSH|^~\\&|DOE^JANE")))
	if _, err := bad.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("connection with the panic: %v", err)
	}
	other.Write(frame(message(1, 1).Body))
	reply(t, bufio.NewReader(other))
	if err := s.stop(); err != nil {
		t.Error(err)
	}
	if s.Status().Panics != 1 || !strings.Contains(log.String(), "server_test.go") {
		t.Errorf("panics %d, log %s", s.Status().Panics, log.String())
	}
	if strings.Contains(log.String(), "DOE") {
		t.Error("content in the log")
	}
}

func TestGracefulStop(t *testing.T) {
	var taken atomic.Int64
	entered, release := make(chan struct{}), make(chan struct{})
	s := startServer(t, nil, func(s *Server) {
		s.Handler = channel.HandlerFunc(func(_ context.Context, _ channel.Peer, b []byte) (channel.Reply, error) {
			if taken.Add(1) == 1 {
				close(entered)
			}
			<-release
			return channel.Reply{Body: ackTo(b, "AA", "")}, nil
		})
	})
	idle, busy := dial(t, s.addr), dial(t, s.addr)
	busy.Write(append(frame(message(1, 1).Body), frame(message(2, 1).Body)...))
	<-entered
	done := make(chan error, 1)
	go func() { done <- s.stop() }()
	if _, err := idle.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("idle connection: %v", err)
	}
	if nc, err := net.Dial("tcp", s.addr); err == nil {
		nc.Close()
		t.Error("still accepts")
	}
	close(release)
	r := bufio.NewReader(busy)
	if got := reply(t, r); !strings.Contains(got, "M1.1") {
		t.Errorf("reply %q", got)
	}
	// The second message was not taken: it stays without an answer.
	if _, err := r.ReadByte(); err == nil {
		t.Error("a message was answered after the stop")
	}
	if err := <-done; err != nil || taken.Load() != 1 {
		t.Errorf("%d messages taken, %v", taken.Load(), err)
	}
}

func TestStopCutsOffAfterDrain(t *testing.T) {
	entered := make(chan struct{})
	s := startServer(t, nil, func(s *Server) {
		s.Limits.Drain = 50 * time.Millisecond
		s.Handler = channel.HandlerFunc(func(ctx context.Context, _ channel.Peer, b []byte) (channel.Reply, error) {
			close(entered)
			<-ctx.Done()
			return channel.Reply{}, ctx.Err()
		})
	})
	dial(t, s.addr).Write(frame(message(1, 1).Body))
	<-entered
	if err := s.stop(); err == nil || !strings.Contains(err.Error(), "1 connections cut off") {
		t.Errorf("stop: %v", err)
	}
}

func TestIdleConnectionsAndLimits(t *testing.T) {
	const idle = 2000
	s := startServer(t, nil, func(s *Server) { s.Limits.ConnsPerAddr = idle + 10 })
	for range idle {
		dial(t, s.addr)
	}
	nc := dial(t, s.addr)
	r := bufio.NewReader(nc)
	for i := range 100 {
		nc.Write(frame(message(i, 1900).Body))
		reply(t, r)
	}
	for range 9 {
		dial(t, s.addr)
	}
	over := dial(t, s.addr)
	if _, err := over.Read(make([]byte, 1)); err == nil {
		t.Error("a connection over the address's limit stays open")
	}
	if st := s.Status(); st.Active != idle+10 || st.OverLimit != 1 {
		t.Errorf("stats %+v", st.Stats)
	}
	if err := s.stop(); err != nil {
		t.Error(err)
	}
}

func TestIdleTime(t *testing.T) {
	s := startServer(t, nil, func(s *Server) { s.Limits.Idle = 80 * time.Millisecond })
	nc := dial(t, s.addr)
	nc.Write(frame(message(1, 1).Body))
	r := bufio.NewReader(nc)
	reply(t, r)
	start := time.Now()
	if _, err := r.ReadByte(); !errors.Is(err, io.EOF) || time.Since(start) < 70*time.Millisecond {
		t.Errorf("idle connection ended with %v after %v", err, time.Since(start))
	}
	ct.Eventually(t, "counted", func() error {
		if st := s.Status(); st.IdleClosed != 1 {
			return fmt.Errorf("%+v", st.Stats)
		}
		return nil
	})
}

// TestMemoryIsShared: one peer's large blocks that do not end take half of the
// big slots and no more; another's messages of every size pass meanwhile.
func TestMemoryIsShared(t *testing.T) {
	a := ct.NewAuthority(t)
	s := startServer(t, a, func(s *Server) { s.Limits.Big = 4 })
	hostile := clientTLS(t, a, "hub.test")
	tlsDial := func(c *tls.Config) *tls.Conn {
		nc := tls.Client(dial(t, s.addr), c)
		if err := nc.Handshake(); err != nil {
			t.Fatal(err)
		}
		return nc
	}
	var bad []*tls.Conn
	for range 4 {
		nc := tlsDial(hostile)
		bad = append(bad, nc)
		go nc.Write(append([]byte{startBlock}, bytes.Repeat([]byte("x"), 3<<20)...))
	}
	held := func(mid, big int) func() error {
		return func() error {
			if m, b := len(s.mem.mid), len(s.mem.big); m != mid || b != big {
				return fmt.Errorf("%d mid and %d big slots held, want %d and %d", m, b, mid, big)
			}
			return nil
		}
	}
	ct.Eventually(t, "half of the big slots taken", held(4, 2))
	good := tlsDial(clientTLS(t, a, "hub.test"))
	r := bufio.NewReader(good)
	for i, size := range []int{100, 60 << 10, 500 << 10, 4 << 20} {
		go good.Write(frame(message(i, size).Body))
		if got := reply(t, r); !strings.Contains(got, "AA") {
			t.Errorf("reply %q", got)
		}
	}
	good.Close()
	ct.Eventually(t, "still no more than half", held(4, 2))
	for _, nc := range bad {
		nc.NetConn().Close()
	}
	ct.Eventually(t, "everything given back", held(0, 0))
}
