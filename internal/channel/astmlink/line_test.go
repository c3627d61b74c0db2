package astmlink

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labwarden/labwarden/internal/codec/astm"
)

// desk is a Receiver that remembers.
type desk struct {
	busy     error
	refuse   int // so many frames
	sessions []*kept
}

type kept struct {
	d      *desk
	frames []string
	ended  bool
	how    error
}

func (d *desk) Begin(context.Context) (Session, error) {
	if d.busy != nil {
		return nil, d.busy
	}
	s := &kept{d: d}
	d.sessions = append(d.sessions, s)
	return s, nil
}

func (s *kept) Frame(_ context.Context, text []byte, _ bool) error {
	if s.d.refuse > 0 {
		s.d.refuse--
		return errors.New("the disk is full")
	}
	s.frames = append(s.frames, string(text))
	return nil
}

func (s *kept) End(_ context.Context, err error) { s.ended, s.how = true, err }

func (d *desk) messages() (out []string) {
	for _, s := range d.sessions {
		if s.ended && s.how == nil {
			out = append(out, strings.Join(s.frames, ""))
		}
	}
	return out
}

// far is the other end, played by hand.
type far struct {
	t    *testing.T
	conn net.Conn
}

func (f *far) say(b ...byte) {
	f.t.Helper()
	if _, err := f.conn.Write(b); err != nil {
		f.t.Fatal(err)
	}
}

func (f *far) frame(n int, text string) {
	f.say(astm.AppendFrame(nil, astm.Frame{Number: n, Text: []byte(text), Last: true})...)
}

// hear waits for exactly these bytes and says how long it took.
func (f *far) hear(want string) time.Duration {
	f.t.Helper()
	from := time.Now()
	b := make([]byte, len(want))
	_ = f.conn.SetReadDeadline(from.Add(5 * time.Minute))
	if n, err := io.ReadFull(f.conn, b); err != nil || string(b) != want {
		f.t.Fatalf("heard %q %v, want %q", b[:n], err, want)
	}
	return time.Since(from)
}

// quiet: nothing comes for so long.
func (f *far) quiet(d time.Duration) {
	f.t.Helper()
	_ = f.conn.SetReadDeadline(time.Now().Add(d))
	b := make([]byte, 1)
	if n, err := f.conn.Read(b); err == nil {
		f.t.Fatalf("heard %q, want nothing", b[:n])
	}
}

// play runs a Line against the test, in the test's own time.
func play(t *testing.T, cfg Config, d *desk, test func(t *testing.T, f *far, l *Line)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		ours, theirs := net.Pipe()
		l := New(ours, cfg, d)
		ended := make(chan struct{})
		go func() { defer close(ended); _ = l.Run(t.Context()) }()
		test(t, &far{t, theirs}, l)
		_ = theirs.Close()
		<-ended
		_ = ours.Close()
	})
}

const (
	enq = "\x05"
	ack = "\x06"
	nak = "\x15"
	eot = "\x04"
)

func TestReceive(t *testing.T) {
	d := &desk{}
	play(t, Config{Host: true}, d, func(t *testing.T, f *far, l *Line) {
		f.say([]byte("noise")...) // 6.2: not heard
		f.say(astm.ENQ)
		f.hear(ack)
		f.frame(1, "H|\\^&\r")
		f.hear(ack)
		f.frame(1, "H|\\^&\r") // our acknowledgement was lost
		f.hear(ack)
		f.frame(3, "L|1\r") // not its turn
		f.hear(nak)
		bad := astm.AppendFrame(nil, astm.Frame{Number: 2, Text: []byte("L|1\r"), Last: true})
		bad[4] ^= 1
		f.say(bad...)
		f.hear(nak)
		f.say(bad[:5]...) // torn, and again from its STX
		f.frame(2, "L|1\r")
		f.hear(ack)
		f.say(astm.EOT)
		f.quiet(time.Second)
		s := l.Stats()
		if s.Frames != 2 || s.Repeated != 1 || s.Refused != 2 || s.Sessions != 1 || s.Unfinished != 0 || s.Noise != 5 {
			t.Errorf("%+v", s)
		}
	})
	if got := d.messages(); len(got) != 1 || got[0] != "H|\\^&\rL|1\r" {
		t.Errorf("%q", got)
	}
}

func TestNothingIsAcknowledgedThatIsNotKept(t *testing.T) {
	d := &desk{busy: errors.New("full")}
	play(t, Config{Host: true}, d, func(t *testing.T, f *far, _ *Line) {
		f.say(astm.ENQ)
		f.hear(nak)
		d.busy, d.refuse = nil, 2
		f.say(astm.ENQ)
		f.hear(ack)
		for range 2 {
			f.frame(1, "H|\\^&\r")
			f.hear(nak)
		}
		f.frame(1, "H|\\^&\r")
		f.hear(ack)
		f.say(astm.EOT)
	})
	if got := d.messages(); len(got) != 1 || got[0] != "H|\\^&\r" {
		t.Errorf("%q", got)
	}
}

