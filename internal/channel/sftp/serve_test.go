package sftp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"
)

// serve serves a box as hub and front do together, and returns the client's end;
// done is closed when the front's part is over.
func serve(t *testing.T, b *box) (client net.Conn, done chan struct{}) {
	t.Helper()
	client, door := net.Pipe()
	ours, theirs := net.Pipe()
	c := &Carrier{Rooms: new(Rooms), Log: slog.New(slog.DiscardHandler)}
	done = make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() { _ = c.Asked(ours, door); ours.Close() })
	wg.Go(func() { _ = c.Answered(door, ours, holder{b}); door.Close(); ours.Close() })
	wg.Go(func() {
		defer close(done)
		_ = ServeFiles(context.Background(), theirs, b.served(), new(Rooms), slog.New(slog.DiscardHandler))
		theirs.Close()
	})
	t.Cleanup(func() { client.Close(); wg.Wait() })
	return client, done
}

func noise(n int, seed uint64) []byte {
	b := make([]byte, n)
	rnd := rand.New(rand.NewPCG(seed, 2))
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

// TestServeFilesToAnotherClient: with pkg/sftp, whose packets are its own.
func TestServeFilesToAnotherClient(t *testing.T) {
	for _, far := range []bool{false, true} {
		t.Run(fmt.Sprintf("far %v", far), func(t *testing.T) {
			b := newBox(far)
			conn, done := serve(t, b)
			c, err := sftp.NewClientPipe(conn, conn, sftp.MaxPacketUnchecked(200<<10), sftp.UseConcurrentWrites(true))
			if err != nil {
				t.Fatal(err)
			}
			for _, size := range []int{0, 1, 511, 4096, 70_000, 1_500_000} {
				want := noise(size, uint64(size))
				name := fmt.Sprintf("/inbox/f%d", size)
				w, err := c.Create(name)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := w.ReadFrom(bytes.NewReader(want)); err != nil {
					t.Fatal(err)
				}
				if i, err := w.Stat(); err != nil || i.Size() != int64(size) {
					t.Errorf("while it is written: %v, %v", i, err)
				}
				if err := w.Close(); err != nil {
					t.Fatal(err)
				}
				r, err := c.Open(name)
				if err != nil {
					t.Fatal(err)
				}
				if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want) {
					t.Errorf("%d bytes came back as %d others: %v", size, len(got), err)
				}
				at := make([]byte, 100)
				if n, err := r.ReadAt(at, int64(size)-50); size > 50 && (n != 50 || !errors.Is(err, io.EOF)) {
					t.Errorf("over the end: %d, %v", n, err)
				}
				if i, err := r.Stat(); err != nil || i.Size() != int64(size) || i.Mode() != 0o600 || !i.ModTime().Equal(b.made) {
					t.Errorf("while it is read: %v, %v", i, err)
				}
				if err := r.Close(); err != nil {
					t.Fatal(err)
				}
			}
			all, err := c.ReadDir("/")
			if err != nil || len(all) != 3 || !all[0].IsDir() || all[0].Name() != "inbox" {
				t.Errorf("the folders: %v, %v", all, err)
			}
			for i := range 250 {
				b.inbox[fmt.Sprintf("many%d", i)] = nil
			}
			if all, err = c.ReadDir("inbox"); err != nil || len(all) != 256 {
				t.Errorf("the inbox lists %d: %v", len(all), err)
			}
			if p, err := c.RealPath("inbox/../receipts/."); err != nil || p != "/receipts" {
				t.Errorf("real path %q, %v", p, err)
			}
			ok := func(what string, err error) {
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			ok("rename", c.Rename("/inbox/f1", "/inbox/g1"))
			ok("posix rename", c.PosixRename("/inbox/g1", "/inbox/h1"))
			ok("times", c.Chtimes("/inbox/h1", time.Now(), time.Now()))
			ok("mode", c.Chmod("/inbox/h1", 0o644))
			ok("remove", c.Remove("/inbox/h1"))
			for what, err := range map[string]error{
				"link": c.Symlink("a", "/inbox/b"), "hard link": c.Link("/inbox/f511", "/inbox/b"), "folder": c.Mkdir("/inbox/x"), "cut": c.Truncate("/inbox/f511", 1),
				"rename over": c.Rename("/inbox/f511", "/inbox/f4096"), "rename a folder": c.Rename("/inbox", "/outbox"), "remove a folder": c.RemoveDirectory("/inbox"),
			} {
				if err == nil {
					t.Error(what, "was granted")
				}
			}
			if _, err := c.Stat("/inbox/h1"); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("what is not there: %v", err)
			}
			if _, err := c.OpenFile("/inbox/f511", os.O_WRONLY|os.O_APPEND); err == nil || !strings.Contains(err.Error(), "written new and whole") {
				t.Errorf("the reason of a refusal: %v", err)
			}
			half, err := c.Create("/inbox/half")
			if err != nil {
				t.Fatal(err)
			}
			if _, err := half.Write([]byte("half")); err != nil {
				t.Fatal(err)
			}
			conn.Close()
			<-done
			if _, ok := b.inbox["half"]; ok || b.aborted != 1 {
				t.Error("a file that was not closed is there")
			}
			if len(b.open) != 0 || b.shut != 6 {
				t.Errorf("%d files are open, %d were shut", len(b.open), b.shut)
			}
		})
	}
}

