package bypass

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// It ends by itself after eight hours, and warns before.
func TestBypassEndsAfterEightHoursAndWarnsBefore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var at []time.Duration
		x := newTerm(time.Now, func(time.Duration) { at = append(at, time.Since(begin)) })
		if !x.run(t.Context()) || time.Since(begin) != Length {
			t.Errorf("ended after %v", time.Since(begin))
		}
		want := []time.Duration{7 * time.Hour, 7*time.Hour + 30*time.Minute, 7*time.Hour + 50*time.Minute, 7*time.Hour + 59*time.Minute}
		if !slices.Equal(at, want) {
			t.Errorf("warned at %v", at)
		}
	})
}

func TestExtendedBypassEndsEightHoursLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin, warned := time.Now(), 0
		x := newTerm(time.Now, func(time.Duration) { warned++ })
		go func() {
			timer := time.NewTimer(7*time.Hour + 45*time.Minute)
			<-timer.C
			x.extend()
		}()
		if !x.run(t.Context()) || time.Since(begin) != 15*time.Hour+45*time.Minute || warned != 6 {
			t.Errorf("ended after %v with %d warnings", time.Since(begin), warned)
		}
	})
}

func TestStoppedBypassIsNotOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if newTerm(time.Now, func(time.Duration) {}).run(ctx) {
			t.Error("over")
		}
	})
}

// A person extends and closes it over the socket, by name; both are in the log.
func TestPersonExtendsAndCloses(t *testing.T) {
	r := newRig(t)
	socket := filepath.Join(t.TempDir(), "s")
	ln, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	p := &Program{Relay: r.Relay, Card: Card{Number: 7, Revision: "ab"}, Control: ln, Now: time.Now, Slog: slog.New(slog.DiscardHandler)}
	if err := p.Begin(); !errors.Is(err, ErrUnnamed) {
		t.Errorf("opened by nobody: %v", err)
	}
	p.Opening = Named{"R. Alvarez", "the hub does not start"}
	if err := p.Begin(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan Ended, 1)
	go func() {
		e, err := p.Run(context.Background())
		if err != nil {
			t.Error(err)
		}
		ended <- e
	}()
	ask := func(what string, n *Named) (State, error) { return Ask(t.Context(), socket, what, n) }
	if st, err := ask("state", nil); err != nil || st.By != "R. Alvarez" || st.Number != 7 {
		t.Errorf("%+v %v", st, err)
	}
	if _, err := ask("extend", &Named{"", "why"}); err == nil {
		t.Error("extended by nobody")
	}
	if st, err := ask("extend", &Named{"M. Okafor", "still dead"}); err != nil || !st.Until.After(p.opened.Add(Length)) {
		t.Errorf("%+v %v", st, err)
	}
	if _, err := ask("close", &Named{"M. Okafor", "hub is back"}); err != nil {
		t.Fatal(err)
	}
	if e := <-ended; e.By != "M. Okafor" || e.Over {
		t.Errorf("%+v", e)
	}
	for kind, by := range map[string]string{Opened: "R. Alvarez", Extended: "M. Okafor", Closed: "M. Okafor"} {
		if x := r.records(kind); len(x) != 1 || x[0].By != by {
			t.Errorf("%s: %+v", kind, x)
		}
	}
	if _, err := ask("state", nil); !errors.Is(err, ErrNotOpen) {
		t.Errorf("after its end: %v", err)
	}
}
