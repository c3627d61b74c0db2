package envelope

import (
	"bytes"
	"crypto/fips140"
	"errors"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"
)

// Age encrypts in the age format (age-encryption.org/v1).
type Age struct {
	to    []age.Recipient
	names []string
}

// ErrFIPS: age rests on ChaCha20-Poly1305 and X25519.
var ErrFIPS = errors.New("age is off in the FIPS build: its algorithms are not approved; ask the partner for a certificate with an RSA key (CMS)")

// NewAge takes native recipients: "age1..." (X25519) or "age1pq1..." (ML-KEM-768
// with X25519). The two kinds cannot be mixed in one file: that would give the
// post-quantum protection away. Passwords, plugins and SSH keys are refused.
func NewAge(recipients ...string) (*Age, error) {
	if fips140.Enabled() {
		return nil, ErrFIPS
	}
	a := &Age{}
	for i, s := range recipients {
		s = strings.TrimSpace(s)
		var r age.Recipient
		var err error
		switch {
		case strings.HasPrefix(s, "AGE-SECRET-KEY-"):
			// Neither shown nor used: it must not be in a configuration at all.
			return nil, fmt.Errorf("age recipient %d is a secret key; give the partner's public one", i+1)
		case strings.HasPrefix(s, "age1pq1"):
			r, err = age.ParseHybridRecipient(s)
		case strings.HasPrefix(s, "age1"):
			r, err = age.ParseX25519Recipient(s)
		default:
			err = errors.New("want age1... or age1pq1...")
		}
		if err != nil {
			return nil, fmt.Errorf("read age recipient %d: %w", i+1, err)
		}
		a.to, a.names = append(a.to, r), append(a.names, s)
	}
	if len(a.to) == 0 {
		return nil, errors.New("no age recipient")
	}
	if _, err := a.Encrypt(nil); err != nil { // finds kinds that cannot be mixed
		return nil, fmt.Errorf("try age recipients: %w", err)
	}
	return a, nil
}

// Encrypt returns a binary age file.
func (a *Age) Encrypt(body []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := age.Encrypt(&out, a.to...)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(body); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// ContentType is the generic one: age has no registered media type.
func (a *Age) ContentType() string { return "application/octet-stream" }

// Suffix is ".age".
func (a *Age) Suffix() string { return ".age" }

// Recipients are the public keys.
func (a *Age) Recipients() []string { return append([]string(nil), a.names...) }

// Fingerprints are the SHA-256 of the recipients' texts.
func (a *Age) Fingerprints() []string {
	out := make([]string, len(a.names))
	for i, n := range a.names {
		out[i] = sum([]byte(n))
	}
	return out
}

// NotAfter is zero: age keys have no end.
func (a *Age) NotAfter() time.Time { return time.Time{} }
