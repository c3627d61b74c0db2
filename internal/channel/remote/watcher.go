package remote

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Answer is what became of one message of a file.
type Answer struct {
	// Body is the acknowledgement, empty where the sender wants none.
	Body []byte
	// Taken: it is on disk. Neither Taken nor Again: it was refused and kept.
	Taken bool
	// Again: it could not be stored now; the same message is to be presented again.
	Again bool
}

// Taker takes one message of a file. It must not return before what it
// promises is on disk. body is only valid during the call.
type Taker interface {
	Present(ctx context.Context, from channel.Peer, body []byte) (Answer, error)
}

// Taken is a file as it was when it was taken. Where Sum is zero its content is
// not known, and size and time tell it.
type Taken struct {
	Name     string
	Size     int64
	Modified time.Time
	Sum      [32]byte
	Refused  bool
}

// Memory remembers, over restarts, which files were taken that stay where they
// are. Names may hold patient data.
type Memory interface {
	Known(ctx context.Context, f Taken) (bool, error)
	Remember(ctx context.Context, f Taken) error
}

// After is what becomes of a file that was taken.
type After int

// The ways. What was refused is never deleted: it is moved, or with Leave stays.
const (
	Move After = iota
	Delete
	Leave
)

// WatchConfig describes a directory that is taken from. Zero fields take their
// defaults.
type WatchConfig struct {
	// Name is the source's configured name; Place tells people where it is.
	Name, Place string
	Dial        Dial
	// Match is a pattern (path.Match) of the names that are taken; default "*".
	Match string
	// Settle is how long size and time of a file must stay the same, seen in two
	// looks, before it is read.
	Settle time.Duration
	// Every is the time between two looks; default 1 min.
	Every time.Duration
	After After
	// Memory is needed with Leave.
	Memory Memory
	// MaxFile and MaxMessage bound a file (default 256 MiB) and a message
	// (default 32 MiB) in bytes; MaxFiles is how many files one look takes
	// (default 1000).
	MaxFile, MaxMessage int64
	MaxFiles            int
	Patience            time.Duration // see Config
	Taker               Taker
	Now                 func() time.Time
	Log                 *slog.Logger
}

// Watcher takes HL7 files from a directory at a file server.
type Watcher struct {
	cfg   WatchConfig
	pool  *pool
	seen  map[string]glimpse
	mu    sync.Mutex
	since time.Time // of the looks in a row that failed, the first
	last  error     // of the last
	// stop is called at each step of a file's way; tests end the watcher there.
	stop func(step string) error
}

// glimpse is how a file was when it was last looked at, and since when.
type glimpse struct {
	size  int64
	mod   time.Time
	since time.Time
	looks int
}

const (
	doneDir, failedDir = "done", "failed"
	ackSuffix          = ".ack"
	// tookPrefix stands before the name of a file that was taken and of which it is
	// still to be seen that nobody has put another in its place.
	tookPrefix = ".labwarden-took-"
	// againMark stands behind the name of a file that was put back beside its
	// successor, before a number.
	againMark = ".again-"
	// maxRest is the longest pause after a look that could not go on.
	maxRest = 10 * time.Minute
)

var (
	errChanged = errors.New("a file changed while it was taken")
	// ErrAgain: a message could not be stored; the file stays and is presented again.
	ErrAgain = errors.New("a message could not be stored; the file stays and is presented again")
)

// NewWatcher checks the configuration; it connects with the first look.
func NewWatcher(c WatchConfig) (*Watcher, error) {
	if c.Dial == nil || c.Taker == nil {
		return nil, errors.New("watched directory has no server or nobody who takes")
	}
	if c.After == Leave && c.Memory == nil {
		return nil, errors.New("files that stay where they are need somebody who remembers them")
	}
	if c.Match == "" {
		c.Match = "*"
	}
	if _, err := path.Match(c.Match, "x"); err != nil {
		return nil, fmt.Errorf("watched directory: pattern %q: %w", c.Match, err)
	}
	if c.Every <= 0 {
		c.Every = time.Minute
	}
	if c.MaxFile <= 0 {
		c.MaxFile = 256 << 20
	}
	if c.MaxMessage <= 0 {
		c.MaxMessage = 32 << 20
	}
	if c.MaxFiles <= 0 {
		c.MaxFiles = 1000
	}
	if c.Patience <= 0 {
		c.Patience = 30 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	keep := time.Millisecond
	if c.Every <= time.Minute {
		keep = c.Every + keepIdle // one connection for all looks
	}
	return &Watcher{cfg: c, pool: newPool(c.Dial, 1, c.Patience, keep), seen: map[string]glimpse{}, stop: func(string) error { return nil }}, nil
}

// Serve looks again and again until ctx ends; a file that is being taken then
// is left where it is and taken again at the next start. What goes wrong with
// the server is logged and tried again: it never ends the watch.
func (w *Watcher) Serve(ctx context.Context) error {
	rest, said := w.cfg.Every, ""
	defer w.rest()
	for {
		err := w.Look(ctx)
		if ctx.Err() != nil {
			return nil
		}
		w.note(err)
		if err == nil {
			if said != "" {
				w.cfg.Log.Info("a directory at a file server can be taken from again")
			}
			rest, said = w.cfg.Every, ""
		} else {
			rest = min(2*rest, max(maxRest, w.cfg.Every))
			if err.Error() != said {
				w.cfg.Log.Error("a directory at a file server cannot be taken from; it is tried again", "error", err)
				said = err.Error()
			}
		}
		timer := time.NewTimer(rest)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		}
	}
}

