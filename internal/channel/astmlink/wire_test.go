package astmlink

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/labwarden/labwarden/internal/codec/astm"
)

// wire carries bytes between two Lines and damages some: by its seed it drops a
// byte, flips a bit or adds one. Never two faults within a frame: the standard's
// checksum is a sum, and does not see two that cancel out.
type wire struct {
	mu    sync.Mutex
	rng   *rand.Rand
	every int // one fault in so many bytes
	since int
}

func (w *wire) damage(b []byte) []byte {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := make([]byte, 0, len(b)+1)
	for _, c := range b {
		w.since++
		if w.every == 0 || w.since <= astm.MaxTextE1381+2*astm.Overhead || w.rng.IntN(w.every) != 0 {
			out = append(out, c)
			continue
		}
		w.since = 0
		switch w.rng.IntN(3) {
		case 0: // lost
		case 1:
			out = append(out, noACK(c^1<<w.rng.IntN(8)))
		case 2:
			out = append(out, c, noACK(byte(w.rng.IntN(256))))
		}
	}
	return out
}

// noACK: noise that looks like an acknowledgement is one; the standard has nothing
// against it.
func noACK(b byte) byte {
	if b == astm.ACK {
		return 'x'
	}
	return b
}

// carry joins two connections through the wire.
func (w *wire) carry(a, b net.Conn) {
	buf := make([]byte, 8192)
	for {
		n, err := a.Read(buf)
		if n > 0 {
			if d := w.damage(buf[:n]); len(d) > 0 {
				if _, err := b.Write(d); err != nil {
					return
				}
			}
		}
		if err != nil {
			_ = b.Close()
			return
		}
	}
}

// play of two Lines against the model: whatever the wire does, what a sender was
// told is there is there once, whole and in order; nothing is there that nobody
// sent; and what is there although the sender was told otherwise is the message
// that it then sent again.
func model(t *testing.T, seed uint64, every, messages int) (faults Stats) {
	synctest.Test(t, func(t *testing.T) {
		w := &wire{rng: rand.New(rand.NewPCG(seed, 1)), every: every}
		a, a2 := net.Pipe()
		b, b2 := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		desks := [2]*desk{{}, {}}
		lines := [2]*Line{New(a, Config{Host: true}, desks[0]), New(b, Config{}, desks[1])}
		var wg, senders sync.WaitGroup
		wg.Go(func() { w.carry(a2, b2) })
		wg.Go(func() { w.carry(b2, a2) })
		for _, l := range lines {
			wg.Go(func() { _ = l.Run(ctx) })
		}
		var told [2][]string // what each sender sent, tries that failed included
		for who, l := range lines {
			senders.Go(func() {
				rng := rand.New(rand.NewPCG(seed, uint64(2+who)))
				for i := range messages {
					text := []byte(fmt.Sprintf("H|\\^&|%d-%d\r", who, i))
					for range rng.IntN(6) {
						text = append(text, "R|1|^^^GLU|"...)
						for range rng.IntN(400) {
							text = append(text, byte(' '+rng.IntN(90)))
						}
						text = append(text, '\r')
					}
					text = append(text, "L|1|N\r"...)
					for {
						err := l.Send(ctx, text)
						if errors.Is(err, ErrClosed) {
							return
						}
						told[who] = append(told[who], string(text))
						if err == nil {
							break
						}
					}
					<-time.After(time.Duration(rng.IntN(40)) * time.Second)
				}
			})
		}
		senders.Wait()
		<-time.After(time.Minute) // the last EOT may have been lost
		cancel()
		for _, c := range []io.Closer{a, a2, b, b2} {
			_ = c.Close()
		}
		wg.Wait()
		for who := range lines {
			var got []string
			for _, s := range desks[1-who].sessions {
				text := strings.Join(s.frames, "")
				switch {
				case strings.HasSuffix(text, "\rL|1|N\r"): // whole, even where EOT was lost
					got = append(got, text)
				case !slices.ContainsFunc(told[who], func(whole string) bool { return strings.HasPrefix(whole, text) }):
					t.Errorf("seed %d: there, and nobody sent it: %q", seed, text)
				}
			}
			got, want := slices.Compact(got), slices.Compact(told[who])
			if !slices.Equal(got, want) {
				t.Errorf("seed %d: %d of %d messages arrived in order", seed, len(got), len(want))
				for i := range min(len(got), len(want)) {
					if got[i] != want[i] {
						at := 0
						for at < min(len(got[i]), len(want[i])) && got[i][at] == want[i][at] {
							at++
						}
						t.Errorf("message %d, byte %d: %.40q, sent %.40q; %d bytes, sent %d", i, at, got[i][at:], want[i][at:], len(got[i]), len(want[i]))
						break
					}
				}
			}
			s := lines[who].Stats()
			faults.Resent += s.Resent
			faults.Refused += s.Refused
			faults.Repeated += s.Repeated
			faults.Contentions += s.Contentions
			faults.Timeouts += s.Timeouts
			faults.Unfinished += s.Unfinished
			faults.Frames += s.Frames
		}
	})
	return faults
}

func TestModel(t *testing.T) {
	var all Stats
	for seed := range uint64(40) {
		s := model(t, seed, 60+int(seed)*20, 12)
		all.Resent += s.Resent
		all.Repeated += s.Repeated
		all.Contentions += s.Contentions
		all.Timeouts += s.Timeouts
		all.Unfinished += s.Unfinished
		all.Frames += s.Frames
	}
	if all.Resent == 0 || all.Repeated == 0 || all.Contentions == 0 || all.Timeouts == 0 {
		t.Errorf("the wire did not try everything: %+v", all)
	}
	t.Logf("%+v", all)
}

func FuzzModel(f *testing.F) {
	f.Add(uint64(1), uint16(300))
	f.Fuzz(func(t *testing.T, seed uint64, every uint16) { model(t, seed, 50+int(every), 3) })
}

// Whatever comes in, the line ends when its connection does, and keeps no more
// than was acknowledged.
func FuzzLine(f *testing.F) {
	f.Add([]byte("\x05\x021H|\\^&\r\x03E5\r\n\x04"))
	f.Add([]byte("\x05\x05\x02\x02\x17\x15\x06\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			d := &desk{}
			l := New(ours, Config{Host: true}, d)
			ended := make(chan struct{})
			go func() { defer close(ended); _ = l.Run(t.Context()) }()
			acks := make(chan int)
			go func() {
				n := 0
				buf := make([]byte, 1)
				for {
					if _, err := theirs.Read(buf); err != nil {
						acks <- n
						return
					}
					if buf[0] == astm.ACK {
						n++
					}
				}
			}()
			if _, err := theirs.Write(b); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			_ = theirs.Close()
			<-ended
			n := <-acks
			frames := 0
			for _, s := range d.sessions {
				frames += len(s.frames)
				if !s.ended {
					t.Error("a session that does not end")
				}
			}
			if frames > n {
				t.Errorf("%d frames kept, %d acknowledgements", frames, n)
			}
			_ = ours.Close()
		})
	})
}
