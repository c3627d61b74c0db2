package boxtest

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
)

// Fixture is a box under test, empty, with the laboratory's hand in it.
type Fixture struct {
	Box channel.Box
	// Put lays a file into /results.
	Put func(t *testing.T, name string, body []byte)
	// Body makes the content of a file that the box takes, of about n bytes; nil
	// makes any bytes.
	Body func(n int) []byte
}

func in(folder, name string) channel.BoxPath { return channel.BoxPath{Folder: folder, File: name} }

// Run holds a box to what channel.Box promises. fresh makes an empty one.
func Run(t *testing.T, fresh func(t *testing.T) Fixture) {
	for _, c := range []struct {
		name string
		run  func(*testing.T, Fixture)
	}{
		{"the folders are listed", folders},
		{"what is not there", missing},
		{"a result is read at any place", reading},
		{"an upload in any order is seen after its commit", uploading},
		{"an upload with a gap is never seen", gap},
		{"an aborted upload is never seen", aborted},
		{"only the inbox takes files", elsewhere},
		{"a name is taken once", taken},
		{"files are renamed within the inbox", renaming},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := fresh(t)
			if f.Body == nil {
				f.Body = func(n int) []byte { return bytes.Repeat([]byte("0123456789abcdef."), n/17+1)[:n] }
			}
			c.run(t, f)
		})
	}
}

func refused(err error) bool {
	var no *channel.Refusal
	return errors.As(err, &no)
}

func names(t *testing.T, f Fixture, folder string) []string {
	t.Helper()
	all, err := f.Box.List(t.Context(), channel.BoxPath{Folder: folder})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, e := range all {
		out = append(out, e.Name)
	}
	slices.Sort(out)
	return out
}

func folders(t *testing.T, f Fixture) {
	if got := names(t, f, ""); !slices.Equal(got, channel.BoxFolders[:]) {
		t.Errorf("the root holds %q", got)
	}
	for _, name := range append([]string{""}, channel.BoxFolders[:]...) {
		e, err := f.Box.Stat(t.Context(), channel.BoxPath{Folder: name})
		if err != nil || !e.Dir {
			t.Errorf("stat %q: %+v, %v", name, e, err)
		}
	}
}

func missing(t *testing.T, f Fixture) {
	p := in(channel.BoxInbox, "nobody.txt")
	if _, err := f.Box.Stat(t.Context(), p); !errors.Is(err, channel.ErrNoFile) {
		t.Errorf("stat: %v", err)
	}
	if _, err := f.Box.Open(t.Context(), p); !errors.Is(err, channel.ErrNoFile) {
		t.Errorf("open: %v", err)
	}
	if err := f.Box.Remove(t.Context(), p); !errors.Is(err, channel.ErrNoFile) {
		t.Errorf("remove: %v", err)
	}
	if err := f.Box.Rename(t.Context(), p, in(channel.BoxInbox, "other.txt")); !errors.Is(err, channel.ErrNoFile) {
		t.Errorf("rename: %v", err)
	}
}

func reading(t *testing.T, f Fixture) {
	body := f.Body(300_000)
	f.Put(t, "one.hl7", body)
	p := in(channel.BoxResults, "one.hl7")
	if e, err := f.Box.Stat(t.Context(), p); err != nil || e.Dir || e.Size != int64(len(body)) || e.Name != "one.hl7" {
		t.Fatalf("stat: %+v, %v", e, err)
	}
	r, err := f.Box.Open(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if r.Size() != int64(len(body)) {
		t.Errorf("size %d, want %d", r.Size(), len(body))
	}
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			from := (i * 7919 * 31) % (len(body) - 5000)
			got := make([]byte, 5000)
			if n, err := r.ReadAt(got, int64(from)); n != len(got) || (err != nil && !errors.Is(err, io.EOF)) || !bytes.Equal(got, body[from:from+5000]) {
				t.Errorf("read at %d: %d bytes, %v", from, n, err)
			}
		})
	}
	wg.Wait()
	got := make([]byte, 100)
	if n, err := r.ReadAt(got, r.Size()-10); n != 10 || !errors.Is(err, io.EOF) || !bytes.Equal(got[:10], body[len(body)-10:]) {
		t.Errorf("read over the end: %d bytes, %v", n, err)
	}
	if n, err := r.ReadAt(got, r.Size()); n != 0 || !errors.Is(err, io.EOF) {
		t.Errorf("read at the end: %d bytes, %v", n, err)
	}
}

