package shieldlink

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
)

// Record is one of the shield's journal.
type Record struct {
	N    uint64
	Body []byte
}

// Shield is the shield's end.
type Shield interface {
	Hello() Hello
	// Read returns records behind the number, at least one: it waits for it.
	Read(ctx context.Context, after uint64) ([]Record, error)
	// Have is told up to where the hub has records.
	Have(n uint64) error
	Settings(ctx context.Context, s json.RawMessage) error
	// Order gives a message to a device; it returns when the device took it or will not.
	Order(ctx context.Context, o Order) Done
	State() State
}

// window is how many bytes of records may be on their way.
const window = 4 << 20

// Talk is the shield's side of a connection, until it breaks, ctx ends or the hub
// refuses (*Refused).
func Talk(ctx context.Context, c net.Conn, s Shield) error {
	g, ctx := errgroup.WithContext(ctx)
	defer context.AfterFunc(ctx, func() { _ = c.Close() })()
	l := newLink(c)
	if err := l.say(verbHello, s.Hello()); err != nil {
		return err
	}
	w, err := l.welcome()
	if err != nil {
		return err
	}
	if err := s.Settings(ctx, w.Settings); err != nil {
		return err
	}
	if err := s.Have(w.Have); err != nil {
		return err
	}
	room := newRoom(window)
	orders := make(chan Order, 64)
	g.Go(func() error { return l.ping(ctx) })
	g.Go(func() error { return l.records(ctx, s, w.Have, room) })
	g.Go(func() error { return l.states(ctx, s) })
	g.Go(func() error {
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case o := <-orders:
				if err := l.say(verbDone, s.Order(ctx, o)); err != nil {
					return err
				}
			}
		}
	})
	g.Go(func() error { return l.fromHub(ctx, s, room, orders) })
	return g.Wait()
}

func (l *link) welcome() (Welcome, error) {
	v, b, err := l.read(maxPacket)
	if err != nil {
		return Welcome{}, err
	}
	if v == verbRefused {
		return Welcome{}, refused(b)
	}
	if v != verbWelcome {
		return Welcome{}, errPacket
	}
	return words[Welcome](b)
}

func refused(b []byte) error {
	r, err := words[Refused](b)
	if err != nil {
		return err
	}
	return &r
}

// records sends what the journal has.
func (l *link) records(ctx context.Context, s Shield, after uint64, room *room) error {
	for {
		all, err := s.Read(ctx, after)
		if err != nil {
			return err
		}
		for i, r := range all {
			if len(r.Body) > maxPacket-8 {
				return fmt.Errorf("shieldlink: record %d is longer than a packet", r.N)
			}
			if err := room.take(ctx, r.N, len(r.Body)); err != nil {
				return err
			}
			b := append(binary.BigEndian.AppendUint64(make([]byte, 0, 8+len(r.Body)), r.N), r.Body...)
			if err := l.write(verbRecord, b, i < len(all)-1 && !room.full()); err != nil {
				return err
			}
			after = r.N
		}
	}
}

// states tells how the shield is, at once and then every ten seconds.
func (l *link) states(ctx context.Context, s Shield) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		if err := l.say(verbState, s.State()); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

func (l *link) fromHub(ctx context.Context, s Shield, room *room, orders chan<- Order) error {
	for {
		v, b, err := l.read(maxPacket)
		if err != nil {
			return err
		}
		switch v {
		case verbPing:
		case verbAck:
			n, _, err := number(b)
			if err != nil {
				return err
			}
			if err := s.Have(n); err != nil {
				return err
			}
			room.give(n)
		case verbSettings:
			if err := s.Settings(ctx, b); err != nil {
				return err
			}
		case verbOrder:
			o, err := words[Order](b)
			if err != nil {
				return err
			}
			select {
			case orders <- o:
			default:
				if err := l.say(verbDone, Done{ID: o.ID, Why: "the shield has too many orders already"}); err != nil {
					return err
				}
			}
		case verbRefused:
			return refused(b)
		default:
			return errors.Join(errPacket, fmt.Errorf("verb %d from the hub", v))
		}
	}
}
