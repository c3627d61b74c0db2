package app

import (
	"bytes"
	"crypto/rand"
	"time"

	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/domain/partners/entry"
	"github.com/labwarden/labwarden/internal/platform/spool"
)

// boxes has small files and large ones, delivered and picked up, removed and
// forgotten; passwords and host keys.
func (w *worked) boxes() {
	w.t.Helper()
	b := w.h.rooms.boxes
	b.Spool = w.t.TempDir()
	b.Gate = nil // it goes by a configuration that runs
	w.must(b.Sweep(w.ctx))
	for i, name := range []string{"a.hl7", "b.hl7", "c.hl7"} {
		w.must(b.Put(w.ctx, "p", name, boxes.Via{Protocol: "sftp", Proof: "key"}, []byte("MSH|"+name)))
		large := make([]byte, 200_000)
		_, _ = rand.Read(large)
		u, err := b.Begin(w.ctx, "p", "large-"+name, boxes.Via{Protocol: "ftps", Proof: "password"})
		w.must(err)
		in, key, err := spool.NewWriter(u.Disk, u.ID, u.Limit)
		w.must(err)
		_, err = in.WriteAt(large, 0)
		w.must(err)
		size, err := in.Finish()
		w.must(err)
		w.must(u.Commit(w.ctx, size, &key))
		_, _, err = b.Deliver(w.ctx, "p", "result-"+name, boxes.Delivery{Number: int64(900 + i), Body: bytes.Repeat([]byte(name), 5)})
		w.must(err)
	}
	w.must(b.Rename(w.ctx, "p", "b.hl7", "d.hl7"))
	for _, name := range []string{"result-a.hl7", "result-b.hl7"} {
		r, err := b.Open(w.ctx, "p", "results", name, boxes.Via{Protocol: "sftp"})
		w.must(err)
		_, err = r.ReadAt(make([]byte, r.Size()), 0)
		w.must(err)
		w.must(r.Close(w.ctx))
	}
	w.must(b.AllReceipts(w.ctx))
	w.must(b.Remove(w.ctx, "p", "results", "result-a.hl7", "partner"))
	w.must(b.Remove(w.ctx, "p", "inbox", "large-c.hl7", "anna"))
	_, err := b.Erase(w.ctx, w.h.now().Add(time.Hour).UnixMicro())
	w.must(err)
	w.must(b.Remove(w.ctx, "p", "inbox", "large-b.hl7", "anna"))
	for _, p := range []string{"p", "q", "r"} {
		_, err := w.h.rooms.entry.Make(w.ctx, p, "Millbrook", "anna")
		w.must(err)
	}
	for _, kind := range []string{entry.Ed25519, entry.P256} {
		_, err := w.h.rooms.entry.HostKey(w.ctx, kind)
		w.must(err)
	}
}
