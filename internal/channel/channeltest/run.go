package channeltest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Fault is what the other end does wrong. The harness injects it.
type Fault int

const (
	None           Fault = iota
	Refuses              // nobody listens, or the place is not there
	HangsBefore          // takes the connection and reads nothing of the message
	HangsAfter           // takes the message and never answers
	ClosesMidReply       // answers half a reply and closes
	Garbage              // answers bytes that are no reply
	Twice                // answers each message twice
	OtherMessage         // answers for a message that was never sent
	Slow                 // answers right, after a while within the limits
	Declines             // answers that it will not have the message
)

func (f Fault) String() string {
	return [...]string{
		"None", "Refuses", "HangsBefore", "HangsAfter", "ClosesMidReply", "Garbage",
		"Twice", "OtherMessage", "Slow", "Declines",
	}[f]
}

// Far is one other end with one fault.
type Far struct {
	// Sender goes to this far end, with timeouts of at most Patience.
	Sender channel.Sender
	// Received returns a copy of the bodies that arrived, in any order. A body
	// counts when the far end would act on it.
	Received func() [][]byte
	// Close ends the far end, after the sender.
	Close func()
}

// Harness describes a transport.
type Harness struct {
	// New starts a far end that has the fault, and a sender to it.
	New func(t *testing.T, f Fault) Far
	// Message makes the n-th message of about size bytes, with the widest range
	// of byte values the transport carries. Equal arguments give equal messages.
	Message func(n, size int) channel.Message
	// Success is the level of the receipt of a plain success.
	Success channel.Level
	// Declined is the class of Declines.
	Declined channel.Class
	// Lacks names the faults this transport cannot have.
	Lacks []Fault
	// Patience bounds each Send of the suite; default 2 s. Timeouts the harness
	// sets must be well below it.
	Patience time.Duration
	// GarbageIsFine: the transport reads no meaning into the reply's body (a
	// plain POST), so that garbage in it is a success.
	GarbageIsFine bool
}

// Run runs the whole suite.
func Run(t *testing.T, h Harness) {
	if h.Patience == 0 {
		h.Patience = 2 * time.Second
	}
	t.Run("bytes arrive unchanged", h.unchanged)
	t.Run("concurrent sends", h.concurrent)
	t.Run("context ended before", h.endedBefore)
	t.Run("after Close", h.afterClose)
	for _, f := range []struct {
		fault Fault
		run   func(*testing.T, Far)
	}{
		{Refuses, h.refuses},
		{HangsBefore, h.hangs},
		{HangsAfter, h.hangs},
		{ClosesMidReply, h.unanswered},
		{Garbage, h.garbage},
		{Twice, h.twice},
		{OtherMessage, h.unanswered},
		{Slow, h.slow},
		{Declines, h.declines},
	} {
		t.Run(f.fault.String(), func(t *testing.T) {
			h.lacks(t, f.fault)
			h.with(t, f.fault, f.run)
		})
	}
	t.Run("cancelled while waiting", func(t *testing.T) {
		h.lacks(t, HangsAfter)
		h.with(t, HangsAfter, h.cancelled)
	})
	t.Run("closed while waiting", func(t *testing.T) {
		h.lacks(t, HangsAfter)
		h.with(t, HangsAfter, h.closedDuring)
	})
}

func (h Harness) lacks(t *testing.T, f Fault) {
	for _, l := range h.Lacks {
		if l == f {
			t.Skipf("this transport cannot have the fault %v", f)
		}
	}
}

// with runs one test against one far end and looks for goroutines left behind.
func (h Harness) with(t *testing.T, f Fault, run func(*testing.T, Far)) {
	t.Helper()
	before := goroutines()
	far := h.New(t, f)
	run(t, far)
	if err := far.Sender.Close(); err != nil {
		t.Errorf("close sender: %v", err)
	}
	if err := far.Sender.Close(); err != nil {
		t.Errorf("close sender again: %v", err)
	}
	far.Close()
	Eventually(t, "goroutines end", func() error {
		var left []string
		for id, stack := range goroutines() {
			if _, ok := before[id]; !ok {
				left = append(left, stack)
			}
		}
		if len(left) > 0 {
			return fmt.Errorf("%d goroutines left:\n%s", len(left), strings.Join(left, "\n\n"))
		}
		return nil
	})
}

