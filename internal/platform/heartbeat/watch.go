package heartbeat

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/event"
)

// skew is how far a beat's time may be from ours.
const skew = 5 * time.Minute

// Watcher takes beats and tells when they stop. Set its fields, then use it as
// an http.Handler and call Run once.
type Watcher struct {
	Lab  string // for messages
	Keys []note.Verifier
	Ways []alarm.Way
	// Patience is how long silence is borne; 0 means 90 s: with a beat every 30 s
	// a dead hub is noticed within two minutes.
	Patience time.Duration
	// Repeat is how often silence is told again; 0 means 15 min.
	Repeat time.Duration
	Now    func() time.Time
	Log    *slog.Logger

	mu    sync.Mutex
	last  Beat
	heard time.Time // when the last beat came; the start before the first
	down  time.Time // since when it is silent; zero while it beats
	todo  []*telling
	next  time.Time // of the next repetition
}

// telling is one message on one way.
type telling struct {
	way   alarm.Way
	m     alarm.Message
	next  time.Time
	tries int
}

func (w *Watcher) patience() time.Duration {
	if w.Patience <= 0 {
		return 90 * time.Second
	}
	return w.Patience
}

func (w *Watcher) repeat() time.Duration {
	if w.Repeat <= 0 {
		return 15 * time.Minute
	}
	return w.Repeat
}

// ServeHTTP takes a beat.
func (w *Watcher) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(rw, "post a beat", http.StatusMethodNotAllowed)
		return
	}
	signed, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, MaxBeat))
	if err != nil {
		http.Error(rw, "the beat is too large or broke off", http.StatusBadRequest)
		return
	}
	b, err := Open(signed, w.Keys...)
	if err != nil {
		w.Log.Warn("a request was no beat of the laboratory", "from", r.RemoteAddr)
		http.Error(rw, err.Error(), http.StatusForbidden)
		return
	}
	if why := w.take(b); why != "" {
		w.Log.Warn("a beat was not taken", "hub", b.Hub, "why", why)
		http.Error(rw, why, http.StatusConflict)
		return
	}
	rw.WriteHeader(http.StatusNoContent)
}

func (w *Watcher) take(b Beat) string {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Now()
	if d := now.Sub(b.At); d > skew || d < -skew {
		return fmt.Sprintf("its time is %s off ours: set the clocks", d.Round(time.Second))
	}
	if b.Seq <= w.last.Seq {
		return "it is not newer than the last one"
	}
	w.last, w.heard = b, now
	return ""
}

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	w.mu.Lock()
	w.heard = w.Now()
	w.mu.Unlock()
	step := min(max(w.patience()/20, 10*time.Millisecond), time.Second)
	tick := time.NewTicker(step)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		w.judge()
		w.send(ctx)
	}
}

// judge decides whether there is something to tell.
func (w *Watcher) judge() {
	w.mu.Lock()
	defer w.mu.Unlock()
	now := w.Now()
	silent := now.Sub(w.heard) > w.patience()
	switch {
	case silent && w.down.IsZero():
		w.down, w.next = w.heard, now.Add(w.repeat())
		w.Log.Error("ALARM: the hub's heartbeat has stopped", "hub", w.last.Hub, "last", w.heard.UTC())
		w.tell(alarm.Raised, now)
	case silent && !now.Before(w.next):
		w.next = now.Add(w.repeat())
		w.tell(alarm.Again, now)
	case !silent && !w.down.IsZero():
		w.Log.Info("the hub's heartbeat is back", "hub", w.last.Hub)
		w.tell(alarm.Over, now)
		w.down = time.Time{}
	}
}

// tell replaces what was not told yet: only the last word counts.
func (w *Watcher) tell(what string, now time.Time) {
	hub := w.last.Hub
	if hub == "" {
		hub = "the hub"
	}
	m := alarm.Message{
		ID: event.NewID().String(), What: what, Lab: w.Lab, Kind: "hub.silent", About: w.last.Hub, Severity: alarm.Urgent.String(),
		Since: w.down.UTC(), At: now.UTC(),
	}
	since := w.down.In(now.Location()).Format("2006-01-02 15:04:05 MST")
	lines := []string{
		fmt.Sprintf("No heartbeat of %s has come since %s.", hub, since),
		"Either the hub is dead, or it cannot reach this watcher. Results may not be flowing: look at its machine.",
	}
	m.Subject = "Urgent: the heartbeat of " + hub + " has stopped"
	if what == alarm.Over {
		m.Subject = "Over: the heartbeat of " + hub + " is back"
		lines = []string{fmt.Sprintf("It was away since %s.", since)}
	}
	alarm.Finish(&m, lines)
	w.todo = nil
	for _, way := range w.Ways {
		w.todo = append(w.todo, &telling{way: way, m: m})
	}
}

// send tries what is due over every way at once.
func (w *Watcher) send(ctx context.Context) {
	w.mu.Lock()
	now := w.Now()
	var due []*telling
	for _, t := range w.todo {
		if !t.next.After(now) {
			due = append(due, t)
		}
	}
	w.mu.Unlock()
	var wg sync.WaitGroup
	for _, t := range due {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
			defer cancel()
			answer, err := t.way.Sender.Send(ctx, t.m)
			w.mu.Lock()
			defer w.mu.Unlock()
			t.tries++
			if err != nil {
				t.next = w.Now().Add(min(5*time.Second<<min(t.tries-1, 6), 2*time.Minute))
				w.Log.Error("nobody could be told over this way; it is tried again", "way", t.way.Name, "error", err)
				return
			}
			w.Log.Info("told", "way", t.way.Name, "what", t.m.What, "answer", answer)
			for i, x := range w.todo {
				if x == t {
					w.todo = append(w.todo[:i], w.todo[i+1:]...)
					break
				}
			}
		})
	}
	wg.Wait()
}
