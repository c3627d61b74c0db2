package folder

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
)

func newSender(t *testing.T, c Config) *Sender {
	t.Helper()
	s, err := NewSender(c)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestConformance(t *testing.T) {
	ct.Run(t, ct.Harness{
		Success: channel.Placed,
		Lacks: []ct.Fault{
			ct.HangsBefore, ct.HangsAfter, ct.ClosesMidReply, ct.Garbage, ct.Twice, ct.OtherMessage, ct.Slow, ct.Declines,
		},
		Message: func(n, size int) channel.Message {
			return channel.Message{Name: fmt.Sprintf("r%d-%d.hl7", n, size), Body: ct.Bytes(n, size, "")}
		},
		New: func(t *testing.T, f ct.Fault) ct.Far {
			dir := t.TempDir()
			if f == ct.Refuses {
				dir = filepath.Join(dir, "gone")
			}
			return ct.Far{Sender: newSender(t, Config{Name: "clinic", Dir: dir}), Close: func() {}, Received: func() [][]byte {
				var all [][]byte
				for _, b := range files(t, dir) {
					all = append(all, []byte(b))
				}
				return all
			}}
		},
	})
}

// files reads a directory, without what lies behind links.
func files(t *testing.T, dir string) map[string]string {
	t.Helper()
	m := map[string]string{}
	es, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range es {
		if !e.Type().IsRegular() {
			continue
		}
		b, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		m[e.Name()] = string(b)
	}
	return m
}

func send(t *testing.T, s *Sender, name, body string) channel.Receipt {
	t.Helper()
	r, err := s.Send(t.Context(), channel.Message{Name: name, Body: []byte(body)})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCollisions(t *testing.T) {
	dir := t.TempDir()
	s := newSender(t, Config{Dir: dir})
	for i, c := range []struct{ body, code, file string }{
		{"one", "renamed", "a.hl7"},
		{"one", "present", "a.hl7"},
		{"two", "renamed", "a-1.hl7"},
		{"two", "present", "a-1.hl7"},
		{"one", "present", "a.hl7"},
		{"six", "renamed", "a-2.hl7"},
	} {
		r := send(t, s, "a.hl7", c.body)
		if r.Code != c.code || r.Peer.Addr != filepath.Join(dir, c.file) || r.Level != channel.Placed {
			t.Errorf("%d: %+v, want %v", i, r, c)
		}
	}
	if got := fmt.Sprint(files(t, dir)); got != "map[a-1.hl7:two a-2.hl7:six a.hl7:one]" {
		t.Error(got)
	}
	same := newSender(t, Config{Dir: dir, SameName: true})
	if r := send(t, same, "a.hl7", "other ciphertext"); r.Code != "present" {
		t.Errorf("%+v", r)
	}
}

// TestConcurrentSameName: every body is there once, under some name.
func TestConcurrentSameName(t *testing.T) {
	dir := t.TempDir()
	s := newSender(t, Config{Dir: dir})
	var wg sync.WaitGroup
	for i := range 60 {
		wg.Go(func() { send(t, s, "same.hl7", fmt.Sprint("body ", i%20)) })
	}
	wg.Wait()
	seen := map[string]bool{}
	for name, body := range files(t, dir) {
		if seen[body] || strings.HasPrefix(name, ".") {
			t.Errorf("%s holds %q again", name, body)
		}
		seen[body] = true
	}
	if len(seen) != 20 {
		t.Errorf("%d bodies", len(seen))
	}
}

func TestRefusedNames(t *testing.T) {
	dir := t.TempDir()
	s := newSender(t, Config{Dir: dir})
	for _, n := range []string{"", ".", "..", "../x", "a/b", `a\b`, "/etc/x", "c:x", ".hidden", "a\nb", "a\x00", "\xff", strings.Repeat("x", 201)} {
		_, err := s.Send(t.Context(), channel.Message{Name: n, Body: []byte("x")})
		if channel.ClassOf(err) != channel.Unfit {
			t.Errorf("%q: %v", n, err)
		}
	}
	if f := files(t, dir); len(f) != 0 {
		t.Error(f)
	}
}

// TestLinks: a link in the way is neither followed nor replaced.
func TestLinks(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "target")
	if err := os.WriteFile(outside, []byte("result"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"a.hl7": outside, "b.hl7": filepath.Join(outside, "nothing")} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := newSender(t, Config{Dir: dir})
	send(t, s, "a.hl7", "result")
	send(t, s, "b.hl7", "other")
	if got := fmt.Sprint(files(t, dir)); got != "map[a-1.hl7:result b-1.hl7:other]" {
		t.Error(got)
	}
	// Not even where the name alone decides.
	if r := send(t, newSender(t, Config{Dir: dir, SameName: true}), "b.hl7", "x"); filepath.Base(r.Peer.Addr) != "b-1.hl7" {
		t.Errorf("the link was taken for the message: %+v", r)
	}
	if b, _ := os.ReadFile(outside); string(b) != "result" {
		t.Errorf("written through the link: %q", b)
	}
}

func TestClasses(t *testing.T) {
	s := newSender(t, Config{Dir: "/nowhere"})
	for err, want := range map[error]channel.Class{
		syscall.ENOSPC: channel.Busy, syscall.EDQUOT: channel.Busy, syscall.EACCES: channel.Misconfigured,
		syscall.EPERM: channel.Misconfigured, syscall.EROFS: channel.Misconfigured, syscall.ENOENT: channel.Misconfigured,
		syscall.EIO: channel.Unreachable,
	} {
		wrapped := s.classed("write file", &fs.PathError{Op: "write", Path: "DOE^JANE.hl7", Err: err})
		if channel.ClassOf(wrapped) != want || strings.Contains(wrapped.Error(), "DOE") || !errors.Is(wrapped, err) {
			t.Errorf("%v: %v", err, wrapped)
		}
	}
}

// TestFull writes into a file system that is really full, where one can be made.
func TestFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("SKIPPED: cannot mount a small file system (%v); ENOSPC is only tested by its number", err)
	}
	defer syscall.Unmount(dir, 0)
	s := newSender(t, Config{Dir: dir})
	send(t, s, "small.hl7", "fits")
	_, err := s.Send(t.Context(), channel.Message{Name: "big.hl7", Body: bytes.Repeat([]byte("x"), 100<<10)})
	if channel.ClassOf(err) != channel.Busy {
		t.Errorf("full: %v", err)
	}
	if got := files(t, dir); len(got) != 1 {
		t.Errorf("left behind: %d files", len(got))
	}
	send(t, s, "next.hl7", "fits again")
}

