package remote_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	ct "github.com/labwarden/labwarden/internal/channel/channeltest"
	"github.com/labwarden/labwarden/internal/channel/remote"
)

func TestConformance(t *testing.T) {
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			ct.Run(t, ct.Harness{
				Success: channel.Placed,
				// Nobody answers about a message: what a partner's system could say of
				// one, and say wrong, does not exist here.
				Lacks: []ct.Fault{ct.ClosesMidReply, ct.Garbage, ct.Twice, ct.OtherMessage, ct.Declines, ct.HangsAfter},
				Message: func(n, size int) channel.Message {
					return channel.Message{Name: fmt.Sprintf("r%d-%d.hl7", n, size), Body: ct.Bytes(n, size, "")}
				},
				New: func(t *testing.T, f ct.Fault) ct.Far {
					s := start(t)
					release, patience := func() {}, 10*time.Second
					switch f {
					case ct.Refuses:
						s.stop()
						s.line.to = "127.0.0.1:1"
					case ct.HangsBefore:
						release, patience = s.line.hold(), 500*time.Millisecond
					case ct.Slow:
						s.line.delay = 10 * time.Millisecond
					}
					sender := s.sender(t, func(c *remote.Config) { c.Patience, c.Connections = patience, 4 })
					return ct.Far{Sender: sender, Close: func() { release(); _ = s.line.Close(); s.line.cut(); s.stop() }, Received: func() [][]byte {
						var all [][]byte
						for _, b := range s.files(t) {
							all = append(all, []byte(b))
						}
						return all
					}}
				},
			})
		})
	}
}

func TestCollisions(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		out := s.sender(t, func(c *remote.Config) { c.PickUps = true })
		for i, c := range []struct{ body, code, file string }{
			{"one", "renamed", "a.hl7"},
			{"one", "present", "a.hl7"},
			{"two", "renamed", "a-1.hl7"},
			{"two", "present", "a-1.hl7"},
			{"six", "renamed", "a-2.hl7"},
		} {
			r, err := send(t, out, "a.hl7", c.body)
			if err != nil || r.Code != c.code || r.PickUp != c.file || r.Level != channel.Placed || r.Peer.Fingerprint == "" || r.Peer.TLS == "" {
				t.Errorf("%d: %+v %v", i, r, err)
			}
		}
		if got := fmt.Sprint(s.files(t)); got != "map[a-1.hl7:two a-2.hl7:six a.hl7:one]" {
			t.Error(got)
		}
		names, err := out.Names(t.Context())
		if err != nil || len(names) != 3 || !names["a-2.hl7"] {
			t.Errorf("%v %v", names, err)
		}
		same := s.sender(t, func(c *remote.Config) { c.SameName = true })
		if r, err := send(t, same, "a.hl7", "other ciphertext"); err != nil || r.Code != "present" {
			t.Errorf("%+v %v", r, err)
		}
		if left := s.hidden(t); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
		for _, n := range []string{"", "..", "../x", "a/b", ".hidden", "a\nb"} {
			if _, err := send(t, out, n, "x"); channel.ClassOf(err) != channel.Unfit {
				t.Errorf("%q: %v", n, err)
			}
		}
	})
}

// TestBrokenUpload: the line is cut in the middle of a large file. Nothing is
// visible, and the next try goes on where the first broke off.
func TestBrokenUpload(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		out := s.sender(t, nil)
		body := string(ct.Bytes(7, 8<<20, ""))
		there := int64(0)
		for at := 1; at <= 3; at++ {
			was := there
			s.line.onCut(func() {
				ct.Eventually(t, "the server writes what it read", func() error {
					left := s.hidden(t)
					if len(left) != 1 {
						return fmt.Errorf("%d temporary files, want the one to go on with", len(left))
					}
					i, err := left[0].Info()
					if err != nil || i.Size() <= was {
						return fmt.Errorf("cut %d: no more than %d bytes are there, %w", at, was, err)
					}
					return nil
				})
			})
			s.line.cutAfter(2 << 20)
			if _, err := send(t, out, "big.hl7", body); channel.ClassOf(err) != channel.Unreachable {
				t.Fatalf("cut: %v", err)
			}
			if got := s.files(t); len(got) != 0 {
				t.Fatalf("visible before it was whole: %d files", len(got))
			}
			left := s.hidden(t)
			if len(left) != 1 {
				t.Fatalf("%d temporary files, want the one to go on with", len(left))
			}
			i, err := left[0].Info()
			if err != nil || i.Size() <= was {
				t.Fatalf("cut %d: it does not go on where it was: %d bytes, before %d, %v", at, i.Size(), was, err)
			}
			there = i.Size()
		}
		s.line.cutAfter(8<<20 - there/2) // less than all of it: it must go on
		if r, err := send(t, out, "big.hl7", body); err != nil || r.Code != "renamed" {
			t.Fatalf("%+v %v", r, err)
		}
		if got := s.files(t); len(got) != 1 || got["big.hl7"] != body {
			t.Error("it did not arrive as it was sent")
		}
		if left := s.hidden(t); len(left) != 0 {
			t.Errorf("left behind: %v", left)
		}
	})
}

