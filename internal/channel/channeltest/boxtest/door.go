package boxtest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// Door lets in those who were added. It is safe for concurrent use.
type Door struct {
	mu    sync.Mutex
	users map[string]*user
	asked []channel.SignIn
	open  map[*session]struct{}
}

type user struct {
	password string
	box      *Box
}

// Add makes a user of its own partner, which has the same name, and its box.
func (d *Door) Add(name, password string) *Box {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.users == nil {
		d.users, d.open = map[string]*user{}, map[*session]struct{}{}
	}
	b := NewBox()
	d.users[name] = &user{password, b}
	return b
}

// SignIn is channel.BoxDoor's.
func (d *Door) SignIn(_ context.Context, in channel.SignIn) (channel.BoxSession, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.asked = append(d.asked, in)
	u := d.users[in.User]
	if u == nil || u.password != in.Password {
		return nil, channel.ErrSignIn
	}
	s := &session{Box: u.box, partner: in.User, done: make(chan struct{}), door: d}
	s.end = sync.OnceFunc(func() { close(s.done) })
	d.open[s] = struct{}{}
	return s, nil
}

// Asked are the sign-ins so far.
func (d *Door) Asked() []channel.SignIn {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.asked)
}

// Sessions is how many are signed in.
func (d *Door) Sessions() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.open)
}

// Cut ends the access of a partner.
func (d *Door) Cut(partner string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.open {
		if s.partner == partner {
			s.end()
		}
	}
}

type session struct {
	*Box
	partner string
	done    chan struct{}
	end     func()
	door    *Door
}

func (s *session) Partner() string       { return s.partner }
func (s *session) Done() <-chan struct{} { return s.done }

func (s *session) Close() error {
	s.end()
	s.door.mu.Lock()
	defer s.door.mu.Unlock()
	delete(s.door.open, s)
	return nil
}

// Box is a box in memory. Its fields are set before it is used.
type Box struct {
	// Judge is asked before a file of the inbox becomes visible; an error is
	// Commit's.
	Judge func(name string, body []byte) error

	mu      sync.Mutex
	files   map[channel.BoxPath]file
	writing int
}

type file struct {
	body []byte
	at   time.Time
}

// NewBox makes an empty one.
func NewBox() *Box { return &Box{files: map[channel.BoxPath]file{}} }

// Put lays a file into a folder, as the laboratory does.
func (b *Box) Put(folder, name string, body []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.files[channel.BoxPath{Folder: folder, File: name}] = file{bytes.Clone(body), time.Now()}
}

// Get is what stands in a folder for all to see.
func (b *Box) Get(folder, name string) ([]byte, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.files[channel.BoxPath{Folder: folder, File: name}]
	return f.body, ok
}

// Names are the files of a folder, sorted.
func (b *Box) Names(folder string) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []string
	for p := range b.files {
		if p.Folder == folder {
			out = append(out, p.File)
		}
	}
	slices.Sort(out)
	return out
}

// Writing is how many uploads are neither committed nor aborted.
func (b *Box) Writing() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.writing
}

func isFolder(name string) bool { return slices.Contains(channel.BoxFolders[:], name) }

// List is channel.Box's, and so are the methods below.
func (b *Box) List(_ context.Context, dir channel.BoxPath) ([]channel.BoxEntry, error) {
	var out []channel.BoxEntry
	if dir.Root() {
		for _, f := range channel.BoxFolders {
			out = append(out, channel.BoxEntry{Name: f, Dir: true})
		}
		return out, nil
	}
	if !dir.IsDir() || !isFolder(dir.Folder) {
		return nil, channel.ErrNoFile
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for p, f := range b.files {
		if p.Folder == dir.Folder {
			out = append(out, channel.BoxEntry{Name: p.File, Size: int64(len(f.body)), Modified: f.at})
		}
	}
	slices.SortFunc(out, func(a, b channel.BoxEntry) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

func (b *Box) Stat(_ context.Context, p channel.BoxPath) (channel.BoxEntry, error) {
	if p.Root() {
		return channel.BoxEntry{Name: "/", Dir: true}, nil
	}
	if p.IsDir() && isFolder(p.Folder) {
		return channel.BoxEntry{Name: p.Folder, Dir: true}, nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.files[p]
	if !ok {
		return channel.BoxEntry{}, channel.ErrNoFile
	}
	return channel.BoxEntry{Name: p.File, Size: int64(len(f.body)), Modified: f.at}, nil
}

func (b *Box) Open(_ context.Context, p channel.BoxPath) (channel.BoxReader, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.files[p]
	if !ok {
		return nil, channel.ErrNoFile
	}
	return reader{bytes.NewReader(f.body)}, nil
}

type reader struct{ *bytes.Reader }

func (reader) Close() error { return nil }

func (b *Box) Rename(_ context.Context, from, to channel.BoxPath) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.files[from]
	if !ok {
		return channel.ErrNoFile
	}
	if from.Folder != channel.BoxInbox || to.Folder != channel.BoxInbox || to.IsDir() {
		return channel.Refuse("files are renamed within the inbox")
	}
	if _, there := b.files[to]; there {
		return channel.ErrFileExists
	}
	delete(b.files, from)
	b.files[to] = f
	return nil
}

func (b *Box) Remove(_ context.Context, p channel.BoxPath) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.files[p]; !ok {
		return channel.ErrNoFile
	}
	delete(b.files, p)
	return nil
}

func (b *Box) Create(_ context.Context, p channel.BoxPath) (channel.BoxWriter, error) {
	if p.Folder != channel.BoxInbox || p.IsDir() {
		return nil, channel.Refuse("files are brought to the inbox")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, there := b.files[p]; there {
		return nil, channel.ErrFileExists
	}
	b.writing++
	return &writer{box: b, path: p}, nil
}

// span is the bytes from one place up to another.
type span struct{ from, to int64 }

type writer struct {
	box  *Box
	path channel.BoxPath

	mu    sync.Mutex
	body  []byte
	spans []span // sorted, apart from each other
	done  bool
}

func (w *writer) WriteAt(p []byte, off int64) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.done || off < 0 {
		return 0, errors.New("write after the end of an upload, or before its start")
	}
	if len(p) == 0 {
		return 0, nil
	}
	end := off + int64(len(p))
	if grow := end - int64(len(w.body)); grow > 0 {
		w.body = append(w.body, make([]byte, grow)...)
	}
	copy(w.body[off:], p)
	n := span{off, end}
	var rest []span
	for _, s := range w.spans {
		if s.to < n.from || s.from > n.to {
			rest = append(rest, s)
			continue
		}
		n = span{min(n.from, s.from), max(n.to, s.to)}
	}
	w.spans = append(rest, n)
	slices.SortFunc(w.spans, func(a, b span) int { return int(a.from - b.from) })
	return len(p), nil
}

func (w *writer) Commit(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if w.done {
		return errors.New("commit after the end of an upload")
	}
	w.finish()
	if len(w.body) > 0 && (len(w.spans) != 1 || w.spans[0].from != 0) {
		return io.ErrUnexpectedEOF
	}
	if w.box.Judge != nil {
		if err := w.box.Judge(w.path.File, w.body); err != nil {
			return err
		}
	}
	w.box.mu.Lock()
	defer w.box.mu.Unlock()
	if _, there := w.box.files[w.path]; there {
		return channel.ErrFileExists
	}
	w.box.files[w.path] = file{w.body, time.Now()}
	return nil
}

func (w *writer) finish() {
	w.done = true
	w.box.mu.Lock()
	w.box.writing--
	w.box.mu.Unlock()
}

func (w *writer) Abort() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.done {
		w.finish()
	}
	return nil
}
