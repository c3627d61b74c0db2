package mllp

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
)

// message is an HL7 message whose last field is binary.
func message(n, size int) channel.Message {
	id := fmt.Sprintf("M%d.%d", n, size)
	body := []byte("MSH|^~\\&|LAB|GH|EHR|CL|20260101||ORU^R01|" + id + "|P|2.5.1\rZZZ|")
	body = append(body, ct.Bytes(n, size, "\x0b\x1c")...)
	return channel.Message{ID: id, ControlID: id, Body: body}
}

// ackTo answers with the code, for the control id in body or another.
func ackTo(body []byte, code, id string) []byte {
	if id == "" {
		id = strings.Split(string(body[:min(len(body), 200)]), "|")[9]
	}
	return []byte("MSH|^~\\&|EHR|CL|LAB|GH|20260101||ACK|R" + id + "|P|2.5.1\rMSA|" + code + "|" + id + "\r")
}

// far is a receiver written without this package's framing code, with faults.
type far struct {
	ln   net.Listener
	mu   sync.Mutex
	got  [][]byte
	wg   sync.WaitGroup
	stop context.Context
	end  context.CancelFunc
	// answer writes what follows a message; false closes the connection.
	answer func(nc net.Conn, n int, body []byte) bool
	deaf   bool
}

func (f *far) received() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([][]byte(nil), f.got...)
}

func (f *far) serve() {
	defer f.wg.Done()
	for {
		nc, err := f.ln.Accept()
		if err != nil {
			return
		}
		f.wg.Go(func() {
			defer nc.Close()
			defer context.AfterFunc(f.stop, func() { nc.Close() })()
			if f.deaf {
				if t, ok := nc.(*tls.Conn); ok && t.Handshake() != nil {
					return
				}
				<-f.stop.Done()
				return
			}
			r := bufio.NewReader(nc)
			for {
				if b, err := r.ReadByte(); err != nil || b != 0x0b {
					return
				}
				body, err := r.ReadBytes(0x1c)
				if err != nil {
					return
				}
				if b, err := r.ReadByte(); err != nil || b != 0x0d {
					return
				}
				body = body[:len(body)-1]
				f.mu.Lock()
				f.got = append(f.got, body)
				n := len(f.got)
				f.mu.Unlock()
				if !f.answer(nc, n, body) {
					return
				}
			}
		})
	}
}

func (f *far) close() {
	f.ln.Close()
	f.end()
	f.wg.Wait()
}

func frame(b []byte) []byte { return []byte("\x0b" + string(b) + "\x1c\r") }

// accepts is the answer of a far end without fault.
func accepts(nc net.Conn, _ int, body []byte) bool {
	_, err := nc.Write(frame(ackTo(body, "AA", "")))
	return err == nil
}

// newFar listens with mutual TLS; it is closed with the test.
func newFar(t *testing.T, a *ct.Authority, answer func(net.Conn, int, []byte) bool) *far {
	t.Helper()
	cfg, err := channel.TLS{Certificate: ct.Source(a.Issue("far.test", time.Time{})), Roots: a.Pool}.Server()
	if err != nil {
		t.Fatal(err)
	}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", cfg)
	if err != nil {
		t.Fatal(err)
	}
	f := &far{ln: ln, answer: answer}
	f.stop, f.end = context.WithCancel(t.Context())
	f.wg.Add(1)
	return f
}

func clientTLS(t testing.TB, a *ct.Authority, name string) *tls.Config {
	t.Helper()
	cfg, err := channel.TLS{Certificate: ct.Source(a.Issue("lab.test", time.Time{})), Roots: a.Pool, ServerName: name}.Client()
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func newSender(t testing.TB, c Config) *Sender {
	t.Helper()
	s, err := NewSender(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	a := ct.NewAuthority(t)
	answers := map[ct.Fault]func(net.Conn, int, []byte) bool{
		ct.None:       accepts,
		ct.Refuses:    accepts,
		ct.HangsAfter: func(net.Conn, int, []byte) bool { return true },
		ct.ClosesMidReply: func(nc net.Conn, _ int, b []byte) bool {
			r := frame(ackTo(b, "AA", ""))
			nc.Write(r[:len(r)-2]) // all of it but the end block
			return false
		},
		ct.Garbage: func(nc net.Conn, _ int, b []byte) bool {
			nc.Write(frame([]byte("what? " + string(ackTo(b, "AA", "")))))
			return true
		},
		ct.Twice: func(nc net.Conn, _ int, b []byte) bool {
			r := frame(ackTo(b, "AA", ""))
			nc.Write(append(r, r...))
			return true
		},
		ct.OtherMessage: func(nc net.Conn, _ int, b []byte) bool {
			nc.Write(frame(ackTo(b, "AA", "SOMEBODY")))
			return true
		},
		ct.Slow: func(nc net.Conn, n int, b []byte) bool {
			for _, c := range frame(ackTo(b, "AA", "")) { // byte by byte
				nc.Write([]byte{c})
			}
			return true
		},
		ct.Declines: func(nc net.Conn, _ int, b []byte) bool {
			nc.Write(frame(ackTo(b, "AE", "")))
			return true
		},
	}
	ct.Run(t, ct.Harness{
		Success: channel.Accepted, Declined: channel.Rejected, Message: message,
		New: func(t *testing.T, fault ct.Fault) ct.Far {
			f := newFar(t, a, answers[fault])
			f.deaf = fault == ct.HangsBefore
			if fault == ct.Refuses {
				f.ln.Close()
			}
			go f.serve()
			s := newSender(t, Config{
				Name: "far", Addr: f.ln.Addr().String(), TLS: clientTLS(t, a, "far.test"), Lanes: 4,
				ReplyTimeout: 400 * time.Millisecond, WriteTimeout: 400 * time.Millisecond,
			})
			return ct.Far{Sender: s, Received: f.received, Close: f.close}
		},
	})
}

// TestConformanceOwnServer runs the faultless parts against our own Server.
func TestConformanceOwnServer(t *testing.T) {
	a := ct.NewAuthority(t)
	lacks := []ct.Fault{
		ct.Refuses, ct.HangsBefore, ct.ClosesMidReply, ct.Garbage, ct.Twice, ct.OtherMessage, ct.Slow,
	}
	ct.Run(t, ct.Harness{
		Success: channel.Accepted, Declined: channel.Busy, Message: message, Lacks: lacks,
		New: func(t *testing.T, fault ct.Fault) ct.Far {
			var mu sync.Mutex
			var got [][]byte
			srv := startServer(t, a, func(s *Server) {
				s.Handler = channel.HandlerFunc(func(ctx context.Context, p channel.Peer, b []byte) (channel.Reply, error) {
					mu.Lock()
					got = append(got, bytes.Clone(b))
					mu.Unlock()
					switch fault {
					case ct.HangsAfter:
						<-ctx.Done()
						return channel.Reply{}, ctx.Err()
					case ct.Declines:
						return channel.Reply{Body: ackTo(b, "AR", "")}, nil
					}
					return channel.Reply{Body: ackTo(b, "AA", "")}, nil
				})
				s.Limits.Drain = 50 * time.Millisecond
			})
			s := newSender(t, Config{
				Name: "own", Addr: srv.addr, TLS: clientTLS(t, a, "hub.test"), Lanes: 4, ReplyTimeout: 400 * time.Millisecond,
			})
			return ct.Far{Sender: s, Close: func() { srv.stop() }, Received: func() [][]byte {
				mu.Lock()
				defer mu.Unlock()
				return append([][]byte(nil), got...)
			}}
		},
	})
}
