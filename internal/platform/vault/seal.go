package vault

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

const keySize = 32 // bytes of every symmetric key here: AES-256

// Seal is one way to wrap the root key. vaulttest.TestSeal holds what every
// kind must do; a seal is safe for concurrent use.
type Seal interface {
	// Kind is the stable name in the book, for example "key-file".
	Kind() string
	// NeedsPerson says whether a human must be there to unwrap.
	NeedsPerson() bool
	// Wrap encrypts rootKey so that only this seal opens it again. Both results
	// are stored in the book; params is what Unwrap needs beside the secret and
	// is authenticated by wrapped.
	Wrap(rootKey []byte) (wrapped, params []byte, err error)
	// Unwrap gives the root key back, or an error in words without key bytes.
	// The arguments come from a book that is not yet authenticated.
	Unwrap(wrapped, params []byte) (rootKey []byte, err error)
}

// errWrongSecret says that the seal works but holds another secret.
var errWrongSecret = errors.New("it is not the one this book was sealed with, or the book was changed")

// derive is HKDF-SHA-256 (RFC 5869).
func derive(secret, salt []byte, info string, n int) []byte {
	out, err := hkdf.Key(sha256.New, secret, salt, info, n)
	if err != nil {
		panic("vault: " + err.Error()) // lengths are constants of this package
	}
	return out
}

// newAEAD is AES-256-GCM with a nonce drawn for each message inside the
// standard library's module, which is the approved way under FIPS 140
// (SP 800-38D 8.2.2): callers pass a nil nonce.
func newAEAD(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic("vault: " + err.Error())
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("vault: " + err.Error())
	}
	return aead
}

// wrapKey and unwrapKey carry a key under another; what names its place.
func wrapKey(under, key []byte, what ...[]byte) []byte {
	return newAEAD(under).Seal(nil, nil, key, joined(nil, what...))
}

func unwrapKey(under, wrapped []byte, what ...[]byte) ([]byte, error) {
	key, err := newAEAD(under).Open(nil, nil, wrapped, joined(nil, what...))
	if err != nil {
		return nil, ErrTampered
	}
	if len(key) != keySize {
		return nil, ErrTampered
	}
	return key, nil
}

// joined appends each part after its length, so that no two lists of parts
// give the same bytes.
func joined(dst []byte, parts ...[]byte) []byte {
	for _, p := range parts {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(p)))
		dst = append(dst, p...)
	}
	return dst
}

// trySeal makes sure, before anything is stored, that a seal opens what it
// closed.
func trySeal(s Seal, root []byte) (wrapped, params []byte, err error) {
	wrapped, params, err = s.Wrap(bytes.Clone(root))
	if err != nil {
		return nil, nil, fmt.Errorf("seal root key with %s: %w", s.Kind(), err)
	}
	back, err := s.Unwrap(wrapped, params)
	if err != nil {
		return nil, nil, fmt.Errorf("try seal %s: %w", s.Kind(), err)
	}
	if !bytes.Equal(back, root) {
		return nil, nil, fmt.Errorf("try seal %s: it gave another key back", s.Kind())
	}
	clear(back)
	return wrapped, params, nil
}
