package fronthub

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/frontlink"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/spool"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// looker is a gate: it remembers what it has seen, and lets somebody act around that.
type looker struct {
	mu            sync.Mutex
	before, after func()
	saw           map[string][]byte
}

func (g *looker) act(before, after func()) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.before, g.after = before, after
}

func (g *looker) seen() map[string][]byte {
	g.mu.Lock()
	defer g.mu.Unlock()
	return maps.Clone(g.saw)
}

func (g *looker) Check(_ context.Context, f *boxes.File, body io.ReaderAt) (boxes.Verdict, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.before != nil {
		g.before()
	}
	b, err := io.ReadAll(io.NewSectionReader(body, 0, f.Size))
	if err != nil {
		return boxes.Verdict{}, err
	}
	g.saw[f.Name] = b
	if g.after != nil {
		g.after()
	}
	return boxes.Verdict{Pass: true}, nil
}

// evil is a front that was taken over, with the tickets of two partners.
type evil struct {
	t      *testing.T
	hub    *Hub
	link   *frontlink.Conn
	gate   *looker
	dir    string
	keeper []byte
	p, q   string // tickets
}

func newEvil(t *testing.T) *evil {
	t.Helper()
	e := &evil{t: t, gate: &looker{saw: map[string][]byte{}}, dir: filepath.Join(t.TempDir(), "boxes")}
	db, err := store.OpenSQLite(t.Context(), filepath.Join(t.TempDir(), "test.db"), store.Options{})
	e.must(err)
	t.Cleanup(func() { _ = db.Close() })
	e.must(db.Migrate(t.Context(), bus.Migrations(), boxes.Migrations()))
	v, _, err := vault.Create(t.Context(), &vaulttest.Book{}, rand.Reader, vault.CreateOptions{
		Lab: "lab", Seals: []vault.Seal{vault.Passphrase("fifteen characters and more")}, Shares: 3, Threshold: 2, Now: time.Now(),
	})
	e.must(err)
	t.Cleanup(v.Close)
	e.must(v.EnsurePurpose(t.Context(), boxes.Purpose, time.Now()))
	log, err := bus.New("test")
	e.must(err)
	log.Bind(v)
	log.Attach(db)
	svc := boxes.New(boxes.Options{
		DB: db, Vault: v, Spool: e.dir, Gate: e.gate, Room: func(string) boxes.Room { return boxes.DefaultRoom }, Now: time.Now, Log: slog.New(slog.DiscardHandler),
	})
	e.must(svc.Sweep(t.Context()))
	var socket string
	e.hub, socket = serveHub(t, nil, nil, func(h *Hub) { h.Boxes = svc })
	e.link = reach(t, socket)
	var w frontlink.Welcome
	e.must(e.ask(frontlink.VerbHello, frontlink.Hello{Version: frontlink.Version}, &w))
	e.keeper = w.Keeper
	enter := func(user string) string {
		var got frontlink.Ticket
		e.must(e.ask(frontlink.VerbSignIn, frontlink.SignIn{Protocol: "ftps", User: user, Password: "right123456", Addr: "192.0.2.1:1"}, &got))
		return got.Ticket
	}
	e.p, e.q = enter("p"), enter("q")
	return e
}

func (e *evil) must(err error) {
	e.t.Helper()
	if err != nil {
		e.t.Fatal(err)
	}
}

func (e *evil) ask(v frontlink.Verb, words, into any) error {
	_, f, err := e.link.Ask(e.t.Context(), v, words, nil, nil, into)
	if f != nil {
		_ = f.Close()
	}
	return err
}

// sent is an upload that stands before its commit; the evil front keeps its file open.
type sent struct {
	made frontlink.Created
	disk *os.File
	key  spool.Key
	size int64
}

func (e *evil) send(ticket, name string, body []byte) *sent {
	e.t.Helper()
	s := &sent{}
	_, f, err := e.link.Ask(e.t.Context(), frontlink.VerbCreate, frontlink.At{Ticket: ticket, Folder: channel.BoxInbox, File: name}, nil, nil, &s.made)
	e.must(err)
	s.disk = f
	e.t.Cleanup(func() { _ = f.Close() })
	w, key, err := spool.NewWriter(f, spool.ID(s.made.ID), s.made.Limit)
	e.must(err)
	s.key = key
	_, err = w.WriteAt(body, 0)
	e.must(err)
	s.size, err = w.Finish()
	e.must(err)
	return s
}

