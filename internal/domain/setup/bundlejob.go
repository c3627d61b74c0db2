package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// BundleJob makes a support bundle in the background and keeps the last one for a
// while, in memory: looking through every stored message takes minutes in a large
// laboratory.
type BundleJob struct {
	// Make makes one, and calls told for each value it has looked for.
	Make func(ctx context.Context, by string, told func()) ([]byte, Manifest, error)
	// Done is called when one has ended, and about each second before; nil for
	// nothing.
	Done func()
	Now  func() time.Time
	Log  *slog.Logger

	mu    sync.Mutex
	state BundleState
	said  time.Time // when Done was called last
	zip   []byte
}

// BundleState is how the last bundle is.
type BundleState struct {
	By       string    `json:"by,omitempty"`
	Began    time.Time `json:"began,omitzero"`
	Ended    time.Time `json:"ended,omitzero"`
	Values   int64     `json:"values" doc:"patients' values looked for so far"`
	Ready    bool      `json:"ready" doc:"it can be fetched"`
	Problem  string    `json:"problem,omitempty"`
	Bytes    int       `json:"bytes"`
	Manifest Manifest  `json:"manifest,omitzero"`
}

// Busy says that one is being made.
func (s BundleState) Busy() bool { return !s.Began.IsZero() && s.Ended.IsZero() }

const (
	bundleKept = time.Hour
	bundleTime = time.Hour // one takes at most
)

// Errors of bundles.
var (
	ErrBundleBusy = errors.New("a bundle is being made already")
	ErrNoBundle   = errors.New("there is no bundle, or it is older than an hour: make one")
)

// Start begins one; ErrBundleBusy while another is being made.
func (j *BundleJob) Start(ctx context.Context, by string) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.state.Busy() {
		return ErrBundleBusy
	}
	j.state, j.zip, j.said = BundleState{By: by, Began: j.Now()}, nil, j.Now()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), bundleTime)
	go func() {
		defer cancel()
		zip, m, err := j.make(ctx, by)
		j.mu.Lock()
		j.state.Ended, j.state.Manifest = j.Now(), m
		switch {
		case errors.Is(err, ErrPatientData):
			j.state.Problem = "Something in it is the same as a patient's value in the store. It was not made; tell who makes Labwarden that it was refused, not what is in it."
		case err != nil:
			j.Log.Error("a support bundle could not be made", "error", err)
			j.state.Problem = "It could not be made; the log says why."
		default:
			j.state.Ready, j.zip, j.state.Bytes = true, zip, len(zip)
		}
		j.mu.Unlock()
		if j.Done != nil {
			j.Done()
		}
	}()
	return nil
}

func (j *BundleJob) make(ctx context.Context, by string) (zip []byte, m Manifest, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("making a bundle panicked: %v", p)
		}
	}()
	return j.Make(ctx, by, j.told)
}

// told counts one value that was looked for.
func (j *BundleJob) told() {
	j.mu.Lock()
	j.state.Values++
	say := j.Done != nil && j.state.Values%1024 == 0 && j.Now().Sub(j.said) >= time.Second
	if say {
		j.said = j.Now()
	}
	j.mu.Unlock()
	if say {
		j.Done()
	}
}

// State is how the last one is.
func (j *BundleJob) State() BundleState {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.state.Ended.IsZero() && j.Now().Sub(j.state.Ended) > bundleKept {
		j.state, j.zip = BundleState{}, nil
	}
	return j.state
}

// Zip is the last one; ErrNoBundle where there is none.
func (j *BundleJob) Zip() ([]byte, error) {
	if !j.State().Ready {
		return nil, ErrNoBundle
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.zip, nil
}
