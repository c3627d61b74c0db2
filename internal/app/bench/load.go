package bench

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/demo"
)

// template is a synthetic message cut where its own numbers stand, so that a
// new one costs less than a microsecond: the load must not be what is measured.
type template struct {
	parts [][]byte
	buf   []byte
}

func templates(n int, seed uint64) []*template {
	next, stop := iter.Pull(demo.Synthetic(n, seed))
	defer stop()
	out := make([]*template, 0, n)
	for i := range n {
		msg, ok := next()
		if !ok {
			break
		}
		out = append(out, &template{parts: bytes.Split(receiver(msg, i), fmt.Appendf(nil, "%X-%d", seed, i))})
	}
	return out
}

// receiver writes P0 to P3 into MSH-5, so that messages can be routed to four
// partners in turn.
func receiver(msg []byte, i int) []byte {
	f := bytes.SplitN(msg, []byte("|"), 6)
	f[4] = fmt.Appendf(nil, "P%d", i%4)
	return bytes.Join(f, []byte("|"))
}

// frame writes the message numbered n by connection conn as an MLLP frame. The
// buffer is used again.
func (t *template) frame(conn, n int) []byte {
	t.buf = append(t.buf[:0], 0x0b)
	t.buf = t.append(t.buf, conn, n)
	t.buf = append(t.buf, 0x1c, '\r')
	return t.buf
}

func (t *template) append(b []byte, conn, n int) []byte {
	for i, p := range t.parts {
		if i > 0 {
			b = strconv.AppendInt(b, int64(conn), 16)
			b = append(b, '-')
			b = strconv.AppendInt(b, int64(n), 10)
		}
		b = append(b, p...)
	}
	return b
}

// Load is what a run of senders measured.
type Load struct {
	Messages int64         `json:"messages"`
	Bytes    int64         `json:"bytes"`
	Took     time.Duration `json:"took_ns"`
	P50      time.Duration `json:"p50_ns"`
	P99      time.Duration `json:"p99_ns"`
}

// Rate is messages per second.
func (l Load) Rate() float64 { return float64(l.Messages) / l.Took.Seconds() }

var errRefused = errors.New("a message was not acknowledged with AA")

// Send opens conns connections and sends on each, one message in flight, until
// the time is over or count messages are sent (0: no bound). base keeps control ids of several runs apart.
func Send(ctx context.Context, addr string, conf *tls.Config, conns, base int, d time.Duration, count int64) (Load, error) {
	clients := make([]*tls.Conn, conns)
	for i := range clients {
		c, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", addr)
		if err != nil {
			return Load{}, fmt.Errorf("connect: %w", err)
		}
		defer c.Close()
		clients[i] = c.(*tls.Conn)
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	var total Load
	var all []time.Duration
	var failed error
	ts := make([][]*template, conns)
	for i := range ts {
		ts[i] = templates(64, uint64(1000+base+i))
	}
	var sent atomic.Int64
	begin := time.Now()
	for i, c := range clients {
		ts := ts[i]
		wg.Go(func() {
			r := bufio.NewReaderSize(c, 1<<12)
			var n, size int64
			lat := make([]time.Duration, 0, 1<<12)
			err := func() error {
				for time.Since(begin) < d && ctx.Err() == nil && (count == 0 || sent.Add(1) <= count) {
					f := ts[n%int64(len(ts))].frame(base+i, int(n))
					at := time.Now()
					if _, err := c.Write(f); err != nil {
						return err
					}
					reply, err := r.ReadSlice(0x1c)
					if err != nil {
						return fmt.Errorf("read acknowledgement: %w", err)
					}
					if !bytes.Contains(reply, []byte("\rMSA|AA|")) {
						return errRefused
					}
					if _, err := r.ReadByte(); err != nil && !errors.Is(err, io.EOF) {
						return err
					}
					lat = append(lat, time.Since(at))
					n++
					size += int64(len(f) - 3)
				}
				return nil
			}()
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err)
			total.Messages += n
			total.Bytes += size
			all = append(all, lat...)
		})
	}
	wg.Wait()
	total.Took = time.Since(begin)
	slices.Sort(all)
	if len(all) > 0 {
		total.P50, total.P99 = all[len(all)/2], all[len(all)*99/100]
	}
	return total, failed
}
