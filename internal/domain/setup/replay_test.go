package setup_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestADayIsReplayedAgainstADraft: one after the other, with progress, bounded.
func TestADayIsReplayedAgainstADraft(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		d := r.draft(ann, "name: North", "name: N2")
		_, err := r.service.Replay(d.Number)
		r.want(err, setup.ErrNoReplay)
		r.want(r.service.StartReplay(ctx, d.Number, r.now.Add(48*time.Hour), ann, false), setup.ErrDay)
		r.must(r.service.StartReplay(ctx, d.Number, r.now, ann, false))
		r.want(r.service.StartReplay(ctx, d.Number, r.now, ann, false), setup.ErrBusy)
		told := make(chan int64, 1000)
		r.service.OnReplay(func(n int64) { told <- n })
		run, stop := context.WithCancel(ctx)
		done := make(chan error, 1)
		go func() { done <- r.service.Run(run) }()
		ended := func() setup.Run {
			t.Helper()
			for {
				select {
				case <-told:
				case <-time.After(10 * time.Second):
					t.Fatal("it does not end")
				}
				if x, err := r.service.Replay(d.Number); err != nil || x.State >= setup.RunEnded {
					return x
				}
			}
		}
		x := ended()
		if x.State != setup.RunEnded || x.Messages != 100 || len(x.Differences) != 200 || x.More != 100 || x.Done != 100 || x.Day.Hour() != 0 {
			t.Fatalf("%+v", x)
		}
		r.lab.Fail = errors.New("disk")
		r.must(r.service.StartReplay(ctx, d.Number, r.now, ann, false))
		if x = ended(); x.State != setup.RunFailed || x.Problem == "" {
			t.Fatalf("%+v", x)
		}
		stop()
		r.must(<-done)
	})
}
