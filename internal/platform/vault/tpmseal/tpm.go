package tpmseal

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/google/go-tpm/tpm2"
	"github.com/google/go-tpm/tpm2/transport"

	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Kind is the name of this seal in the key book.
const Kind = "tpm2"

// DefaultDevice is the TPM behind the kernel's resource manager.
const DefaultDevice = "/dev/tpmrm0"

// Open connects to a TPM; each connection is closed after one use.
type Open func() (transport.TPMCloser, error)

// Device opens a TPM device node, normally DefaultDevice.
func Device(path string) Open {
	return func() (transport.TPMCloser, error) {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			return nil, err
		}
		if st, err := f.Stat(); err != nil || st.Mode()&os.ModeDevice == 0 {
			f.Close()
			return nil, fmt.Errorf("%s is not a device", path)
		}
		return transport.FromReadWriteCloser(f), nil
	}
}

type seal struct {
	open Open
	mu   sync.Mutex // a TPM does one thing at a time and has few handles
}

// New is a seal by the TPM that open connects to.
func New(open Open) vault.Seal { return &seal{open: open} }

func (s *seal) Kind() string      { return Kind }
func (s *seal) NeedsPerson() bool { return false }

// Wrap lets the TPM seal a fresh secret under its storage key and encrypts
// rootKey with what is derived from it. params are the TPM's two blobs.
func (s *seal) Wrap(rootKey []byte) (wrapped, params []byte, err error) {
	secret := make([]byte, 32)
	rand.Read(secret)
	defer clear(secret)
	err = s.with(func(t transport.TPM, srk *tpm2.CreatePrimaryResponse, pub tpm2.TPMTPublic) error {
		made, err := tpm2.Create{
			ParentHandle: tpm2.AuthHandle{Handle: srk.ObjectHandle, Name: srk.Name, Auth: session(srk, pub, tpm2.AESEncryption(128, tpm2.EncryptIn))},
			InSensitive: tpm2.TPM2BSensitiveCreate{Sensitive: &tpm2.TPMSSensitiveCreate{
				Data: tpm2.NewTPMUSensitiveCreate(&tpm2.TPM2BSensitiveData{Buffer: secret}),
			}},
			InPublic: tpm2.New2B(tpm2.TPMTPublic{
				Type: tpm2.TPMAlgKeyedHash, NameAlg: tpm2.TPMAlgSHA256,
				// NoDA: no count of wrong tries that could lock an unattended start out.
				ObjectAttributes: tpm2.TPMAObject{FixedTPM: true, FixedParent: true, UserWithAuth: true, NoDA: true},
			}),
		}.Execute(t)
		if err != nil {
			return fmt.Errorf("the TPM does not seal: %w", err)
		}
		params = appendPart(nil, tpm2.Marshal(made.OutPublic))
		params = appendPart(params, tpm2.Marshal(made.OutPrivate))
		return nil
	})
	if err != nil {
		return nil, nil, err
	}
	aead, err := under(secret)
	if err != nil {
		return nil, nil, err
	}
	return aead.Seal(nil, nil, rootKey, params), params, nil
}

// Unwrap loads the blobs into the TPM and lets it unseal them.
func (s *seal) Unwrap(wrapped, params []byte) ([]byte, error) {
	public, rest, ok1 := cutPart(params)
	private, rest, ok2 := cutPart(rest)
	if !ok1 || !ok2 || len(rest) != 0 {
		return nil, errors.New("its parameters in the book are damaged")
	}
	inPublic, err := tpm2.Unmarshal[tpm2.TPM2BPublic](public)
	if err != nil {
		return nil, errors.New("its parameters in the book are damaged")
	}
	inPrivate, err := tpm2.Unmarshal[tpm2.TPM2BPrivate](private)
	if err != nil {
		return nil, errors.New("its parameters in the book are damaged")
	}
	var secret []byte
	err = s.with(func(t transport.TPM, srk *tpm2.CreatePrimaryResponse, pub tpm2.TPMTPublic) error {
		loaded, err := tpm2.Load{
			ParentHandle: tpm2.AuthHandle{Handle: srk.ObjectHandle, Name: srk.Name, Auth: session(srk, pub, tpm2.AESEncryption(128, tpm2.EncryptIn))},
			InPublic:     *inPublic, InPrivate: *inPrivate,
		}.Execute(t)
		if err != nil {
			return fmt.Errorf("this TPM does not take the key; is it another machine, was the TPM cleared, or the book changed? (%w)", err)
		}
		defer flush(t, loaded.ObjectHandle)
		got, err := tpm2.Unseal{
			ItemHandle: tpm2.AuthHandle{Handle: loaded.ObjectHandle, Name: loaded.Name, Auth: session(srk, pub, tpm2.AESEncryption(128, tpm2.EncryptOut))},
		}.Execute(t)
		if err != nil {
			return fmt.Errorf("the TPM does not unseal: %w", err)
		}
		secret = got.OutData.Buffer
		return nil
	})
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	aead, err := under(secret)
	if err != nil {
		return nil, err
	}
	root, err := aead.Open(nil, nil, wrapped, params)
	if err != nil {
		return nil, errors.New("the TPM fits, but the wrapped key in the book was changed")
	}
	return root, nil
}

// with makes the storage root key anew (it follows from the owner seed, so it
// is the same each time and needs no place in the TPM) and flushes it after.
func (s *seal) with(do func(transport.TPM, *tpm2.CreatePrimaryResponse, tpm2.TPMTPublic) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t, err := s.open()
	if err != nil {
		return fmt.Errorf("open TPM: %w", err)
	}
	defer t.Close()
	srk, err := tpm2.CreatePrimary{PrimaryHandle: tpm2.TPMRHOwner, InPublic: tpm2.New2B(tpm2.ECCSRKTemplate)}.Execute(t)
	if err != nil {
		return fmt.Errorf("the TPM makes no storage key (does its owner hierarchy have a password?): %w", err)
	}
	defer flush(t, srk.ObjectHandle)
	pub, err := srk.OutPublic.Contents()
	if err != nil {
		return fmt.Errorf("read the TPM's storage key: %w", err)
	}
	return do(t, srk, *pub)
}

// flush frees a handle; the resource manager would do so too when we close.
func flush(t transport.TPM, h tpm2.TPMHandle) { _, _ = tpm2.FlushContext{FlushHandle: h}.Execute(t) }

func session(srk *tpm2.CreatePrimaryResponse, pub tpm2.TPMTPublic, way tpm2.AuthOption) tpm2.Session {
	return tpm2.HMAC(tpm2.TPMAlgSHA256, 16, tpm2.Auth(nil), tpm2.Salted(srk.ObjectHandle, pub), way)
}

func under(secret []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, secret, nil, "labwarden seal v1 "+Kind, 32)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func appendPart(dst, part []byte) []byte {
	return append(binary.BigEndian.AppendUint16(dst, uint16(len(part))), part...)
}

func cutPart(b []byte) (part, rest []byte, ok bool) {
	if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
		return nil, nil, false
	}
	n := int(binary.BigEndian.Uint16(b))
	return b[2 : 2+n], b[2+n:], true
}
