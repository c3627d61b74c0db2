package sftp

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// box is one in memory.
type box struct {
	far  bool
	made time.Time

	mu      sync.Mutex
	inbox   map[string][]byte
	open    map[uint64][]byte
	last    uint64
	shut    int
	aborted int
	fails   bool // reading does
}

func (b *box) List(_ context.Context, p channel.BoxPath) (out []channel.BoxEntry, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case p.Root():
		for _, f := range channel.BoxFolders {
			out = append(out, channel.BoxEntry{Name: f, Dir: true, Modified: b.made})
		}
	case !p.IsDir():
		return nil, channel.ErrNoFile
	case p.Folder == channel.BoxInbox:
		for n, f := range b.inbox {
			out = append(out, channel.BoxEntry{Name: n, Size: int64(len(f)), Modified: b.made})
		}
	}
	return out, nil
}

func (b *box) Stat(_ context.Context, p channel.BoxPath) (channel.BoxEntry, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if p.IsDir() {
		return channel.BoxEntry{Name: p.Folder, Dir: true, Modified: b.made}, nil
	}
	f, ok := b.inbox[p.File]
	if !ok {
		return channel.BoxEntry{}, channel.ErrNoFile
	}
	return channel.BoxEntry{Name: p.File, Size: int64(len(f)), Modified: b.made}, nil
}

func (b *box) Open(_ context.Context, p channel.BoxPath) (channel.BoxReader, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.inbox[p.File]
	if !ok {
		return nil, channel.ErrNoFile
	}
	b.last++
	b.open[b.last] = f
	return reader{b, b.last, int64(len(f))}, nil
}

type reader struct {
	b    *box
	n    uint64
	size int64
}

func (r reader) Size() int64  { return r.size }
func (r reader) Close() error { return r.b.ShutOpen(r.n) }

func (r reader) ReadAt(p []byte, off int64) (int, error) {
	if r.b.far {
		return 0, errors.New("the session reads what the other end has")
	}
	return r.b.ReadOpen(r.n, p, off)
}

// farBox is a box whose holder is at the other end of the stream: all but small
// files and what is read goes the same way.
type farBox struct{ *box }

func (farBox) FarReader(r channel.BoxReader) (uint64, bool) { return r.(reader).n, true }

func (farBox) FarWriter(w channel.BoxWriter) ([]byte, bool) {
	own := w.(*writer)
	return own.got, len(own.got) < 64<<10
}

func (farBox) Stat(context.Context, channel.BoxPath) (channel.BoxEntry, error) {
	return channel.BoxEntry{}, errors.New("the session looks for what the other end has")
}

// holder is the box at the other end.
type holder struct{ *box }

func (h holder) Stat(p channel.BoxPath) (channel.BoxEntry, error) {
	return h.box.Stat(context.Background(), p)
}

func (h holder) Put(name string, body []byte) error {
	if len(body) >= 64<<10 {
		return errors.New("not small")
	}
	w := &writer{b: h.box, name: name, got: bytes.Clone(body)}
	return w.Commit(context.Background())
}

func (b *box) ReadOpen(n uint64, p []byte, off int64) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.open[n]
	if !ok {
		return 0, channel.ErrNoFile
	}
	if b.fails {
		return 0, errors.New("the disk is gone")
	}
	return bytes.NewReader(f).ReadAt(p, off)
}

func (b *box) ShutOpen(n uint64) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.open[n]; !ok {
		return channel.ErrNoFile
	}
	delete(b.open, n)
	b.shut++
	return nil
}

func (b *box) Rename(_ context.Context, from, to channel.BoxPath) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	f, ok := b.inbox[from.File]
	if !ok {
		return channel.ErrNoFile
	}
	if _, ok := b.inbox[to.File]; ok {
		return channel.ErrFileExists
	}
	delete(b.inbox, from.File)
	b.inbox[to.File] = f
	return nil
}

func (b *box) Remove(_ context.Context, p channel.BoxPath) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.inbox[p.File]; !ok {
		return channel.ErrNoFile
	}
	delete(b.inbox, p.File)
	return nil
}

func (b *box) Create(_ context.Context, p channel.BoxPath) (channel.BoxWriter, error) {
	return &writer{b: b, name: p.File}, nil
}

type writer struct {
	b    *box
	name string
	got  []byte
}

func (w *writer) WriteAt(p []byte, off int64) (int, error) {
	if off > 1<<24 {
		return 0, channel.Refuse("the file is larger than may be sent")
	}
	if need := int(off) + len(p); need > len(w.got) {
		w.got = append(w.got, make([]byte, need-len(w.got))...)
	}
	return copy(w.got[off:], p), nil
}

func (w *writer) Commit(context.Context) error {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	if _, ok := w.b.inbox[w.name]; ok {
		return channel.ErrFileExists
	}
	w.b.inbox[w.name] = w.got
	return nil
}

func (w *writer) Abort() error {
	w.b.mu.Lock()
	defer w.b.mu.Unlock()
	w.b.aborted++
	return nil
}

func newBox(far bool) *box {
	return &box{far: far, made: time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC), inbox: map[string][]byte{}, open: map[uint64][]byte{}}
}

// served is the box as the session sees it.
func (b *box) served() channel.Box {
	if b.far {
		return farBox{b}
	}
	return b
}
