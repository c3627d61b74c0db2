package boxes_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/spool"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// sftp is a client that came with a key.
var sftp = boxes.Via{Protocol: "sftp", Proof: "key", Fingerprint: "SHA256:abc", Secured: "SSH aes256-gcm@openssh.com"}

type rig struct {
	t      *testing.T
	db     *store.DB
	mu     sync.Mutex // of now
	svc    *boxes.Service
	now    time.Time
	gate   func(name string, body []byte) boxes.Verdict
	room   boxes.Room
	picked []int64
}

func (r *rig) Check(_ context.Context, f *boxes.File, body io.ReaderAt) (boxes.Verdict, error) {
	if f.ID == (event.ID{}) || f.SHA256 == [32]byte{} || f.Partner == "" {
		r.t.Errorf("the gate is asked about %+v", f)
	}
	b, err := io.ReadAll(io.NewSectionReader(body, 0, f.Size))
	if err != nil || r.gate == nil {
		return boxes.Verdict{Pass: true}, err
	}
	return r.gate(f.Name, b), nil
}

func (r *rig) PickedUp(_ context.Context, d int64, _ time.Time) error {
	r.picked = append(r.picked, d)
	return nil
}

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC), room: boxes.DefaultRoom}
	db := open(store.Options{})
	r.db = db
	must(t, db.Migrate(t.Context(), bus.Migrations(), boxes.Migrations()))
	v, _, err := vault.Create(t.Context(), &vaulttest.Book{}, rand.Reader, vault.CreateOptions{
		Lab: "lab", Seals: []vault.Seal{vault.Passphrase("fifteen characters and more")}, Shares: 3, Threshold: 2, Now: r.now,
	})
	must(t, err)
	t.Cleanup(v.Close)
	must(t, v.EnsurePurpose(t.Context(), boxes.Purpose, r.now))
	log, err := bus.New("test")
	must(t, err)
	log.Bind(v)
	log.Attach(db)
	r.svc = boxes.New(boxes.Options{
		DB: db, Vault: v, Spool: filepath.Join(t.TempDir(), "boxes"), Gate: r, Delivered: r, Room: func(string) boxes.Room { return r.room },
		Now: r.tick, Log: slog.New(slog.DiscardHandler),
	})
	must(t, r.svc.Sweep(t.Context()))
	return r
}

// tick is a clock on which no two times are the same.
func (r *rig) tick() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(time.Millisecond)
	return r.now
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) names(partner, folder string) string {
	r.t.Helper()
	all, _, err := r.svc.List(r.t.Context(), partner, folder, event.ID{}, 100)
	must(r.t, err)
	var out []string
	for _, f := range all {
		out = append(out, f.Name)
	}
	return strings.Join(out, " ")
}

func (r *rig) large(partner, name string, body []byte) error {
	u, err := r.svc.Begin(r.t.Context(), partner, name, sftp)
	if err != nil {
		return err
	}
	w, key, err := spool.NewWriter(u.Disk, u.ID, u.Limit)
	must(r.t, err)
	if _, err := w.WriteAt(body, 0); err != nil {
		u.Abort()
		return err
	}
	size, err := w.Finish()
	must(r.t, err)
	return u.Commit(r.t.Context(), size, &key)
}

func (r *rig) read(partner, folder, name, how string) []byte {
	r.t.Helper()
	in, err := r.svc.Open(r.t.Context(), partner, folder, name, boxes.Via{Protocol: how})
	must(r.t, err)
	b, err := io.ReadAll(io.NewSectionReader(in, 0, in.Size()))
	must(r.t, err)
	must(r.t, in.Close(r.t.Context()))
	return b
}

func refused(err error) bool {
	var no *channel.Refusal
	return errors.As(err, &no)
}

