package spool

import (
	"crypto/cipher"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Disk is where a sealed file lies.
type Disk interface {
	io.ReaderAt
	io.WriterAt
}

// maxOpen is how many chunks that are not yet full are kept in memory; what is
// more is sealed as it stands and opened again when the rest comes.
const maxOpen = 32

// Errors of a Writer.
var (
	ErrTooLarge  = errors.New("the file is larger than allowed")
	ErrScattered = errors.New("the file arrives in too many loose pieces")
	ErrClosed    = errors.New("the file is closed")
)

// MissingError says which bytes never arrived.
type MissingError struct{ From, To int64 }

func (e *MissingError) Error() string {
	return fmt.Sprintf("bytes %d to %d never arrived", e.From, e.To-1)
}

// Writer takes a file in pieces. It is safe for concurrent use.
type Writer struct {
	mu     sync.Mutex
	disk   Disk
	id     ID
	aead   cipher.AEAD
	limit  int64
	size   int64 // one after the last byte written
	have   Spans
	open   map[int64][]byte // chunk -> its bytes so far, ChunkSize long
	order  []int64          // of open, oldest first
	onDisk map[int64]struct{}
	sealed int64
	free   [][]byte
	slot   []byte
	back   *rooms // of chunks that are taken back
	err    error  // the first write that failed; the file is lost then
}

// NewWriter begins a file of at most limit bytes on an empty disk, and returns
// the key it drew for it.
func NewWriter(d Disk, id ID, limit int64) (*Writer, Key, error) {
	var k Key
	_, _ = rand.Read(k[:]) // never fails (crypto/rand)
	aead, err := newAEAD(&k)
	if err != nil {
		return nil, k, err
	}
	return &Writer{disk: d, id: id, aead: aead, limit: min(limit, MaxSize), open: map[int64][]byte{}, onDisk: map[int64]struct{}{}}, k, nil
}

// WriteAt takes a piece. After an error the file cannot become whole any more.
func (w *Writer) WriteAt(p []byte, off int64) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	if off < 0 || off > w.limit-int64(len(p)) {
		w.err = ErrTooLarge
		return 0, w.err
	}
	for done := 0; done < len(p); {
		at := off + int64(done)
		i := at / ChunkSize
		n := min(len(p)-done, int((i+1)*ChunkSize-at))
		if err := w.put(i, int(at-i*ChunkSize), p[done:done+n]); err != nil {
			w.err = err
			return done, err
		}
		done += n
	}
	w.size = max(w.size, off+int64(len(p)))
	return len(p), nil
}

func (w *Writer) put(i int64, at int, p []byte) error {
	if len(p) == ChunkSize { // whole at once: no copy
		if _, waits := w.open[i]; !waits {
			if err := w.note(i, 0, len(p)); err != nil {
				return err
			}
			return w.seal(i, p)
		}
	}
	b, err := w.chunk(i)
	if err != nil {
		return err
	}
	copy(b[at:], p)
	if err := w.note(i, at, len(p)); err != nil {
		return err
	}
	if !w.have.Covers(Span{i * ChunkSize, (i + 1) * ChunkSize}) {
		return nil
	}
	if err := w.seal(i, b); err != nil {
		return err
	}
	w.drop(i)
	return nil
}

func (w *Writer) note(i int64, at, n int) error {
	from := i*ChunkSize + int64(at)
	w.have = w.have.Add(Span{from, from + int64(n)})
	if len(w.have) > maxSpans {
		return ErrScattered
	}
	return nil
}

// chunk returns chunk i to be filled, read back when it was sealed before.
func (w *Writer) chunk(i int64) ([]byte, error) {
	if b, ok := w.open[i]; ok {
		return b, nil
	}
	if len(w.open) >= maxOpen {
		oldest := w.order[0]
		if err := w.seal(oldest, w.open[oldest]); err != nil {
			return nil, err
		}
		w.drop(oldest)
	}
	var b []byte
	if n := len(w.free); n > 0 {
		b, w.free = w.free[n-1], w.free[:n-1]
		clear(b)
	} else {
		b = make([]byte, ChunkSize)
	}
	if _, was := w.onDisk[i]; was {
		if w.back == nil {
			w.back = new(rooms)
		}
		plain, err := openSlot(w.disk, w.aead, &w.id, i, ChunkSize, w.back, w.back.plain[:0])
		if err != nil {
			return nil, fmt.Errorf("take chunk back: %w", err)
		}
		copy(b, plain)
	}
	w.open[i] = b
	w.order = append(w.order, i)
	return b, nil
}

func (w *Writer) drop(i int64) {
	w.free = append(w.free, w.open[i])
	delete(w.open, i)
	for k, e := range w.order {
		if e == i {
			w.order = append(w.order[:k], w.order[k+1:]...)
			return
		}
	}
}

func (w *Writer) room() []byte {
	if w.slot == nil {
		w.slot = make([]byte, SlotSize)
	}
	return w.slot
}

// seal writes chunk i as it stands.
func (w *Writer) seal(i int64, plain []byte) error {
	if w.sealed++; w.sealed > maxSealed {
		return ErrScattered
	}
	ad := place(&w.id, i)
	slot := w.aead.Seal(w.room()[:0], nil, plain, ad[:])
	if _, err := w.disk.WriteAt(slot, i*SlotSize); err != nil {
		return fmt.Errorf("write chunk: %w", err)
	}
	w.onDisk[i] = struct{}{}
	return nil
}

// Size is one after the last byte that arrived.
func (w *Writer) Size() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.size
}

// Finish writes what is still in memory and returns the file's size. It fails
// with the first error of any write, and with a *MissingError when bytes are
// missing. Nothing can be written afterwards.
func (w *Writer) Finish() (int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return 0, w.err
	}
	w.err = ErrClosed
	if g := w.have.gap(w.size); g.To > g.From {
		return 0, &MissingError{g.From, g.To}
	}
	if n := chunks(w.size); n > 0 {
		last := n - 1
		if _, waits := w.open[last]; !waits && chunkLen(w.size, last) < ChunkSize {
			// It was set aside as a whole chunk: take it back to seal it at its length.
			if _, err := w.chunk(last); err != nil {
				return 0, err
			}
		}
	}
	for i, b := range w.open {
		if err := w.seal(i, b[:chunkLen(w.size, i)]); err != nil {
			return 0, err
		}
	}
	w.open, w.free, w.slot, w.back = nil, nil, nil, nil
	return w.size, nil
}
