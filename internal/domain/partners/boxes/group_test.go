package boxes_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
)

// TestSmallFilesShareAFlush: files that come while the writer is busy are committed
// together, which is one flush for all, and each of them is there.
func TestSmallFilesShareAFlush(t *testing.T) {
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		must(t, r.svc.Put(t.Context(), "riverside", "first.csv", sftp, []byte("a,b\n")))
		const files = 40
		busy, on := make(chan struct{}), make(chan struct{})
		var wait sync.WaitGroup
		wait.Go(func() {
			var once sync.Once
			if err := r.db.Do(t.Context(), func(context.Context, *store.Tx) error {
				once.Do(func() { close(busy) })
				<-on
				return nil
			}); err != nil {
				t.Error(err)
			}
		})
		<-busy
		before := r.db.Stats()
		for i := range files {
			wait.Go(func() {
				if err := r.svc.Put(t.Context(), "riverside", fmt.Sprintf("f%d.csv", i), sftp, []byte("1,2\n")); err != nil {
					t.Error(err)
				}
			})
		}
		for end := time.Now().Add(20 * time.Second); r.db.Queued() < files; runtime.Gosched() {
			if time.Now().After(end) {
				close(on)
				wait.Wait()
				t.Fatalf("%d of %d wait for the writer", r.db.Queued(), files)
			}
		}
		close(on)
		wait.Wait()
		after := r.db.Stats()
		if after.Items-before.Items != files || after.Redone != before.Redone {
			t.Errorf("%d pieces of work, %d done again", after.Items-before.Items, after.Redone-before.Redone)
		}
		if n := after.Groups - before.Groups; n != 1 {
			t.Errorf("%d files took %d flushes", files, n)
		}
		if n := len(strings.Fields(r.names("riverside", "inbox"))); n != files+1 {
			t.Errorf("%d files are there", n)
		}
	})
}