func TestCancelledLeavesNothing(t *testing.T) {
	dir := t.TempDir()
	ctx, cancel := context.WithCancel(t.Context())
	s := newSender(t, Config{Dir: dir, Rand: readFunc(func(b []byte) (int, error) { cancel(); return len(b), nil })})
	_, err := s.Send(ctx, channel.Message{Name: "a.hl7", Body: []byte("x")})
	if channel.ClassOf(err) != channel.Unreachable || !errors.Is(err, context.Canceled) || len(files(t, dir)) != 0 {
		t.Errorf("%v, files %v", err, files(t, dir))
	}
}

type readFunc func([]byte) (int, error)

func (f readFunc) Read(b []byte) (int, error) { return f(b) }

func TestSweep(t *testing.T) {
	dir := t.TempDir()
	now := time.Now()
	for name, age := range map[string]time.Duration{
		".labwarden-dead.part": 2 * time.Hour, ".labwarden-live.part": time.Minute, ".other.part": 5 * time.Hour,
	} {
		p := filepath.Join(dir, name)
		if err := errors.Join(os.WriteFile(p, []byte("half"), 0o600), os.Chtimes(p, now, now.Add(-age))); err != nil {
			t.Fatal(err)
		}
	}
	s := newSender(t, Config{Dir: dir, Mode: 0o604})
	send(t, s, "a.hl7", "x")
	got := files(t, dir)
	if _, dead := got[".labwarden-dead.part"]; dead || len(got) != 3 {
		t.Error(got)
	}
	if st, err := os.Stat(filepath.Join(dir, "a.hl7")); err != nil || st.Mode() != 0o604 {
		t.Errorf("%v %v", st.Mode(), err)
	}
}
