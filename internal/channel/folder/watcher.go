package folder

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
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

// WatchConfig describes a watched directory. Zero fields take their defaults.
type WatchConfig struct {
	// Name is the source's configured name; Dir the directory.
	Name, Dir string
	// Match is a pattern (path.Match) of the names that are taken; default "*".
	Match string
	// Settle is how long size and time of a file must stay the same before it is
	// read; 0 reads at once: for writers that rename a whole file into place.
	Settle time.Duration
	// Every is the time between two looks; default 1 s.
	Every time.Duration
	// MaxFile and MaxMessage bound a file (default 256 MiB) and a message
	// (default 32 MiB) in bytes; MaxFiles is how many files one look takes
	// (default 1000).
	MaxFile, MaxMessage int64
	MaxFiles            int
	Taker               Taker
	Now                 func() time.Time
	Log                 *slog.Logger
}

const (
	doneDir, failedDir = "done", "failed"
	ackSuffix          = ".ack"
	heldSuffix         = ".held"
	lockName           = doneDir + "/.labwarden.lock"
	// maxRest is the longest pause after a look that could not go on.
	maxRest = time.Minute
)

// Watcher takes HL7 files from a directory.
type Watcher struct {
	cfg  WatchConfig
	seen map[string]glimpse
	// stop is called at each step of a file's way; tests end the watcher there.
	stop func(step string) error
}

// glimpse is how a file was when it was last looked at, and since when.
type glimpse struct {
	size  int64
	mod   time.Time
	since time.Time
}

// NewWatcher checks the configuration. The directory is opened by Serve, so
// that one on a share may come and go.
func NewWatcher(c WatchConfig) (*Watcher, error) {
	if c.Dir == "" || c.Taker == nil {
		return nil, errors.New("watched folder has no directory or nobody who takes")
	}
	if c.Match == "" {
		c.Match = "*"
	}
	if _, err := path.Match(c.Match, "x"); err != nil {
		return nil, fmt.Errorf("watched folder: pattern %q: %w", c.Match, err)
	}
	if c.Every <= 0 {
		c.Every = time.Second
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
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Watcher{cfg: c, seen: map[string]glimpse{}, stop: func(string) error { return nil }}, nil
}

// Serve looks again and again until ctx ends; a file that is being taken then
// is left where it is and taken again at the next start. What goes wrong with
// the directory is logged and tried again: it never ends the watch.
func (w *Watcher) Serve(ctx context.Context) error {
	rest := w.cfg.Every
	said := ""
	for {
		err := w.Look(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err == nil:
			rest, said = w.cfg.Every, ""
		default:
			rest = min(2*rest, max(maxRest, w.cfg.Every))
			if err.Error() != said {
				w.cfg.Log.Error("a watched folder cannot be taken from; it is tried again", "error", err)
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

var (
	errHeld = errors.New("another process watches this folder")
	// errChanged: somebody wrote the file, or put another in its place, while it
	// was taken.
	errChanged = errors.New("a file changed while it was taken")
	// ErrAgain: a message could not be stored; the file stays and is presented again.
	ErrAgain = errors.New("a message could not be stored; the file stays and is presented again")
)

// Look takes every file that is ready, oldest first, and returns at the first
// that has to wait: nothing overtakes it.
func (w *Watcher) Look(ctx context.Context) error {
	root, err := os.OpenRoot(w.cfg.Dir)
	if err != nil {
		return fmt.Errorf("open watched folder: %w", plain(err))
	}
	defer root.Close()
	for _, d := range []string{doneDir, failedDir} {
		if err := root.Mkdir(d, 0o750); err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("make %s in the watched folder: %w", d, plain(err))
		}
	}
	lock, err := root.OpenFile(lockName, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("lock watched folder: %w", plain(err))
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return errHeld
	}
	// Said, not only closed: a program that is being started has our files for a moment.
	defer func() { _ = syscall.Flock(int(lock.Fd()), syscall.LOCK_UN) }()
	if err := finish(root); err != nil {
		return err
	}
	ready, err := w.ready(root)
	if err != nil {
		return err
	}
	for _, name := range ready {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := w.take(ctx, root, name)
		if errors.Is(err, errChanged) {
			w.cfg.Log.Warn("a file was written or replaced while it was taken; what is there now is taken anew", "folder", w.cfg.Name)
			return nil // nothing overtakes it
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// ready lists what may be read, oldest first: an original lies before its
// correction whatever their names.
func (w *Watcher) ready(root *os.Root) ([]string, error) {
	d, err := root.Open(".")
	if err != nil {
		return nil, fmt.Errorf("list watched folder: %w", plain(err))
	}
	entries, err := d.ReadDir(-1)
	if err = errors.Join(err, d.Close()); err != nil {
		return nil, fmt.Errorf("list watched folder: %w", plain(err))
	}
	type file struct {
		name string
		mod  time.Time
	}
	var files []file
	now, seen := w.cfg.Now(), map[string]glimpse{}
	for _, e := range entries {
		name := e.Name()
		if !w.matches(name) || unfinished(name) {
			continue
		}
		st, err := root.Lstat(name)
		if err != nil || !st.Mode().IsRegular() {
			continue // a link, a pipe, or gone meanwhile
		}
		g, known := w.seen[name]
		if !known || g.size != st.Size() || !g.mod.Equal(st.ModTime()) {
			g = glimpse{st.Size(), st.ModTime(), now}
		}
		seen[name] = g
		if now.Sub(g.since) >= w.cfg.Settle {
			files = append(files, file{name, g.mod})
		}
	}
	w.seen = seen
	slices.SortFunc(files, func(a, b file) int {
		if c := a.mod.Compare(b.mod); c != 0 {
			return c
		}
		return strings.Compare(a.name, b.name)
	})
	out := make([]string, 0, min(len(files), w.cfg.MaxFiles))
	for _, f := range files[:min(len(files), w.cfg.MaxFiles)] {
		out = append(out, f.name)
	}
	return out, nil
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
	switch strings.ToLower(filepath.Ext(name)) {
	case ".part", ".tmp", ".temp", ".partial", ".filepart":
		return true
	}
	return false
}

// readWhole reads a file that may not be larger than the limit; it is larger
// where b is nil without an error. st is how the file is.
func (w *Watcher) readWhole(root *os.Root, name string) (b []byte, st fs.FileInfo, err error) {
	f, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NOFOLLOW|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("open a file of the watched folder: %w", plain(err))
	}
	defer f.Close()
	if st, err = f.Stat(); err != nil {
		return nil, nil, fmt.Errorf("read a file of the watched folder: %w", plain(err))
	}
	if st.Size() > w.cfg.MaxFile {
		return nil, st, nil
	}
	b, err = io.ReadAll(io.LimitReader(f, st.Size()+1))
	if err != nil {
		return nil, nil, fmt.Errorf("read a file of the watched folder: %w", plain(err))
	}
	if int64(len(b)) != st.Size() {
		return nil, nil, errChanged
	}
	return b, st, nil
}

// unchanged says that the file at name is still the one that st describes.
func unchanged(root *os.Root, name string, st fs.FileInfo) error {
	now, err := root.Lstat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return errChanged
	case err != nil:
		return fmt.Errorf("look at a file of the watched folder: %w", plain(err))
	case !os.SameFile(st, now) || now.Size() != st.Size() || !now.ModTime().Equal(st.ModTime()):
		return errChanged
	}
	return nil
}
