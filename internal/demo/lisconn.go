package demo

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"
	"time"
)

type lis struct {
	o    LISOptions
	conf *tls.Config
	list *list[LISLine]

	mu                    sync.Mutex
	seq, answered, gaveUp int
}

// lisConn is one connection with one message in flight.
type lisConn struct {
	*lis
	n    int
	conn net.Conn
	r    *bufio.Reader
}

func (c *lisConn) run(ctx context.Context, queue []*task) error {
	for i, t := range queue {
		if i > 0 && c.o.Pace > 0 {
			if err := wait(ctx, c.o.Pace); err != nil {
				return err
			}
		}
		if err := c.deliver(ctx, t); err != nil {
			return err
		}
	}
	return nil
}

// deliver presents t until it is answered. An answer that refuses (AE, AR) is
// an answer: an LIS shows it to a person and goes on.
func (c *lisConn) deliver(ctx context.Context, t *task) error {
	for first := true; t.open(); first = false {
		if !first {
			if err := wait(ctx, c.o.RetryEvery); err != nil {
				return err
			}
		}
		if c.o.Attempts > 0 && t.attempt >= c.o.Attempts {
			return c.giveUp(t)
		}
		if err := c.dial(ctx); err != nil {
			// Nothing was presented, so it is no attempt.
			if ctx.Err() != nil {
				return ctx.Err()
			}
			continue
		}
		t.attempt++
		if err := c.present(t); err != nil {
			return err
		}
		err := c.exchange(ctx, t)
		if err == nil {
			continue
		}
		c.drop()
		var le listError
		if errors.As(err, &le) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err := c.record(t, Unanswered, reason(err)); err != nil {
			return err
		}
	}
	return nil
}

// present writes the lines before the first byte leaves, so that nothing the
// hub may have is missing in the list.
func (c *lisConn) present(t *task) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range t.parts {
		if t.parts[i].seq == 0 {
			c.seq++
			t.parts[i].seq = c.seq
		}
	}
	return c.record(t, Presented, "")
}

func (c *lisConn) exchange(ctx context.Context, t *task) error {
	stop := context.AfterFunc(ctx, func() { _ = c.conn.Close() })
	defer stop()
	if err := c.conn.SetDeadline(time.Now().Add(c.o.AckTimeout)); err != nil {
		return err
	}
	if err := writeFrame(c.conn, t.Body); err != nil {
		return err
	}
	for t.open() {
		frame, err := readFrame(c.r)
		if err != nil {
			return err
		}
		as := readAnswers(frame)
		if len(as) == 0 {
			return fmt.Errorf("%w: a reply without MSA", errNoAnswer)
		}
		for _, a := range as {
			if err := c.take(t, a); err != nil {
				return err
			}
		}
	}
	return nil
}

// take matches one answer by MSA-2. A malformed message may have no control id
// to name, so there any answer counts: one message is in flight.
func (c *lisConn) take(t *task, a answer) error {
	whole := len(t.parts) > 1 && slices.Contains(batchControl(t.Body), a.Control)
	matched := false
	var lines []LISLine
	for i := range t.parts {
		p := &t.parts[i]
		if p.answered || !(whole || t.Malformed || p.Control == a.Control) {
			continue
		}
		p.answered, matched = true, true
		ln := c.line(t, p, Replied)
		ln.Code, ln.Text = a.Code, a.Text
		lines = append(lines, ln)
	}
	if !matched {
		lines = []LISLine{{Event: Stale, At: time.Now().UTC(), Conn: c.n, Control: a.Control, Code: a.Code}}
	} else {
		c.mu.Lock()
		c.answered += len(lines)
		c.mu.Unlock()
	}
	return c.write(lines)
}

func (c *lisConn) giveUp(t *task) error {
	if err := c.record(t, GaveUp, fmt.Sprintf("after %d attempts", t.attempt)); err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range t.parts {
		if !t.parts[i].answered {
			t.parts[i].answered = true
			c.gaveUp++
		}
	}
	return nil
}

// record writes one line for every part that is still open.
func (c *lisConn) record(t *task, event, text string) error {
	var lines []LISLine
	for i := range t.parts {
		if p := &t.parts[i]; !p.answered {
			ln := c.line(t, p, event)
			ln.Text = text
			lines = append(lines, ln)
		}
	}
	return c.write(lines)
}

func (c *lisConn) line(t *task, p *partState, event string) LISLine {
	ln := LISLine{Event: event, At: time.Now().UTC(), Seq: p.seq, File: t.File, Index: p.Index, Conn: c.n, Attempt: t.attempt, Control: p.Control, SHA256: p.sha}
	if event == Presented {
		ln.Bytes, ln.Keys, ln.Orders = len(p.Body), p.keys(), p.Fillers
	}
	return ln
}

// listError is fatal: an LIS that cannot write its list must stop, or the
// count would be a guess.
type listError struct{ error }

func (c *lisConn) write(lines []LISLine) error {
	if err := c.list.append(lines...); err != nil {
		return listError{err}
	}
	return nil
}

func (c *lisConn) dial(ctx context.Context) error {
	if c.conn != nil {
		return nil
	}
	d := tls.Dialer{NetDialer: &net.Dialer{Timeout: c.o.AckTimeout}, Config: c.conf}
	conn, err := d.DialContext(ctx, "tcp", c.o.Hub)
	if err != nil {
		return err
	}
	c.conn, c.r = conn, bufio.NewReaderSize(conn, 64<<10)
	return nil
}

func (c *lisConn) drop() {
	if c.conn != nil {
		_ = c.conn.Close()
		c.conn = nil
	}
}

// reason puts a failed exchange in words that hold nothing of its content.
func reason(err error) string {
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return "no answer in time"
	case errors.Is(err, errNoAnswer), errors.Is(err, errFrame):
		return err.Error()
	}
	return "connection lost"
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
