package spool_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/spool"
)

// TestTheSealBindsWhoeverHasTheKey: the process that took the file in has its key and
// keeps its descriptor. It can seal another content with the same nonce and the same
// tag (GCM is no hash to who knows its key): the seal must fail all the same.
func TestTheSealBindsWhoeverHasTheKey(t *testing.T) {
	for _, size := range []int{spool.ChunkSize, 2 * spool.ChunkSize, 3*spool.ChunkSize + 1000, 1008} {
		f, err := os.Create(filepath.Join(t.TempDir(), "f"))
		if err != nil {
			t.Fatal(err)
		}
		id := spool.ID{7}
		w, key, err := spool.NewWriter(f, id, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.WriteAt(bytes.Repeat([]byte("negative"), size/8), 0); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Finish(); err != nil {
			t.Fatal(err)
		}
		seal, _, err := spool.Close(f, id, &key, int64(size))
		if err != nil {
			t.Fatal(err)
		}
		for i := range int64(size+spool.ChunkSize-1) / spool.ChunkSize {
			n := min(spool.ChunkSize, size-int(i)*spool.ChunkSize)
			slot := make([]byte, n+28)
			if _, err := f.ReadAt(slot, i*spool.SlotSize); err != nil {
				t.Fatal(err)
			}
			was := bytes.Clone(slot)
			ad := binary.BigEndian.AppendUint64(bytes.Clone(id[:]), uint64(i))
			put(f, i, forge(t, key, slot, ad, bytes.Repeat([]byte("positive"), n/8)))
			got, err := (file{f, id, key, int64(size), seal}).read(t)
			if !errors.Is(err, spool.ErrDamaged) {
				t.Errorf("chunk %d of %d bytes: read %.16q, %v", i, size, got, err)
			}
			put(f, i, was)
		}
		if _, err := (file{f, id, key, int64(size), seal}).read(t); err != nil {
			t.Error("put back to what was judged:", err)
		}
	}
}

// forge makes a slot with another plaintext under the nonce and the tag of slot, by
// choosing one block of its ciphertext (NIST SP 800-38D 6.4: GHASH is linear).
func forge(t *testing.T, key spool.Key, slot, ad, plain []byte) []byte {
	t.Helper()
	b, err := aes.NewCipher(key[:])
	if err != nil {
		t.Fatal(err)
	}
	gcm, err := cipher.NewGCM(b)
	if err != nil {
		t.Fatal(err)
	}
	nonce, tag := slot[:12], slot[len(slot)-16:]
	if len(plain) != len(slot)-28 {
		t.Fatal("another length")
	}
	out := append(bytes.Clone(nonce), gcm.Seal(nil, nonce, plain, ad)...)
	var h [16]byte
	b.Encrypt(h[:], h[:])
	// The first block of ciphertext counts times H to the power of its distance from
	// the end, the block of lengths included.
	k := (len(plain)+15)/16 + 1
	var want element
	for i := range 16 {
		h := out[len(out)-16+i] ^ tag[i]
		want[i/8] |= uint64(h) << (56 - 8*(i%8))
	}
	hh := element{binary.BigEndian.Uint64(h[:]), binary.BigEndian.Uint64(h[8:])}
	delta := want.times(hh.power(k).inverse())
	var d [16]byte
	binary.BigEndian.PutUint64(d[:], delta[0])
	binary.BigEndian.PutUint64(d[8:], delta[1])
	for i := range d {
		out[12+i] ^= d[i]
	}
	copy(out[len(out)-16:], tag)
	opened, err := gcm.Open(nil, nonce, out[12:], ad)
	if err != nil || !bytes.Equal(opened[16:], plain[16:]) {
		t.Fatal("the forgery does not open: ", err)
	}
	return out
}

// element is one of GF(2^128) as GCM writes it: the first bit is the lowest power.
type element [2]uint64

func (x element) times(y element) (z element) {
	for i := range 128 {
		if y[i/64]>>(63-i%64)&1 == 1 {
			z[0] ^= x[0]
			z[1] ^= x[1]
		}
		low := x[1] & 1
		x[1] = x[1]>>1 | x[0]<<63
		x[0] >>= 1
		if low == 1 {
			x[0] ^= 0xe1 << 56
		}
	}
	return z
}

func (x element) power(n int) element {
	out := element{1 << 63}
	for ; n > 0; n >>= 1 {
		if n&1 == 1 {
			out = out.times(x)
		}
		x = x.times(x)
	}
	return out
}

// inverse is x to the power of 2^128 - 2.
func (x element) inverse() element {
	out := element{1 << 63}
	for range 127 {
		x = x.times(x)
		out = out.times(x)
	}
	return out
}
