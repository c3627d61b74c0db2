package setup_test

import (
	"context"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// ended works off one replay.
func (r *rig) ended(number int64) setup.Run {
	r.t.Helper()
	ctx, stop := context.WithCancel(r.t.Context())
	told, done := make(chan int64, 1000), make(chan error, 1)
	r.service.OnReplay(func(n int64) { told <- n })
	go func() { done <- r.service.Run(ctx) }()
	defer func() {
		stop()
		r.must(<-done)
	}()
	for {
		select {
		case <-told:
		case <-time.After(10 * time.Second):
			r.t.Fatal("it does not end")
		}
		if x, err := r.service.Replay(number); err != nil || x.State >= setup.RunEnded {
			r.must(err)
			return x
		}
	}
}

// TestADraftAsksNothingOfPatients: rules that read the patient's are tried by those
// alone who may see patients' data, what came of it is shown to who asked, and a
// draft that is changed while it waits is not tried.
func TestADraftAsksNothingOfPatients(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		d := r.draft(ann, "name: North", "name: N2")
		r.lab.Patients = []string{"route a reads PID-5.1"}
		r.want(r.service.StartReplay(ctx, d.Number, r.now, ann, false), setup.ErrReads)
		_, err := r.service.Replay(d.Number)
		r.want(err, setup.ErrNoReplay)
		r.must(r.service.StartReplay(ctx, d.Number, r.now, dir, true))
		x := r.ended(d.Number)
		if s := x.Shown(dir.Account, true); !s.Listed || s.Withheld || len(s.Differences) != 200 || s.Changed != 100 {
			t.Errorf("who asked: %+v", s)
		}
		for account, reveal := range map[string]bool{ann.Account: false, bob.Account: true, dir.Account: false} {
			if s := x.Shown(account, reveal); s.Listed || !s.Withheld || len(s.Differences)+len(s.Groups)+len(s.Kinds) > 0 || s.Changed != 0 || s.More != 0 {
				t.Errorf("%s, %v: %+v", account, reveal, s)
			}
		}
		// It read nothing when it was asked for, and does when its turn comes.
		r.lab.Patients = nil
		r.must(r.service.StartReplay(ctx, d.Number, r.now, ann, false))
		r.lab.Patients = []string{"route a reads PID-5.1"}
		if x = r.ended(d.Number); x.State != setup.RunFailed || len(x.Differences) > 0 {
			t.Errorf("%+v", x)
		}
		r.lab.Patients = nil
		r.must(r.service.StartReplay(ctx, d.Number, r.now, ann, false))
		r.edit(d, ann, "name: N2", "name: N3")
		if x = r.ended(d.Number); x.State != setup.RunFailed || len(x.Differences) > 0 {
			t.Errorf("%+v", x)
		}
	})
}

// TestCountsOfAReplay: who may not see patients' data sees counts alone, and of
// fewer than five messages no more than that.
func TestCountsOfAReplay(t *testing.T) {
	x := setup.Run{
		By: "ann", Reveal: true, Differences: []setup.Difference{{Message: "m"}}, More: 7,
		Groups:   []setup.Group{{Kind: "bytes", Messages: 1}, {Kind: "refused", Messages: 4}, {Kind: "state", Messages: 5}},
		Replayed: setup.Replayed{Messages: 2, Changed: 3, Unreadable: 1, Kinds: map[string]int64{"bytes": 1, "refused": 4, "state": 5}},
	}
	for _, s := range []setup.Run{x.Shown("ann", false), x.Shown("bob", true), x.Shown("bob", false)} {
		if s.Listed || s.Withheld || len(s.Differences) > 0 || s.More != 0 || s.Changed != 4 || s.Unreadable != 4 || s.Messages != 2 {
			t.Errorf("%+v", s)
		}
		if s.Groups[0].Messages != 4 || s.Groups[1].Messages != 4 || s.Groups[2].Messages != 5 || s.Kinds["bytes"] != 4 || s.Kinds["state"] != 5 {
			t.Errorf("%+v", s)
		}
	}
	if s := x.Shown("ann", true); !s.Listed || len(s.Differences) != 1 || s.Changed != 3 || s.Groups[0].Messages != 1 {
		t.Errorf("%+v", s)
	}
	x.Reveal = false // they may now, they might not when they asked and it was recorded
	if s := x.Shown("ann", true); s.Listed {
		t.Errorf("%+v", s)
	}
}

// TestReplaysAreBounded: many questions answer together what none does alone.
func TestReplaysAreBounded(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		d := r.draft(ann, "name: North", "name: N2")
		ask := func() error {
			err := r.service.StartReplay(t.Context(), d.Number, r.now, ann, true)
			if err == nil {
				r.ended(d.Number)
			}
			return err
		}
		for range 12 {
			r.now = r.now.Add(time.Minute)
			r.must(ask())
		}
		r.want(ask(), setup.ErrOften)
		r.must(r.service.StartReplay(t.Context(), d.Number, r.now, bob, true)) // others may
		r.ended(d.Number)
		r.now = r.now.Add(49 * time.Minute) // the first is an hour old
		r.must(ask())
		r.want(ask(), setup.ErrOften)
	})
}
