package shieldlink

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"sync"
	"time"
)

// Times of the link.
const (
	pingEvery   = 10 * time.Second
	goneAfter   = 35 * time.Second
	writeWithin = 30 * time.Second
)

// link is a connection with its writer; several goroutines may write.
type link struct {
	conn net.Conn
	r    *bufio.Reader

	mu sync.Mutex
	w  *bufio.Writer
}

func newLink(c net.Conn) *link {
	return &link{conn: c, r: bufio.NewReaderSize(c, 64<<10), w: bufio.NewWriterSize(c, 64<<10)}
}

// write sends a packet; more says that others follow at once.
func (l *link) write(v verb, body []byte, more bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.conn.SetWriteDeadline(time.Now().Add(writeWithin)); err != nil {
		return fmt.Errorf("set deadline: %w", err)
	}
	if err := writePacket(l.w, v, body); err != nil {
		return err
	}
	if more {
		return nil
	}
	if err := l.w.Flush(); err != nil {
		return fmt.Errorf("write packet: %w", err)
	}
	return nil
}

func (l *link) say(v verb, w any) error {
	b, err := json.Marshal(w)
	if err != nil {
		return fmt.Errorf("write words: %w", err)
	}
	return l.write(v, b, false)
}

func (l *link) read(most int) (verb, []byte, error) {
	if err := l.conn.SetReadDeadline(time.Now().Add(goneAfter)); err != nil {
		return 0, nil, fmt.Errorf("set deadline: %w", err)
	}
	return readPacket(l.r, most)
}

// ping says that we are there until ctx ends.
func (l *link) ping(ctx context.Context) error {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
			if err := l.write(verbPing, nil, false); err != nil {
				return err
			}
		}
	}
}
