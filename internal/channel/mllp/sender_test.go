package mllp

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
)

// outcome is a writer that may be read while it is written to.
type outcome struct {
	mu sync.Mutex
	b  strings.Builder
}

func (o *outcome) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *outcome) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// TestModes: what is awaited and what it is worth, by MSH-15 and MSH-16. The far
// end answers with the codes in order; "-" is silence.
func TestModes(t *testing.T) {
	a := ct.NewAuthority(t)
	for _, c := range []struct {
		accept, app string
		codes       string
		await       bool
		level       channel.Level
		code        string
		class       channel.Class
	}{
		{"", "", "AA", false, channel.Accepted, "AA", 0},
		{"", "", "AE", false, 0, "AE", channel.Rejected},
		{"", "", "AR", false, 0, "AR", channel.Busy},
		{"", "", "CA", false, channel.Committed, "CA", 0},
		{"", "", "-", false, 0, "", channel.Unanswered},
		{"AL", "NE", "CA", true, channel.Committed, "CA", 0},
		{"AL", "", "CA", true, channel.Committed, "CA", 0},
		{"AL", "NE", "CE", false, 0, "CE", channel.Rejected},
		{"AL", "NE", "CR", false, 0, "CR", channel.Rejected},
		{"AL", "NE", "-", false, 0, "", channel.Unanswered},
		{"AL", "AL", "CA", false, channel.Committed, "CA", 0},
		{"AL", "AL", "CA AA", true, channel.Accepted, "AA", 0},
		{"AL", "AL", "CA AE", true, 0, "AE", channel.Rejected},
		{"AL", "AL", "CA -", true, channel.Committed, "CA", 0},
		{"AL", "ER", "CA -", true, channel.Committed, "CA", 0},
		{"AL", "AL", "AA", true, channel.Accepted, "AA", 0},
		{"AL", "AL", "CE", true, 0, "CE", channel.Rejected},
		{"NE", "AL", "AA", true, channel.Accepted, "AA", 0},
		{"NE", "AL", "-", true, 0, "", channel.Unanswered},
		{"NE", "NE", "-", true, channel.Placed, "sent", 0},
		{"ER", "NE", "-", true, channel.Placed, "sent", 0},
		{"ER", "NE", "CE", true, 0, "CE", channel.Rejected},
		{"SU", "NE", "CA", true, channel.Committed, "CA", 0},
		{"SU", "NE", "-", true, 0, "", channel.Unanswered},
	} {
		t.Run(fmt.Sprintf("%s %s %s %v", c.accept, c.app, c.codes, c.await), func(t *testing.T) {
			f := newFar(t, a, func(nc net.Conn, _ int, b []byte) bool {
				for _, code := range strings.Fields(c.codes) {
					if code != "-" {
						nc.Write(frame(ackTo(b, code, "")))
					}
				}
				return true
			})
			go f.serve()
			defer f.close()
			s := newSender(t, Config{
				Name: "far", Addr: f.ln.Addr().String(), TLS: clientTLS(t, a, "far.test"), AwaitApp: c.await,
				ReplyTimeout: 100 * time.Millisecond, AppTimeout: 100 * time.Millisecond, ErrorWait: 50 * time.Millisecond,
			})
			m := message(1, 20)
			m.AcceptAck, m.AppAck = c.accept, c.app
			r, err := s.Send(t.Context(), m)
			if c.class == 0 {
				if err != nil || r.Level != c.level || r.Code != c.code {
					t.Fatalf("receipt %v %q, error %v", r.Level, r.Code, err)
				}
				if c.code != "sent" && !strings.Contains(string(r.Body), "MSA|"+c.code) {
					t.Errorf("reply %q", r.Body)
				}
				return
			}
			var ce *channel.Error
			if !errors.As(err, &ce) || ce.Class != c.class || ce.Code != c.code {
				t.Fatalf("error %v", err)
			}
			if ce.Code != "" && !strings.Contains(string(ce.Reply), "MSA|"+c.code) {
				t.Errorf("reply %q", ce.Reply)
			}
		})
	}
}

// TestLateReply: the reply to a message that timed out comes when the next one
// waits, which may be the same message again. It must not be seen at all.
func TestLateReply(t *testing.T) {
	a := ct.NewAuthority(t)
	for _, next := range []channel.Message{message(1, 1), message(2, 1)} {
		late := make(chan struct{})
		f := newFar(t, a, func(nc net.Conn, n int, b []byte) bool {
			code := "AA"
			if n == 1 {
				<-late
				code = "AE"
			}
			nc.Write(frame(ackTo(b, code, "")))
			return true
		})
		go f.serve()
		s := newSender(t, Config{Addr: f.ln.Addr().String(), TLS: clientTLS(t, a, "far.test"), ReplyTimeout: 200 * time.Millisecond})
		if _, err := s.Send(t.Context(), message(1, 1)); channel.ClassOf(err) != channel.Unanswered {
			t.Fatal(err)
		}
		close(late)
		if r, err := s.Send(t.Context(), next); err != nil || r.Code != "AA" {
			t.Fatalf("%+v %v", r, err)
		}
		if st := s.Stats(); st.Connects != 2 || st.Stray != 0 {
			t.Errorf("%+v", st)
		}
		f.close()
	}
}