// note remembers since when nothing can be taken.
func (w *Watcher) note(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.last = err; err == nil {
		w.since = time.Time{}
	} else if w.since.IsZero() {
		w.since = w.cfg.Now()
	}
}

// Trouble tells since when nothing can be taken, and why; the zero time while
// all is well.
func (w *Watcher) Trouble() (since time.Time, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.since, w.last
}

// rest closes the connection; the next look opens another.
func (w *Watcher) rest() {
	w.pool.mu.Lock()
	free := w.pool.free
	w.pool.free = nil
	w.pool.mu.Unlock()
	for _, l := range free {
		l.idle.Stop()
		w.pool.drop(l)
	}
}

// Look takes every file that is ready, oldest first, and returns at the first
// that has to wait: nothing overtakes it.
func (w *Watcher) Look(ctx context.Context) error {
	return w.pool.with(ctx, func(l *link) (begun bool, err error) {
		all, err := l.List(ctx)
		l.moved()
		if err != nil {
			return false, err
		}
		for _, e := range all { // of a process that died
			if name, ok := strings.CutPrefix(e.Name, tookPrefix); ok && !e.Dir {
				if err := w.back(ctx, l, e.Name, name); err != nil {
					return true, err
				}
			}
		}
		ready, err := w.ready(ctx, all)
		if err != nil {
			return true, err
		}
		for _, e := range ready {
			if err := ctx.Err(); err != nil {
				return true, err
			}
			err := w.take(ctx, l, e)
			if errors.Is(err, errChanged) {
				w.cfg.Log.Warn("a file was written or replaced while it was taken; what is there now is taken anew")
				return true, nil // nothing overtakes it
			}
			if err != nil {
				return true, err
			}
		}
		return true, nil
	})
}

// ready lists what may be read, oldest first: an original lies before its
// correction whatever their names.
func (w *Watcher) ready(ctx context.Context, all []channel.BoxEntry) ([]channel.BoxEntry, error) {
	var out []channel.BoxEntry
	now, seen := w.cfg.Now(), map[string]glimpse{}
	for _, e := range all {
		if e.Dir || !w.matches(e.Name) || unfinished(e.Name) || strings.ContainsAny(e.Name, "/\\\r\n\x00") {
			continue
		}
		g, known := w.seen[e.Name]
		if !known || g.size != e.Size || !g.mod.Equal(e.Modified) {
			g = glimpse{e.Size, e.Modified, now, 0}
		}
		g.looks++
		seen[e.Name] = g
		if now.Sub(g.since) < w.cfg.Settle || w.cfg.Settle > 0 && g.looks < 2 {
			continue
		}
		if w.cfg.After == Leave {
			taken, err := w.cfg.Memory.Known(ctx, Taken{Name: e.Name, Size: e.Size, Modified: e.Modified})
			if err != nil {
				return nil, fmt.Errorf("look whether a file was taken: %w", err)
			}
			if taken {
				continue
			}
		}
		out = append(out, e)
	}
	w.seen = seen
	slices.SortFunc(out, func(a, b channel.BoxEntry) int {
		if c := a.Modified.Compare(b.Modified); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	return out[:min(len(out), w.cfg.MaxFiles)], nil
}

func (w *Watcher) matches(name string) bool {
	if ok, err := path.Match(w.cfg.Match, name); err == nil && ok {
		return true
	}
	was, again := original(name)
	ok, err := path.Match(w.cfg.Match, was)
	return again && err == nil && ok
}

// unfinished are names that writers use until a file is whole.
func unfinished(name string) bool {
	if strings.HasPrefix(name, ".") || strings.HasPrefix(name, "~") {
		return true
	}
	switch strings.ToLower(path.Ext(name)) {
	case ".part", ".tmp", ".temp", ".partial", ".filepart":
		return true
	}
	return false
}

// original is the name under which a file came that may have been put back.
func original(name string) (was string, again bool) {
	i := strings.LastIndex(name, againMark)
	if i <= 0 {
		return name, false
	}
	if _, err := strconv.ParseUint(name[i+len(againMark):], 10, 16); err != nil {
		return name, false
	}
	return name[:i], true
}