// raw is a client that packs its packets itself.
type raw struct {
	t    *testing.T
	conn net.Conn
}

func packet(kind byte, parts ...any) []byte {
	p := []byte{0, 0, 0, 0, kind}
	for _, e := range parts {
		switch v := e.(type) {
		case int:
			p = binary.BigEndian.AppendUint32(p, uint32(v))
		case uint64:
			p = binary.BigEndian.AppendUint64(p, v)
		case string:
			p = binary.BigEndian.AppendUint32(p, uint32(len(v)))
			p = append(p, v...)
		}
	}
	binary.BigEndian.PutUint32(p, uint32(len(p)-4))
	return p
}

// hear reads one answer.
func (r raw) hear() (kind byte, id uint32, rest []byte, err error) {
	var head [9]byte
	if _, err := io.ReadFull(r.conn, head[:]); err != nil {
		return 0, 0, nil, err
	}
	rest = make([]byte, binary.BigEndian.Uint32(head[:])-5)
	_, err = io.ReadFull(r.conn, rest)
	return head[4], binary.BigEndian.Uint32(head[5:]), rest, err
}

func begin(t *testing.T, b *box) raw {
	t.Helper()
	conn, _ := serve(t, b)
	r := raw{t, conn}
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	r.say(packet(fxInit, 3))
	if kind, version, _, err := r.hear(); err != nil || kind != fxVersion || version != 3 {
		t.Fatalf("greeted with %d, %d: %v", kind, version, err)
	}
	return r
}

func (r raw) say(p ...[]byte) {
	if _, err := r.conn.Write(slices.Concat(p...)); err != nil {
		r.t.Error(err)
	}
}

const first = "\x00\x00\x00\x01" // the first handle of a session

