package spool

import (
	"crypto/fips140"
	"crypto/hpke"
	"errors"
	"fmt"
)

// The suite of RFC 9180 that keys are wrapped with: the hybrid of ML-KEM-768 and
// X25519, HKDF-SHA256, AES-256-GCM. Under FIPS 140 P-256 (SP 800-56A) is in the
// place of X25519. Front and hub are one program, so both choose the same.
func suite() (hpke.KEM, hpke.KDF, hpke.AEAD) {
	if fips140.Enabled() {
		return hpke.MLKEM768P256(), hpke.HKDFSHA256(), hpke.AES256GCM()
	}
	return hpke.MLKEM768X25519(), hpke.HKDFSHA256(), hpke.AES256GCM()
}

const info = "labwarden spool key v1"

// Keeper opens what was wrapped for it. It lives as long as its process: a file
// that was not closed before that ends was never taken.
type Keeper struct{ key hpke.PrivateKey }

// NewKeeper draws its key.
func NewKeeper() (*Keeper, error) {
	kem, _, _ := suite()
	k, err := kem.GenerateKey()
	if err != nil {
		return nil, fmt.Errorf("make keeper's key: %w", err)
	}
	return &Keeper{k}, nil
}

// Public is what Wrap takes.
func (k *Keeper) Public() []byte { return k.key.PublicKey().Bytes() }

// Wrap seals a file's key for the keeper, bound to the file's id.
func Wrap(public []byte, id ID, key *Key) ([]byte, error) {
	kem, kdf, aead := suite()
	pub, err := kem.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("read keeper's key: %w", err)
	}
	enc, s, err := hpke.NewSender(pub, kdf, aead, []byte(info))
	if err != nil {
		return nil, fmt.Errorf("wrap key: %w", err)
	}
	ct, err := s.Seal(id[:], key[:])
	if err != nil {
		return nil, fmt.Errorf("wrap key: %w", err)
	}
	return append(enc, ct...), nil
}

// encSize is the length of the encapsulated key of the suite: the ciphertext of
// ML-KEM-768 (FIPS 203 table 3), then a point of the curve.
func encSize() int {
	if fips140.Enabled() {
		return 1088 + 65
	}
	return 1088 + 32
}

// Unwrap opens it.
func (k *Keeper) Unwrap(id ID, wrapped []byte) (*Key, error) {
	_, kdf, aead := suite()
	enc := encSize()
	if len(wrapped) != enc+len(Key{})+tagSize {
		return nil, errors.New("a wrapped key has another length")
	}
	r, err := hpke.NewRecipient(wrapped[:enc], k.key, kdf, aead, []byte(info))
	if err != nil {
		return nil, fmt.Errorf("unwrap key: %w", err)
	}
	plain, err := r.Open(id[:], wrapped[enc:])
	if err != nil {
		return nil, fmt.Errorf("unwrap key: %w", err)
	}
	var key Key
	copy(key[:], plain)
	return &key, nil
}
