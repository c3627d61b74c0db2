package boxes_test

import (
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/partners/boxes"
	"github.com/labwarden/labwarden/internal/platform/spool"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// contents audits what the large files hold.
func (r *rig) contents() (found []string, rests int) {
	r.t.Helper()
	must(r.t, r.svc.AuditContents(r.t.Context(), func(_, row, what string) { found = append(found, row+": "+what) }, func(done, total int64) error {
		rests++
		if done > total {
			r.t.Errorf("read %d of %d", done, total)
		}
		return nil
	}))
	return found, rests
}

// A chunk that was changed on disk is found without anybody reading the file.
func TestAuditReadsTheChunks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		big := make([]byte, 5<<20)
		_, _ = rand.Read(big)
		for _, name := range []string{"a", "b", "c"} {
			must(t, r.large("p", name, big))
		}
		must(t, r.svc.Put(t.Context(), "p", "small", sftp, []byte("small")))
		if found, rests := r.contents(); len(found) != 0 || rests != 6 {
			t.Errorf("%v, %d rests", found, rests)
		}
		f, err := r.svc.Find(t.Context(), "p", "inbox", "b")
		must(t, err)
		flip(t, filepath.Join(r.svc.Spool, f.ID.String()), 40*spool.SlotSize+77)
		r.sound() // the list of chunks is as it was
		found, _ := r.contents()
		if len(found) != 1 || !strings.HasPrefix(found[0], strings.ReplaceAll(f.ID.String(), "-", "")) || !strings.Contains(found[0], "damaged from byte") {
			t.Errorf("%v", found)
		}
		// It ends when it is told to, and a file that went away is no damage.
		enough := errors.New("enough")
		if err := r.svc.AuditContents(t.Context(), nil, func(int64, int64) error { return enough }); !errors.Is(err, enough) {
			t.Error(err)
		}
		ended, end := context.WithCancel(t.Context())
		end()
		if err := r.svc.AuditContents(ended, nil, nil); err == nil {
			t.Error("went on after its end")
		}
		must(t, r.svc.Remove(t.Context(), "p", "inbox", "b", "anna"))
		_, err = r.svc.Erase(t.Context(), r.now.UnixMicro()+1e9)
		must(t, err)
		if found, _ := r.contents(); len(found) != 0 {
			t.Error(found)
		}
		r.sound()
	})
}

func flip(t *testing.T, path string, at int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(t, err)
	b := make([]byte, 1)
	_, err = f.ReadAt(b, at)
	must(t, err)
	b[0] ^= 1
	_, err = f.WriteAt(b, at)
	must(t, err)
	must(t, f.Close())
}

// A result that is encrypted anew is the same delivery: what lies there stays.
func TestDeliverEncryptedAgain(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		to := []string{"age1abc"}
		for i, body := range []string{"one", "other bytes of it"} {
			f, placed, err := r.svc.Deliver(t.Context(), "p", "r.hl7.age", boxes.Delivery{Number: 7, Body: []byte(body), SealedTo: to})
			if err != nil || placed != (i == 0) || f.Size != 3 {
				t.Errorf("%d: %v %v, %d bytes", i, placed, err, f.Size)
			}
		}
		r.read("p", "results", "r.hl7.age", "sftp")
		if b := r.holds("p", "r.hl7.age.receipt.json", []byte("one")); !strings.Contains(string(b), "age1abc") {
			t.Errorf("%s", b)
		}
	})
}
