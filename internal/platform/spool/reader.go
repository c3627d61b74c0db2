package spool

import (
	"bytes"
	"crypto/cipher"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"sync"
)

// Close reads a written file from its first byte to its last, puts the list of its
// links behind it, and returns the Seal and the SHA-256 of what is in it. Whoever
// keeps files calls it before a file is taken as arrived: what cannot be opened
// again was never there.
func Close(d Disk, id ID, k *Key, size int64) (Seal, [sha256.Size]byte, error) {
	none := [sha256.Size]byte{}
	if size < 0 || size > MaxSize {
		return Seal{}, none, ErrDamaged
	}
	aead, err := newAEAD(k)
	if err != nil {
		return Seal{}, none, err
	}
	room := new(rooms)
	links := make([]byte, 0, chunks(size)*linkSize)
	sum := sha256.New()
	for i := range chunks(size) {
		plain, err := openSlot(d, aead, &id, i, chunkLen(size, i), room, room.plain[:0])
		if err != nil {
			return Seal{}, none, err
		}
		_, _ = sum.Write(plain) // never fails (hash.Hash)
		l, err := linkOf(sum, i == chunks(size)-1)
		if err != nil {
			return Seal{}, none, err
		}
		links = append(links, l[:]...)
	}
	if len(links) > 0 {
		if _, err := d.WriteAt(links, linksAt(size)); err != nil {
			return Seal{}, none, fmt.Errorf("write links: %w", err)
		}
	}
	return sha256.Sum256(links), [sha256.Size]byte(sum.Sum(nil)), nil
}

func damaged(err error) error {
	if errors.Is(err, io.EOF) {
		return ErrDamaged
	}
	return fmt.Errorf("read chunk: %w", err)
}

// Reader reads a closed file at any place. It is safe for concurrent use.
type Reader struct {
	f     io.ReaderAt
	id    ID
	aead  cipher.AEAD
	size  int64
	links []byte
	rooms sync.Pool

	// The chunk that was opened last: who reads in pieces smaller than a chunk
	// does not open it for each.
	mu    sync.Mutex
	last  int64 // -1 for none
	chunk *rooms
	long  int
}

// Open opens a closed file. One that is not as it was closed is ErrDamaged, here
// or when the damaged place is read.
func Open(f io.ReaderAt, id ID, k *Key, size int64, seal Seal) (*Reader, error) {
	if size < 0 || size > MaxSize {
		return nil, ErrDamaged
	}
	aead, err := newAEAD(k)
	if err != nil {
		return nil, err
	}
	links := make([]byte, chunks(size)*linkSize)
	if len(links) > 0 {
		if _, err := f.ReadAt(links, linksAt(size)); err != nil {
			return nil, damaged(err)
		}
	}
	if sum := sha256.Sum256(links); subtle.ConstantTimeCompare(sum[:], seal[:]) != 1 {
		return nil, ErrDamaged
	}
	return &Reader{last: -1, f: f, id: id, aead: aead, size: size, links: links, rooms: sync.Pool{New: func() any { return new(rooms) }}}, nil
}

// Size is the file's.
func (r *Reader) Size() int64 { return r.size }

// ReadAt implements io.ReaderAt. A chunk that is wanted whole is opened in p
// itself.
func (r *Reader) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("read before the file's begin")
	}
	room := r.rooms.Get().(*rooms)
	defer func() { r.rooms.Put(room) }()
	done := 0
	for done < len(p) && off < r.size {
		i := off / ChunkSize
		at := off - i*ChunkSize
		n := r.cached(p[done:], i, at)
		if n == 0 {
			long := chunkLen(r.size, i)
			whole := at == 0 && len(p)-done >= long
			into := room.plain[:0]
			if whole {
				into = p[done:done:len(p)]
			}
			plain, err := openSlot(r.f, r.aead, &r.id, i, long, room, into)
			if err != nil {
				return done, err
			}
			if err := r.judged(i, plain); err != nil {
				return done, err
			}
			if n = long; !whole {
				if n = copy(p[done:], plain[at:]); int(at)+n < long {
					room = r.keep(i, room, long)
				}
			}
		}
		done += n
		off += int64(n)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// judged fails for a chunk that is not the one that Close read.
func (r *Reader) judged(i int64, plain []byte) error {
	sum := sha256.New()
	if i > 0 {
		if err := resume(sum, r.links[(i-1)*linkSize:i*linkSize], i*ChunkSize); err != nil {
			return err
		}
	}
	_, _ = sum.Write(plain) // never fails (hash.Hash)
	l, err := linkOf(sum, i == chunks(r.size)-1)
	if err != nil {
		return err
	}
	if !bytes.Equal(l[:], r.links[i*linkSize:(i+1)*linkSize]) {
		return ErrDamaged
	}
	return nil
}

// cached copies from the chunk that was opened last, when it is this one.
func (r *Reader) cached(p []byte, i, from int64) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last != i {
		return 0
	}
	return copy(p, r.chunk.plain[from:r.long])
}

// keep remembers the chunk in room, of which more will be read, and gives another
// room for it.
func (r *Reader) keep(i int64, room *rooms, long int) *rooms {
	r.mu.Lock()
	defer r.mu.Unlock()
	old := r.chunk
	r.last, r.chunk, r.long = i, room, long
	if old == nil {
		old = new(rooms)
	}
	return old
}
