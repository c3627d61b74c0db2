package boxes

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"
)

// sent is what one client sent: every name with its hash, and whether the close
// was acknowledged.
type sent struct {
	mu    sync.Mutex
	sums  map[string]string
	acked map[string]bool
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
	all := &sent{sums: map[string]string{}, acked: map[string]bool{}}
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
			l.awaitFront()
		} else {
			l.startFront()
		}
		l.judge(all, fmt.Sprintf("point %d, %s killed", point, victim))
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d kills, %d files sent, %d acknowledged, all there with their hashes, nothing else; seed %d", points, len(all.sums), len(all.acked), seed)
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
		all.sums[name[7:]] = hex.EncodeToString(sum[:])
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
		if all.sums[name] != sum {
			l.t.Errorf("%s: %s has the hash %s, sent with %s", when, name, sum, all.sums[name])
		}
	}
	l.run("ledger", "verify")
}
