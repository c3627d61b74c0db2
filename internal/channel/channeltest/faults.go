package channeltest

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

func (h Harness) endedBefore(t *testing.T) {
	h.with(t, None, func(t *testing.T, far Far) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := far.Sender.Send(ctx, h.Message(1, 100))
		if err == nil || channel.ClassOf(err) != channel.Unreachable || !errors.Is(err, context.Canceled) {
			t.Errorf("send with an ended context: %v", err)
		}
		if n := len(far.Received()); n != 0 {
			t.Errorf("%d messages arrived", n)
		}
		// The sender is none the worse for it.
		h.good(t, far.Sender, h.Message(2, 100))
	})
}

func (h Harness) afterClose(t *testing.T) {
	h.with(t, None, func(t *testing.T, far Far) {
		h.good(t, far.Sender, h.Message(1, 100))
		if err := far.Sender.Close(); err != nil {
			t.Error(err)
		}
		h.bad(t, far.Sender, h.Message(2, 100), channel.Unreachable)
		if n := len(far.Received()); n != 1 {
			t.Errorf("%d messages arrived, want 1", n)
		}
	})
}

func (h Harness) refuses(t *testing.T, far Far) {
	h.bad(t, far.Sender, h.Message(1, 100), channel.Unreachable, channel.Misconfigured)
	if n := len(far.Received()); n != 0 {
		t.Errorf("%d messages arrived", n)
	}
}

// hangs: large enough that it cannot vanish in buffers unread.
func (h Harness) hangs(t *testing.T, far Far) {
	h.bad(t, far.Sender, h.Message(1, 1<<20), channel.Unanswered, channel.Unreachable)
	h.bad(t, far.Sender, h.Message(2, 10), channel.Unanswered, channel.Unreachable)
}

func (h Harness) unanswered(t *testing.T, far Far) {
	h.bad(t, far.Sender, h.Message(1, 100), channel.Unanswered)
	// The next one is not helped by what was left of the first.
	h.bad(t, far.Sender, h.Message(2, 100), channel.Unanswered)
}

func (h Harness) garbage(t *testing.T, far Far) {
	if h.GarbageIsFine {
		h.good(t, far.Sender, h.Message(1, 100))
		return
	}
	h.unanswered(t, far)
}

// twice: each receipt must carry its own message's reply, so the second of two
// replies must not be taken for the next message's.
func (h Harness) twice(t *testing.T, far Far) {
	seen := map[string]bool{}
	for i := range 20 {
		r := h.good(t, far.Sender, h.Message(i, 50))
		if seen[string(r.Body)] {
			t.Fatalf("message %d got a reply that was used before", i)
		}
		seen[string(r.Body)] = true
	}
	want := map[string]int{}
	for i := range 20 {
		want[string(h.Message(i, 50).Body)]++
	}
	if err := sameSet(far.Received(), want); err != nil {
		t.Error(err)
	}
}

func (h Harness) slow(t *testing.T, far Far) {
	for i := range 3 {
		h.good(t, far.Sender, h.Message(i, 100))
	}
}

func (h Harness) declines(t *testing.T, far Far) {
	h.bad(t, far.Sender, h.Message(1, 100), h.Declined)
	h.bad(t, far.Sender, h.Message(2, 100), h.Declined)
}

func (h Harness) cancelled(t *testing.T, far Far) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := far.Sender.Send(ctx, h.Message(1, 100))
		done <- err
	}()
	Eventually(t, "message arrives", func() error {
		if len(far.Received()) == 0 {
			return errors.New("nothing yet")
		}
		return nil
	})
	cancel()
	h.ends(t, done, context.Canceled)
}

func (h Harness) closedDuring(t *testing.T, far Far) {
	done := make(chan error, 1)
	go func() {
		_, err := far.Sender.Send(t.Context(), h.Message(1, 100))
		done <- err
	}()
	Eventually(t, "message arrives", func() error {
		if len(far.Received()) == 0 {
			return errors.New("nothing yet")
		}
		return nil
	})
	if err := far.Sender.Close(); err != nil {
		t.Error(err)
	}
	h.ends(t, done, nil)
}

// ends: the Send in flight ends well before its timeout could, as Unanswered.
func (h Harness) ends(t *testing.T, done <-chan error, is error) {
	t.Helper()
	select {
	case err := <-done:
		if channel.ClassOf(err) != channel.Unanswered || err == nil || (is != nil && !errors.Is(err, is)) {
			t.Errorf("send ended with %v", err)
		}
	case <-time.After(h.Patience):
		t.Error("send did not end")
	}
}