func (e *evil) wrapped(id []byte, key *spool.Key) []byte {
	e.t.Helper()
	b, err := spool.Wrap(e.keeper, spool.ID(id), key)
	e.must(err)
	return b
}

func (e *evil) commit(ticket string, handle uint64, size int64, key []byte) error {
	return e.ask(frontlink.VerbCommit, frontlink.Finished{OpenFile: frontlink.OpenFile{Ticket: ticket, Handle: handle}, Size: size, Key: key}, nil)
}

// rewrite seals another first chunk with the file's key and writes a list of links
// that agrees with it.
func (e *evil) rewrite(s *sent, plain []byte) {
	e.t.Helper()
	b, err := aes.NewCipher(s.key[:])
	e.must(err)
	aead, err := cipher.NewGCMWithRandomNonce(b)
	e.must(err)
	_, err = s.disk.WriteAt(aead.Seal(nil, nil, plain, binary.BigEndian.AppendUint64(bytes.Clone(s.made.ID), 0)), 0)
	e.must(err)
	_, _, err = spool.Close(s.disk, spool.ID(s.made.ID), &s.key, s.size)
	e.must(err)
}

func (e *evil) names(partner string) string {
	e.t.Helper()
	all, _, err := e.hub.Boxes.List(e.t.Context(), partner, channel.BoxInbox, event.ID{}, 100)
	e.must(err)
	var out []string
	for _, f := range all {
		out = append(out, f.Name)
	}
	return fmt.Sprint(out)
}

// read is what the laboratory gets of a file.
func (e *evil) read(partner, name string) ([]byte, error) {
	r, err := e.hub.Boxes.Open(e.t.Context(), partner, channel.BoxInbox, name, boxes.Via{})
	if err != nil {
		return nil, err
	}
	defer func() { e.must(r.Close(e.t.Context())) }()
	return io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
}