func TestFirstFrameMayBeZero(t *testing.T) {
	d := &desk{}
	play(t, Config{Host: true}, d, func(t *testing.T, f *far, _ *Line) {
		f.say(astm.ENQ)
		f.hear(ack)
		for _, n := range []int{0, 0, 1, 1, 2} {
			f.frame(n, fmt.Sprint(n))
			f.hear(ack)
		}
		f.frame(0, "0")
		f.hear(nak)
		f.say(astm.EOT)
	})
	if got := d.messages(); len(got) != 1 || got[0] != "012" {
		t.Errorf("%q", got)
	}
}

// A device whose power came back in the middle says ENQ, hears nothing, says EOT
// and is heard.
func TestBeginsAnew(t *testing.T) {
	d := &desk{}
	play(t, Config{Host: true}, d, func(_ *testing.T, f *far, _ *Line) {
		f.say(astm.ENQ)
		f.hear(ack)
		f.frame(1, "H|\\^&\r")
		f.hear(ack)
		f.say(astm.STX, '2', 'R')
		f.quiet(5 * time.Second)
		f.say(astm.ENQ)
		f.quiet(15 * time.Second)
		f.say(astm.EOT, astm.ENQ)
		f.hear(ack)
		f.frame(1, "H|\\^&\r")
		f.hear(ack)
		f.say(astm.EOT)
	})
	if got := d.messages(); len(got) != 2 || got[1] != "H|\\^&\r" {
		t.Errorf("%q", got)
	}
}

