package folder

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// ledgerOf is a taker that keeps its own list, knows repeats by the control id,
// and answers as the hub does.
type ledgerOf struct {
	mu      sync.Mutex
	stored  []string
	asked   []string
	refused map[string]bool
	busy    map[string]int // how often it cannot yet
}

func (l *ledgerOf) Present(_ context.Context, from channel.Peer, body []byte) (Answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, err := hl7.ReadHeader(body)
	if err != nil || from.Proof != "folder" {
		return Answer{}, errors.New("not a message from a folder")
	}
	id := string(h.ControlID)
	l.asked = append(l.asked, id)
	ack := func(code string) []byte {
		return hl7.AppendAck(nil, &h, hl7.AckOptions{Code: code, ControlID: "A", Time: time.Unix(0, 0)})
	}
	switch {
	case l.busy[id] > 0:
		l.busy[id]--
		return Answer{Body: ack("AR"), Again: true}, nil
	case l.refused[id]:
		return Answer{Body: ack("AE")}, nil
	}
	if !slices.Contains(l.stored, id) {
		l.stored = append(l.stored, id)
	}
	return Answer{Body: ack("AA"), Taken: true}, nil
}

func (l *ledgerOf) list() []string { l.mu.Lock(); defer l.mu.Unlock(); return slices.Clone(l.stored) }

func msg(id string) string {
	return "MSH|^~\\&|LIS|LAB|||20260101||ORU^R01|" + id + "|P|2.5.1\rPID|1\rOBX|1|NM|X||1\r"
}

func batch(ids ...string) string {
	s := "FHS|^~\\&|LIS\rBHS|^~\\&|LIS\r"
	for _, id := range ids {
		s += msg(id)
	}
	return s + fmt.Sprintf("BTS|%d\rFTS|1\r", len(ids))
}

type rig struct {
	t     *testing.T
	dir   string
	taker *ledgerOf
	now   time.Time
	conf  WatchConfig
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, dir: t.TempDir(), taker: &ledgerOf{refused: map[string]bool{}, busy: map[string]int{}}, now: time.Unix(1e9, 0)}
	r.conf = WatchConfig{Name: "lis", Dir: r.dir, Taker: r.taker, Now: func() time.Time { return r.now }}
	return r
}

func (r *rig) watcher() *Watcher {
	r.t.Helper()
	w, err := NewWatcher(r.conf)
	if err != nil {
		r.t.Fatal(err)
	}
	return w
}

