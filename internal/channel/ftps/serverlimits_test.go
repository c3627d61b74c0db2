package ftps_test

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/ftps"
)

// gone waits until the server has closed a connection.
func gone(t *testing.T, c net.Conn) {
	t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.Copy(io.Discard, c); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Error("the connection is still open")
	}
}

func TestSlowClientsAreCut(t *testing.T) {
	short := time.Second // enough for a busy machine to do what must still succeed
	t.Run("handshake", func(t *testing.T) {
		t.Parallel()
		r := started(t, func(s *ftps.Server) { s.Limits.Handshake = short })
		c := r.dial()
		c.do(234, "AUTH TLS")
		gone(t, c.raw)
		eventually(t, "it is counted", func() bool { return r.server.Stats().HandshakeFailed == 1 })
	})
	t.Run("sign-in", func(t *testing.T) {
		t.Parallel()
		r := started(t, func(s *ftps.Server) { s.Limits.SignIn = short })
		slow := r.dial()
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for range tick.C { // a byte at a time, and never a line
			if _, err := slow.raw.Write([]byte("U")); err != nil {
				break
			}
		}
		c := r.dial().encrypt()
		c.do(331, "USER %s", user)
		c.want(421)
		gone(t, c.raw)
	})
	t.Run("idle", func(t *testing.T) {
		t.Parallel()
		r := started(t, func(s *ftps.Server) { s.Limits.Idle = short })
		c := r.dial().signIn()
		c.want(421)
		gone(t, c.raw)
	})
	t.Run("age", func(t *testing.T) {
		t.Parallel()
		r := started(t, func(s *ftps.Server) { s.Limits.Session = 2 * short })
		c := r.dial().signIn()
		for {
			c.send("NOOP")
			if code, text := c.reply(); code == 421 {
				break
			} else if code != 200 {
				t.Fatal(text)
			}
		}
	})
	t.Run("data connection never comes", func(t *testing.T) {
		t.Parallel()
		r := started(t, func(s *ftps.Server) { s.Limits.Connect = short })
		c := r.dial().signIn()
		c.passive()
		c.do(150, "LIST")
		c.want(425)
		c.do(200, "NOOP")
	})
	t.Run("data handshake never comes", func(t *testing.T) {
		t.Parallel()
		r := started(t, func(s *ftps.Server) { s.Limits.Handshake = short })
		c := r.dial().signIn()
		c.knock(c.passive())
		c.do(150, "LIST")
		c.want(522)
	})
	t.Run("upload stalls", func(t *testing.T) {
		t.Parallel()
		r := started(t, func(s *ftps.Server) { s.Limits.Stall = short })
		c := r.dial().signIn()
		d := tls.Client(c.knock(c.passive()), c.conf)
		c.do(150, "STOR /inbox/slow.hl7")
		if _, err := d.Write([]byte("MSH|")); err != nil {
			t.Fatal(err)
		}
		if text := c.want(426); !strings.Contains(text, "too slow") {
			t.Error(text)
		}
	})
	t.Run("download stalls", func(t *testing.T) {
		t.Parallel()
		r := started(t, func(s *ftps.Server) { s.Limits.Stall = short })
		r.box.Put(channel.BoxResults, "big.bin", make([]byte, 64<<20))
		c := r.dial().signIn()
		d := tls.Client(c.knock(c.passive()), c.conf)
		c.do(150, "RETR /results/big.bin")
		if _, err := d.Read(make([]byte, 100)); err != nil {
			t.Fatal(err)
		}
		if text := c.want(426); !strings.Contains(text, "too slow") {
			t.Error(text)
		}
		if n := r.server.Stats().TooSlow; n != 1 {
			t.Errorf("%d counted", n)
		}
	})
}