// goroutines returns the stacks of what runs now by goroutine number.
func goroutines() map[string]string {
	buf := make([]byte, 4<<20)
	buf = buf[:runtime.Stack(buf, true)]
	m := map[string]string{}
	for _, g := range strings.Split(string(buf), "\n\n") {
		head, _, _ := strings.Cut(g, " [")
		m[head] = g
	}
	return m
}

// Eventually polls until f returns nil, for 5 s at most.
func Eventually(t *testing.T, what string, f func() error) {
	t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(5 * time.Second)
	for {
		err := f()
		if err == nil {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: %v", what, err)
		}
	}
}

// Bytes returns size random bytes from seed n, all values possible but those in
// without.
func Bytes(n, size int, without string) []byte {
	r := rand.New(rand.NewPCG(uint64(n), 0x6c61627761726465)) //nolint:gosec // the same bytes each time
	b := make([]byte, size)
	for i := range b {
		for b[i] = byte(r.Uint32()); strings.IndexByte(without, b[i]) >= 0; {
			b[i] = byte(r.Uint32())
		}
	}
	return b
}

func (h Harness) send(t *testing.T, s channel.Sender, m channel.Message) (channel.Receipt, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*h.Patience)
	defer cancel()
	start := time.Now()
	r, err := s.Send(ctx, m)
	if d := time.Since(start); d > 5*h.Patience {
		t.Errorf("Send took %v", d)
	}
	var ce *channel.Error
	if err != nil && !errors.As(err, &ce) {
		t.Errorf("error is no *channel.Error: %T %v", err, err)
	}
	if err != nil && len(m.Body) > 20 && strings.Contains(err.Error(), string(m.Body[:20])) {
		t.Errorf("error text holds content: %v", err)
	}
	return r, err
}

func (h Harness) good(t *testing.T, s channel.Sender, m channel.Message) channel.Receipt {
	t.Helper()
	r, err := h.send(t, s, m)
	if err != nil {
		t.Errorf("send: %v", err)
		return r
	}
	if r.Level != h.Success || r.Code == "" || r.At.IsZero() || r.Peer.Addr == "" {
		t.Errorf("receipt = level %v code %q at %v peer %+v", r.Level, r.Code, r.At, r.Peer)
	}
	return r
}

func (h Harness) bad(t *testing.T, s channel.Sender, m channel.Message, want ...channel.Class) {
	t.Helper()
	r, err := h.send(t, s, m)
	if err == nil {
		t.Errorf("send succeeded (%v %q), want class %v", r.Level, r.Code, want)
		return
	}
	got := channel.ClassOf(err)
	for _, w := range want {
		if got == w {
			return
		}
	}
	t.Errorf("class %v (%v), want %v", got, err, want)
}

func sameSet(got [][]byte, want map[string]int) error {
	have := map[string]int{}
	for _, b := range got {
		have[string(b)]++
	}
	for k, n := range want {
		if have[k] != n {
			return fmt.Errorf("a body of %d bytes arrived %d times, want %d (%d arrived in all)", len(k), have[k], n, len(got))
		}
	}
	if len(have) != len(want) {
		return fmt.Errorf("%d different bodies arrived, want %d", len(have), len(want))
	}
	return nil
}

func (h Harness) unchanged(t *testing.T) {
	h.with(t, None, func(t *testing.T, far Far) {
		want := map[string]int{}
		for i, size := range []int{0, 1, 2, 100, 4095, 4096, 4097, 8190, 16383, 16384, 65535, 65536, 65537, 1<<20 - 1, 1 << 20} {
			m := h.Message(i, size)
			want[string(m.Body)]++
			body := bytes.Clone(m.Body)
			h.good(t, far.Sender, m)
			if !bytes.Equal(body, m.Body) {
				t.Errorf("Send changed the message of %d bytes", size)
			}
		}
		if err := sameSet(far.Received(), want); err != nil {
			t.Error(err)
		}
	})
}

func (h Harness) concurrent(t *testing.T) {
	h.with(t, None, func(t *testing.T, far Far) {
		want := map[string]int{}
		var wg sync.WaitGroup
		for g := range 16 {
			for i := range 20 {
				want[string(h.Message(g*100+i, 700).Body)]++
			}
			wg.Go(func() {
				for i := range 20 {
					h.good(t, far.Sender, h.Message(g*100+i, 700))
				}
			})
		}
		wg.Wait()
		if err := sameSet(far.Received(), want); err != nil {
			t.Error(err)
		}
	})
}
