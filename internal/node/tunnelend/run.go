package tunnelend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/labwarden/labwarden/internal/channel/tunnel"
)

// Deps are the inputs from outside.
type Deps struct {
	Now func() time.Time
	Log *slog.Logger
}

func (f Folder) deps(d Deps) tunnel.FarDeps {
	host, err := os.Hostname()
	if err != nil {
		host = "" // a name for people only
	}
	return tunnel.FarDeps{Save: f.save, Confirmed: f.Confirmed, Host: host, Now: d.Now, Log: d.Log}
}

// Join enrols this machine and keeps its keys in the folder, which it makes.
func Join(ctx context.Context, f Folder, token string, d Deps) (tunnel.FarState, error) {
	var none tunnel.FarState
	t, err := tunnel.ParseToken(token)
	if err != nil {
		return none, err
	}
	if err := os.MkdirAll(string(f), 0o700); err != nil {
		return none, fmt.Errorf("make the tunnel's folder: %w", err)
	}
	l, err := f.lock()
	if err != nil {
		return none, err
	}
	defer l.Close()
	if _, err := f.State(); !errors.Is(err, ErrNotJoined) {
		return none, ErrJoined
	}
	// The token works once: a folder that cannot be written is found out before.
	if err := f.Confirm([]string{}); err != nil {
		return none, err
	}
	s, err := tunnel.Join(ctx, t, f.deps(d))
	if err != nil {
		return none, err
	}
	return s, f.save(s)
}

// Run keeps the tunnel up until ctx ends or the hub removes it. shown is called
// with what is forwarded, and again whenever that has changed.
func Run(ctx context.Context, f Folder, d Deps, shown func(s tunnel.FarState, forwards, waits []string)) error {
	l, err := f.lock()
	if err != nil {
		return err
	}
	defer l.Close()
	s, err := f.State()
	if err != nil {
		return err
	}
	far := tunnel.NewFar(s, f.deps(d))
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	go func() { done <- far.Run(ctx) }()
	defer cancel()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	last := "-"
	for {
		now, _ := far.State()
		agreed := f.Confirmed()
		forwards := tunnel.Confirmed(now, agreed)
		waits := []string{}
		for _, x := range now.Lines() {
			if !contains(forwards, x) {
				waits = append(waits, x)
			}
		}
		if text := fmt.Sprint(forwards, waits); text != last {
			last = text
			shown(now, forwards, waits)
		}
		select {
		case err := <-done:
			return err
		case <-tick.C:
		}
	}
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
