package app

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
)

// port is an open listening socket that outlives the servers behind it: a
// source whose settings change keeps its address without a moment in which
// nobody listens, and without a new listen that could fail.
type port struct {
	ln   net.Listener
	more net.Listener  // beside ln, inside a tunnel; may be nil
	via  string        // the tunnel of more
	in   chan accepted // unbuffered: whichever server is there takes the next
	quit chan struct{}
	once sync.Once
}

type accepted struct {
	conn net.Conn
	err  error
}

func openPort(ctx context.Context, addr string) (*port, error) {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	p := &port{ln: ln, in: make(chan accepted), quit: make(chan struct{})}
	go p.run()
	return p, nil
}

func (p *port) run() {
	for {
		c, err := p.ln.Accept()
		p.give(accepted{c, err})
		if errors.Is(err, net.ErrClosed) {
			return
		}
	}
}

// give hands a connection to whichever server takes the next.
func (p *port) give(a accepted) {
	select {
	case p.in <- a:
	case <-p.quit:
		if a.conn != nil {
			a.conn.Close()
		}
	}
}

func (p *port) close() error {
	var err error
	p.once.Do(func() {
		close(p.quit)
		err = p.ln.Close()
		if p.more != nil {
			err = errors.Join(err, p.more.Close())
		}
	})
	return err
}

// turn is the port as one server sees it; closing it leaves the port open.
func (p *port) turn() net.Listener { return &turn{port: p, done: make(chan struct{})} }

type turn struct {
	port *port
	done chan struct{}
	once sync.Once
}

func (t *turn) Accept() (net.Conn, error) {
	select {
	case <-t.done: // before looking for a connection: those are the next server's
		return nil, net.ErrClosed
	default:
	}
	select {
	case a := <-t.port.in:
		select {
		case <-t.done: // closed meanwhile: it is the next server's too
			go t.port.give(a)
		default:
			return a.conn, a.err
		}
	case <-t.done:
	case <-t.port.quit:
	}
	return nil, net.ErrClosed
}

func (t *turn) Close() error   { t.once.Do(func() { close(t.done) }); return nil }
func (t *turn) Addr() net.Addr { return t.port.ln.Addr() }