// put writes a file as old as n says: a smaller n is older.
func (r *rig) put(name, text string, n int) {
	r.t.Helper()
	p := filepath.Join(r.dir, name)
	if err := os.WriteFile(p, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	at := time.Unix(1e8+int64(n), 0)
	if err := os.Chtimes(p, at, at); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) names(dir string) []string {
	r.t.Helper()
	es, err := os.ReadDir(filepath.Join(r.dir, dir))
	if err != nil {
		r.t.Fatal(err)
	}
	var out []string
	for _, e := range es {
		if e.Type().IsRegular() && e.Name() != ".labwarden.lock" {
			out = append(out, e.Name())
		}
	}
	return out
}

func (r *rig) want(dir string, names ...string) {
	r.t.Helper()
	if got := r.names(dir); !slices.Equal(got, names) {
		r.t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

func (r *rig) look(w *Watcher) {
	r.t.Helper()
	if err := w.Look(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

func TestWatcherTakesFilesOldestFirst(t *testing.T) {
	r := newRig(t)
	r.put("b.hl7", msg("1"), 1)
	r.put("a.hl7", msg("3")+msg("4"), 3) // several behind one another
	r.put("c.hl7", batch("2", "2b"), 2)
	r.put(".hidden", msg("x"), 0)
	r.put("writing.part", msg("x"), 0)
	if err := os.Symlink("/etc/passwd", filepath.Join(r.dir, "link.hl7")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(r.dir, "pipe.hl7"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.look(r.watcher())
	if got := r.taker.list(); !slices.Equal(got, []string{"1", "2", "2b", "3", "4"}) {
		t.Errorf("took %q", got)
	}
	r.want("done", "a.hl7", "a.hl7.ack", "b.hl7", "b.hl7.ack", "c.hl7", "c.hl7.ack")
	r.want(".", ".hidden", "writing.part")
	b, err := os.ReadFile(filepath.Join(r.dir, "done", "a.hl7.ack"))
	if err != nil || strings.Count(string(b), "MSA|AA") != 2 || !strings.Contains(string(b), "MSA|AA|4") {
		t.Errorf("answer %q, %v", b, err)
	}
	// The same name again takes another name in done.
	r.put("a.hl7", msg("5"), 9)
	r.look(r.watcher())
	r.want("done", "a-1.hl7", "a-1.hl7.ack", "a.hl7", "a.hl7.ack", "b.hl7", "b.hl7.ack", "c.hl7", "c.hl7.ack")
}

func TestWatcherWaitsUntilAFileHasSettled(t *testing.T) {
	r := newRig(t)
	r.conf.Settle = 5 * time.Second
	w := r.watcher()
	r.put("a.hl7", msg("1"), 1)
	r.look(w)
	r.now = r.now.Add(4 * time.Second)
	r.put("a.hl7", msg("1")+msg("2"), 2) // it still grows
	r.look(w)
	r.now = r.now.Add(4 * time.Second)
	r.look(w)
	if got := r.taker.list(); len(got) != 0 {
		t.Fatalf("took %q from a growing file", got)
	}
	r.now = r.now.Add(time.Second)
	r.look(w)
	if got := r.taker.list(); !slices.Equal(got, []string{"1", "2"}) {
		t.Errorf("took %q", got)
	}
}

func TestWatcherPutsAsideWhatIsNotWholeOrRefused(t *testing.T) {
	for name, c := range map[string]struct {
		text, says string
		stored     []string
	}{
		"batch cut off":     {strings.TrimSuffix(batch("1", "2"), "BTS|2\rFTS|1\r"), "not whole", nil},
		"batch count":       {strings.Replace(batch("1", "2"), "BTS|2", "BTS|3", 1), "not whole", nil},
		"stray line":        {"garbage\r" + msg("1"), "not whole", nil},
		"no message":        {"\r\n", "no HL7 message", nil},
		"too large":         {msg("1") + strings.Repeat("NTE|1||x\r", 200), "larger than 1000 bytes", nil},
		"message too large": {msg("1") + msg("2") + strings.Repeat("NTE|1||x\r", 60), "Message 2 (line 4) is larger", nil},
		"one is refused":    {msg("1") + msg("BAD") + msg("3"), "MSA|AE|BAD", []string{"1", "3"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.conf.MaxFile, r.conf.MaxMessage = 1000, 300
			r.taker.refused["BAD"] = true
			r.put("f.hl7", c.text, 1)
			r.put("next.hl7", msg("9"), 2)
			r.look(r.watcher())
			r.want("failed", "f.hl7", "f.hl7.ack")
			r.want("done", "next.hl7", "next.hl7.ack")
			b, err := os.ReadFile(filepath.Join(r.dir, "failed", "f.hl7.ack"))
			if err != nil || !strings.Contains(string(b), c.says) {
				t.Errorf("answer %q, %v", b, err)
			}
			if got := r.taker.list(); !slices.Equal(got, append(c.stored, "9")) {
				t.Errorf("took %q", got)
			}
			if kept, err := os.ReadFile(filepath.Join(r.dir, "failed", "f.hl7")); err != nil || string(kept) != c.text {
				t.Errorf("the file is not as it was: %v", err)
			}
		})
	}
}

func TestWatcherLetsNothingOvertakeWhatCannotBeStored(t *testing.T) {
	r := newRig(t)
	r.taker.busy["2"] = 1
	r.put("a.hl7", msg("1")+msg("2"), 1)
	r.put("b.hl7", msg("3"), 2)
	w := r.watcher()
	if err := w.Look(t.Context()); !errors.Is(err, ErrAgain) {
		t.Fatalf("looked on: %v", err)
	}
	r.want("done")
	if got := r.taker.list(); !slices.Equal(got, []string{"1"}) {
		t.Errorf("took %q", got)
	}
	r.look(w)
	if got := r.taker.list(); !slices.Equal(got, []string{"1", "2", "3"}) {
		t.Errorf("took %q", got)
	}
}

// TestWatcherStoppedAtAnyStepLosesAndDoublesNothing ends the watcher at every
// step of two files' way, as a kill would, and goes on with a new one.
func TestWatcherStoppedAtAnyStepLosesAndDoublesNothing(t *testing.T) {
	killed := errors.New("killed")
	for at := 1; ; at++ {
		r := newRig(t)
		r.taker.refused["BAD"] = true
		r.put("a.hl7", batch("1", "2", "3"), 1)
		r.put("b.hl7", msg("4")+msg("BAD"), 2)
		w := r.watcher()
		n := 0
		w.stop = func(string) error {
			if n++; n == at {
				return killed
			}
			return nil
		}
		err := w.Look(t.Context())
		if err == nil {
			if at < 12 {
				t.Fatalf("only %d steps were tried", at)
			}
			return
		}
		if !errors.Is(err, killed) {
			t.Fatal(err)
		}
		r.look(r.watcher())
		if got := r.taker.list(); !slices.Equal(got, []string{"1", "2", "3", "4"}) {
			t.Errorf("stopped at step %d: took %q", at, got)
		}
		r.want(".")
		r.want("done", "a.hl7", "a.hl7.ack")
		r.want("failed", "b.hl7", "b.hl7.ack")
		if b, err := os.ReadFile(filepath.Join(r.dir, "done", "a.hl7.ack")); err != nil || strings.Count(string(b), "MSA|AA") != 3 {
			t.Errorf("stopped at step %d: answer %q, %v", at, b, err)
		}
	}
}

// TestWatcherTakesWhatWasPutInPlaceOfAFile: a sender that uses one name again
// and again puts the next message there while the one before is being taken.
func TestWatcherTakesWhatWasPutInPlaceOfAFile(t *testing.T) {
	for _, at := range []string{"read", "present", "taken", "answer", "move"} {
		for name, next := range map[string]func(r *rig){
			"renamed into place": func(r *rig) {
				r.put("new.part", msg("2"), 2)
				if err := os.Rename(filepath.Join(r.dir, "new.part"), filepath.Join(r.dir, "result.hl7")); err != nil {
					t.Error(err)
				}
			},
			"appended": func(r *rig) { r.put("result.hl7", msg("1")+msg("2"), 2) },
		} {
			t.Run(name+" at "+at, func(t *testing.T) {
				r := newRig(t)
				r.put("result.hl7", msg("1"), 1)
				w := r.watcher()
				w.stop = func(step string) error {
					if step == at {
						w.stop = func(string) error { return nil }
						next(r)
					}
					return nil
				}
				r.look(w)
				r.look(w)
				got := r.taker.list()
				if !slices.Contains(got, "2") || at != "read" && !slices.Contains(got, "1") {
					t.Errorf("took %q", got)
				}
				r.want(".")
			})
		}
	}
}

// TestWatcherKilledWhileAnotherFileWasMovedTakesIt: the sender renames its next
// file into place right before the move, and the process dies right after it, or
// the sender goes on meanwhile. An exact pattern takes them all the same.
func TestWatcherKilledWhileAnotherFileWasMovedTakesIt(t *testing.T) {
	killed := errors.New("killed")
	for _, die := range []bool{true, false} {
		for _, third := range []bool{false, true} {
			t.Run(fmt.Sprintf("killed %v, a third file %v", die, third), func(t *testing.T) {
				r := newRig(t)
				r.conf.Match = "result.hl7"
				place := func(id string, n int) {
					r.put("new.part", msg(id), n)
					if err := os.Rename(filepath.Join(r.dir, "new.part"), filepath.Join(r.dir, "result.hl7")); err != nil {
						t.Error(err)
					}
				}
				place("1", 1)
				w := r.watcher()
				w.stop = func(step string) error {
					switch step {
					case "move":
						place("2", 2)
					case "held":
						w.stop = func(string) error { return nil }
						if third {
							place("3", 3)
						}
						if die {
							return killed
						}
					}
					return nil
				}
				if err := w.Look(t.Context()); die != errors.Is(err, killed) {
					t.Fatal(err)
				}
				w = r.watcher()
				r.look(w)
				r.look(w)
				want := []string{"1", "2"}
				if third {
					want = append(want, "3")
				}
				if got := r.taker.list(); !slices.Equal(got, want) {
					t.Errorf("took %q, want %q", got, want)
				}
				r.want(".")
				for _, n := range r.names("done") {
					if strings.HasPrefix(n, ".") {
						t.Errorf("%s is left in done", n)
					}
				}
			})
		}
	}
}

func TestOneWatcherAtATime(t *testing.T) {
	r := newRig(t)
	first, second := r.watcher(), r.watcher()
	r.put("a.hl7", msg("1"), 1)
	first.stop = func(string) error {
		if err := second.Look(t.Context()); !errors.Is(err, errHeld) {
			t.Errorf("a second watcher looked: %v", err)
		}
		return nil
	}
	r.look(first)
}

func TestWatcherServesUntilItsEndAndOutlivesALostFolder(t *testing.T) {
	r := newRig(t)
	r.conf.Every, r.conf.Now = time.Millisecond, time.Now
	gone := filepath.Join(t.TempDir(), "later")
	r.conf.Dir, r.dir = gone, gone
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	w := r.watcher()
	looked := make(chan struct{}, 1000)
	w.stop = func(string) error { looked <- struct{}{}; return nil }
	go func() { done <- w.Serve(ctx) }()
	if err := os.Mkdir(gone, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(gone, "a.hl7"), []byte(msg("1")), 0o600); err != nil {
		t.Fatal(err)
	}
	select {
	case <-looked:
	case <-time.After(20 * time.Second):
		t.Fatal("the folder that came back was not looked at")
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
