package spool

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	// ChunkSize is how many bytes are sealed at a time.
	ChunkSize = 64 << 10
	nonceSize = 12
	tagSize   = 16
	// SlotSize is what a whole chunk takes on disk.
	SlotSize = nonceSize + ChunkSize + tagSize
	slotMore = nonceSize + tagSize // of a slot, beside its chunk
	linkSize = sha256.Size
	// MaxSize is the longest file.
	MaxSize = 64 << 30
	// maxSealed is how many chunks one key seals, rewritten ones counted.
	maxSealed = 1 << 28
)

// ErrDamaged is a sealed file that is not what was written.
var ErrDamaged = errors.New("the sealed file is damaged")

// ID names a file; it is bound to each of its chunks.
type ID [16]byte

// Key is a file's key.
type Key [32]byte

// Seal stands for everything in a finished file.
type Seal [sha256.Size]byte

// newAEAD draws its nonces itself and puts them before what it seals: inside the
// standard library's module, which is the approved way under FIPS 140
// (SP 800-38D 8.2.2).
func newAEAD(k *Key) (cipher.AEAD, error) {
	b, err := aes.NewCipher(k[:])
	if err != nil {
		return nil, fmt.Errorf("make cipher: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(b)
}

// place is the additional data of chunk i.
func place(id *ID, i int64) (ad [24]byte) {
	copy(ad[:], id[:])
	binary.BigEndian.PutUint64(ad[16:], uint64(i))
	return ad
}

// chunks is how many chunks a file of the size has.
func chunks(size int64) int64 { return (size + ChunkSize - 1) / ChunkSize }

// chunkLen is the length of chunk i of a file of the size.
func chunkLen(size, i int64) int { return int(min(ChunkSize, size-i*ChunkSize)) }

// linksAt is where the list of links begins.
func linksAt(size int64) int64 {
	n := chunks(size)
	if n == 0 {
		return 0
	}
	return (n-1)*SlotSize + int64(slotMore+chunkLen(size, n-1))
}

// DiskSize is what a finished file of the size takes.
func DiskSize(size int64) int64 { return linksAt(size) + chunks(size)*linkSize }

// rooms are what opening a chunk needs: one for the slot as it lies on disk, one
// for its plain bytes.
type rooms struct {
	slot  [SlotSize]byte
	plain [ChunkSize]byte
}

// openSlot reads chunk i of n bytes and opens it behind into, which is r's room for
// it or another one that is long enough.
func openSlot(f io.ReaderAt, aead cipher.AEAD, id *ID, i int64, n int, r *rooms, into []byte) (plain []byte, err error) {
	slot := r.slot[:slotMore+n]
	if _, err := f.ReadAt(slot, i*SlotSize); err != nil {
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return nil, ErrDamaged
		}
		return nil, fmt.Errorf("read chunk: %w", err)
	}
	ad := place(id, i)
	plain, err = aead.Open(into, nil, slot, ad[:])
	if err != nil {
		return nil, ErrDamaged
	}
	return plain, nil
}
