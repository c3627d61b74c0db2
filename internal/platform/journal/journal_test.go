package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

var key = Key{1, 2, 3}

func open(t *testing.T, dir string, o Options) (*Journal, Report) {
	t.Helper()
	j, r, err := Open(dir, key, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	return j, r
}

func noSync(*os.File) error { return nil }

func add(t *testing.T, j *Journal, body string) uint64 {
	t.Helper()
	n, err := j.Append(t.Context(), []byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// all reads everything behind the number, damage included.
func all(t *testing.T, j *Journal, after uint64) (out []string, damaged []DamagedError) {
	t.Helper()
	latest := j.Stats().Latest
	for after < latest {
		recs, err := j.Read(t.Context(), after, 100)
		var d *DamagedError
		switch {
		case errors.As(err, &d):
			if d.From <= after || d.To < d.From {
				t.Fatalf("behind %d: %v", after, d)
			}
			damaged, after = append(damaged, *d), d.To
			continue
		case err != nil:
			t.Fatal(err)
		}
		for _, r := range recs {
			if r.N <= after {
				t.Fatalf("number %d behind %d", r.N, after)
			}
			out, after = append(out, string(r.Body)), r.N
		}
	}
	return out, damaged
}

func TestJournal(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "j")
	j, r := open(t, dir, Options{Segment: 400})
	if r.Records != 0 || r.Torn != 0 {
		t.Errorf("%+v", r)
	}
	if _, _, err := Open(dir, key, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("opened twice: %v", err)
	}
	var want []string
	for i := range 40 {
		body := strings.Repeat(fmt.Sprint("Fluss^Ada ", i), i%7)
		want = append(want, body)
		if n := add(t, j, body); n != uint64(i+1) {
			t.Fatalf("record %d has number %d", i+1, n)
		}
	}
	if got, damaged := all(t, j, 0); !slices.Equal(got, want) || damaged != nil {
		t.Errorf("%q %v", got, damaged)
	}
	if err := j.Ack(25); err != nil {
		t.Fatal(err)
	}
	if err := j.Ack(41); err == nil {
		t.Error("acknowledged what is not there")
	}
	if s := j.Stats(); s.Records != 15 || s.Acked != 25 || s.Latest != 40 {
		t.Errorf("%+v", s)
	}
	for range 3 { // opening again and again loses and adds nothing
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		var r Report
		j, r = open(t, dir, Options{Segment: 400})
		if r.Records != 15 || r.Torn != 0 || r.Damaged != nil || j.Acked() != 25 {
			t.Errorf("%+v, acknowledged %d", r, j.Acked())
		}
		if got, damaged := all(t, j, 0); !slices.Equal(got, want[25:]) || damaged != nil {
			t.Errorf("%q %v", got, damaged)
		}
	}
	if n := add(t, j, "more"); n != 41 {
		t.Errorf("number %d", n)
	}
	if err := j.Ack(41); err != nil {
		t.Fatal(err)
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if len(files) > 1 {
		t.Errorf("all is acknowledged, and %d segments are there", len(files))
	}
	for _, f := range files {
		if b, _ := os.ReadFile(f); bytes.Contains(b, []byte("Fluss")) {
			t.Error("content in the clear")
		}
	}
	_ = j.Close()
	if _, err := j.Append(t.Context(), nil); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
	if _, err := j.Read(t.Context(), 0, 1); !errors.Is(err, ErrClosed) {
		t.Error(err)
	}
}

func TestAnotherKeyOpensNothing(t *testing.T) {
	dir := t.TempDir()
	j, _ := open(t, dir, Options{})
	add(t, j, "secret")
	_ = j.Close()
	other, r, err := Open(dir, Key{9}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if r.Records != 0 || r.Torn == 0 {
		t.Errorf("%+v", r)
	}
}

func TestReadWaits(t *testing.T) {
	j, _ := open(t, t.TempDir(), Options{})
	got := make(chan []Record, 1)
	go func() {
		recs, _ := j.Read(context.Background(), 0, 1<<20)
		got <- recs
	}()
	add(t, j, "first")
	if recs := <-got; len(recs) != 1 || string(recs[0].Body) != "first" {
		t.Errorf("%v", recs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := j.Read(ctx, 1, 1); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

func TestManyAtOnceShareFlushes(t *testing.T) {
	var mu sync.Mutex
	flushes := 0
	o := Options{sync: func(f *os.File) error {
		mu.Lock()
		flushes++
		mu.Unlock()
		<-time.After(2 * time.Millisecond)
		return nil
	}}
	j, _ := open(t, t.TempDir(), o)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			for k := range 10 {
				if _, err := j.Append(t.Context(), fmt.Append(nil, i, " ", k)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	got, _ := all(t, j, 0)
	last := map[string]int{}
	for _, g := range got {
		var i, k int
		_, _ = fmt.Sscan(g, &i, &k)
		if last[fmt.Sprint(i)] != k {
			t.Fatalf("record %d of %d came out of order", k, i)
		}
		last[fmt.Sprint(i)]++
	}
	if len(got) != 400 || flushes > 120 {
		t.Errorf("%d records, %d flushes", len(got), flushes)
	}
}

func TestFull(t *testing.T) {
	free := int64(1 << 40)
	j, _ := open(t, t.TempDir(), Options{MaxBytes: 2000, Segment: 300, KeepFree: 1000, free: func(string) (int64, error) { return free, nil }})
	var err error
	n := 0
	for ; err == nil && n < 100; n++ {
		_, err = j.Append(t.Context(), make([]byte, 100))
	}
	if !errors.Is(err, ErrFull) || n < 5 {
		t.Fatalf("%d records: %v", n, err)
	}
	if err := j.Ack(5); err != nil {
		t.Fatal(err)
	}
	add(t, j, "there is room again")
	free = 1010
	if _, err := j.Append(t.Context(), make([]byte, 100)); !errors.Is(err, ErrFull) {
		t.Error(err)
	}
	if _, err := j.Append(t.Context(), make([]byte, 17<<20)); !errors.Is(err, ErrTooLong) {
		t.Error(err)
	}
	free = 1 << 40
	add(t, j, "and again")
}

// A flush that fails costs the records concerned, and no others: not before, not
// after, not at the next start.
func TestFlushFails(t *testing.T) {
	dir := t.TempDir()
	fails := 0
	o := Options{sync: func(f *os.File) error {
		if fails > 0 {
			fails--
			return errors.New("no space left on device")
		}
		return nil
	}}
	j, _ := open(t, dir, o)
	var want []string
	for i := range 30 {
		body := fmt.Sprint("record ", i)
		if i%5 == 3 {
			fails = 1 + i%2
			if _, err := j.Append(t.Context(), []byte(body)); err == nil {
				t.Error("told that it is there")
			}
			fails = 0
			continue
		}
		add(t, j, body)
		want = append(want, body)
	}
	for range 2 {
		if got, damaged := all(t, j, 0); !slices.Equal(got, want) || damaged != nil {
			t.Errorf("%q %v", got, damaged)
		}
		_ = j.Close()
		j, _ = open(t, dir, o)
	}
}

// whole makes a journal with three segments and gives its files.
func whole(t *testing.T) (dir string, want []string) {
	t.Helper()
	dir = t.TempDir()
	j, _ := open(t, dir, Options{Segment: 250})
	for i := range 9 {
		want = append(want, fmt.Sprint("record ", i, strings.Repeat("x", 30)))
		add(t, j, want[i])
	}
	_ = j.Close()
	return dir, want
}

func copyOf(t *testing.T, dir string) string {
	t.Helper()
	to := t.TempDir()
	if err := os.CopyFS(to, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	return to
}

// The newest segment cut off anywhere, as by a power cut: what was whole is there,
// and new records are not mistaken for old ones.
func TestCutOffAnywhere(t *testing.T) {
	dir, want := whole(t)
	files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
	last := filepath.Base(files[len(files)-1])
	b, _ := os.ReadFile(filepath.Join(dir, last))
	for cut := range len(b) {
		for _, fill := range []int{0, 100} {
			d := copyOf(t, dir)
			if err := os.WriteFile(filepath.Join(d, last), append(slices.Clone(b[:cut]), make([]byte, fill)...), 0o600); err != nil {
				t.Fatal(err)
			}
			j, r := open(t, d, Options{sync: noSync})
			got, damaged := all(t, j, 0)
			if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) || damaged != nil || r.Damaged != nil || len(got) < 5 {
				t.Fatalf("cut at %d: %q %v %+v", cut, got, damaged, r)
			}
			n := add(t, j, "new")
			if n <= uint64(len(got)) {
				t.Fatalf("cut at %d: number %d was given before", cut, n)
			}
			_ = j.Close()
			j, r = open(t, d, Options{sync: noSync})
			if again, damaged := all(t, j, 0); !slices.Equal(again, append(got, "new")) || damaged != nil || r.Damaged != nil {
				t.Fatalf("cut at %d, opened again: %q %v %+v", cut, again, damaged, r)
			}
			_ = j.Close()
		}
	}
}

// Any byte changed anywhere: no record is given that was not appended, none is
// missing without being named, and those of other segments are there.
func TestChangedAnywhere(t *testing.T) {
	dir, want := whole(t)
	files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
	for i, f := range files {
		b, _ := os.ReadFile(f)
		for at := range b {
			d := copyOf(t, dir)
			changed := slices.Clone(b)
			changed[at] ^= 1 << (at % 8)
			if err := os.WriteFile(filepath.Join(d, filepath.Base(f)), changed, 0o600); err != nil {
				t.Fatal(err)
			}
			j, r := open(t, d, Options{sync: noSync})
			got, damaged := all(t, j, 0)
			lost := r.Torn > 0
			for _, x := range damaged {
				lost = lost || x.To >= x.From
			}
			for _, g := range got {
				if !slices.Contains(want, g) {
					t.Fatalf("%d/%d: %q was never appended", i, at, g)
				}
			}
			if len(got) < len(want) && !lost || len(got) == len(want) && i < len(files)-1 {
				t.Fatalf("%d/%d: %d of %d records; %+v %v", i, at, len(got), len(want), r, damaged)
			}
			if i < len(files)-1 && len(r.Damaged) == 0 {
				t.Fatalf("%d/%d: damage is not reported: %+v", i, at, r)
			}
			if i > 0 && !slices.Equal(got[:3], want[:3]) {
				t.Fatalf("%d/%d: the first segment is gone: %q", i, at, got)
			}
			_ = j.Close()
		}
	}
}

func TestSegmentsMovedAndRemoved(t *testing.T) {
	dir, want := whole(t)
	files, _ := filepath.Glob(filepath.Join(dir, "*"+suffix))
	for i, f := range files[:len(files)-1] {
		d := copyOf(t, dir)
		_ = os.Remove(filepath.Join(d, filepath.Base(f)))
		j, r := open(t, d, Options{sync: noSync})
		got, _ := all(t, j, 0)
		if len(r.Damaged) != 1 || len(got)+int(r.Damaged[0].To-r.Damaged[0].From)+1 != len(want) {
			t.Errorf("segment %d removed: %+v, %d records", i, r, len(got))
		}
		_ = j.Close()
	}
	d := copyOf(t, dir)
	a, b := filepath.Join(d, filepath.Base(files[0])), filepath.Join(d, filepath.Base(files[1]))
	_ = os.Rename(a, a+"x")
	_ = os.Rename(b, a)
	_ = os.Rename(a+"x", b)
	j, r := open(t, d, Options{sync: noSync})
	if got, _ := all(t, j, 0); len(r.Damaged) == 0 || slices.Contains(got, want[0]) {
		t.Errorf("exchanged: %+v %q", r, got)
	}
}

// Whatever is done to it, a journal gives back what it said it has.
func FuzzJournal(f *testing.F) {
	f.Add(uint64(1))
	f.Fuzz(func(t *testing.T, seed uint64) {
		rng := rand.New(rand.NewPCG(seed, 7))
		dir := t.TempDir()
		fail := false
		o := Options{Segment: int64(100 + rng.IntN(1000)), sync: func(*os.File) error {
			if fail {
				return errors.New("input/output error")
			}
			return nil
		}}
		j, _, err := Open(dir, key, o)
		if err != nil {
			t.Fatal(err)
		}
		var want []Record
		acked := uint64(0)
		for range 60 {
			switch rng.IntN(8) {
			case 0:
				fail = !fail
			case 1:
				if len(want) > 0 {
					n := want[rng.IntN(len(want))].N
					if err := j.Ack(n); err == nil || n <= acked {
						acked = max(acked, n)
					} else if !fail {
						t.Fatal(err)
					} else {
						acked = max(acked, n) // in memory; a start may forget it
					}
				}
			case 2:
				fail = false
				if err := j.Close(); err != nil {
					t.Fatal(err)
				}
				var r Report
				if j, r, err = Open(dir, key, o); err != nil || r.Damaged != nil || r.Torn != 0 {
					t.Fatal(err, r)
				}
			default:
				body := make([]byte, rng.IntN(200))
				n, err := j.Append(t.Context(), body)
				if err == nil {
					if len(want) > 0 && n <= want[len(want)-1].N {
						t.Fatalf("number %d again", n)
					}
					want = append(want, Record{n, body})
				} else if !fail {
					t.Fatal(err)
				}
			}
			var left []Record
			for _, r := range want {
				if r.N > acked {
					left = append(left, r)
				}
			}
			if len(left) == 0 {
				continue
			}
			got, err := j.Read(t.Context(), acked, 1<<20)
			if err != nil || len(got) != len(left) {
				t.Fatalf("%d of %d records: %v", len(got), len(left), err)
			}
			for i := range got {
				if got[i].N != left[i].N || !bytes.Equal(got[i].Body, left[i].Body) {
					t.Fatalf("record %d is number %d", left[i].N, got[i].N)
				}
			}
		}
		_ = j.Close()
	})
}
