package tunnel

import (
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/soak"
)

// TestBarTunnels measures both kinds in one process, in turns, because the machine is
// not quiet: bytes a second through hub, tunnel, far end and on to a device, and
// how long an echo of 1.2 kB takes the same way. Whole, the figures go to
// docs/operate/soak/tunnels.md.
func TestBarTunnels(t *testing.T) {
	size, rounds, echoes := 32<<20, 3, 200
	whole := false
	switch os.Getenv("LABWARDEN_BARS") {
	case "small":
	case "whole":
		size, rounds, echoes, whole = 128<<20, 5, 400, true
	default:
		t.Skip("SKIPPED A BAR: LABWARDEN_BARS is not set; `make bars` runs it small, `make soak` whole")
	}
	sink, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { sink.Close() })
	go func() {
		for {
			c, err := sink.Accept()
			if err != nil {
				return
			}
			go func() {
				_, _ = io.Copy(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{c})
				_, _ = c.Write([]byte{1}) // all of it is here
				c.Close()
			}()
		}
	}()
	r := newRig(t)
	to := []string{r.echo, sink.Addr().String()}
	names := []string{"wireguard", "tls"}
	for _, n := range names {
		join(t, r.invite(n, Kind(n), to), true)
		r.up(n)
	}
	rates, times := map[string][]float64{}, map[string][]time.Duration{}
	spent := map[string]time.Duration{}
	for range rounds {
		for _, n := range names {
			before := processor(t)
			rates[n] = append(rates[n], push(t, r.dial(n, to[1]), size))
			spent[n] += processor(t) - before
			c := r.dial(n, r.echo)
			b := make([]byte, 1200)
			for range echoes {
				began := time.Now()
				if _, err := c.Write(b); err != nil {
					t.Fatal(err)
				}
				if _, err := io.ReadFull(c, b); err != nil {
					t.Fatal(err)
				}
				times[n] = append(times[n], time.Since(began))
			}
			c.Close()
		}
	}
	var said []string
	note := func(format string, a ...any) {
		said = append(said, fmt.Sprintf(format, a...))
		t.Log(said[len(said)-1])
	}
	for _, n := range names {
		slices.Sort(rates[n])
		slices.Sort(times[n])
		note("%s: %.0f MB/s (median of %d; %.0f to %.0f), %.0f MB for each processor second of both ends, echo of 1.2 kB p50 %v, p95 %v", n, rates[n][rounds/2], rounds,
			rates[n][0], rates[n][rounds-1], float64(rounds*size)/1e6/spent[n].Seconds(), times[n][len(times[n])/2].Round(time.Microsecond), times[n][len(times[n])*95/100].Round(time.Microsecond))
	}
	wireguard, ratio := rates["wireguard"][rounds/2], rates["tls"][rounds/2]/rates["wireguard"][rounds/2]
	p50 := times["wireguard"][len(times["wireguard"])/2]
	note("wireguard %.0f MB/s (goal 40 at least): %s; its echo p50 %v (goal 150µs at most): %s", wireguard, soak.MetFrom(wireguard, 40), p50.Round(time.Microsecond), soak.Met(float64(p50), float64(150*time.Microsecond)))
	note("tls / wireguard: %.1f (goal 5 at least): %s", ratio, soak.MetFrom(ratio, 5))
	if whole {
		soak.Page{File: "tunnels.md", Title: "tunnels", By: "internal/channel/tunnel"}.Write(t, "Both kinds by turns", said...)
	}
}

// processor is the time this process has had on a processor: what does not hang on
// how busy the machine is with others.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// push sends size bytes and returns MB/s until all of them have arrived.
func push(t *testing.T, c net.Conn, size int) float64 {
	t.Helper()
	b := make([]byte, 256<<10)
	began := time.Now()
	for n := 0; n < size; n += len(b) {
		if _, err := c.Write(b); err != nil {
			t.Fatal(err)
		}
	}
	if err := c.(closeWriter).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	c.Close()
	return float64(size) / 1e6 / took.Seconds()
}
