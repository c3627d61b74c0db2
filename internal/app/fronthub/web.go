package fronthub

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// webDoor takes the connections that the front opens for web requests.
type webDoor struct {
	srv  *http.Server
	in   chan net.Conn
	once sync.Once
	over chan struct{}
}

func newWebDoor(handler http.Handler, log *slog.Logger) *webDoor {
	if handler == nil {
		handler = http.NotFoundHandler()
	}
	d := &webDoor{in: make(chan net.Conn), over: make(chan struct{})}
	d.srv = &http.Server{
		Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	go func() { _ = d.srv.Serve(d) }()
	return d
}

// open gives the front its end of a new connection.
func (d *webDoor) open() (*os.File, error) {
	theirs, ours, err := pairOf()
	if err != nil {
		return nil, err
	}
	select {
	case d.in <- ours:
		return theirs, nil
	case <-d.over:
		_ = theirs.Close()
		_ = ours.Close()
		return nil, net.ErrClosed
	}
}

func (d *webDoor) Accept() (net.Conn, error) {
	select {
	case c := <-d.in:
		return c, nil
	case <-d.over:
		return nil, net.ErrClosed
	}
}

func (d *webDoor) Close() error {
	d.once.Do(func() { close(d.over) })
	return nil
}

func (d *webDoor) Addr() net.Addr { return &net.UnixAddr{Net: "unix"} }

func (d *webDoor) close() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_ = d.srv.Shutdown(ctx)
}
