package shieldlink

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Hub is the hub's end, for one shield.
type Hub interface {
	// Hello decides whether the shield may talk; a *Refused is told to it.
	Hello(ctx context.Context, h Hello) (Welcome, error)
	// Take makes records durable, in order. Some may be there already.
	Take(ctx context.Context, all []Record) error
	State(s State)
	Done(d Done)
}

// Session is a connection of a shield, in the hub.
type Session struct {
	l    *link
	hub  Hub
	once sync.Once
}

// NewSession makes one over a connection that the shield proved itself on.
func NewSession(c net.Conn, h Hub) *Session { return &Session{l: newLink(c), hub: h} }

// bounds of what is gathered for one Take.
const (
	batchRecords = 64
	batchBytes   = 1 << 20
)

// Serve talks until the connection breaks or ctx ends; ready is called when the
// shield is welcome and orders can be given. It closes the connection.
func (s *Session) Serve(ctx context.Context, ready func()) error {
	g, ctx := errgroup.WithContext(ctx)
	defer s.Close()
	defer context.AfterFunc(ctx, s.Close)()
	have, err := s.hello(ctx)
	if err != nil {
		return err
	}
	if ready != nil {
		ready()
	}
	in := make(chan Record, batchRecords)
	g.Go(func() error { return s.l.ping(ctx) })
	g.Go(func() error { return s.take(ctx, in) })
	g.Go(func() error { return s.fromShield(ctx, have, in) })
	return g.Wait()
}

func (s *Session) hello(ctx context.Context) (have uint64, err error) {
	v, b, err := s.l.read(maxFirst)
	if err != nil {
		return 0, err
	}
	if v != verbHello {
		return 0, errPacket
	}
	h, err := words[Hello](b)
	if err != nil {
		return 0, err
	}
	if h.Version > Version || h.Version < Version-1 || h.Version < 1 {
		err = &Refused{Reason: fmt.Sprintf("it speaks version %d of the link, the hub %d: update the older one", h.Version, Version)}
	}
	var w Welcome
	if err == nil {
		w, err = s.hub.Hello(ctx, h)
	}
	if err != nil {
		var no *Refused
		if errors.As(err, &no) {
			_ = s.l.say(verbRefused, no)
		}
		return 0, err
	}
	return w.Have, s.l.say(verbWelcome, w)
}

// fromShield reads; records must come in order.
func (s *Session) fromShield(ctx context.Context, after uint64, in chan<- Record) error {
	for {
		v, b, err := s.l.read(maxPacket)
		if err != nil {
			return err
		}
		switch v {
		case verbPing:
		case verbRecord:
			n, body, err := number(b)
			if err != nil {
				return err
			}
			if n <= after {
				return fmt.Errorf("shieldlink: record %d behind %d", n, after)
			}
			after = n
			select {
			case in <- Record{n, body}:
			case <-ctx.Done():
				return ctx.Err()
			}
		case verbState:
			w, err := words[State](b)
			if err != nil {
				return err
			}
			s.hub.State(w)
		case verbDone:
			w, err := words[Done](b)
			if err != nil {
				return err
			}
			s.hub.Done(w)
		default:
			return errors.Join(errPacket, fmt.Errorf("verb %d from a shield", v))
		}
	}
}

// take gathers what has arrived, makes it durable and says so.
func (s *Session) take(ctx context.Context, in <-chan Record) error {
	for {
		var batch []Record
		select {
		case r := <-in:
			batch = append(batch, r)
		case <-ctx.Done():
			return ctx.Err()
		}
		size := len(batch[0].Body)
	gather:
		for len(batch) < batchRecords && size < batchBytes {
			select {
			case r := <-in:
				batch, size = append(batch, r), size+len(r.Body)
			default:
				break gather
			}
		}
		if err := s.hub.Take(ctx, batch); err != nil {
			return fmt.Errorf("take records: %w", err)
		}
		if err := s.l.write(verbAck, binary.BigEndian.AppendUint64(nil, batch[len(batch)-1].N), false); err != nil {
			return err
		}
	}
}

// Order sends a message for a device; what becomes of it comes by Done.
func (s *Session) Order(o Order) error { return s.l.say(verbOrder, o) }

// Settings sends what the shield shall do from now on.
func (s *Session) Settings(w json.RawMessage) error { return s.l.write(verbSettings, w, false) }

// Refuse says why, and ends the session.
func (s *Session) Refuse(r Refused) {
	_ = s.l.say(verbRefused, r)
	s.Close()
}

// Close ends the session.
func (s *Session) Close() { s.once.Do(func() { _ = s.l.conn.Close() }) }
