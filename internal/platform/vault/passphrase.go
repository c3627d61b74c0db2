package vault

import (
	"bytes"
	"crypto/fips140"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"unicode/utf8"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"
)

// MinPassphrase is the least number of characters a new passphrase must have
// (NIST SP 800-63B-4 asks 15 of a password that stands alone).
const MinPassphrase = 15

const (
	kdfArgon2id = "argon2id"           // RFC 9106
	kdfPBKDF2   = "pbkdf2-hmac-sha256" // SP 800-132, for FIPS builds
)

// passCost is how dear one guess is. It stands in the book with each wrap, so
// that raising it later does not lock out older wraps.
type passCost struct {
	KDF        string `json:"kdf"`
	Salt       []byte `json:"salt"`
	Time       uint32 `json:"time,omitempty"`
	MemoryKiB  uint32 `json:"memory_kib,omitempty"`
	Threads    uint8  `json:"threads,omitempty"`
	Iterations int    `json:"iterations,omitempty"`
}

// The second recommended option of RFC 9106 section 4: 64 MiB, 3 passes.
func argonCost() passCost {
	return passCost{KDF: kdfArgon2id, Time: 3, MemoryKiB: 64 << 10, Threads: 4}
}

// OWASP's password storage guidance of 2023 for PBKDF2-HMAC-SHA256.
func pbkdfCost() passCost { return passCost{KDF: kdfPBKDF2, Iterations: 600_000} }

type passSeal struct {
	pass []byte
	cost passCost
	fips bool
}

// Passphrase is a seal by words a person knows; it needs a person. The key is
// derived with Argon2id, under FIPS 140 with PBKDF2. The text is normalised
// (NFKC), so that keyboards that compose characters differently agree.
func Passphrase(pass string) Seal {
	return newPassphrase(pass, fips140.Enabled())
}

func newPassphrase(pass string, fips bool) *passSeal {
	s := &passSeal{pass: norm.NFKC.Bytes([]byte(pass)), cost: argonCost(), fips: fips}
	if fips {
		s.cost = pbkdfCost()
	}
	return s
}

func (s *passSeal) Kind() string      { return KindPassphrase }
func (s *passSeal) NeedsPerson() bool { return true }

func (s *passSeal) Wrap(rootKey []byte) (wrapped, params []byte, err error) {
	if n := utf8.RuneCount(s.pass); n < MinPassphrase {
		return nil, nil, fmt.Errorf("the passphrase has %d characters and needs at least %d; several random words do well", n, MinPassphrase)
	}
	cost := s.cost
	cost.Salt = make([]byte, 16)
	rand.Read(cost.Salt)
	params, err = json.Marshal(cost)
	if err != nil {
		return nil, nil, fmt.Errorf("encode passphrase parameters: %w", err)
	}
	key, err := s.key(cost)
	if err != nil {
		return nil, nil, err
	}
	return wrapKey(key, rootKey, []byte(KindPassphrase), params), params, nil
}

func (s *passSeal) Unwrap(wrapped, params []byte) ([]byte, error) {
	var cost passCost
	dec := json.NewDecoder(bytes.NewReader(params))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&cost); err != nil {
		return nil, errors.New("its parameters in the book are damaged")
	}
	key, err := s.key(cost)
	if err != nil {
		return nil, err
	}
	root, err := unwrapKey(key, wrapped, []byte(KindPassphrase), params)
	if err != nil {
		return nil, errWrongSecret
	}
	return root, nil
}

// key bounds the cost before it spends it: params may be hostile.
func (s *passSeal) key(c passCost) ([]byte, error) {
	if len(c.Salt) != 16 {
		return nil, errors.New("its parameters in the book are damaged")
	}
	switch c.KDF {
	case kdfArgon2id:
		if s.fips {
			return nil, errors.New("it was sealed with Argon2id, which a FIPS 140 build does not use; open with another seal and add the passphrase again")
		}
		if c.Time < 1 || c.Time > 16 || c.MemoryKiB < 8 || c.MemoryKiB > 1<<20 || c.Threads < 1 || c.Threads > 64 || c.Iterations != 0 {
			return nil, errors.New("its parameters in the book are out of bounds")
		}
		return argon2.IDKey(s.pass, c.Salt, c.Time, c.MemoryKiB, c.Threads, keySize), nil
	case kdfPBKDF2:
		if c.Iterations < 1000 || c.Iterations > 10_000_000 || c.Time != 0 || c.MemoryKiB != 0 || c.Threads != 0 {
			return nil, errors.New("its parameters in the book are out of bounds")
		}
		key, err := pbkdf2.Key(sha256.New, string(s.pass), c.Salt, c.Iterations, keySize)
		if err != nil {
			return nil, fmt.Errorf("derive key from passphrase: %w", err)
		}
		return key, nil
	}
	return nil, errors.New("its parameters in the book name an unknown derivation")
}
