package results

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/lease"
	"github.com/labwarden/labwarden/internal/platform/store"
)

// TestOriginalDoesNotLeaveWhileItIsBeingSuperseded: between the look at the wire
// and the commit the original's next try comes due. It must not go out then and
// read "superseded" afterwards.
func TestOriginalDoesNotLeaveWhileItIsBeingSuperseded(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		box.set(fails(channel.Unreachable, ""))
		a := l.taken(oru("A1", "4711", "100"))
		b := l.taken(correction("A3", "4711", "100"))
		l.run()
		pass(200 * time.Millisecond) // one try, noted; the next is due within the second
		if box.tried() != 1 {
			t.Fatalf("%d tries", box.tried())
		}
		done, free := make(chan error, 1), l.busy()
		go func() { done <- second(l.SendAlone(t.Context(), to(t, b, "north").Seq, ann)) }()
		box.set(nil)
		pass(5 * time.Second)
		if got := box.list(); len(got) != 0 {
			t.Errorf("%v left while the original was being superseded", got)
		}
		free()
		must(t, <-done)
		pass(5 * time.Second)
		if got := box.list(); !slices.Equal(got, []string{"A3"}) {
			t.Errorf("north got %v", got)
		}
		if d := l.delivery(to(t, a, "north").Seq); d.State != Superseded {
			t.Errorf("%+v", d)
		}
	})
}

// TestOriginalGoesWhenItIsNotSupersededAfterAll: what was set aside goes on.
func TestOriginalGoesWhenItIsNotSupersededAfterAll(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		box := l.boxes["north"]
		box.set(fails(channel.Unreachable, ""))
		a := l.taken(oru("A1", "4711", "100"))
		b := l.taken(correction("A3", "4711", "100"))
		l.run()
		pass(200 * time.Millisecond)
		done, free := make(chan error, 1), l.busy()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- second(l.SendAlone(ctx, to(t, b, "north").Seq, ann)) }()
		box.set(nil)
		pass(3 * time.Second)
		cancel() // whoever asked has gone
		free()
		if err := <-done; err == nil {
			t.Fatal("it was superseded")
		}
		pass(5 * time.Second)
		if got := box.list(); !slices.Equal(got, []string{"A1", "A3"}) {
			t.Errorf("north got %v", got)
		}
		if d := l.delivery(to(t, a, "north").Seq); d.State != Done {
			t.Errorf("%+v", d)
		}
	})
}

// TestNothingIsSupersededOnceAnotherNodeDelivers: the node lost the lease after
// the look; what the other one sends, only that one knows.
func TestNothingIsSupersededOnceAnotherNodeDelivers(t *testing.T) {
	bubble(t, func(t *testing.T, l *lab) {
		l.boxes["north"].set(fails(channel.Unreachable, ""))
		a := l.taken(oru("A1", "4711", "100"))
		b := l.taken(correction("A3", "4711", "100"))
		var lost atomic.Bool
		l.runUnder(store.WithFence(context.Background(), func(context.Context, *store.Tx) error {
			if lost.Load() {
				return lease.ErrLost
			}
			return nil
		}))
		pass(200 * time.Millisecond)
		lost.Store(true)
		_, err := l.SendAlone(t.Context(), to(t, b, "north").Seq, ann)
		wantErr(t, err, ErrConflict)
		if !strings.Contains(err.Error(), "holds the lease") {
			t.Errorf("%v", err)
		}
		if d := l.delivery(to(t, a, "north").Seq); d.State != Waiting {
			t.Errorf("%+v", d)
		}
	})
}

// busy keeps the database's writer busy until the returned function is called.
func (l *lab) busy() (free func()) {
	hold, held, ended := make(chan struct{}), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		once := false
		_ = l.db.Do(context.Background(), func(context.Context, *store.Tx) error {
			if !once {
				once = true
				close(held)
				<-hold
			}
			return nil
		})
	}()
	<-held
	return func() { close(hold); <-ended }
}