// TestOldReplyFirst: a reply to the message before comes ahead of the right one.
func TestOldReplyFirst(t *testing.T) {
	a := ct.NewAuthority(t)
	f := newFar(t, a, func(nc net.Conn, n int, b []byte) bool {
		if n > 1 {
			nc.Write(frame(ackTo(nil, "AE", fmt.Sprintf("M%d.1", n-2))))
		}
		return accepts(nc, n, b)
	})
	go f.serve()
	defer f.close()
	s := newSender(t, Config{Addr: f.ln.Addr().String(), TLS: clientTLS(t, a, "far.test"), ReplyTimeout: time.Second})
	for i := range 4 {
		if r, err := s.Send(t.Context(), message(i, 1)); err != nil || r.Code != "AA" {
			t.Fatalf("%d: %+v %v", i, r, err)
		}
	}
	if st := s.Stats(); st.Connects != 1 || st.Stray != 3 || st.Mismatched != 0 {
		t.Errorf("%+v", st)
	}
}

// TestStray: doubled replies are counted and shown, a repeated control id gets a
// fresh connection.
func TestStray(t *testing.T) {
	a := ct.NewAuthority(t)
	f := newFar(t, a, func(nc net.Conn, _ int, b []byte) bool {
		r := frame(ackTo(b, "AA", ""))
		nc.Write(append(r, frame(ackTo(b, "AE", ""))...))
		return true
	})
	go f.serve()
	defer f.close()
	stray := make(chan string, 10)
	s := newSender(t, Config{
		Addr: f.ln.Addr().String(), TLS: clientTLS(t, a, "far.test"), ReplyTimeout: time.Second,
		Stray: func(code, id string, body []byte) { stray <- code + " " + id },
	})
	for i := range 3 {
		if r, err := s.Send(t.Context(), message(i, 1)); err != nil || r.Code != "AA" {
			t.Fatalf("%+v %v", r, err)
		}
	}
	// The last one too: it does not wait for the next message.
	for i := range 3 {
		if got, want := <-stray, fmt.Sprintf("AE M%d.1", i); got != want {
			t.Errorf("stray %q, want %q", got, want)
		}
	}
	if st := s.Stats(); st.Connects != 1 || st.Stray != 3 || st.Sent != 3 {
		t.Errorf("%+v", st)
	}
	if r, err := s.Send(t.Context(), message(1, 1)); err != nil || r.Code != "AA" {
		t.Fatalf("%+v %v", r, err)
	}
	if st := s.Stats(); st.Connects != 2 {
		t.Errorf("control id sent twice on one connection: %+v", st)
	}
}

// TestReconnectsWhenIdle: a connection the partner closed in the meantime costs
// nothing but a new one.
func TestReconnectsWhenIdle(t *testing.T) {
	a := ct.NewAuthority(t)
	f := newFar(t, a, func(nc net.Conn, _ int, b []byte) bool {
		accepts(nc, 0, b)
		return false
	})
	go f.serve()
	defer f.close()
	s := newSender(t, Config{Addr: f.ln.Addr().String(), TLS: clientTLS(t, a, "far.test"), ReplyTimeout: time.Second})
	for i := range 5 {
		if _, err := s.Send(t.Context(), message(i, 1)); err != nil {
			t.Fatal(err)
		}
		<-s.lanes[0].link.dead // the far end's close has arrived
	}
	if st := s.Stats(); st.Connects != 5 {
		t.Errorf("%+v", st)
	}
}

func TestRefusesWhatCannotBeCarried(t *testing.T) {
	s := newSender(t, Config{Addr: "127.0.0.1:1", Exception: plaintext()})
	for _, m := range []channel.Message{
		{ControlID: "1", Body: []byte("MSH|\x1c\r\x0bMSH|")},
		{ControlID: "1", Body: []byte("MSH|\x0b")},
		{ControlID: "1"},
		{Body: []byte("MSH|")},
	} {
		if _, err := s.Send(t.Context(), m); channel.ClassOf(err) != channel.Unfit {
			t.Errorf("%q: %v", m.Body, err)
		}
	}
}

// TestConfirmsApplicationAck: an application acknowledgement that asks for a
// commit acknowledgement gets one.
func TestConfirmsApplicationAck(t *testing.T) {
	a := ct.NewAuthority(t)
	f := newFar(t, a, func(nc net.Conn, n int, b []byte) bool {
		if n == 1 {
			nc.Write(frame(ackTo(b, "CA", "")))
			nc.Write(frame([]byte("MSH|^~\\&|EHR|CL|LAB|GH|20260101||ORR^O02|APP1|P|2.5.1|||AL|NE\rMSA|AA|M1.1\r")))
		}
		return true
	})
	go f.serve()
	defer f.close()
	s := newSender(t, Config{
		Addr: f.ln.Addr().String(), TLS: clientTLS(t, a, "far.test"), AwaitApp: true,
		NewControlID: func() string { return "OURS" }, ReplyTimeout: time.Second, AppTimeout: time.Second,
	})
	m := message(1, 1)
	m.AcceptAck, m.AppAck = "AL", "AL"
	if r, err := s.Send(t.Context(), m); err != nil || r.Level != channel.Accepted {
		t.Fatalf("%+v %v", r, err)
	}
	ct.Eventually(t, "confirmation", func() error {
		got := f.received()
		if len(got) != 2 || !strings.Contains(string(got[1]), "MSA|CA|APP1") || !strings.Contains(string(got[1]), "|OURS|") {
			return fmt.Errorf("%q", got)
		}
		return nil
	})
}
