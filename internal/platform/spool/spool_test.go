package spool_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/spool"
)

type file struct {
	disk *os.File
	id   spool.ID
	key  spool.Key
	size int64
	seal spool.Seal
}

// keep writes body in the given pieces (from, to) and closes it.
func keep(t *testing.T, body []byte, pieces [][2]int) file {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	id := spool.ID{1, byte(len(body))}
	w, key, err := spool.NewWriter(f, id, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range pieces {
		if _, err := w.WriteAt(body[p[0]:p[1]], int64(p[0])); err != nil {
			t.Fatal(err)
		}
	}
	size, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	seal, sum, err := spool.Close(f, id, &key, size)
	if err != nil {
		t.Fatal(err)
	}
	if sum != sha256.Sum256(body) {
		t.Fatal("the sum of what was kept is not that of what was sent")
	}
	return file{f, id, key, size, seal}
}

func (f file) read(t *testing.T) ([]byte, error) {
	t.Helper()
	r, err := spool.Open(f.disk, f.id, &f.key, f.size, f.seal)
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(io.NewSectionReader(r, 0, r.Size()))
	if err != nil {
		return got, err
	}
	// Again in small pieces from the end: pieces of a chunk are kept.
	again := make([]byte, len(got))
	for at := int64(len(got)); at > 0; {
		n := min(at, 1000)
		at -= n
		if _, err := r.ReadAt(again[at:at+n], at); err != nil {
			return nil, err
		}
	}
	if !bytes.Equal(got, again) {
		t.Error("read in pieces it is another file")
	}
	return got, nil
}

func random(r *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

func TestPiecesInAnyOrderAgainstAReference(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		size := []int{0, 1, 100, spool.ChunkSize - 1, spool.ChunkSize, spool.ChunkSize + 1, 3*spool.ChunkSize + 17, 70 * spool.ChunkSize}[seed%8]
		body := random(r, size)
		var pieces [][2]int
		for at := 0; at < size; {
			n := min(size-at, 1+r.IntN(40<<10))
			pieces = append(pieces, [2]int{at, at + n})
			at += n
		}
		for range r.IntN(20) { // overlapping ones
			if size > 1 {
				a := r.IntN(size)
				pieces = append(pieces, [2]int{a, a + r.IntN(size-a)})
			}
		}
		if seed%3 != 0 {
			r.Shuffle(len(pieces), func(i, j int) { pieces[i], pieces[j] = pieces[j], pieces[i] })
		}
		f := keep(t, body, pieces)
		got, err := f.read(t)
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("seed %d, %d bytes: %v, equal %v", seed, size, err, bytes.Equal(got, body))
		}
		st, _ := f.disk.Stat()
		if st.Size() != spool.DiskSize(int64(size)) {
			t.Errorf("%d bytes take %d on disk, said %d", size, st.Size(), spool.DiskSize(int64(size)))
		}
	}
}

func TestTheLastWriteOfAPlaceHolds(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	id := spool.ID{9}
	w, key, _ := spool.NewWriter(f, id, 1<<30)
	want := bytes.Repeat([]byte{'b'}, 3*spool.ChunkSize)
	_, _ = w.WriteAt(bytes.Repeat([]byte{'a'}, len(want)), 0)
	_, _ = w.WriteAt(want, 0)
	_, _ = w.WriteAt([]byte("corrected"), spool.ChunkSize-4)
	copy(want[spool.ChunkSize-4:], "corrected")
	size, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	seal, _, err := spool.Close(f, id, &key, size)
	if err != nil {
		t.Fatal(err)
	}
	got, err := file{f, id, key, size, seal}.read(t)
	if err != nil || !bytes.Equal(got, want) {
		t.Fatal("another content", err)
	}
}