// TestAnswersKeepTheOrder: a client that asks all at once, the close included, gets
// every byte before the file is shut.
func TestAnswersKeepTheOrder(t *testing.T) {
	b := newBox(true)
	want := noise(500_000, 7)
	b.inbox["f"] = want
	r := begin(t, b)
	ask := [][]byte{packet(fxOpen, 1, "/inbox/f", openRead, 0)}
	id := 2
	for off := 0; off < len(want); off += maxPiece {
		ask = append(ask, packet(fxRead, id, first, uint64(off), 1<<30)) // more than is ever given
		id++
	}
	ask = append(ask, packet(fxClose, id, first), packet(fxRead, id+1, first, uint64(0), 10))
	go r.say(ask...)
	if kind, n, _, err := r.hear(); err != nil || kind != fxHandle || n != 1 {
		t.Fatalf("open: %d, %d, %v", kind, n, err)
	}
	var got []byte
	for n := 2; n < id; n++ {
		kind, at, rest, err := r.hear()
		if err != nil || kind != fxData || at != uint32(n) {
			t.Fatalf("read: %d, %d, %v", kind, at, err)
		}
		got = append(got, rest[4:]...)
	}
	if !bytes.Equal(got, want) {
		t.Error("other bytes")
	}
	for _, code := range []uint32{fxOK, fxFailure} {
		if kind, _, rest, err := r.hear(); err != nil || kind != fxStatus || binary.BigEndian.Uint32(rest) != code {
			t.Errorf("%d %x, %v: not %d", kind, rest, err, code)
		}
	}
}

// TestAPieceThatCannotBeRead: the client hears so, and the session goes on.
func TestAPieceThatCannotBeRead(t *testing.T) {
	b := newBox(true)
	b.inbox["f"], b.fails = noise(100, 1), true
	r := begin(t, b)
	go r.say(packet(fxOpen, 1, "/inbox/f", openRead, 0), packet(fxRead, 2, first, uint64(0), 100), packet(fxStat, 3, "/inbox/f"))
	for _, want := range []byte{fxHandle, fxStatus, fxAttrs} {
		kind, _, rest, err := r.hear()
		if err != nil || kind != want {
			t.Fatalf("%d, %v: not %d", kind, err, want)
		}
		if kind == fxStatus && !strings.Contains(string(rest), "try again") {
			t.Errorf("told %q", rest)
		}
	}
}

// TestRequestsThatCannotBe: each is answered with a status or ends the session, and
// none opens anything.
func TestRequestsThatCannotBe(t *testing.T) {
	b := newBox(true)
	b.inbox["f"] = noise(100, 1)
	for what, p := range map[string][]byte{
		"no path": packet(fxOpen, 1), "a path longer than its packet": packet(fxStat, 1, 1<<31-1), "no flags": packet(fxOpen, 1, "/inbox/f"),
		"flags that open nothing": packet(fxOpen, 1, "/inbox/f", 0, 0), "a handle never given": packet(fxRead, 1, "\x00\x00\x00\x09", uint64(0), 10),
		"a long handle": packet(fxClose, 1, strings.Repeat("h", 200)), "a list of a file": packet(fxOpendir, 1, "/inbox/f"), "an unknown type": packet(99, 1),
		"an answer": packet(fxData, 1, "x"), "an unknown extension": packet(fxExtended, 1, "statvfs@openssh.com", "/"), "a second greeting": packet(fxInit, 3),
		"a read behind all": packet(fxRead, 1, first, uint64(1)<<63, 10), "a write to nothing": packet(fxWrite, 1, first, uint64(1)<<63, "x"), "a rename to nothing": packet(fxRename, 1, "/inbox/f"),
	} {
		r := begin(t, b)
		go r.say(p)
		if kind, _, rest, err := r.hear(); err != nil || kind != fxStatus || binary.BigEndian.Uint32(rest) == fxOK {
			t.Errorf("%s: %d %x, %v", what, kind, rest, err)
		}
	}
	for what, p := range map[string][]byte{
		"no packet": {0, 0, 0, 0}, "a packet too long": {0, 4, 0, 1, fxStat}, "one of 4 GiB": {255, 255, 255, 255, fxStat}, "no number": {0, 0, 0, 1, fxStat},
	} {
		r := begin(t, b)
		go r.say(p)
		if kind, _, _, err := r.hear(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %d, %v", what, kind, err)
		}
	}
	conn, done := serve(t, b)
	go func() { _, _ = conn.Write(packet(fxStat, 1, "/")) }() // without a greeting
	<-done
}

