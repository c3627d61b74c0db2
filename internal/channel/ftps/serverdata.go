package ftps

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"runtime/debug"
	"time"
)

// chunkSize is what goes between box and client at once.
const chunkSize = 128 << 10

var (
	errTooSlow   = errors.New("transfer is too slow")
	errTruncated = errors.New("connection ended without close_notify")
	errPanicked  = errors.New("panicked")
)

// paced is the network side of a data connection: it gathers small writes and
// gives up on who stalls or crawls. Only the time that it waits for the network
// counts against the client.
type paced struct {
	net.Conn
	stall    time.Duration
	minSpeed int
	gather   bool // after the handshake
	out      []byte
	waited   time.Duration
	moved    int64
	eof      bool // the client ended TCP, and TLS had asked for more
}

func (p *paced) Read(b []byte) (int, error) {
	t := time.Now()
	_ = p.Conn.SetReadDeadline(t.Add(p.stall)) // a closed connection fails at the read
	n, err := p.Conn.Read(b)
	if errors.Is(err, io.EOF) {
		p.eof = true
	}
	return n, p.judge(t, n, err)
}

func (p *paced) Write(b []byte) (int, error) {
	if !p.gather {
		return p.write(b)
	}
	if len(p.out)+len(b) > cap(p.out) {
		if err := p.flush(); err != nil {
			return 0, err
		}
		if len(b) > cap(p.out) {
			return p.write(b)
		}
	}
	p.out = append(p.out, b...)
	return len(b), nil
}

func (p *paced) flush() error {
	if len(p.out) == 0 {
		return nil
	}
	_, err := p.write(p.out)
	p.out = p.out[:0]
	return err
}

// write sends in pieces, so that a slow client is judged by each.
func (p *paced) write(b []byte) (int, error) {
	for done := 0; done < len(b); {
		t := time.Now()
		_ = p.Conn.SetWriteDeadline(t.Add(p.stall)) // a closed connection fails at the write
		n, err := p.Conn.Write(b[done:min(len(b), done+chunkSize)])
		done += n
		if err := p.judge(t, n, err); err != nil {
			return done, err
		}
	}
	return len(b), nil
}

func (p *paced) judge(began time.Time, n int, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errTooSlow
	}
	if !p.gather {
		return err
	}
	p.moved += int64(n)
	if p.waited += time.Since(began); p.waited >= time.Minute {
		if p.moved < int64(p.waited.Seconds())*int64(p.minSpeed) {
			return errTooSlow
		}
		p.waited, p.moved = 0, 0
	}
	return err
}

// SetDeadline and its like are what crypto/tls calls around its alerts; here the
// pace sets the deadlines.
func (p *paced) SetDeadline(time.Time) error      { return nil }
func (p *paced) SetReadDeadline(time.Time) error  { return nil }
func (p *paced) SetWriteDeadline(time.Time) error { return nil }

// dataConn is one data connection. Its buffers go back when it is released.
type dataConn struct {
	srv  *Server
	addr netip.Addr
	net  *paced
	tls  *tls.Conn
	bufs [3]*[chunkSize]byte
}

func newDataConn(srv *Server, addr netip.Addr, k *knock) *dataConn {
	d := &dataConn{srv: srv, addr: addr, net: k.net, tls: k.tls}
	for i := range d.bufs {
		d.bufs[i] = srv.buffers.Get().(*[chunkSize]byte)
	}
	d.net.out = d.bufs[2][:0]
	d.net.stall, d.net.gather = srv.limits.Stall, true
	return d
}

func (d *dataConn) Write(b []byte) (int, error) { return d.tls.Write(b) }

// Read reads what the client sends. It ends with io.EOF only when the client said
// inside TLS that this was all: crypto/tls takes the end of TCP between two records
// for an end too, and whoever stands between could have made that one.
func (d *dataConn) Read(b []byte) (int, error) {
	n, err := d.tls.Read(b)
	if errors.Is(err, io.EOF) && d.net.eof {
		err = errTruncated
	}
	return n, err
}

// finish says inside TLS that we have sent all, and lets TCP deliver it.
func (d *dataConn) finish() error {
	if err := d.tls.CloseWrite(); err != nil {
		return err
	}
	return d.net.flush()
}

// release closes the connection. What the client still sends is read for a moment,
// so that a reset does not take from it what we sent last, or the reason we refuse
// it with.
func (d *dataConn) release(linger time.Duration) {
	defer func() {
		for _, b := range d.bufs {
			d.srv.buffers.Put(b)
		}
	}()
	defer d.net.Conn.Close()
	if linger == 0 {
		return
	}
	if c, ok := d.net.Conn.(*net.TCPConn); ok {
		_ = c.CloseWrite() // it is closed for good just below
	}
	_ = d.net.Conn.SetReadDeadline(time.Now().Add(linger)) // a closed connection fails at the read
	for left := 64 << 20; left > 0; {
		n, err := d.net.Conn.Read(d.bufs[0][:])
		left -= n
		if err != nil {
			return
		}
	}
}

