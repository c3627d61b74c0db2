package frontlink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// sockets are the two ends of a link.
func sockets(t testing.TB) (a, b *net.UnixConn) {
	t.Helper()
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out [2]*net.UnixConn
	for i, fd := range fds {
		f := os.NewFile(uintptr(fd), "end")
		c, err := net.FileConn(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		out[i] = c.(*net.UnixConn)
		t.Cleanup(func() { _ = c.Close() })
	}
	return out[0], out[1]
}

// run runs an end until the test ends; ended is closed when it stops.
func run(t testing.TB, u *net.UnixConn, h Handler) (c *Conn, ended chan error) {
	t.Helper()
	c = New(u, h, slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	ended = make(chan error, 1)
	over := make(chan struct{})
	go func() { ended <- c.Run(ctx); close(over) }()
	t.Cleanup(func() { cancel(); <-over })
	return c, ended
}

func nothing(context.Context, *Call) (Reply, error) { return Reply{}, nil }

// TestCallsGoBothWays: words, bodies and files, in both directions at once.
func TestCallsGoBothWays(t *testing.T) {
	ua, ub := sockets(t)
	echo := func(_ context.Context, c *Call) (Reply, error) {
		var w At
		if err := c.Words(&w); err != nil {
			return Reply{}, err
		}
		return Reply{Words: w, Body: c.Body, File: c.File}, nil
	}
	a, _ := run(t, ua, echo)
	b, _ := run(t, ub, echo)
	var wg sync.WaitGroup
	for i := range 100 {
		from := a
		if i%2 == 0 {
			from = b
		}
		wg.Go(func() {
			want := At{Ticket: fmt.Sprint(i)}
			body := bytes.Repeat([]byte{byte(i)}, i*1000)
			var got At
			back, f, err := from.Ask(t.Context(), VerbStat, want, body, nil, &got)
			if err != nil || f != nil || got != want || !bytes.Equal(back, body) {
				t.Error(i, err, got, len(back))
			}
		})
	}
	wg.Wait()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	_, f, err := a.Ask(t.Context(), VerbCreate, At{}, nil, w, nil)
	if err != nil || f == nil {
		t.Fatal(err)
	}
	_ = w.Close()
	if _, err := f.WriteString("through two sockets"); err != nil {
		t.Fatal(err)
	}
	_ = f.Close()
	if got, err := io.ReadAll(r); err != nil || string(got) != "through two sockets" {
		t.Fatal(err, string(got), "no other end of the pipe may be open still")
	}
}

func TestErrorsOfCalls(t *testing.T) {
	ua, ub := sockets(t)
	run(t, ub, func(_ context.Context, c *Call) (Reply, error) {
		switch c.Verb {
		case VerbOpen:
			return Reply{}, channel.ErrNoFile
		case VerbRemove:
			return Reply{}, channel.Refuse("not yours")
		case VerbRead:
			return Reply{Body: make([]byte, MaxBody+1)}, nil
		case VerbLeave:
			panic("on purpose")
		}
		return Reply{Words: map[string]string{"unknown": "x"}}, nil
	})
	a, _ := run(t, ua, nothing)
	ctx := t.Context()
	for v, want := range map[Verb]error{VerbOpen: channel.ErrNoFile, VerbLeave: ErrFailed} {
		if _, _, err := a.Ask(ctx, v, nil, nil, nil, nil); !errors.Is(err, want) {
			t.Error(v, err)
		}
	}
	var r *channel.Refusal
	if _, _, err := a.Ask(ctx, VerbRemove, nil, nil, nil, nil); !errors.As(err, &r) || r.Reason != "not yours" {
		t.Error(err)
	}
	// After a panic the link goes on; a reply with a field that we do not know is an error.
	var w Entry
	if _, _, err := a.Ask(ctx, VerbStat, nil, nil, nil, &w); !errors.Is(err, errPacket) {
		t.Error(err)
	}
	if _, _, err := a.Ask(ctx, VerbStat, nil, make([]byte, MaxBody+1), nil, nil); err == nil {
		t.Error("a body that is too large went out")
	}
}

// TestManyCallsAtOnce: MaxCalls are answered at a time, none more; the rest waits.
func TestManyCallsAtOnce(t *testing.T) {
	ua, ub := sockets(t)
	var now, most atomic.Int32
	gate, full := make(chan struct{}), make(chan struct{})
	reached := sync.OnceFunc(func() { close(full) })
	run(t, ub, func(ctx context.Context, _ *Call) (Reply, error) {
		n := now.Add(1)
		defer now.Add(-1)
		for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
		}
		if n == MaxCalls {
			reached()
		}
		select {
		case <-gate:
		case <-ctx.Done():
		}
		return Reply{}, nil
	})
	a, _ := run(t, ua, nothing)
	var wg sync.WaitGroup
	for range MaxCalls + 50 {
		wg.Go(func() {
			if _, _, err := a.Ask(t.Context(), VerbStat, nil, nil, nil, nil); err != nil {
				t.Error(err)
			}
		})
	}
	select {
	case <-full:
	case <-time.After(20 * time.Second):
		t.Fatal(now.Load(), "calls are answered at a time")
	}
	close(gate)
	wg.Wait()
	if most.Load() > MaxCalls {
		t.Fatal(most.Load(), "calls were answered at a time")
	}
}

// TestThePeerGoes: all who wait are let go, handlers are cancelled, later calls fail.
func TestThePeerGoes(t *testing.T) {
	ua, ub := sockets(t)
	begun := make(chan struct{})
	b, ended := run(t, ub, func(ctx context.Context, _ *Call) (Reply, error) {
		close(begun)
		<-ctx.Done()
		return Reply{}, ctx.Err()
	})
	a, gone := run(t, ua, nothing)
	asked := make(chan error, 1)
	go func() {
		_, _, err := a.Ask(context.Background(), VerbStat, nil, nil, nil, nil)
		asked <- err
	}()
	<-begun
	_ = b.Close()
	for _, err := range []error{<-ended, <-gone, <-asked} {
		if !errors.Is(err, ErrGone) {
			t.Error(err)
		}
	}
	if _, _, err := a.Ask(t.Context(), VerbStat, nil, nil, nil, nil); !errors.Is(err, ErrGone) {
		t.Error(err)
	}
}

func TestWhoGivesUpWaiting(t *testing.T) {
	ua, ub := sockets(t)
	let := make(chan struct{})
	run(t, ub, func(_ context.Context, c *Call) (Reply, error) {
		if c.Verb == VerbOpen {
			<-let
		}
		return Reply{}, nil
	})
	a, _ := run(t, ua, nothing)
	ctx, cancel := context.WithCancel(t.Context())
	asked := make(chan error, 1)
	go func() {
		_, _, err := a.Ask(ctx, VerbOpen, nil, nil, nil, nil)
		asked <- err
	}()
	cancel()
	if err := <-asked; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	close(let) // the answer comes and nobody waits for it
	if _, _, err := a.Ask(t.Context(), VerbStat, nil, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// TestHostilePeer: what cannot be read ends the link, and no file stays open.
func TestHostilePeer(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	fd := int(w.Fd())
	good, err := (&packet{kind: ask, verb: VerbStat, number: 1, words: []byte("{}")}).append(nil)
	if err != nil {
		t.Fatal(err)
	}
	for name, send := range map[string]func(*net.UnixConn) error{
		"garbage": func(u *net.UnixConn) error { _, err := u.Write([]byte("GET / HTTP/1.1\r\n\r\n")); return err },
		"too large": func(u *net.UnixConn) error {
			_ = u.SetWriteBuffer(1 << 20)
			_, err := u.Write(make([]byte, MaxPacket+1))
			return err
		},
		"two files": func(u *net.UnixConn) error {
			_, _, err := u.WriteMsgUnix(good, syscall.UnixRights(fd, fd), nil)
			return err
		},
		"many files": func(u *net.UnixConn) error {
			_, _, err := u.WriteMsgUnix(good, syscall.UnixRights(fd, fd, fd, fd, fd, fd, fd, fd), nil)
			return err
		},
		"file in garbage": func(u *net.UnixConn) error {
			_, _, err := u.WriteMsgUnix([]byte("x"), syscall.UnixRights(fd), nil)
			return err
		},
	} {
		ua, ub := sockets(t)
		_, ended := run(t, ub, func(_ context.Context, c *Call) (Reply, error) {
			t.Error(name, "was handled")
			return Reply{File: c.File}, nil
		})
		if err := send(ua); err != nil {
			t.Fatal(name, err)
		}
		if err := <-ended; err == nil {
			t.Error(name, "was taken")
		}
	}
	_ = w.Close()
	if got, err := io.ReadAll(r); err != nil || len(got) != 0 { // ends only when no copy of w is open
		t.Fatal(err, got)
	}
	// Answers that nobody asked for are thrown away, with their files.
	ua, ub := sockets(t)
	b, _ := run(t, ub, nothing)
	for _, k := range []kind{answer, refusal} {
		p, err := (&packet{kind: k, number: 77, words: []byte("{}")}).append(nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := ua.Write(p); err != nil {
			t.Fatal(err)
		}
	}
	a, _ := run(t, ua, nothing)
	if _, _, err := b.Ask(t.Context(), VerbEnded, Of{}, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := a.Ask(t.Context(), VerbStat, nil, nil, nil, nil); err != nil {
		t.Fatal(err)
	}
}

// FuzzConn: whatever a hostile peer writes, the link answers, ends or ignores it.
func FuzzConn(f *testing.F) {
	good, err := (&packet{kind: ask, verb: VerbSign, number: 3, words: []byte(`{"key":"x","digest":"","hash":5}`)}).append(nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add([]byte{2, 1, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, '{', '}'})
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) == 0 || len(b) > MaxPacket {
			return
		}
		ua, ub := sockets(t)
		_, ended := run(t, ub, func(_ context.Context, c *Call) (Reply, error) {
			var w Digest
			return Reply{Body: c.Body}, c.Words(&w)
		})
		if _, err := ua.Write(b); err != nil {
			t.Skip(err)
		}
		_ = ua.CloseWrite()
		_, _ = io.ReadAll(io.LimitReader(ua, MaxPacket)) // an answer or none
		if err := <-ended; err == nil {
			t.Fatal("the link did not end")
		}
	})
}