func TestUnfinished(t *testing.T) {
	for name, stop := range map[string]func(f *far){
		"silence": func(f *far) { f.quiet(31 * time.Second) }, // 6.5.2.3
		"torn in a frame": func(f *far) {
			f.say(astm.STX, '2', 'a')
			f.quiet(31 * time.Second)
			f.say(astm.ENQ)
			f.hear(ack)
			f.frame(1, "x")
			f.hear(ack)
			f.say(astm.EOT)
		},
		"the connection ends": func(f *far) { f.conn.Close() },
	} {
		t.Run(name, func(t *testing.T) {
			d := &desk{}
			play(t, Config{Host: true}, d, func(_ *testing.T, f *far, _ *Line) {
				f.say(astm.ENQ)
				f.hear(ack)
				f.frame(1, "H|\\^&\r")
				f.hear(ack)
				stop(f)
			})
			if s := d.sessions[0]; !s.ended || s.how == nil || len(s.frames) != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// What is too long is refused, never kept; endless ENQ and endless frames end.
func TestHostile(t *testing.T) {
	d := &desk{}
	play(t, Config{Host: true}, d, func(t *testing.T, f *far, _ *Line) {
		f.say(astm.ENQ)
		f.hear(ack)
		for range 1000 {
			f.say(astm.ENQ)
		}
		f.quiet(31 * time.Second) // endless ENQ is no transfer
		f.say(astm.ENQ)
		f.hear(ack)
		f.say(astm.STX)
		f.say('1')
		go func() {
			b := bytes.Repeat([]byte("x"), astm.MaxText+astm.Overhead)
			_, _ = f.conn.Write(b)
		}()
		f.hear(nak)
		f.frame(1, "H|\\^&\r")
		f.hear(ack)
		f.say(astm.EOT)
	})
	if got := d.messages(); len(got) != 1 || got[0] != "H|\\^&\r" {
		t.Errorf("%q", got)
	}
}

func sent(l *Line, message string) chan error {
	done := make(chan error, 1)
	go func() { done <- l.Send(context.Background(), []byte(message)) }()
	return done
}

func TestSend(t *testing.T) {
	play(t, Config{Host: true}, &desk{}, func(t *testing.T, f *far, l *Line) {
		done := sent(l, "H|\\^&\rL|1\r")
		f.hear(enq)
		f.say('z')                     // not an answer: it waits on
		f.say(astm.ACK)                // 6.2
		f.hear(pack(1, "H|\\^&\r"))    //
		f.say(astm.NAK)                // 6.5.1
		f.hear(pack(1, "H|\\^&\r"))    //
		f.say('z')                     // taken for NAK
		f.hear(pack(1, "H|\\^&\r"))    //
		f.say(astm.ACK)                //
		f.hear(pack(2, "L|1\r"))       //
		f.say(astm.EOT)                // 6.3.5: the last, taken all the same
		f.hear(eot)                    //
		if err := <-done; err != nil { //
			t.Error(err) //
		}
		if s := l.Stats(); s.Resent != 2 {
			t.Errorf("%+v", s)
		}
	})
}

func pack(n int, text string) string {
	return string(astm.AppendFrame(nil, astm.Frame{Number: n, Text: []byte(text), Last: true}))
}

func TestSendFails(t *testing.T) {
	for name, c := range map[string]struct {
		play func(t *testing.T, f *far)
		want error
		next time.Duration // when the next ENQ comes, at the earliest
	}{
		"busy":          {func(_ *testing.T, f *far) { f.say(astm.NAK) }, ErrBusy, 10 * time.Second},
		"silent at ENQ": {func(t *testing.T, f *far) { after(t, f.hear(eot), 15*time.Second) }, ErrSilent, 0},
		"contention":    {func(_ *testing.T, f *far) { f.say(astm.ENQ) }, ErrContention, 20 * time.Second},
		"silent at a frame": {func(t *testing.T, f *far) {
			f.say(astm.ACK)
			f.hear(pack(1, "A\r"))
			after(t, f.hear(eot), 15*time.Second)
		}, ErrSilent, 0},
		"refused": {func(_ *testing.T, f *far) {
			f.say(astm.ACK)
			for range 6 {
				f.hear(pack(1, "A\r"))
				f.say(astm.NAK)
			}
			f.hear(eot)
		}, ErrRefused, 0},
		"interrupted": {func(_ *testing.T, f *far) {
			f.say(astm.ACK)
			f.hear(pack(1, "A\r"))
			f.say(astm.EOT)
			f.hear(eot)
		}, ErrInterrupted, 15 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			play(t, Config{Host: true}, &desk{}, func(t *testing.T, f *far, l *Line) {
				done := sent(l, "A\rB\r")
				f.hear(enq)
				c.play(t, f)
				if err := <-done; !errors.Is(err, c.want) {
					t.Errorf("%v, want %v", err, c.want)
				}
				done = sent(l, "C\r")
				if took := f.hear(enq); took < c.next || took > c.next+time.Second {
					t.Errorf("the next try after %v, want %v", took, c.next)
				}
				f.say(astm.ACK)
				f.hear(pack(1, "C\r"))
				f.say(astm.ACK)
				f.hear(eot)
				if err := <-done; err != nil {
					t.Error(err)
				}
			})
		})
	}
}

func after(t *testing.T, took, want time.Duration) {
	t.Helper()
	if took < want || took > want+time.Second {
		t.Errorf("after %v, want %v", took, want)
	}
}

// Both want to send: the instrument's goes first, then the host's (6.2.1).
func TestContention(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		hostDesk, devDesk := &desk{}, &desk{}
		host, dev := New(a, Config{Host: true}, hostDesk), New(b, Config{}, devDesk)
		var runs []chan struct{}
		for _, l := range []*Line{host, dev} {
			ended := make(chan struct{})
			runs = append(runs, ended)
			go func() { defer close(ended); _ = l.Run(t.Context()) }()
		}
		from := time.Now()
		try := func(l *Line, message string) chan time.Duration {
			out := make(chan time.Duration, 1)
			go func() {
				for {
					err := l.Send(t.Context(), []byte(message))
					if err == nil {
						out <- time.Since(from)
						return
					}
					if !errors.Is(err, ErrContention) && !errors.Is(err, ErrSilent) {
						t.Error(err)
						out <- 0
						return
					}
				}
			}()
			return out
		}
		h, d := try(host, "order\r"), try(dev, "result\r")
		if took := <-d; took > 20*time.Second {
			t.Errorf("the instrument after %v", took)
		}
		<-h
		synctest.Wait() // EOT arrives
		a.Close()
		b.Close()
		<-runs[0]
		<-runs[1]
		if got := hostDesk.messages(); len(got) != 1 || got[0] != "result\r" {
			t.Errorf("%q", got)
		}
		if got := devDesk.messages(); len(got) != 1 || got[0] != "order\r" {
			t.Errorf("%q", got)
		}
	})
}

// A message of ours that waits makes the sender stop after the frame (6.3.5).
func TestInterrupt(t *testing.T) {
	d := &desk{}
	play(t, Config{Host: true, Interrupt: true}, d, func(t *testing.T, f *far, l *Line) {
		f.say(astm.ENQ)
		f.hear(ack)
		done := sent(l, "Q\r")
		synctest.Wait()
		f.frame(1, "H|\\^&\r")
		f.hear(eot)
		f.say(astm.EOT)
		f.hear(enq)
		f.say(astm.ACK)
		f.hear(pack(1, "Q\r"))
		f.say(astm.ACK)
		f.hear(eot)
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	if got := d.messages(); len(got) != 1 || got[0] != "H|\\^&\r" {
		t.Errorf("%q", got)
	}
}

func TestClosed(t *testing.T) {
	play(t, Config{}, &desk{}, func(t *testing.T, f *far, l *Line) {
		done := sent(l, "A\r")
		f.hear(enq)
		f.conn.Close()
		if err := <-done; !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
		if err := l.Send(t.Context(), []byte("B\r")); !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
}