func TestWritersAtOnce(t *testing.T) {
	body := random(rand.New(rand.NewPCG(3, 3)), 40*spool.ChunkSize+5)
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	id := spool.ID{4}
	w, key, _ := spool.NewWriter(f, id, 1<<30)
	var wg sync.WaitGroup
	for k := range 8 {
		wg.Go(func() {
			const step = 32 << 10
			for at := k * step; at < len(body); at += 8 * step {
				if _, err := w.WriteAt(body[at:min(at+step, len(body))], int64(at)); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	size, err := w.Finish()
	if err != nil {
		t.Fatal(err)
	}
	seal, _, err := spool.Close(f, id, &key, size)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := (file{f, id, key, size, seal}).read(t); err != nil || !bytes.Equal(got, body) {
		t.Fatal("another content", err)
	}
}

func TestAFileWithAGapIsNotWhole(t *testing.T) {
	for _, pieces := range [][][2]int64{{{10, 20}}, {{0, 10}, {20, 30}}, {{0, 200000}, {200001, 200010}}, {{1 << 20, 1<<20 + 1}}} {
		f, _ := os.Create(filepath.Join(t.TempDir(), "f"))
		w, _, _ := spool.NewWriter(f, spool.ID{}, 1<<30)
		for _, p := range pieces {
			if _, err := w.WriteAt(make([]byte, p[1]-p[0]), p[0]); err != nil {
				t.Fatal(err)
			}
		}
		var m *spool.MissingError
		if _, err := w.Finish(); !errors.As(err, &m) {
			t.Errorf("%v: %v", pieces, err)
		}
	}
}

func TestLimits(t *testing.T) {
	f, _ := os.Create(filepath.Join(t.TempDir(), "f"))
	w, _, _ := spool.NewWriter(f, spool.ID{}, 100)
	if _, err := w.WriteAt(make([]byte, 10), 91); !errors.Is(err, spool.ErrTooLarge) {
		t.Error(err)
	}
	if _, err := w.WriteAt(make([]byte, 10), 0); err == nil {
		t.Error("a file goes on after a write that failed")
	}
	if _, err := w.Finish(); err == nil {
		t.Error("a file is whole although a write failed")
	}
	w, _, _ = spool.NewWriter(f, spool.ID{}, 1<<30)
	var err error
	for i := int64(0); i < 5000 && err == nil; i++ {
		_, err = w.WriteAt([]byte{1}, 2*i)
	}
	if !errors.Is(err, spool.ErrScattered) {
		t.Error("every second byte is taken:", err)
	}
	if _, err := w.WriteAt([]byte{1}, -1); err == nil {
		t.Error("a negative place")
	}
}

type fullDisk struct{ room int64 }

func (d *fullDisk) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }
func (d *fullDisk) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > d.room {
		return 0, errors.New("no space left on device")
	}
	return len(p), nil
}

func TestAFullDiskIsNoFile(t *testing.T) {
	w, _, _ := spool.NewWriter(&fullDisk{3 * spool.SlotSize}, spool.ID{}, 1<<30)
	var failed bool
	for i := range int64(5) {
		_, err := w.WriteAt(make([]byte, spool.ChunkSize), i*spool.ChunkSize)
		failed = failed || err != nil
	}
	if !failed {
		t.Error("no write failed")
	}
	if _, err := w.Finish(); err == nil {
		t.Error("the file is whole")
	}
}

func TestDamage(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	body := random(r, 4*spool.ChunkSize+1000)
	whole := [][2]int{{0, len(body)}}
	other := keep(t, random(r, 4*spool.ChunkSize+1000), whole)
	slot := func(f *os.File, i int64) []byte {
		b := make([]byte, spool.SlotSize)
		_, _ = f.ReadAt(b, i*spool.SlotSize)
		return b
	}
	for name, harm := range map[string]func(f *file){
		"a flipped bit of the data":     func(f *file) { flip(f.disk, spool.SlotSize+5000) },
		"a flipped bit of a nonce":      func(f *file) { flip(f.disk, spool.SlotSize) },
		"a flipped bit of a tag":        func(f *file) { flip(f.disk, 2*spool.SlotSize-1) },
		"a flipped bit of the links":    func(f *file) { flip(f.disk, spool.DiskSize(f.size)-1) },
		"a short file":                  func(f *file) { _ = f.disk.Truncate(spool.DiskSize(f.size) - 1) },
		"a file cut at a chunk":         func(f *file) { _ = f.disk.Truncate(2 * spool.SlotSize) },
		"two chunks that changed place": func(f *file) { a, b := slot(f.disk, 0), slot(f.disk, 1); put(f.disk, 0, b); put(f.disk, 1, a) },
		"a chunk of another file":       func(f *file) { put(f.disk, 1, slot(other.disk, 1)) },
		"a smaller size":                func(f *file) { f.size -= 10 },
		"a larger size":                 func(f *file) { f.size += 10 },
		"another id":                    func(f *file) { f.id[3]++ },
		"another key":                   func(f *file) { f.key[3]++ },
		"another seal":                  func(f *file) { f.seal[3]++ },
	} {
		f := keep(t, body, whole)
		harm(&f)
		got, err := f.read(t)
		if !errors.Is(err, spool.ErrDamaged) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
}

// A chunk of the same file and place, sealed by the same key, put back to what it
// was before it was rewritten: only the list of links sees it.
func TestAChunkPutBackIsSeen(t *testing.T) {
	f, _ := os.Create(filepath.Join(t.TempDir(), "f"))
	id := spool.ID{7}
	w, key, _ := spool.NewWriter(f, id, 1<<30)
	_, _ = w.WriteAt(bytes.Repeat([]byte("negative"), spool.ChunkSize/8), 0)
	early := make([]byte, spool.SlotSize)
	_, _ = f.ReadAt(early, 0)
	_, _ = w.WriteAt(bytes.Repeat([]byte("positive"), spool.ChunkSize/8), 0)
	size, _ := w.Finish()
	seal, _, err := spool.Close(f, id, &key, size)
	if err != nil {
		t.Fatal(err)
	}
	put(f, 0, early)
	if got, err := (file{f, id, key, size, seal}).read(t); !errors.Is(err, spool.ErrDamaged) {
		t.Errorf("read %.16q, %v", got, err)
	}
}

func flip(f *os.File, at int64) {
	var b [1]byte
	_, _ = f.ReadAt(b[:], at)
	b[0] ^= 1
	_, _ = f.WriteAt(b[:], at)
}

func put(f *os.File, i int64, slot []byte) { _, _ = f.WriteAt(slot, i*spool.SlotSize) }

func TestKeysAreWrappedForTheKeeper(t *testing.T) {
	k, err := spool.NewKeeper()
	if err != nil {
		t.Fatal(err)
	}
	other, _ := spool.NewKeeper()
	key := spool.Key{1, 2, 3}
	b, err := spool.Wrap(k.Public(), spool.ID{1}, &key)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := k.Unwrap(spool.ID{1}, b); err != nil || *got != key {
		t.Error(err)
	}
	if _, err := k.Unwrap(spool.ID{2}, b); err == nil {
		t.Error("another file's id opens it")
	}
	if _, err := other.Unwrap(spool.ID{1}, b); err == nil {
		t.Error("another keeper opens it")
	}
	for i := 0; i < len(b); i += 37 {
		c := bytes.Clone(b)
		c[i] ^= 1
		if _, err := k.Unwrap(spool.ID{1}, c); err == nil {
			t.Error("a flipped bit at", i)
		}
	}
	if _, err := k.Unwrap(spool.ID{1}, b[:len(b)-1]); err == nil {
		t.Error("a short one")
	}
}

func FuzzPieces(f *testing.F) {
	f.Add([]byte{0, 0, 10, 1, 0, 5})
	f.Fuzz(func(t *testing.T, in []byte) {
		d, err := os.CreateTemp(t.TempDir(), "f")
		if err != nil {
			t.Skip("SKIPPED: no temporary file")
		}
		defer func() { _ = d.Close() }()
		w, key, _ := spool.NewWriter(d, spool.ID{}, 1<<22)
		ref := make([]byte, 0, 1<<20)
		have := make([]bool, 1<<22)
		for i := 0; i+3 <= len(in) && i < 300; i += 3 {
			off := int64(in[i])<<13 + int64(in[i+1])
			p := bytes.Repeat([]byte{in[i+2] + byte(i)}, int(in[i+2])<<8+1)
			if _, err := w.WriteAt(p, off); err != nil {
				t.Fatal(err)
			}
			if need := int(off) + len(p); need > len(ref) {
				ref = append(ref, make([]byte, need-len(ref))...)
			}
			copy(ref[off:], p)
			for k := range p {
				have[int(off)+k] = true
			}
		}
		whole := true
		for k := range ref {
			whole = whole && have[k]
		}
		size, err := w.Finish()
		if (err == nil) != whole {
			t.Fatalf("whole %v, said %v", whole, err)
		}
		if !whole {
			return
		}
		seal, _, err := spool.Close(d, spool.ID{}, &key, size)
		if err != nil {
			t.Fatal(err)
		}
		r, err := spool.Open(d, spool.ID{}, &key, size, seal)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(io.NewSectionReader(r, 0, size))
		if err != nil || !bytes.Equal(got, ref) {
			t.Fatal("another content", err)
		}
	})
}

func BenchmarkSeal(b *testing.B) {
	f, _ := os.Create(filepath.Join(b.TempDir(), "f"))
	p := make([]byte, 32<<10)
	b.SetBytes(64 << 20)
	for b.Loop() {
		w, key, _ := spool.NewWriter(f, spool.ID{}, 1<<30)
		for at := int64(0); at < 64<<20; at += int64(len(p)) {
			_, _ = w.WriteAt(p, at)
		}
		size, _ := w.Finish()
		if _, _, err := spool.Close(f, spool.ID{}, &key, size); err != nil {
			b.Fatal(err)
		}
	}
}
