package bench

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/mllp"
	"github.com/labwarden/labwarden/internal/codec/hl7"
	"github.com/labwarden/labwarden/internal/demo"
)

// Travel is what taking in and delivering together gave.
type Travel struct {
	In        Load    `json:"in"`
	InRate    float64 `json:"in_per_second"`
	Delivered int64   `json:"delivered"`
	OutRate   float64 `json:"out_per_second"` // until the load ended
	Queue     []int64 `json:"waiting"`        // looked at twenty times in even steps
	Drained   string  `json:"drained_in"`     // after the load ended
	RSS       int64   `json:"rss_bytes"`
}

// travel runs intake and delivery to four partners, each message to one.
func travel(ctx context.Context, o Options, dir string) (*Travel, error) {
	certs, err := makeCerts(dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var got atomic.Int64
	addrs := make([]string, 4)
	for i := range addrs {
		if addrs[i], err = receive(ctx, certs, fmt.Sprintf("p%d", i), &got); err != nil {
			return nil, err
		}
	}
	l, err := startLab(ctx, o, dir, addrs, true)
	if err != nil {
		return nil, err
	}
	end, err := o.profile("travel")
	if err != nil {
		return nil, err
	}
	t := &Travel{}
	done := make(chan error, 1)
	go func() {
		var err error
		t.In, err = load(ctx, o, l.addr, certs, o.Conns, 0, o.Travel, 0)
		done <- err
	}()
	tick := time.NewTicker(max(o.Travel/20, 100*time.Millisecond))
	defer tick.Stop()
	for running := true; running; {
		select {
		case err := <-done:
			if err != nil {
				return nil, errors.Join(err, l.stop())
			}
			running = false
		case <-tick.C:
			c := l.hub.Results.Counts()
			t.Queue = append(t.Queue, c.Received-c.Delivered)
			t.RSS = max(t.RSS, rss())
		}
	}
	if err := end(); err != nil {
		return nil, err
	}
	t.InRate, t.OutRate = t.In.Rate(), float64(l.hub.Results.Counts().Delivered)/t.In.Took.Seconds()
	begin := time.Now()
	for l.hub.Results.Counts().Delivered < l.hub.Results.Counts().Received && time.Since(begin) < time.Minute {
		<-tick.C
	}
	t.Drained = time.Since(begin).Round(time.Millisecond).String()
	t.Delivered = got.Load()
	fmt.Fprintf(o.Out, "intake and delivery together: %.0f/s in, %.0f/s out, waiting %v, drained %s after, memory %d MB (receivers included)\n",
		t.InRate, t.OutRate, t.Queue, t.Drained, t.RSS>>20)
	return t, l.stop()
}

// receive is a partner that accepts everything.
func receive(ctx context.Context, certs, name string, got *atomic.Int64) (string, error) {
	conf, err := demo.ServerTLS(certs, name, "hub")
	if err != nil {
		return "", err
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("listen: %w", err)
	}
	s := &mllp.Server{TLS: conf, Handler: channel.HandlerFunc(func(_ context.Context, _ channel.Peer, body []byte) (channel.Reply, error) {
		h, err := hl7.ReadHeader(body)
		if err != nil {
			return channel.Reply{}, err
		}
		got.Add(1)
		return channel.Reply{Body: hl7.AppendAck(nil, &h, hl7.AckOptions{Code: "AA", ControlID: "1", Time: time.Now()})}, nil
	})}
	go func() { _ = s.Serve(ctx, ln) }() // ends with ctx; a measurement has no other use for its error
	return ln.Addr().String(), nil
}

// LoadArgs are the load generator's own options.
type LoadArgs struct {
	Hub, Certs  string
	Connections int
	Base        int
	Time        time.Duration
	Count       int64
}

// RunLoad is the load generator's main part.
func RunLoad(ctx context.Context, a LoadArgs) (Load, error) {
	conf, err := demo.ClientTLS(filepath.Clean(a.Certs), "lis", "hub")
	if err != nil {
		return Load{}, err
	}
	return Send(ctx, a.Hub, conf, a.Connections, a.Base, a.Time, a.Count)
}