func TestFilesComeAndGo(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		big := make([]byte, 3*spool.ChunkSize+5)
		_, _ = rand.Read(big)
		must(t, r.svc.Put(t.Context(), "riverside", "a.hl7", sftp, []byte("MSH|a")))
		must(t, r.svc.Put(t.Context(), "riverside", "empty", sftp, nil))
		must(t, r.large("riverside", "big.pdf", big))
		if got := r.names("riverside", "inbox"); got != "a.hl7 empty big.pdf" {
			t.Error("inbox:", got)
		}
		if got := r.names("northgate", "inbox"); got != "" {
			t.Error("another partner sees", got)
		}
		if !bytes.Equal(r.read("riverside", "inbox", "big.pdf", "sftp"), big) || string(r.read("riverside", "inbox", "a.hl7", "")) != "MSH|a" || len(r.read("riverside", "inbox", "empty", "")) != 0 {
			t.Error("another content")
		}
		if _, err := r.svc.Open(t.Context(), "northgate", "inbox", "a.hl7", sftp); !errors.Is(err, channel.ErrNoFile) {
			t.Error("another partner opens it:", err)
		}
		if err := r.svc.Put(t.Context(), "riverside", "a.hl7", sftp, []byte("MSH|other")); !errors.Is(err, channel.ErrFileExists) {
			t.Error("a file is written over:", err)
		}
		must(t, r.svc.Put(t.Context(), "northgate", "a.hl7", sftp, []byte("MSH|n")))
		must(t, r.svc.Rename(t.Context(), "riverside", "a.hl7", "b.hl7"))
		if err := r.svc.Rename(t.Context(), "riverside", "b.hl7", "big.pdf"); !errors.Is(err, channel.ErrFileExists) {
			t.Error("a name is taken twice:", err)
		}
		must(t, r.svc.Remove(t.Context(), "riverside", "inbox", "big.pdf", "partner"))
		must(t, r.svc.Put(t.Context(), "riverside", "big.pdf", sftp, []byte("the name is free again")))
		if err := r.svc.Remove(t.Context(), "riverside", "inbox", "nothing", "partner"); !errors.Is(err, channel.ErrNoFile) {
			t.Error(err)
		}
		r.sound()
		n, err := r.svc.Erase(t.Context(), r.now.Add(time.Hour).UnixMicro())
		must(t, err)
		left, err := os.ReadDir(r.svc.Spool)
		must(t, err)
		if n != 1 || len(left) != 0 {
			t.Errorf("%d forgotten, %d files left", n, len(left))
		}
		r.sound()
	})
}

func (r *rig) sound() {
	r.t.Helper()
	must(r.t, r.svc.Audit(r.t.Context(), func(table, row, what string) { r.t.Errorf("%s %s: %s", table, row, what) }))
}

func TestPickedUpOnceAndOnlyWhole(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		const d = 7
		body := bytes.Repeat([]byte("result "), 100)
		_, _, err := r.svc.Deliver(t.Context(), "riverside", "r.hl7", boxes.Delivery{Number: d, Body: body})
		must(t, err)
		if _, _, err := r.svc.Deliver(t.Context(), "riverside", "r.hl7", boxes.Delivery{Number: d, Body: body}); err != nil {
			t.Error("the same delivery again:", err)
		}
		if _, _, err := r.svc.Deliver(t.Context(), "riverside", "r.hl7", boxes.Delivery{Number: 8, Body: body}); !errors.Is(err, channel.ErrFileExists) {
			t.Error("another delivery under the same name:", err)
		}
		if err := r.svc.Remove(t.Context(), "riverside", "results", "r.hl7", "partner"); !refused(err) {
			t.Error("removed before it was read:", err)
		}
		in, err := r.svc.Open(t.Context(), "riverside", "results", "r.hl7", sftp)
		must(t, err)
		_, err = in.ReadAt(make([]byte, 100), 50)
		must(t, err)
		must(t, in.Close(t.Context()))
		r.read("riverside", "results", "r.hl7", "") // the laboratory's own look
		if len(r.picked) != 0 {
			t.Error("picked up by a part, or by the laboratory")
		}
		in, err = r.svc.Open(t.Context(), "riverside", "results", "r.hl7", sftp)
		must(t, err)
		half := len(body) / 2
		_, err = in.ReadAt(make([]byte, len(body)-half), int64(half))
		must(t, err)
		_, err = in.ReadAt(make([]byte, half), 0)
		must(t, err)
		must(t, in.Close(t.Context()))
		r.read("riverside", "results", "r.hl7", "sftp")
		if len(r.picked) != 1 || r.picked[0] != d {
			t.Errorf("picked up %v, want once %v", r.picked, d)
		}
		must(t, r.svc.Remove(t.Context(), "riverside", "results", "r.hl7", "partner"))
	})
}