func create(t *testing.T, f Fixture, name string) channel.BoxWriter {
	t.Helper()
	w, err := f.Box.Create(t.Context(), in(channel.BoxInbox, name))
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func unseen(t *testing.T, f Fixture, name, when string) {
	t.Helper()
	if got := names(t, f, channel.BoxInbox); slices.Contains(got, name) {
		t.Errorf("%s is listed %s", name, when)
	}
	if _, err := f.Box.Stat(t.Context(), in(channel.BoxInbox, name)); !errors.Is(err, channel.ErrNoFile) {
		t.Errorf("%s: stat %s: %v", name, when, err)
	}
	if _, err := f.Box.Open(t.Context(), in(channel.BoxInbox, name)); !errors.Is(err, channel.ErrNoFile) {
		t.Errorf("%s: open %s: %v", name, when, err)
	}
}

func uploading(t *testing.T, f Fixture) {
	body := f.Body(500_000)
	w := create(t, f, "up.hl7")
	const piece = 33_000
	var wg sync.WaitGroup
	for from := (len(body) - 1) / piece * piece; from >= 0; from -= piece {
		wg.Go(func() {
			p := body[from:min(from+piece, len(body))]
			if n, err := w.WriteAt(p, int64(from)); n != len(p) || err != nil {
				t.Errorf("write at %d: %d, %v", from, n, err)
			}
		})
	}
	wg.Wait()
	if _, err := w.WriteAt(body[100:40_000], 100); err != nil { // the same once more, over a border
		t.Errorf("write again: %v", err)
	}
	unseen(t, f, "up.hl7", "before its commit")
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Errorf("abort after commit: %v", err)
	}
	if got := names(t, f, channel.BoxInbox); !slices.Contains(got, "up.hl7") {
		t.Errorf("after its commit the inbox holds %q", got)
	}
	if e, err := f.Box.Stat(t.Context(), in(channel.BoxInbox, "up.hl7")); err != nil || e.Size != int64(len(body)) {
		t.Errorf("stat: %+v, %v", e, err)
	}
}

func gap(t *testing.T, f Fixture) {
	body := f.Body(200_000)
	for _, hole := range []int{0, 70_000} {
		w := create(t, f, "gap.hl7")
		for _, p := range [][2]int{{0, hole}, {hole + 1, len(body)}} {
			if _, err := w.WriteAt(body[p[0]:p[1]], int64(p[0])); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Commit(t.Context()); err == nil {
			t.Errorf("commit with byte %d missing", hole)
		}
		unseen(t, f, "gap.hl7", "with a gap")
		_ = w.Abort()
	}
}

func aborted(t *testing.T, f Fixture) {
	body := f.Body(1000)
	w := create(t, f, "gone.hl7")
	if _, err := w.WriteAt(body, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Abort(); err != nil {
		t.Fatal(err)
	}
	unseen(t, f, "gone.hl7", "after abort")
	if err := w.Commit(t.Context()); err == nil {
		t.Error("commit after abort")
	}
	unseen(t, f, "gone.hl7", "after abort and commit")
}

func elsewhere(t *testing.T, f Fixture) {
	for _, p := range []channel.BoxPath{in(channel.BoxResults, "x.hl7"), in(channel.BoxReceipts, "x.hl7")} {
		if _, err := f.Box.Create(t.Context(), p); !refused(err) {
			t.Errorf("create %s: %v", p, err)
		}
	}
}

func upload(t *testing.T, f Fixture, name string, body []byte) {
	t.Helper()
	w := create(t, f, name)
	if _, err := w.WriteAt(body, 0); err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// taken: the second of two who bring the same name is told, at Create or Commit.
func taken(t *testing.T, f Fixture) {
	upload(t, f, "same.hl7", f.Body(1000))
	w, err := f.Box.Create(t.Context(), in(channel.BoxInbox, "same.hl7"))
	if err == nil {
		if _, err = w.WriteAt(f.Body(900), 0); err == nil {
			err = w.Commit(t.Context())
		}
	}
	if !errors.Is(err, channel.ErrFileExists) && !refused(err) {
		t.Errorf("a second file of that name: %v", err)
	}
	if e, err := f.Box.Stat(t.Context(), in(channel.BoxInbox, "same.hl7")); err != nil || e.Size != 1000 {
		t.Errorf("the first: %+v, %v", e, err)
	}
}

func renaming(t *testing.T, f Fixture) {
	upload(t, f, "a.tmp", f.Body(1000))
	upload(t, f, "b.hl7", f.Body(1100))
	from := in(channel.BoxInbox, "a.tmp")
	if err := f.Box.Rename(t.Context(), from, in(channel.BoxInbox, "b.hl7")); !errors.Is(err, channel.ErrFileExists) && !refused(err) {
		t.Errorf("onto another: %v", err)
	}
	if err := f.Box.Rename(t.Context(), from, in(channel.BoxResults, "c.hl7")); !refused(err) {
		t.Errorf("out of the inbox: %v", err)
	}
	if err := f.Box.Rename(t.Context(), from, in(channel.BoxInbox, "c.hl7")); err != nil {
		t.Errorf("rename: %v", err)
	}
	unseen(t, f, "a.tmp", "after it got another name")
	if e, err := f.Box.Stat(t.Context(), in(channel.BoxInbox, "c.hl7")); err != nil || e.Size != 1000 {
		t.Errorf("after rename: %+v, %v", e, err)
	}
}