// TestAFrontThatLiesAtCommit: sizes, keys and files that do not belong together are
// nobody's file, and of a file that is taken nothing else than what the gate has
// seen is ever read, whatever the front writes to it, and whenever.
func TestAFrontThatLiesAtCommit(t *testing.T) {
	e := newEvil(t)
	body := bytes.Repeat([]byte("negative"), 3*spool.ChunkSize/8+100)
	evil := bytes.Repeat([]byte("positive"), spool.ChunkSize/8)

	for name, size := range map[string]int64{
		"shorter": -1, "shorter by a chunk": -spool.ChunkSize, "longer": 1, "longer by a chunk": spool.ChunkSize, "negative": -int64(len(body)) - 1, "the longest": spool.MaxSize, "more than may be sent": boxes.DefaultRoom.MaxFile,
		"too long to count": 1<<62 - 1,
	} {
		s := e.send(e.p, "size.csv", body)
		if err := e.commit(e.p, s.made.Handle, s.size+size, e.wrapped(s.made.ID, &s.key)); err == nil {
			t.Errorf("a size that is %s is taken", name)
		}
	}
	one, two := e.send(e.p, "one.csv", body), e.send(e.q, "two.csv", body)
	if one.made.Handle == two.made.Handle { // numbers of two tickets: one is moved on
		e.must(e.ask(frontlink.VerbAbort, frontlink.Dropped{OpenFile: frontlink.OpenFile{Ticket: e.q, Handle: two.made.Handle}}, nil))
		two = e.send(e.q, "two.csv", body)
	}
	for name, err := range map[string]error{
		"another ticket's file":            e.commit(e.p, two.made.Handle, two.size, e.wrapped(two.made.ID, &two.key)),
		"another ticket's file, the other": e.commit(e.q, one.made.Handle, one.size, e.wrapped(one.made.ID, &one.key)),
		"no file":                          e.commit(e.p, 1<<40, one.size, e.wrapped(one.made.ID, &one.key)),
	} {
		if !errors.Is(err, channel.ErrNoFile) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, key := range map[string]func(a, b *sent) []byte{
		"a key wrapped for another file": func(a, b *sent) []byte { return e.wrapped(b.made.ID, &a.key) },
		"another file's key":             func(a, b *sent) []byte { return e.wrapped(a.made.ID, &b.key) },
		"another file's wrapped key":     func(_, b *sent) []byte { return e.wrapped(b.made.ID, &b.key) },
		"a key in the clear":             func(a, _ *sent) []byte { return a.key[:] },
		"no key":                         func(_, _ *sent) []byte { return nil },
	} {
		a := e.send(e.p, "key.csv", body)
		if err := e.commit(e.p, a.made.Handle, a.size, key(a, two)); err == nil {
			t.Errorf("%s is taken", name)
		}
		if err := e.commit(e.p, a.made.Handle, a.size, e.wrapped(a.made.ID, &a.key)); !errors.Is(err, channel.ErrNoFile) {
			t.Errorf("%s, and then the right one: %v", name, err)
		}
	}
	// The bytes of one on the disk of the other.
	three := e.send(e.p, "three.csv", body)
	raw, err := io.ReadAll(io.NewSectionReader(two.disk, 0, 1<<30))
	e.must(err)
	_, err = three.disk.WriteAt(raw, 0)
	e.must(err)
	if e.commit(e.p, three.made.Handle, three.size, e.wrapped(three.made.ID, &two.key)) == nil {
		t.Error("the bytes of another file are taken")
	}
	if got := e.names("p") + e.names("q"); got != "[][]" || len(e.gate.seen()) != 0 {
		t.Fatalf("there are %s, and the gate saw %d", got, len(e.gate.seen()))
	}
	e.must(e.ask(frontlink.VerbAbort, frontlink.Dropped{OpenFile: frontlink.OpenFile{Ticket: e.q, Handle: two.made.Handle}}, nil))
	e.must(e.ask(frontlink.VerbAbort, frontlink.Dropped{OpenFile: frontlink.OpenFile{Ticket: e.p, Handle: one.made.Handle}}, nil))
	left, err := os.ReadDir(e.dir)
	e.must(err)
	if len(left) != 0 {
		t.Errorf("%d refused files lie in the spool", len(left))
	}

	// Written before the gate looks: it sees damage and nothing is taken. While and
	// after it looks: what was seen, or damage.
	s := e.send(e.p, "early.csv", body)
	e.gate.act(func() { e.rewrite(s, evil) }, nil)
	if err := e.commit(e.p, s.made.Handle, s.size, e.wrapped(s.made.ID, &s.key)); err == nil {
		t.Error("a file that was rewritten before the gate looked is taken")
	}
	s = e.send(e.p, "late.csv", body)
	e.gate.act(nil, func() { e.rewrite(s, evil) })
	_ = e.commit(e.p, s.made.Handle, s.size, e.wrapped(s.made.ID, &s.key))
	e.gate.act(nil, nil)
	if got, err := e.read("p", "late.csv"); !errors.Is(err, spool.ErrDamaged) {
		t.Errorf("rewritten behind the gate: %.16q %v", got, err)
	}
	s = e.send(e.p, "kept.csv", body)
	e.must(e.commit(e.p, s.made.Handle, s.size, e.wrapped(s.made.ID, &s.key)))
	if err := e.commit(e.p, s.made.Handle, s.size, e.wrapped(s.made.ID, &s.key)); !errors.Is(err, channel.ErrNoFile) {
		t.Error("committed twice:", err)
	}
	if got, err := e.read("p", "kept.csv"); err != nil || !bytes.Equal(got, body) || !bytes.Equal(got, e.gate.seen()["kept.csv"]) {
		t.Errorf("%.16q %v", got, err)
	}
	// The descriptor that was kept still writes, while somebody reads as well.
	r, err := e.hub.Boxes.Open(t.Context(), "p", channel.BoxInbox, "kept.csv", boxes.Via{})
	e.must(err)
	e.rewrite(s, evil)
	b := make([]byte, 16)
	if n, err := r.ReadAt(b, 0); !errors.Is(err, spool.ErrDamaged) || n != 0 {
		t.Errorf("rewritten while it is read: %q %v", b[:n], err)
	}
	e.must(r.Close(t.Context()))
	if got, err := e.read("p", "kept.csv"); !errors.Is(err, spool.ErrDamaged) {
		t.Errorf("rewritten after it was taken: %.16q %v", got, err)
	}
	if _, seen := e.gate.seen()["early.csv"]; seen || e.names("p") != "[kept.csv late.csv]" && e.names("p") != "[late.csv kept.csv]" {
		t.Error(e.names("p"))
	}
}
