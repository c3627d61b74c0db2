package ledger

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// SaltSize is the length of a salt in bytes: 128 random bits, so that nobody
// finds a body by trying.
const SaltSize = 16

// Salt hides what a commitment is about. It is sealed with the record, given in
// the proof and erased with the record.
type Salt [SaltSize]byte

// NewSalt reads a salt from rand, which must be a cryptographic source.
func NewSalt(rand io.Reader) (Salt, error) {
	var s Salt
	if _, err := io.ReadFull(rand, s[:]); err != nil {
		return Salt{}, fmt.Errorf("read salt: %w", err)
	}
	return s, nil
}

// String returns the salt in base64url without padding (22 characters).
func (s Salt) String() string { return b64.EncodeToString(s[:]) }

// ParseSalt is the inverse of String.
func ParseSalt(t string) (Salt, error) {
	var s Salt
	if err := parseB64(t, s[:]); err != nil {
		return Salt{}, fmt.Errorf("parse salt: %w", err)
	}
	return s, nil
}

// Commitment is a salted hash over an event's kind, ids and the bodies it is about.
type Commitment [sha256.Size]byte

// String returns the commitment in base64url without padding (43 characters).
func (c Commitment) String() string { return b64.EncodeToString(c[:]) }

func (c Commitment) append(b []byte) []byte { return b64.AppendEncode(b, c[:]) }

// ParseCommitment is the inverse of String.
func ParseCommitment(t string) (Commitment, error) {
	var c Commitment
	if err := parseB64(t, c[:]); err != nil {
		return Commitment{}, fmt.Errorf("parse commitment: %w", err)
	}
	return c, nil
}

// commitDomain keeps these hashes apart from every other SHA-256 we compute.
const commitDomain = "labwarden/commitment/v1\n"

// Commit computes a commitment: SHA-256 over the domain line, then, each with
// its length as 4 bytes big-endian before it, the salt, the kind, and after a
// 4-byte count the ids (key, value, sorted by key), and after a 4-byte count
// the SHA-256 of each body. An absent body is an empty entry, so hashes are 32
// or 0 bytes long. It fails where ids are not fit for an event.
func Commit(salt Salt, kind string, ids Pairs, hashes ...[]byte) (Commitment, error) {
	ids, err := ids.sorted()
	if err != nil {
		return Commitment{}, fmt.Errorf("commit: %w", err)
	}
	b := make([]byte, 0, 512)
	b = append(b, commitDomain...)
	b = appendPart(b, salt[:])
	b = appendPart(b, kind)
	b = binary.BigEndian.AppendUint32(b, uint32(len(ids)))
	for _, p := range ids {
		b = appendPart(b, p.K)
		b = appendPart(b, p.V)
	}
	b = binary.BigEndian.AppendUint32(b, uint32(len(hashes)))
	for _, h := range hashes {
		if len(h) != 0 && len(h) != sha256.Size {
			return Commitment{}, errors.New("commit: a body hash is not a SHA-256")
		}
		b = appendPart(b, h)
	}
	return sha256.Sum256(b), nil
}

func appendPart[T string | []byte](b []byte, p T) []byte {
	b = binary.BigEndian.AppendUint32(b, uint32(len(p)))
	return append(b, p...)
}

// b64 is strict: bits that carry nothing must be zero, one value has one spelling.
var b64 = base64.RawURLEncoding.Strict()

func parseB64(t string, into []byte) error {
	if len(t) != b64.EncodedLen(len(into)) {
		return errors.New("wrong length")
	}
	// DecodeString skips line breaks; with the length fixed they shorten the
	// result and are noticed.
	d, err := b64.DecodeString(t)
	if err != nil || len(d) != len(into) {
		return errors.New("not base64url")
	}
	copy(into, d)
	return nil
}
