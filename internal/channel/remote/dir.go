package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/labwarden/labwarden/internal/channel"
)

// Dir is an open connection to one directory of a file server. Names are plain
// file names in it, or DIR/NAME for a folder made with Mkdir. It is used by one
// goroutine at a time; Close alone may be called beside another call, which then
// fails. It has more methods than an interface of this house usually has: it is
// what a file server can do.
//
// Errors are channel.ErrNoFile, channel.ErrFileExists, or an *channel.Error
// whose class says what the server said (Busy: no space; Misconfigured: no
// permission) or, Unreachable, that the connection is of no more use.
type Dir interface {
	List(ctx context.Context) ([]channel.BoxEntry, error)
	Stat(ctx context.Context, name string) (channel.BoxEntry, error)
	// Get writes the file from the offset on to w, and ends when w fails.
	Get(ctx context.Context, name string, from int64, w io.Writer) error
	// Put writes r into the file from the offset on, the file's present size; with
	// offset 0 it begins the file anew. Nil says that the server has all of it.
	Put(ctx context.Context, name string, from int64, r io.Reader) error
	// Sum is the SHA-256 the server itself reckons; ok is false where it offers none.
	Sum(ctx context.Context, name string) (sum [32]byte, ok bool, err error)
	Rename(ctx context.Context, from, to string) error
	Remove(ctx context.Context, name string) error
	Mkdir(ctx context.Context, name string) error
	// Peer says who the server proved to be.
	Peer() channel.Peer
	Close() error
}

// Dial opens a Dir. Its errors are *channel.Error.
type Dial func(ctx context.Context) (Dir, error)

// checkName allows one plain file name.
func checkName(n string) error {
	switch {
	case n == "" || n == "." || n == ".." || len(n) > 200:
		return errors.New("message has no usable file name")
	case strings.ContainsAny(n, "/\\:") || !utf8.ValidString(n):
		return errors.New("file name has a separator or is no text")
	case strings.HasPrefix(n, "."):
		return errors.New("file name begins with a dot")
	case strings.IndexFunc(n, func(r rune) bool { return r < ' ' || r == 0x7f }) >= 0:
		return errors.New("file name has a control character")
	}
	return nil
}

// link is a Dir under a watch: a server that moves nothing for the patience, or
// a context that ends, closes it, so that a call in flight returns.
type link struct {
	Dir
	patience time.Duration
	idle     *time.Timer

	mu    sync.Mutex
	timer *time.Timer // nil between two calls
	ctx   context.Context
	slow  chan struct{}
}

// under puts the link under ctx until the returned func is called.
func (l *link) under(ctx context.Context) (release func()) {
	slow := make(chan struct{})
	l.ctx, l.slow = ctx, slow
	l.mu.Lock()
	defer l.mu.Unlock()
	l.timer = time.AfterFunc(l.patience, func() { close(slow); _ = l.Close() })
	stop := context.AfterFunc(ctx, func() { _ = l.Close() })
	return func() {
		stop()
		l.mu.Lock()
		defer l.mu.Unlock()
		l.timer.Stop()
		l.timer = nil
	}
}

// moved says that something has arrived at either end.
func (l *link) moved() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.timer != nil && l.timer.Stop() { // one that has gone off stays off
		l.timer.Reset(l.patience)
	}
}

// why is err, or what really ended the call.
func (l *link) why(err error) error {
	var e *channel.Error
	if err == nil || errors.As(err, &e) && e.Class == channel.Unanswered {
		return err
	}
	select {
	case <-l.slow:
		return &channel.Error{Class: channel.Unreachable, Peer: l.Peer(), Err: fmt.Errorf("the server did nothing for %s", l.patience)}
	default:
	}
	if cause := l.ctx.Err(); cause != nil {
		return &channel.Error{Class: channel.Unreachable, Peer: l.Peer(), Err: cause}
	}
	return err
}

// lost says that the connection is of no more use.
func lost(err error) bool {
	var e *channel.Error
	var o *ours
	return err != nil && !errors.As(err, &o) && !errors.Is(err, errChanged) && (!errors.As(err, &e) || e.Class == channel.Unreachable || e.Class == channel.Unanswered) &&
		!errors.Is(err, channel.ErrNoFile) && !errors.Is(err, channel.ErrFileExists)
}

// pulse is a reader or writer that tells of its progress.
type pulse struct {
	r io.Reader
	w io.Writer
	l *link
}

func (p pulse) Read(b []byte) (int, error) { p.l.moved(); return p.r.Read(b) }

func (p pulse) Write(b []byte) (int, error) { p.l.moved(); return p.w.Write(b) }
