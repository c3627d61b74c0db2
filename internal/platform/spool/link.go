package spool

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"hash"
)

// A link is where SHA-256 over the whole file stands after a chunk: its eight words
// (FIPS 180-4, 6.2.2), and after the last chunk the hash itself. Two chunks that lead
// from one link to the next would be two files of one SHA-256, so whoever has the
// file's key cannot make a second one: its tags alone do not bind that, since GCM
// under a known key is no hash. Close has to make the SHA-256 of the file anyway.

// The standard library keeps a hash that is not finished as this word, the eight
// words, the block that is not full yet, and the length so far.
const (
	stateWord = "sha\x03"
	stateSize = len(stateWord) + linkSize + 64 + 8
)

// linkOf is the link where sum stands.
func linkOf(sum hash.Hash, last bool) (l [linkSize]byte, err error) {
	if last {
		sum.Sum(l[:0])
		return l, nil
	}
	b, err := sum.(encoding.BinaryAppender).AppendBinary(make([]byte, 0, stateSize))
	if err == nil && (len(b) != stateSize || string(b[:len(stateWord)]) != stateWord) {
		err = fmt.Errorf("%d bytes of another form", len(b))
	}
	if err != nil {
		return l, fmt.Errorf("take a link: %w", err)
	}
	return [linkSize]byte(b[len(stateWord):]), nil
}

// resume has sum stand at the link, after n bytes in whole blocks.
func resume(sum hash.Hash, link []byte, n int64) error {
	b := make([]byte, 0, stateSize)
	b = append(append(b, stateWord...), link...)
	b = binary.BigEndian.AppendUint64(append(b, make([]byte, 64)...), uint64(n))
	if err := sum.(encoding.BinaryUnmarshaler).UnmarshalBinary(b); err != nil {
		return fmt.Errorf("go on from a link: %w", err)
	}
	return nil
}
