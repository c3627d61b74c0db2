package bypass

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"

	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Key is the bypass key: it opens the card and the logs and nothing else. It is
// a key file of its own, so that who may open the bypass need not hold what
// opens the vault.
type Key struct{ secret []byte }

// ReadKey reads the key file; others than its owner must not be able to.
func ReadKey(path string) (Key, error) {
	b, err := vault.ReadKeyFile(path)
	if err != nil {
		return Key{}, fmt.Errorf("read the bypass key: %w", err)
	}
	return Key{b}, nil
}

// ErrWrongKey: the card or log was sealed with another key, or was changed.
var ErrWrongKey = errors.New("the bypass key does not open it: it is another laboratory's or an old key, or the file was changed")

// aead is AES-256-GCM under a key for one purpose and one salt. It draws its
// nonces itself and puts them before what it seals.
func (k Key) aead(salt []byte, purpose string) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, k.secret, salt, "labwarden/bypass/"+purpose+"/v1", 32)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

const saltSize = 16

// seal makes salt, nonce and ciphertext; each call has a key of its own.
func (k Key) seal(purpose string, plain []byte) ([]byte, error) {
	out := make([]byte, saltSize, saltSize+12+len(plain)+16)
	if _, err := io.ReadFull(rand.Reader, out); err != nil {
		return nil, fmt.Errorf("draw salt: %w", err)
	}
	a, err := k.aead(out[:saltSize], purpose)
	if err != nil {
		return nil, err
	}
	return a.Seal(out, nil, plain, []byte(purpose)), nil
}

func (k Key) open(purpose string, sealed []byte) ([]byte, error) {
	if len(sealed) < saltSize+12 {
		return nil, ErrWrongKey
	}
	a, err := k.aead(sealed[:saltSize], purpose)
	if err != nil {
		return nil, err
	}
	plain, err := a.Open(nil, nil, sealed[saltSize:], []byte(purpose))
	if err != nil {
		return nil, ErrWrongKey
	}
	return plain, nil
}
