package mllp

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// lane is one place for a connection; whoever took it from Sender.idle owns it.
type lane struct {
	s    *Sender
	out  []byte
	peer channel.Peer

	mu   sync.Mutex // guards link against Close
	link *link
}

// link is one connection and the goroutine that reads from it. Reading all the
// time is how a connection the partner closed in the meantime is noticed before
// a message is written into it.
type link struct {
	raw, nc net.Conn
	replies chan []byte
	dead    chan struct{} // closed when reading ended, after err is set
	quit    chan struct{}
	end     sync.Once
	err     error
	write   lazyDeadline
	awaited atomic.Bool // a Send owns the link; otherwise what comes is stray
	used    [64]string  // control ids sent on this connection, the latest of them
	count   int
}

func (k *link) close() {
	k.end.Do(func() {
		close(k.quit)
		k.raw.Close()
	})
}

func (k *link) knows(id string) bool {
	for _, u := range k.used[:min(k.count, len(k.used))] {
		if u == id {
			return true
		}
	}
	return false
}

func (k *link) note(id string) {
	k.used[k.count%len(k.used)] = id
	k.count++
}

// ready makes sure of a live connection on which id was not used before: a
// doubled reply to the first try must not answer the second.
func (l *lane) ready(ctx context.Context, id string) error {
	k := l.link
	if k == nil {
		return l.connect(ctx)
	}
	k.awaited.Store(true) // before the drain: what comes after it is this Send's to see
	k.drain(l.s)
	select {
	case <-k.dead: // by the partner
	case <-k.quit: // by us; dead follows when the reader has noticed
	default:
		if !k.knows(id) {
			return nil
		}
	}
	l.hangUp()
	return l.connect(ctx)
}

func (l *lane) connect(ctx context.Context) error {
	c := &l.s.cfg
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// Close ends a dial in progress too.
	go func() {
		select {
		case <-l.s.closed:
			cancel()
		case <-ctx.Done():
		}
	}()
	dctx, done := context.WithTimeout(ctx, c.DialTimeout)
	raw, err := c.Dial(dctx, "tcp", c.Addr)
	done()
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	nc, state := raw, tls.ConnectionState{}
	if c.TLS != nil {
		t := tls.Client(raw, c.TLS)
		hctx, done := context.WithTimeout(ctx, c.HandshakeTimeout)
		err := t.HandshakeContext(hctx)
		done()
		if err != nil {
			raw.Close()
			return fmt.Errorf("shake hands: %w", err)
		}
		nc, state = t, t.ConnectionState()
	}
	l.peer = channel.PeerOf(state, raw.RemoteAddr().String())
	l.peer.Name = c.Name
	k := &link{raw: raw, nc: nc, replies: make(chan []byte, 4), dead: make(chan struct{}), quit: make(chan struct{})}
	k.awaited.Store(true)
	k.write = lazyDeadline{set: nc.SetWriteDeadline, slop: c.WriteTimeout}

	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.s.closed:
		k.close()
		return errClosed
	default:
	}
	l.link = k
	l.s.connects.Add(1)
	l.s.wg.Add(1)
	go k.run(l.s)
	return nil
}

// run reads replies until the connection ends.
func (k *link) run(s *Sender) {
	defer s.wg.Done()
	defer close(k.dead)
	defer k.close()
	f := frames{src: k.nc, max: s.cfg.MaxReply, Framing: s.cfg.Framing}
	for {
		b, err := f.next()
		if err != nil {
			k.err = err
			return
		}
		select {
		case k.replies <- bytes.Clone(b):
		case <-k.quit:
			k.err = net.ErrClosed
			return
		}
		if !k.awaited.Load() {
			k.drain(s) // nobody will come for it before the next message
		}
	}
}

// drain tells of the replies that nobody awaits.
func (k *link) drain(s *Sender) {
	for {
		select {
		case b := <-k.replies:
			s.strayReply(b)
		default:
			return
		}
	}
}

// rest ends a Send's turn: an application's refusal of what was accepted must
// not wait unseen for the next message to this partner.
func (l *lane) rest() {
	if k := l.link; k != nil {
		k.awaited.Store(false)
		k.drain(l.s)
	}
}

// hangUp closes the connection; the next Send makes another.
func (l *lane) hangUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.link != nil {
		l.link.close()
	}
}

// put writes one block in a single Write.
func (l *lane) put(ctx context.Context, k *link, body []byte) error {
	if err := k.write.atLeast(time.Now(), l.s.cfg.WriteTimeout); err != nil {
		return fmt.Errorf("%w: %w", errNothingLeft, err)
	}
	if ctx.Done() != nil {
		defer context.AfterFunc(ctx, k.close)()
	}
	l.out = AppendFrame(l.out[:0], body)
	_, err := k.nc.Write(l.out)
	if cap(l.out) > ownBuf {
		l.out = nil
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
