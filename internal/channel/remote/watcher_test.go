package remote_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/remote"
	"github.com/labwarden/labwarden/internal/codec/hl7"
)

// ledgerOf is a taker that keeps its own list, knows repeats by the control id,
// and answers as the hub does.
type ledgerOf struct {
	mu      sync.Mutex
	stored  []string
	asked   []string
	refused map[string]bool
	busy    map[string]int
	kept    map[string]remote.Taken
}

func (l *ledgerOf) Present(_ context.Context, from channel.Peer, body []byte) (remote.Answer, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	h, err := hl7.ReadHeader(body)
	if err != nil || from.Fingerprint == "" || from.Name != "lis" {
		return remote.Answer{}, fmt.Errorf("not a message of a known server: %+v", from)
	}
	id := string(h.ControlID)
	l.asked = append(l.asked, id)
	ack := func(code string) []byte {
		return hl7.AppendAck(nil, &h, hl7.AckOptions{Code: code, ControlID: "A", Time: time.Unix(0, 0)})
	}
	switch {
	case l.busy[id] > 0:
		l.busy[id]--
		return remote.Answer{Body: ack("AR"), Again: true}, nil
	case l.refused[id]:
		return remote.Answer{Body: ack("AE")}, nil
	}
	if !slices.Contains(l.stored, id) {
		l.stored = append(l.stored, id)
	}
	return remote.Answer{Body: ack("AA"), Taken: true}, nil
}

func (l *ledgerOf) Known(_ context.Context, f remote.Taken) (bool, error) {
	was, ok := l.kept[f.Name]
	if f.Sum != ([32]byte{}) {
		return ok && was.Sum == f.Sum, nil
	}
	return ok && was.Size == f.Size && was.Modified.Equal(f.Modified), nil
}

func (l *ledgerOf) Remember(_ context.Context, f remote.Taken) error { l.kept[f.Name] = f; return nil }

func msg(id string) string {
	return "MSH|^~\\&|LIS|LAB|||20260101||ORU^R01|" + id + "|P|2.5.1\rPID|1\rOBX|1|NM|X||1\r"
}

// taking is a source's directory at a server.
type taking struct {
	t     *testing.T
	s     *server
	taker *ledgerOf
	now   time.Time
	conf  remote.WatchConfig
}

func newTaking(t *testing.T, s *server) *taking {
	x := &taking{t: t, s: s, now: time.Unix(1e9, 0), taker: &ledgerOf{refused: map[string]bool{}, busy: map[string]int{}, kept: map[string]remote.Taken{}}}
	x.conf = remote.WatchConfig{Name: "lis", Place: s.kind + "://lis", Dial: s.dial, Taker: x.taker, Memory: x.taker, Patience: 10 * time.Second, Now: func() time.Time { return x.now }}
	return x
}

func (x *taking) watcher() *remote.Watcher {
	x.t.Helper()
	w, err := remote.NewWatcher(x.conf)
	if err != nil {
		x.t.Fatal(err)
	}
	return w
}

func (x *taking) put(name, text string, n int) {
	x.t.Helper()
	p := write(x.t, filepath.Join(x.s.dir, name), text, 0o666)
	at := time.Unix(1e8+int64(n), 0)
	if err := errors.Join(os.Chtimes(p, at, at), os.Chown(p, 65534, 65534)); err != nil && os.Geteuid() == 0 {
		x.t.Fatal(err)
	}
}

func (x *taking) look(w *remote.Watcher) {
	x.t.Helper()
	if err := w.Look(x.t.Context()); err != nil {
		x.t.Fatal(err)
	}
}

func (x *taking) want(dir string, names ...string) {
	x.t.Helper()
	all, err := os.ReadDir(filepath.Join(x.s.dir, dir))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		x.t.Fatal(err)
	}
	var got []string
	for _, e := range all {
		if e.Type().IsRegular() {
			got = append(got, e.Name())
		}
	}
	if !slices.Equal(got, names) {
		x.t.Errorf("%s holds %q, want %q", dir, got, names)
	}
}

func (x *taking) took(ids ...string) {
	x.t.Helper()
	if !slices.Equal(x.taker.stored, ids) {
		x.t.Errorf("took %q, want %q", x.taker.stored, ids)
	}
}

func TestWatcherTakesFilesOldestFirst(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		x := newTaking(t, s)
		x.taker.refused["BAD"] = true
		x.put("b.hl7", msg("1"), 1)
		x.put("a.hl7", msg("3")+msg("4"), 3)
		x.put("c.hl7", msg("2")+msg("BAD"), 2)
		x.put("d.hl7", "not a message", 4)
		x.put("e.txt", msg("5"), 5)
		x.put(".hidden", msg("x"), 0)
		x.put("writing.part", msg("x"), 0)
		x.conf.Match = "*.hl7"
		w := x.watcher()
		x.look(w)
		x.took("1", "2", "3", "4")
		x.want("done", "a.hl7", "a.hl7.ack", "b.hl7", "b.hl7.ack")
		x.want("failed", "c.hl7", "c.hl7.ack", "d.hl7", "d.hl7.ack")
		x.want(".", ".hidden", "e.txt", "writing.part")
		b, err := os.ReadFile(filepath.Join(s.dir, "failed", "c.hl7.ack"))
		if err != nil || !strings.Contains(string(b), "MSA|AE|BAD") {
			t.Errorf("%q %v", b, err)
		}
		x.put("a.hl7", msg("5"), 9)
		x.look(w)
		x.want("done", "a-1.hl7", "a-1.hl7.ack", "a.hl7", "a.hl7.ack", "b.hl7", "b.hl7.ack")
	})
}

