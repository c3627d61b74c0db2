package boxes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/pkg/sftp"

	"github.com/labwarden/labwarden/internal/platform/receipt"
)

// sent is what one client sent: every name with its hash, and whether the close
// was acknowledged.
type sent struct {
	mu     sync.Mutex
	prints map[string]receipt.Print
	acked  map[string]bool
	held   map[string]bool // those whose receipt was looked at
}

// TestBarKillUploads kills the hub or the front in the middle of uploads, again
// and again. No file whose close was acknowledged may be missing, none that is
// not whole may be there, and each has the hash it was sent with.
func TestBarKillUploads(t *testing.T) {
	whole := bars(t)
	points, uploads := 4, 1000 // more than there is time for: the kill comes in the middle
	if whole {
		points, uploads = 20, 2000
	}
	seed := uint64(20261122)
	r := rand.New(rand.NewPCG(seed, 1))
	l := newLab(t)
	all := &sent{prints: map[string]receipt.Print{}, acked: map[string]bool{}, held: map[string]bool{}}
	lab := l.run("keys", "public")
	began := time.Now()
	for point := range points {
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		jobs := make(chan int)
		for range 4 {
			wg.Go(func() { l.send(ctx, all, jobs, fmt.Sprintf("p%d", point)) })
		}
		go func() {
			defer close(jobs)
			for i := range uploads {
				select {
				case jobs <- i:
				case <-ctx.Done():
					return
				}
			}
		}()
		<-time.After(time.Duration(50+r.IntN(1500)) * time.Millisecond)
		victim := "hub"
		if point%3 == 2 {
			victim = "front"
			l.kill(l.front)
		} else {
			l.kill(l.hub)
		}
		cancel()
		wg.Wait()
		if victim == "hub" {
			l.startHub()
		} else {
			l.startFront()
		}
		l.awaitFront()
		when := fmt.Sprintf("point %d, %s killed", point, victim)
		l.judge(all, when)
		l.receipts(all, lab, when, whole)
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	said := fmt.Sprintf("%d kills, %d files sent, %d acknowledged: all of those are there with their hashes, nothing else; the receipt of each verifies; seed %d, %v",
		points, len(all.prints), len(all.acked), seed, time.Since(began).Round(time.Second))
	t.Log(said)
	if len(all.acked) < points {
		t.Error("too few were acknowledged for a kill to lose one")
	}
	if whole {
		page.Write(t, "kill -9 in the middle of uploads", said, "goal: no acknowledged file lost, no unfinished one visible, every hash equals its receipt: met")
	}
}

// send uploads until its jobs end or the connection does.
func (l *lab) send(ctx context.Context, all *sent, jobs <-chan int, prefix string) {
	f, done, err := l.files(ctx, "riverside")
	if err != nil {
		return
	}
	defer done()
	for i := range jobs {
		body := csv([]int{200, 5000, 70_000, 400_000}[i%4])
		sum := sha256.Sum256(body)
		name := fmt.Sprintf("/inbox/%s-%d.csv", prefix, i)
		all.mu.Lock()
		all.prints[name[7:]] = receipt.Print{Size: int64(len(body)), SHA256: sum}
		all.mu.Unlock()
		w, err := f.Create(name)
		if err != nil {
			return
		}
		if _, err := w.Write(body); err != nil {
			return
		}
		if w.Close() != nil {
			return
		}
		all.mu.Lock()
		all.acked[name[7:]] = true
		all.mu.Unlock()
	}
}

// awaitFront waits until the front has found the hub again.
func (l *lab) awaitFront() {
	l.t.Helper()
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		if _, done, err := l.files(l.t.Context(), "riverside"); err == nil {
			done()
			return
		}
		<-time.After(200 * time.Millisecond)
	}
	l.t.Fatal("the front does not find the hub again")
}

func (l *lab) judge(all *sent, when string) {
	l.t.Helper()
	there := l.inbox("riverside")
	for name := range all.acked {
		if there[name] == "" {
			l.t.Errorf("%s: %s was acknowledged and is not there", when, name)
		}
	}
	for name, sum := range there {
		if p := all.prints[name]; hex.EncodeToString(p.SHA256[:]) != sum {
			l.t.Errorf("%s: %s has the hash %s, sent with %x", when, name, sum, p.SHA256)
		}
	}
	l.run("ledger", "verify")
}

// receipts fetches the receipt of each acknowledged file, of one that was not seen
// before, and holds it against what was sent; of a whole bar the file too.
func (l *lab) receipts(all *sent, lab, when string, files bool) {
	l.t.Helper()
	names := make(chan string)
	var wg sync.WaitGroup
	for range 4 {
		f := l.mustFiles("riverside")
		wg.Go(func() {
			for name := range names {
				b, err := fetch(f, "/receipts/"+name+receipt.Suffix)
				if err != nil {
					l.t.Errorf("%s: %s was acknowledged and has no receipt: %v", when, name, err)
					continue
				}
				if r := receipt.Verify(b, all.prints[name], lab); !r.Holds() {
					l.t.Errorf("%s: the receipt of %s: %+v", when, name, r.Checks)
				}
				if !files {
					continue
				}
				if b, err = fetch(f, "/inbox/"+name); err != nil || sha256.Sum256(b) != all.prints[name].SHA256 {
					l.t.Errorf("%s: %s comes back otherwise than it was sent: %v", when, name, err)
				}
			}
		})
	}
	for name := range all.acked {
		if !all.held[name] {
			all.held[name] = true
			names <- name
		}
	}
	close(names)
	wg.Wait()
}

func fetch(f *sftp.Client, name string) ([]byte, error) {
	r, err := f.Open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}