func TestTooMany(t *testing.T) {
	t.Run("of an address", func(t *testing.T) {
		r := started(t, func(s *ftps.Server) { s.Limits.ConnsPerAddr, s.Limits.UnsignedPerAddr = 3, 2 })
		r.dial().signIn()
		r.dial()
		r.dial()
		refusedAtOnce(t, r.addr)
		if n := r.server.Stats().OverLimit; n != 1 {
			t.Errorf("%d counted", n)
		}
	})
	t.Run("before sign-in", func(t *testing.T) {
		r := started(t, func(s *ftps.Server) { s.Limits.Unsigned = 2 })
		a := r.dial()
		r.dial()
		refusedAtOnce(t, r.addr)
		a.signIn() // makes room
		b := r.dial()
		b.do(221, "QUIT")
		eventually(t, "who left is not counted", func() bool {
			c, err := net.Dial("tcp", r.addr)
			if err != nil {
				return false
			}
			defer c.Close()
			b := make([]byte, 3)
			_, err = io.ReadFull(c, b)
			return err == nil && string(b) == "220"
		})
	})
	t.Run("of a partner", func(t *testing.T) {
		r := started(t, func(s *ftps.Server) { s.Limits.SessionsPerPartner = 2 })
		r.dial().signIn()
		second := r.dial().signIn()
		c := r.dial().encrypt()
		c.do(331, "USER %s", user)
		c.do(421, "PASS %s", password)
		second.do(221, "QUIT")
		eventually(t, "room for another session", func() bool { return r.door.Sessions() == 1 })
		r.dial().signIn()
	})
	t.Run("attempts", func(t *testing.T) {
		r := started(t, nil)
		c := r.dial().encrypt()
		for _, code := range []int{530, 530, 421} {
			c.do(331, "USER %s", user)
			c.do(code, "PASS wrong")
		}
		gone(t, c.raw)
	})
	t.Run("bytes in a line", func(t *testing.T) {
		r := started(t, nil)
		for _, c := range []*client{r.dial(), r.dial().signIn()} {
			c.send("CWD %s", strings.Repeat("a", 10_000))
			if code, text := c.reply(); code != 421 && code != 0 { // 0: our own bytes were reset
				t.Error(text)
			}
		}
	})
}

func refusedAtOnce(t *testing.T, addr string) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	if text, _ := io.ReadAll(c); !bytes.HasPrefix(text, []byte("421 Too many")) {
		t.Errorf("answered %q", text)
	}
}

// TestAccessEndsInMidTransfer: control and data connection are cut at once, and
// nothing of the upload is seen.
func TestAccessEndsInMidTransfer(t *testing.T) {
	r := started(t, nil)
	c := r.dial().signIn()
	raw := c.knock(c.passive())
	d := tls.Client(raw, c.conf)
	c.do(150, "STOR /inbox/half.hl7")
	if _, err := d.Write(make([]byte, 100_000)); err != nil {
		t.Fatal(err)
	}
	r.door.Cut(user)
	gone(t, raw)
	gone(t, c.raw)
	if n := r.box.Names(channel.BoxInbox); len(n) != 0 {
		t.Errorf("the inbox holds %q", n)
	}
}

// TestStopLetsTransfersFinish and says goodbye to who waits.
func TestStopLetsTransfersFinish(t *testing.T) {
	r := started(t, nil)
	idle := r.dial().signIn()
	c := r.dial().signIn()
	d := tls.Client(c.knock(c.passive()), c.conf)
	c.do(150, "STOR /inbox/last.hl7")
	if _, err := d.Write([]byte("MSH|")); err != nil {
		t.Fatal(err)
	}
	stopped := make(chan error, 1)
	go func() { stopped <- r.stop() }()
	idle.want(421)
	d.Close()
	c.want(226)
	c.want(421)
	if err := <-stopped; err != nil {
		t.Error(err)
	}
	if got, _ := r.box.Get(channel.BoxInbox, "last.hl7"); string(got) != "MSH|" {
		t.Errorf("stored %q", got)
	}
}