func TestWatcherDeletesAndLeaves(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		x := newTaking(t, s)
		x.conf.After = remote.Delete
		x.put("a.hl7", msg("1"), 1)
		x.put("b.hl7", "no message", 2)
		x.look(x.watcher())
		x.took("1")
		x.want(".")
		x.want("failed", "b.hl7", "b.hl7.ack")

		x.conf.After = remote.Leave
		x.put("c.hl7", msg("2"), 3)
		x.put("d.hl7", "no message", 4)
		for range 2 { // the second is another process
			w := x.watcher()
			x.look(w)
			x.look(w)
		}
		x.put("c.hl7", msg("2"), 5) // touched
		x.look(x.watcher())
		x.took("1", "2")
		if got := fmt.Sprint(x.taker.asked); got != "[1 2]" {
			t.Errorf("presented %s", got)
		}
		x.want(".", "c.hl7", "d.hl7")
		x.put("c.hl7", msg("3")+msg("4"), 6) // another file of that name
		x.look(x.watcher())
		x.took("1", "2", "3", "4")
	})
}

func TestWatcherWaitsUntilAFileHasSettled(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		x := newTaking(t, s)
		x.conf.Settle = 5 * time.Second
		w := x.watcher()
		x.put("a.hl7", msg("1"), 1)
		x.look(w)
		x.now = x.now.Add(6 * time.Second)
		x.put("a.hl7", msg("1")+msg("2"), 2) // it still grows
		x.look(w)
		x.took()
		x.now = x.now.Add(6 * time.Second)
		x.look(w)
		x.took("1", "2")
	})
}

func TestWatcherLetsNothingOvertakeWhatCannotBeStored(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		x := newTaking(t, s)
		x.taker.busy["2"] = 1
		x.put("a.hl7", msg("1")+msg("2"), 1)
		x.put("b.hl7", msg("3"), 2)
		w := x.watcher()
		if err := w.Look(t.Context()); !errors.Is(err, remote.ErrAgain) {
			t.Fatalf("looked on: %v", err)
		}
		x.took("1")
		x.look(w)
		x.took("1", "2", "3")
	})
}

// TestWatcherStoppedAtAnyStepLosesAndDoublesNothing ends the watcher at every
// step of two files' way, as a kill would, and goes on with a new one; and while
// it stands still, a sender puts another file under the name.
func TestWatcherStoppedAtAnyStepLosesAndDoublesNothing(t *testing.T) {
	killed := errors.New("killed")
	for after, way := range map[remote.After]string{remote.Move: "move", remote.Delete: "delete", remote.Leave: "leave"} {
		t.Run(way, func(t *testing.T) {
			s := sftpServer(t)
			for at := 1; ; at++ {
				x := newTaking(t, s)
				x.conf.After = after
				x.put("a.hl7", msg("1")+msg("2"), 1)
				x.put("b.hl7", msg("3"), 2)
				w := x.watcher()
				n, step := 0, ""
				remote.StopAt(w, func(s string) error {
					if n++; n == at {
						step = s
						return killed
					}
					return nil
				})
				err := w.Look(t.Context())
				if err == nil {
					if at < 6 {
						t.Fatalf("only %d steps were tried", at)
					}
					return
				}
				if !errors.Is(err, killed) {
					t.Fatalf("step %d: %v", at, err)
				}
				if step == "hold" || step == "read" || step == "present" {
					x.put("a.hl7", msg("1")+msg("2")+msg("2b"), 1)
				}
				x.look(x.watcher())
				x.look(x.watcher())
				stored := slices.Clone(x.taker.stored)
				slices.Sort(stored)
				if got := strings.Join(slices.Compact(stored), " "); len(stored) != len(x.taker.stored) || !strings.HasPrefix(got, "1 2") || !strings.HasSuffix(got, "3") {
					t.Errorf("stopped at %s: took %q", step, x.taker.stored)
				}
				if after != remote.Leave {
					x.want(".")
				}
				for _, d := range []string{"done", "failed"} {
					_ = os.RemoveAll(filepath.Join(s.dir, d))
				}
				_ = os.Remove(filepath.Join(s.dir, "a.hl7"))
				_ = os.Remove(filepath.Join(s.dir, "b.hl7"))
			}
		})
	}
}

// TestWatcherReplacedFileComesBack: the file that was read is replaced before it is
// moved; the new one is taken too.
func TestWatcherReplacedFileComesBack(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, step := range []string{"taken", "hold", "held"} {
			x := newTaking(t, s)
			x.conf.After = remote.Delete
			x.put("a.hl7", msg("1"), 1)
			w := x.watcher()
			remote.StopAt(w, func(at string) error {
				if at == step {
					name := "a.hl7"
					if step == "held" {
						name = ".labwarden-took-a.hl7"
					}
					x.put(name, msg("1")+msg("2"), 7)
					remote.StopAt(w, func(string) error { return nil })
				}
				return nil
			})
			x.look(w)
			x.look(w)
			x.took("1", "2")
			x.want(".")
		}
	})
}