func TestTheGateDecides(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.gate = func(name string, body []byte) boxes.Verdict {
			switch {
			case bytes.Contains(body, []byte("virus")):
				return boxes.Verdict{Kind: "hl7", Reason: "the file holds a virus"}
			case bytes.Contains(body, []byte("odd")):
				return boxes.Verdict{Kind: "hl7", Held: true, Reason: "a person looks at it"}
			}
			return boxes.Verdict{Pass: true, Kind: "hl7"}
		}
		virus := bytes.Repeat([]byte("virus"), 40_000)
		if err := r.svc.Put(t.Context(), "p", "v.hl7", sftp, []byte("virus")); !refused(err) || !strings.Contains(err.Error(), "virus") {
			t.Error(err)
		}
		if err := r.large("p", "v.hl7", virus); !refused(err) {
			t.Error(err)
		}
		left, err := os.ReadDir(r.svc.Spool)
		must(t, err)
		if r.names("p", "inbox") != "" || len(left) != 0 {
			t.Error("something of a refused file is there")
		}
		must(t, r.svc.Put(t.Context(), "p", "odd.hl7", sftp, []byte("odd")))
		if _, err := r.svc.Open(t.Context(), "p", "inbox", "odd.hl7", sftp); !refused(err) {
			t.Error("a held file is read by its partner:", err)
		}
		must(t, r.svc.Release(t.Context(), "p", "odd.hl7", "anna"))
		r.read("p", "inbox", "odd.hl7", "sftp")
		// A name that will change is looked into when it has its last one.
		must(t, r.svc.Put(t.Context(), "p", "x.hl7.filepart", sftp, []byte("virus")))
		if err := r.svc.Rename(t.Context(), "p", "x.hl7.filepart", "x.hl7"); !refused(err) {
			t.Error("renamed past the gate:", err)
		}
		must(t, r.svc.Put(t.Context(), "p", "y.hl7.filepart", sftp, []byte("fine")))
		must(t, r.svc.Rename(t.Context(), "p", "y.hl7.filepart", "y.hl7"))
		f, err := r.svc.Find(t.Context(), "p", "inbox", "y.hl7")
		must(t, err)
		if f.State != boxes.There || f.Kind != "hl7" {
			t.Errorf("%+v", f)
		}
	})
}

func TestRoom(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		r.room = boxes.Room{MaxFile: 100_000, MaxAll: 200_000, Files: 3}
		if err := r.large("p", "a", make([]byte, 100_001)); err == nil {
			t.Error("too large a file")
		}
		must(t, r.large("p", "a", make([]byte, 100_000)))
		must(t, r.large("p", "b", make([]byte, 90_000)))
		if err := r.svc.Put(t.Context(), "p", "c", sftp, make([]byte, 10_001)); !refused(err) {
			t.Error("more than there is room for:", err)
		}
		must(t, r.svc.Put(t.Context(), "p", "c", sftp, make([]byte, 10)))
		if err := r.svc.Put(t.Context(), "p", "d", sftp, nil); !refused(err) {
			t.Error("more files than allowed:", err)
		}
		must(t, r.svc.Put(t.Context(), "q", "d", sftp, nil))
	})
}

// A process that ended in the middle leaves nothing that anybody sees, and
// nothing on disk.
func TestUnfinishedFilesAreSwept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		must(t, r.large("p", "whole", make([]byte, 100_000)))
		u, err := r.svc.Begin(t.Context(), "p", "half", sftp)
		must(t, err)
		_, err = u.Disk.Write([]byte("half"))
		must(t, err)
		must(t, r.svc.Sweep(t.Context()))
		left, err := os.ReadDir(r.svc.Spool)
		must(t, err)
		if len(left) != 1 || r.names("p", "inbox") != "whole" {
			t.Errorf("%d files left, %s", len(left), r.names("p", "inbox"))
		}
		r.read("p", "inbox", "whole", "")
	})
}