// broken is the reply to a transfer that the network ended.
func (d *dataConn) broken(ctx context.Context, err error) reply {
	switch {
	case ctx.Err() != nil:
		return reply{code: 426, text: "Broken off."} // RFC 959 5.4
	case errors.Is(err, errTooSlow):
		d.srv.stats.tooSlow.Add(1)
		return reply{code: 426, text: "The transfer was too slow and is broken off; try again."}
	case errors.Is(err, errTruncated):
		return reply{code: 426, text: "The data connection ended without the end that TLS asks for (close_notify): nothing was kept for others to see."}
	}
	return reply{code: 426, text: "The data connection broke; try again."}
}

// mayTransfer is a reply with a code when no data connection can be had.
func (s *session) mayTransfer() reply {
	switch {
	case !s.private:
		return unprotected()
	case s.door == nil:
		return reply{code: 425, text: "Send EPSV or PASV first."} // RFC 959 5.4
	}
	return reply{}
}

func unprotected() reply {
	return reply{code: 521, text: "Data connections are encrypted here: send PBSZ 0 and PROT P first."} // RFC 4217 9
}

// transfer sends 150, takes the data connection and gives it to work, while the
// control connection is still heard: ABOR and the end of the client break the work
// off (RFC 959 4.1.3). Anything else waits.
func (s *session) transfer(opening string, work func(context.Context, *dataConn) reply) reply {
	door := s.door
	s.door = nil
	s.transfers++
	s.answer(reply{code: 150, text: opening}) // RFC 959 5.4
	_ = s.raw.SetReadDeadline(time.Time{})    // the transfer has its own pace; a closed connection fails at the read
	ctx, cancel := context.WithCancel(s.ctx)
	defer cancel()
	done := make(chan reply, 1)
	go func() { done <- s.carry(ctx, door, work) }()
	for lines := s.lines; ; {
		select {
		case r := <-done:
			return r
		case c := <-lines:
			switch {
			case c.err != nil:
				s.held, lines = &c, nil
				cancel()
			case c.verb == "ABOR":
				cancel()
				r := <-done
				r.aborted = true
				return r
			case c.verb == "STAT" && c.arg == "":
				s.answer(reply{code: 211, text: "A transfer is running."})
			default:
				s.held, lines = &c, nil
			}
		}
	}
}

// carry waits for the data connection, proves it and does the work.
func (s *session) carry(ctx context.Context, door *doorway, work func(context.Context, *dataConn) reply) (r reply) {
	defer func() {
		if p := recover(); p != nil {
			s.srv.panicked("ftps transfer panicked", s.addr, p)
			r = reply{code: 451, text: "This failed on our side; try again."}
		}
	}()
	var k *knock
	select {
	case k = <-door.got:
	case <-ctx.Done():
		door.close()
		return reply{code: 426, text: "Broken off."}
	}
	if k == nil {
		s.srv.stats.dataFailed.Add(1)
		return reply{code: 425, text: "Nobody connected to the passive port in time from your address; is it let through your firewall?"} // RFC 959 5.4
	}
	return s.prove(ctx, k, work)
}

// prove makes sure that the connection is this session's before work has it.
func (s *session) prove(ctx context.Context, k *knock, work func(context.Context, *dataConn) reply) reply {
	cut := context.AfterFunc(ctx, func() { k.raw.Close() })
	defer cut()
	late := time.AfterFunc(s.srv.limits.Handshake, func() { k.raw.Close() })
	err := <-k.shaken
	if !late.Stop() && err == nil {
		err = os.ErrDeadlineExceeded
	}
	if err != nil {
		k.raw.Close()
		if ctx.Err() != nil {
			return reply{code: 426, text: "Broken off."}
		}
		s.srv.stats.dataFailed.Add(1)
		s.log("ftps data handshake failed", "partner", s.box.Partner(), "error", err)
		return reply{code: 522, text: "TLS on the data connection failed."} // RFC 4217 10
	}
	s.srv.stats.dataOpened.Add(1)
	d := newDataConn(s.srv, s.addr, k)
	defer func() {
		if !cut() {
			d.release(0)
			return
		}
		s.srv.wg.Add(1)
		go func() { defer s.srv.wg.Done(); d.release(lingering) }()
	}()
	if !d.tls.ConnectionState().DidResume {
		_ = d.finish()                          // whether a stranger hears this does not matter
		return reply{code: 522, text: notYours} // RFC 4217 10.2
	}
	s.srv.stats.dataResumed.Add(1)
	return work(ctx, d)
}

const notYours = "The data connection does not resume the TLS session of this control connection, so it is not known to be yours: " +
	"set your client to reuse TLS sessions."

// lingering is how long a client may go on sending after the end.
const lingering = 2 * time.Second

// recovered keeps a panic to the goroutine that defers it.
func (s *Server) recovered(what string, addr netip.Addr) {
	if p := recover(); p != nil {
		s.panicked(what, addr, p)
	}
}

func (s *Server) panicked(what string, addr netip.Addr, p any) {
	s.stats.panics.Add(1)
	s.Log.Error(what, "addr", addr, "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
}
