package mllp

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
)

const benchSize = 1900

func benchServer(b *testing.B) (*ct.Authority, *running) {
	a := ct.NewAuthority(b)
	return a, startServer(b, a, func(s *Server) {
		ack := ackTo(nil, "AA", "x")
		s.Handler = channel.HandlerFunc(func(context.Context, channel.Peer, []byte) (channel.Reply, error) {
			return channel.Reply{Body: ack}, nil
		})
	})
}

// BenchmarkServer: 64 mutual-TLS connections, one 1.9 kB message in flight on
// each, a handler that does nothing, and clients that do as little as they can,
// all in this process.
func BenchmarkServer(b *testing.B) {
	a, s := benchServer(b)
	cfg := clientTLS(b, a, "hub.test")
	msg := frame(message(1, benchSize-60).Body)
	want := len(frame(ackTo(nil, "AA", "x")))
	var conns []*tls.Conn
	for range 64 {
		nc := tls.Client(dialBench(b, s.addr), cfg)
		if err := nc.Handshake(); err != nil {
			b.Fatal(err)
		}
		conns = append(conns, nc)
	}
	b.ReportAllocs()
	b.SetBytes(int64(len(msg)))
	b.ResetTimer()
	var left atomic.Int64
	left.Store(int64(b.N))
	var wg sync.WaitGroup
	for _, nc := range conns {
		wg.Go(func() {
			r := bufio.NewReader(nc)
			for left.Add(-1) >= 0 {
				if _, err := nc.Write(msg); err != nil {
					b.Error(err)
					return
				}
				if _, err := r.Discard(want); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

// BenchmarkSenderToServer is the same with our Sender, 64 lanes, replies matched.
func BenchmarkSenderToServer(b *testing.B) {
	a := ct.NewAuthority(b)
	s := startServer(b, a, nil)
	snd := newSender(b, Config{Addr: s.addr, TLS: clientTLS(b, a, "hub.test"), Lanes: 64})
	tail := message(1, benchSize-60).Body[50:]
	b.ReportAllocs()
	b.ResetTimer()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for {
				n := next.Add(1)
				if n > int64(b.N) {
					return
				}
				id := fmt.Sprint(n)
				body := append([]byte("MSH|^~\\&|LAB|GH|EHR|CL|20260101||ORU^R01|"+id+"|P|2.5.1\rZZZ|"), tail...)
				if _, err := snd.Send(context.Background(), channel.Message{ControlID: id, Body: body}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "msg/s")
}

func dialBench(b *testing.B, addr string) net.Conn {
	b.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { nc.Close() })
	return nc
}
