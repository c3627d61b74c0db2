package pki

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// tokenMark begins a token, so that scanners for leaked secrets find one.
const tokenMark = "lwenrol1_"

// Token lets somebody fetch one certificate: where, from whom, and the proof
// that they may.
type Token struct {
	Secret  [32]byte
	Root    [32]byte // SHA-256 of the root's DER: whom the other side believes
	Address string   // HOST:PORT
}

// NewToken makes one.
func NewToken(rand io.Reader, root [32]byte, address string) (Token, error) {
	t := Token{Root: root, Address: address}
	_, err := io.ReadFull(rand, t.Secret[:])
	if err != nil {
		return t, fmt.Errorf("make token: %w", err)
	}
	return t, nil
}

// Hash is how the hub keeps it.
func (t Token) Hash() [32]byte { return sha256.Sum256(t.Secret[:]) }

// Password is its secret as the password of HTTP Basic (RFC 7030 3.2.3).
func (t Token) Password() string { return base64.RawURLEncoding.EncodeToString(t.Secret[:]) }

func (t Token) String() string {
	b := append(append(append([]byte{}, t.Secret[:]...), t.Root[:]...), t.Address...)
	sum := sha256.Sum256(b)
	return tokenMark + base64.RawURLEncoding.EncodeToString(append(b, sum[:4]...))
}

// ParseToken reads a token; what was mistyped or cut short is noticed.
func ParseToken(s string) (t Token, err error) {
	bad := errors.New("this is no enrolment token, or a part of it is missing; copy it whole")
	rest, ok := strings.CutPrefix(strings.TrimSpace(s), tokenMark)
	if !ok || len(rest) > 512 {
		return t, bad
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(rest)
	if err != nil || len(b) < 64+3+4 {
		return t, bad
	}
	body, check := b[:len(b)-4], b[len(b)-4:]
	if sum := sha256.Sum256(body); string(sum[:4]) != string(check) {
		return t, bad
	}
	copy(t.Secret[:], body)
	copy(t.Root[:], body[32:])
	t.Address = string(body[64:])
	if _, _, err := net.SplitHostPort(t.Address); err != nil {
		return t, bad
	}
	return t, nil
}

// ParsePassword reads the secret of a token from HTTP Basic.
func ParsePassword(s string) (secret [32]byte, ok bool) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != len(secret) {
		return secret, false
	}
	copy(secret[:], b)
	return secret, true
}
