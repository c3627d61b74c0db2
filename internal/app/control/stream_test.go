package control_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/app/desk"
	"github.com/labwarden/labwarden/internal/domain/results"
)

// day is a desk whose replay finds so many differences, then does as it is told.
type day struct {
	desk.Desk
	differences int
	then        func(ctx context.Context) error
}

func (d day) Replay(ctx context.Context, _ desk.ReplayRequest, each func(results.Difference) error, progress func(int64)) (desk.ReplaySummary, error) {
	sum := desk.ReplaySummary{}
	for i := range d.differences {
		progress(int64(i))
		if err := each(results.Difference{Source: "lis"}); err != nil {
			return sum, err
		}
	}
	sum.Messages = int64(d.differences)
	return sum, d.then(ctx)
}

func replaying(d day, l control.Limits) func(*control.Server) {
	return func(s *control.Server) {
		s.Operate, s.Limits = func(string) desk.Desk { return d }, l
	}
}

func done(context.Context) error { return nil }

func TestALongAnswerIsBoundedAndSaysSo(t *testing.T) {
	r := newRig(t, replaying(day{differences: 25, then: done}, control.Limits{Lines: 10}))
	seen, told := 0, 0
	sum, err := r.client.Replay(t.Context(), desk.ReplayRequest{}, func(results.Difference) error { seen++; return nil }, func(int64) { told++ })
	if err != nil || seen != 10 || sum.NotShown != 15 || sum.Messages != 25 {
		t.Errorf("%d shown, %+v, %v", seen, sum, err)
	}
	if told != 1 { // once a second, and this took less
		t.Errorf("progress was told %d times", told)
	}
}

func TestALongAnswerThatFailsIsNoAnswer(t *testing.T) {
	secret := errors.New("the disk at /dev/secret is gone")
	r := newRig(t, replaying(day{differences: 3, then: func(context.Context) error { return secret }}, control.Limits{}))
	seen := 0
	_, err := r.client.Replay(t.Context(), desk.ReplayRequest{}, func(results.Difference) error { seen++; return nil }, nil)
	kind(t, err, control.Internal)
	if seen != 3 || errors.Is(err, secret) || err.Error() == secret.Error() {
		t.Errorf("%d shown, %v", seen, err)
	}
}

func TestOneReplayAtATimeAndAnAbandonedOneEnds(t *testing.T) {
	inside, ended := make(chan struct{}), make(chan struct{})
	r := newRig(t, replaying(day{then: func(ctx context.Context) error {
		close(inside)
		<-ctx.Done()
		close(ended)
		return ctx.Err()
	}}, control.Limits{}))
	ctx, leave := context.WithCancel(t.Context())
	first := make(chan error, 1)
	go func() {
		_, err := r.client.Replay(ctx, desk.ReplayRequest{}, nil, nil)
		first <- err
	}()
	<-inside
	_, err := control.NewClient(r.socket).Replay(t.Context(), desk.ReplayRequest{}, nil, nil)
	kind(t, err, control.Unavailable)
	leave()
	if err := <-first; !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
	select {
	case <-ended:
	case <-time.After(10 * time.Second):
		t.Error("the replay of a caller who has left goes on")
	}
}

func TestAReplayEndsInTime(t *testing.T) {
	r := newRig(t, replaying(day{then: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}, control.Limits{Audit: 100 * time.Millisecond}))
	if _, err := r.client.Replay(t.Context(), desk.ReplayRequest{}, nil, nil); err == nil {
		t.Error("a replay without an end was an answer")
	}
}

// The time for reading a request must not end the work it asks for.
func TestALongAnswerOutlivesTheTimeForTheRequest(t *testing.T) {
	r := newRig(t, replaying(day{then: func(ctx context.Context) error {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(400 * time.Millisecond):
			return nil
		}
	}}, control.Limits{Header: 100 * time.Millisecond, Read: 100 * time.Millisecond, Answer: 100 * time.Millisecond}))
	if _, err := r.client.Replay(t.Context(), desk.ReplayRequest{}, nil, nil); err != nil {
		t.Error(err)
	}
}
