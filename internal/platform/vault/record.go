package vault

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
)

// Sealed record, version 1:
//
//	version 1 (0x01) | key id 4 | session salt 12 | nonce 12 | ciphertext | tag 16
//
// Additional data: the first 17 bytes, then table, column and row, each after
// its length (4 bytes, big endian).
const (
	recordVersion = 1
	headerSize    = 1 + 4 + saltSize
	// Overhead is by how many bytes a sealed record is longer than its text.
	Overhead = headerSize + 12 + 16
)

// Where is the place of a sealed value. It is authenticated, not stored: a
// value opens only with the place it was sealed for. No part may be empty.
type Where struct {
	Table, Column string
	Row           []byte // the row's id
}

func (w Where) append(dst []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(w.Table)))
	dst = append(dst, w.Table...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(w.Column)))
	dst = append(dst, w.Column...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(w.Row)))
	return append(dst, w.Row...)
}

var errNowhere = errors.New("table, column and row must be given")

// Seal appends plaintext, sealed for its purpose and place, to dst and returns
// the longer slice; with Overhead + len(plaintext) bytes to spare it allocates
// nothing. plaintext must not lie in dst's spare room. On error dst is returned.
func (v *Vault) Seal(p Purpose, w Where, dst, plaintext []byte) ([]byte, error) {
	r := v.ring.Load()
	if r == nil {
		return dst, ErrClosed
	}
	k := r.current[p]
	if k == nil {
		return dst, fmt.Errorf("seal for %q: %w", p, ErrPurpose)
	}
	if w.Table == "" || w.Column == "" || len(w.Row) == 0 {
		return dst, fmt.Errorf("seal for %q: %w", p, errNowhere)
	}
	s := k.toSeal()
	at := len(dst)
	dst = slices.Grow(dst, len(plaintext)+Overhead)
	dst = append(dst, recordVersion)
	dst = binary.BigEndian.AppendUint32(dst, uint32(k.id))
	dst = append(dst, s.salt[:]...)
	buf := v.bufs.Get().(*[]byte)
	*buf = w.append(append((*buf)[:0], dst[at:]...))
	dst = s.aead.Seal(dst, nil, plaintext, *buf)
	v.bufs.Put(buf)
	return dst, nil
}

// Unseal appends the text of sealed to dst. It fails with ErrNotSealed for
// bytes of another form, ErrUnknownKey for a key that is not in the book or is
// of another purpose, and ErrTampered for anything changed or moved. dst must
// not overlap sealed. On error dst is returned; its spare room may be cleared.
func (v *Vault) Unseal(p Purpose, w Where, dst, sealed []byte) ([]byte, error) {
	r := v.ring.Load()
	if r == nil {
		return dst, ErrClosed
	}
	id, err := KeyIDOf(sealed)
	if err != nil {
		return dst, err
	}
	k := r.byID[id]
	if k == nil || k.purpose != p {
		return dst, fmt.Errorf("unseal for %q with key %v: %w", p, id, ErrUnknownKey)
	}
	s, known := k.toOpen([saltSize]byte(sealed[5:]))
	buf := v.bufs.Get().(*[]byte)
	*buf = w.append(append((*buf)[:0], sealed[:headerSize]...))
	out, err := s.aead.Open(dst, nil, sealed[headerSize:], *buf)
	v.bufs.Put(buf)
	if err != nil {
		return dst, fmt.Errorf("unseal %s.%s: %w", w.Table, w.Column, ErrTampered)
	}
	if !known {
		k.keep(s)
	}
	return out, nil
}

// KeyIDOf reads from sealed bytes which key they need; ErrNotSealed if they
// have not the form. It authenticates nothing.
func KeyIDOf(sealed []byte) (KeyID, error) {
	if len(sealed) < Overhead || sealed[0] != recordVersion {
		return 0, ErrNotSealed
	}
	return KeyID(binary.BigEndian.Uint32(sealed[1:])), nil
}

// CurrentKey is the key that Seal uses for a purpose now.
func (v *Vault) CurrentKey(p Purpose) (KeyID, error) {
	r := v.ring.Load()
	if r == nil {
		return 0, ErrClosed
	}
	if r.current[p] == nil {
		return 0, fmt.Errorf("key of %q: %w", p, ErrPurpose)
	}
	return r.current[p].id, nil
}

// Rewrap gives sealed back under the current key of its purpose: appended to
// dst with changed true, or dst as it was with changed false when the key is
// current already.
func (v *Vault) Rewrap(p Purpose, w Where, dst, sealed []byte) (out []byte, changed bool, err error) {
	id, err := KeyIDOf(sealed)
	if err != nil {
		return dst, false, err
	}
	now, err := v.CurrentKey(p)
	if err != nil || id == now {
		return dst, false, err
	}
	text, err := v.Unseal(p, w, nil, sealed)
	if err != nil {
		return dst, false, err
	}
	defer clear(text)
	out, err = v.Seal(p, w, dst, text)
	return out, err == nil, err
}
