package front

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/channel/sftp"
)

// Front runs until its context ends.
type Front struct {
	// Socket is the hub's socket.
	Socket string
	Log    *slog.Logger
	// Ready is told the addresses that are listened on, each time they change.
	Ready func(addresses map[string]string)
	// Confine is called once the hub has said what to do and all is open; it takes
	// from the process what it needs no more. Nil for none.
	Confine func() error

	rooms sftp.Rooms
}

// again is how long the front waits before it looks for the hub again.
const again = 2 * time.Second

// Run connects to the hub and does what it says, again and again until ctx ends.
// The listeners stay open while the hub is away, so that nobody else takes their
// ports; who comes then is told to come again by a closed connection.
func (f *Front) Run(ctx context.Context) error {
	d := &doors{log: f.Log, ready: f.Ready}
	defer d.close()
	confined := f.Confine == nil
	said := ""
	for {
		err := f.once(ctx, d, &confined)
		if ctx.Err() != nil {
			return nil
		}
		if err == nil {
			said = ""
		} else if text := err.Error(); text != said { // once, not every two seconds of a long night
			f.Log.Warn("the hub is away; it is looked for again every two seconds", "socket", f.Socket, "err", err)
			said = text
		}
		select {
		case <-time.After(again):
		case <-ctx.Done():
			return nil
		}
	}
}

func (f *Front) once(ctx context.Context, d *doors, confined *bool) error {
	var dialer net.Dialer
	c, err := dialer.DialContext(ctx, "unixpacket", f.Socket)
	if err != nil {
		return fmt.Errorf("reach hub: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		return errors.New("reach hub: not a Unix socket")
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	h := &hub{sessions: map[string]*session{}}
	h.link = frontlink.New(u, func(ctx context.Context, call *frontlink.Call) (frontlink.Reply, error) {
		return f.hear(ctx, h, d, call)
	}, f.Log)
	done := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { done <- h.link.Run(ctx) })
	defer func() { cancel(); wg.Wait(); h.endAll() }()
	var w frontlink.Welcome
	if _, _, err := h.link.Ask(ctx, frontlink.VerbHello, frontlink.Hello{Version: frontlink.Version}, nil, nil, &w); err != nil {
		return fmt.Errorf("greet hub: %w", err)
	}
	h.keeper = w.Keeper
	if err := d.apply(h, w.Settings); err != nil {
		return err
	}
	if !*confined {
		if err := f.Confine(); err != nil {
			return fmt.Errorf("confine: %w", err)
		}
		*confined = true
	}
	defer d.leave()
	return <-done
}

func (h *hub) endAll() {
	h.mu.Lock()
	all := h.sessions
	h.sessions = map[string]*session{}
	h.mu.Unlock()
	for _, s := range all {
		s.over()
	}
}

// hear does what the hub asks.
func (f *Front) hear(_ context.Context, h *hub, d *doors, call *frontlink.Call) (frontlink.Reply, error) {
	switch call.Verb {
	case frontlink.VerbServe:
		var w frontlink.Streamed
		conn, err := connOf(call.File)
		if err != nil {
			return frontlink.Reply{}, err
		}
		if err := call.Words(&w); err != nil {
			_ = conn.Close()
			return frontlink.Reply{}, err
		}
		go f.files(h.session(w.Ticket, w.Partner), w.Stream, conn)
		return frontlink.Reply{}, nil
	case frontlink.VerbEnded:
		var w frontlink.Of
		if err := call.Words(&w); err != nil {
			return frontlink.Reply{}, err
		}
		h.ended(w.Ticket)
		return frontlink.Reply{}, nil
	case frontlink.VerbSettings:
		var w frontlink.Settings
		if err := call.Words(&w); err != nil {
			return frontlink.Reply{}, err
		}
		return frontlink.Reply{}, d.apply(h, w)
	}
	if call.File != nil {
		_ = call.File.Close()
	}
	return frontlink.Reply{}, errors.New("unknown verb")
}

// files serves one session's SFTP stream.
func (f *Front) files(s *session, stream uint64, conn net.Conn) {
	defer func() {
		if v := recover(); v != nil {
			f.Log.Error("sftp stream panicked", "panic", v)
		}
	}()
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(s.ctx, func() { _ = conn.Close() })
	defer stop()
	err := sftp.ServeFiles(s.ctx, conn, told{s, stream}, &f.rooms, f.Log)
	s.end() // the ticket stays the hub's: it ends with the SSH connection
	if err != nil {
		f.Log.Debug("sftp stream ended", "err", err)
	}
}

var _ channel.BoxSession = (*session)(nil)
