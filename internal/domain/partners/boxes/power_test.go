package boxes_test

import (
	"bytes"
	"crypto/rand"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/platform/spool"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// platter is what a disk still has after a loss of power, at its worst: of a file
// the bytes of its last flush, and of a folder the names that it had at its own.
type platter struct {
	t      *testing.T
	flush  func(f *os.File, folder bool) bool // false: this one is left out
	before func()                             // looks around at each flush
	bytes  map[string][]byte
	names  map[string]bool
}

func (p *platter) Flush(f *os.File) error {
	i, err := f.Stat()
	if err != nil {
		return err
	}
	p.before()
	if p.flush != nil && !p.flush(f, i.IsDir()) {
		return nil
	}
	if i.IsDir() {
		all, err := f.ReadDir(-1)
		p.names = map[string]bool{}
		for _, e := range all {
			p.names[e.Name()] = true
		}
		return err
	}
	p.bytes[filepath.Base(f.Name())], err = io.ReadAll(io.NewSectionReader(f, 0, i.Size()))
	return err
}

// cut takes away from the folder what was not flushed.
func (p *platter) cut(dir string) {
	p.t.Helper()
	all, err := os.ReadDir(dir)
	must(p.t, err)
	for _, e := range all {
		must(p.t, os.Remove(filepath.Join(dir, e.Name())))
		if p.names[e.Name()] {
			must(p.t, os.WriteFile(filepath.Join(dir, e.Name()), p.bytes[e.Name()], 0o600))
		}
	}
}

// A file that was acknowledged is whole after a loss of power: its bytes and its
// name were flushed, before its row said that it is there. The disk here loses
// all that was not. That it does is shown with a flush left out.
func TestAcknowledgedFilesOutlastALossOfPower(t *testing.T) {
	if fsync := reflect.ValueOf(boxes.New(boxes.Options{}).Flush).Pointer(); fsync != reflect.ValueOf((*os.File).Sync).Pointer() {
		t.Error("a service flushes otherwise than by fsync")
	}
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		o := r.svc.Options
		for _, c := range []struct {
			partner string
			flush   func(f *os.File, folder bool) bool
			lost    bool
		}{
			{"as-it-is", nil, false},
			{"file-not-flushed", func(_ *os.File, folder bool) bool { return folder }, true},
			{"folder-not-flushed", func(_ *os.File, folder bool) bool { return !folder }, true},
		} {
			disk := &platter{t: t, flush: c.flush, bytes: map[string][]byte{}, before: func() {
				if got := r.names(c.partner, channel.BoxInbox); got != "small.hl7" {
					t.Errorf("%s: flushed when %q stood in the box already", c.partner, got)
				}
			}}
			o.Flush = disk.Flush
			r.svc = boxes.New(o)
			body := make([]byte, 3*spool.ChunkSize+77)
			_, _ = rand.Read(body)
			must(t, r.svc.Put(t.Context(), c.partner, "small.hl7", sftp, []byte("MSH|a"))) // in its row: the database flushes that
			must(t, r.large(c.partner, "large.bin", body))
			if got := r.names(c.partner, channel.BoxInbox); got != "small.hl7 large.bin" {
				t.Fatal(got)
			}
			disk.cut(o.Spool)
			r.svc = boxes.New(o)
			must(t, r.svc.Sweep(t.Context()))
			if got := r.read(c.partner, channel.BoxInbox, "small.hl7", "sftp"); string(got) != "MSH|a" {
				t.Errorf("%s: the small file is %q", c.partner, got)
			}
			var got []byte
			in, err := r.svc.Open(t.Context(), c.partner, channel.BoxInbox, "large.bin", boxes.Via{Protocol: "sftp"})
			if err == nil {
				got, err = io.ReadAll(io.NewSectionReader(in, 0, in.Size()))
				must(t, in.Close(t.Context()))
			}
			switch {
			case c.lost && err == nil:
				t.Errorf("%s: the disk of this test loses nothing", c.partner)
			case !c.lost && (err != nil || !bytes.Equal(got, body)):
				t.Errorf("%s: an acknowledged file is lost: %v", c.partner, err)
			}
		}
	})
}