// TestNobodyAsksWithoutListening: what is asked by a client that takes no answers
// does not pile up.
func TestNobodyAsksWithoutListening(t *testing.T) {
	b := newBox(false)
	b.inbox["f"] = noise(maxPiece, 1)
	r := begin(t, b)
	go r.say(packet(fxOpen, 1, "/inbox/f", openRead, 0))
	if _, _, _, err := r.hear(); err != nil {
		t.Fatal(err)
	}
	_ = r.conn.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	sent := 0
	for ; sent < 1_000_000; sent++ {
		if _, err := r.conn.Write(packet(fxRead, 2, first, uint64(0), maxPiece)); err != nil {
			break
		}
	}
	if sent > 40_000 { // what the rooms on the way hold, of 25 bytes each
		t.Errorf("%d requests were taken, and no answer", sent)
	}
}

// FuzzServeFiles: whatever a client sends, the session answers in whole frames or
// ends.
func FuzzServeFiles(f *testing.F) {
	f.Add(slices.Concat(packet(fxOpen, 1, "/inbox/f", openRead, 0), packet(fxRead, 2, first, uint64(0), 10), packet(fxClose, 3, first)))
	f.Add(slices.Concat(packet(fxOpen, 1, "/inbox/new", openWrite, 0), packet(fxWrite, 2, first, uint64(5), "hello"), packet(fxFstat, 3, first), packet(fxClose, 4, first)))
	f.Add(slices.Concat(packet(fxOpendir, 1, "/"), packet(fxReaddir, 2, first), packet(fxReaddir, 3, first), packet(fxRealpath, 4, "..")))
	f.Add(slices.Concat(packet(fxRename, 1, "/inbox/f", "/inbox/g"), packet(fxSetstat, 2, "/inbox/g", 1), packet(fxExtended, 3, "limits@openssh.com")))
	f.Fuzz(func(t *testing.T, said []byte) {
		b := newBox(true)
		b.inbox["f"] = []byte("0123456789")
		var frames bytes.Buffer
		_ = ServeFiles(t.Context(), struct {
			io.Reader
			io.Writer
		}{io.MultiReader(bytes.NewReader(packet(fxInit, 3)), bytes.NewReader(said)), &frames}, b.served(), new(Rooms), slog.New(slog.DiscardHandler))
		var out bytes.Buffer
		c := &Carrier{Rooms: new(Rooms), Log: slog.New(slog.DiscardHandler)}
		if err := c.Answered(&out, &frames, holder{b}); err != nil {
			t.Fatal("frames that cannot be read:", err)
		}
		for p := out.Bytes(); len(p) > 0; {
			n := binary.BigEndian.Uint32(p)
			if n < 5 || n > maxPacket || int(n) > len(p)-4 {
				t.Fatalf("an answer of %d bytes in %d", n, len(p))
			}
			p = p[4+n:]
		}
	})
}

// FuzzAnswered: whatever a front says, the hub passes on or ends.
func FuzzAnswered(f *testing.F) {
	o := outgoing{}
	o.status(1, fxOK, "x")
	o.piece(2, 1, 0, 10)
	o.shut(3, 1)
	o.stat(4, "inbox", "f")
	o.put(5, "new", []byte("hello"))
	f.Add(o.b)
	f.Add(append([]byte{framePiece}, bytes.Repeat([]byte{255}, frameHead)...))
	f.Add(append([]byte{framePut}, bytes.Repeat([]byte{0, 1}, frameHead)...))
	f.Fuzz(func(t *testing.T, said []byte) {
		b := newBox(true)
		b.open[1] = []byte("0123456789")
		var out bytes.Buffer
		c := &Carrier{Rooms: new(Rooms), Log: slog.New(slog.DiscardHandler)}
		_ = c.Answered(&out, bytes.NewReader(said), holder{b})
		if out.Len() > len(said)*maxPiece {
			t.Fatalf("%d bytes made %d", len(said), out.Len())
		}
	})
}