// TestForeignBeginning: what lies under the temporary name is not the beginning
// of this file; it is begun anew.
func TestForeignBeginning(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		out := s.sender(t, nil)
		body := string(ct.Bytes(8, 4<<20, ""))
		s.line.cutAfter(2 << 20)
		if _, err := send(t, out, "big.hl7", body); err == nil {
			t.Fatal("not cut")
		}
		s.line.cutAfter(0)
		left := s.hidden(t)
		if len(left) != 1 {
			t.Fatalf("%v", left)
		}
		path := filepath.Join(s.dir, left[0].Name())
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, err = f.WriteAt([]byte("something else"), 5)
		if err != nil || f.Close() != nil {
			t.Fatal(err)
		}
		if _, err := send(t, out, "big.hl7", body); err != nil {
			t.Fatal(err)
		}
		if got := s.files(t); got["big.hl7"] != body {
			t.Error("it did not arrive as it was sent")
		}
	})
}

// TestAnswerToRenameLost: the server renames and the line is cut before it says
// so. That is Unanswered, and the next try finds the file instead of placing a
// second one.
func TestAnswerToRenameLost(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		out := s.sender(t, func(c *remote.Config) {
			dial := c.Dial
			c.Dial = losing(dial, s.line)
		})
		_, err := send(t, out, "a.hl7", "body")
		if channel.ClassOf(err) != channel.Unanswered {
			t.Fatalf("rename without an answer: %v", err)
		}
		for range 2 {
			r, err := send(t, s.sender(t, nil), "a.hl7", "body")
			if err != nil || r.Code != "present" {
				t.Errorf("%+v %v", r, err)
			}
		}
		if got := s.files(t); len(got) != 1 {
			t.Errorf("%d files", len(got))
		}
	})
}

func TestServerKilledAndBack(t *testing.T) {
	s := startSSHD(t, "")
	srv := &server{kind: "sftp", dir: s.dir, dial: sftpDial(t, s.config(s.addr))}
	out := srv.sender(t, nil)
	if _, err := send(t, out, "a.hl7", "one"); err != nil {
		t.Fatal(err)
	}
	s.stop()
	s.restart() // the kept connection may be dead: that must cost no message
	if _, err := send(t, out, "b.hl7", "two"); err != nil {
		t.Errorf("after a restart: %v", err)
	}
}

// TestFull writes into a file system that is really full.
func TestFull(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		if err := syscall.Mount("tmpfs", s.dir, "tmpfs", 0, "size=64k,mode=0777"); err != nil {
			t.Skipf("SKIPPED: cannot mount a small file system: %v", err)
		}
		defer syscall.Unmount(s.dir, syscall.MNT_DETACH)
		out := s.sender(t, nil)
		if _, err := send(t, out, "small.hl7", "fits"); err != nil {
			t.Fatal(err)
		}
		_, err := send(t, out, "big.hl7", strings.Repeat("x", 300<<10))
		if channel.ClassOf(err) != channel.Busy {
			t.Errorf("full: %v", err)
		}
		if got := s.files(t); len(got) != 1 || len(s.hidden(t)) != 0 {
			t.Errorf("left behind: %d files, %d temporary", len(got), len(s.hidden(t)))
		}
		if _, err := send(t, out, "next.hl7", "fits again"); err != nil {
			t.Error(err)
		}
	})
}

func TestSweep(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		now := time.Now()
		for name, age := range map[string]time.Duration{".labwarden-dead.part": 80 * time.Hour, ".labwarden-live.part": time.Minute, ".other.part": 500 * time.Hour} {
			p := write(t, filepath.Join(s.dir, name), "half", 0o666)
			if err := os.Chtimes(p, now, now.Add(-age)); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := send(t, s.sender(t, nil), "a.hl7", "x"); err != nil {
			t.Fatal(err)
		}
		if left := s.hidden(t); len(left) != 1 || left[0].Name() != ".labwarden-live.part" {
			t.Errorf("%v", left)
		}
	})
}
