package vault

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// Kinds of the seals of this package, as they stand in the book.
const (
	KindKeyFile    = "key-file"
	KindPassphrase = "passphrase"
	KindCredential = "systemd-credential"
)

const (
	keyTextLabel = "labwarden-key-1"
	maxKeyText   = 1024 // bytes
)

// NewKeyText draws a key in the text form that key files and systemd
// credentials hold: one line with label, key and a check that tells a damaged
// file from a wrong one.
func NewKeyText(random io.Reader) ([]byte, error) {
	key := make([]byte, keySize)
	if _, err := io.ReadFull(random, key); err != nil {
		return nil, fmt.Errorf("draw key: %w", err)
	}
	return fmt.Appendf(nil, "%s %s %s\n", keyTextLabel, base64.StdEncoding.EncodeToString(key), keyTextCheck(key)), nil
}

func keyTextCheck(key []byte) string {
	sum := sha256.Sum256(append([]byte(keyTextLabel), key...))
	return hex.EncodeToString(sum[:4])
}

func parseKeyText(text []byte) ([]byte, error) {
	f := strings.Fields(string(text))
	if len(f) != 3 || f[0] != keyTextLabel {
		return nil, errors.New("it is not a Labwarden key file")
	}
	key, err := base64.StdEncoding.Strict().DecodeString(f[1])
	if err != nil || len(key) != keySize || subtle.ConstantTimeCompare([]byte(keyTextCheck(key)), []byte(f[2])) != 1 {
		return nil, errors.New("its contents are damaged; use the copy you kept")
	}
	return key, nil
}

// CreateKeyFile writes a new key file (0600, flushed). It refuses to replace
// an existing one.
func CreateKeyFile(path string, random io.Reader) error {
	text, err := NewKeyText(random)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("create key file %s: it exists already and may be the only copy of a key in use; choose another name", path)
	}
	if err != nil {
		return fmt.Errorf("create key file: %w", err)
	}
	_, err = f.Write(text)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = syncDir(filepath.Dir(path))
	}
	if err != nil {
		os.Remove(path) // half a key file is worse than none
		return fmt.Errorf("write key file: %w", err)
	}
	return nil
}

// ReadKeyFile returns the key of a key file that seals nothing in the vault (the
// bypass key). It is as strict as KeyFile about who may read the file.
func ReadKeyFile(path string) ([]byte, error) {
	return (&fileSeal{kind: KindKeyFile, path: path, strict: true}).secret()
}

// fileSeal reads its secret from a file each time it is needed.
type fileSeal struct {
	kind, path string
	strict     bool // refuse files that others may read
}

// KeyFile is a seal by a key file made with CreateKeyFile. It opens unattended.
// It refuses a file that group or others may read, write or run.
func KeyFile(path string) Seal { return &fileSeal{kind: KindKeyFile, path: path, strict: true} }

// Credential is a seal by a systemd credential: the file name in directory dir
// (the service's $CREDENTIALS_DIRECTORY), holding a text of NewKeyText. systemd
// can encrypt it to the machine's TPM. It opens unattended. The file's mode is
// systemd's business: with an access list it shows group bits that mean nothing.
func Credential(dir, name string) Seal {
	if dir == "" {
		return &fileSeal{kind: KindCredential}
	}
	return &fileSeal{kind: KindCredential, path: filepath.Join(dir, name)}
}

func (s *fileSeal) Kind() string      { return s.kind }
func (s *fileSeal) NeedsPerson() bool { return false }

func (s *fileSeal) secret() ([]byte, error) {
	if s.path == "" {
		return nil, errors.New("there is no credentials directory; is the service started by systemd with LoadCredential= or LoadCredentialEncrypted=?")
	}
	f, err := os.OpenFile(s.path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a FIFO must not hang the start
	if err != nil {
		return nil, err // names the path and the cause
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", s.path)
	}
	if perm := st.Mode().Perm(); s.strict && perm&0o077 != 0 {
		return nil, fmt.Errorf("%s may be used by others (mode %04o); run: chmod 600 %s", s.path, perm, s.path)
	}
	text, err := io.ReadAll(io.LimitReader(f, maxKeyText+1))
	if err != nil {
		return nil, err
	}
	key, err := parseKeyText(text)
	clear(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.path, err)
	}
	return key, nil
}

// params of a file seal: a salt and a print of the secret, so that a wrong
// file is told from a changed book.
func (s *fileSeal) Wrap(rootKey []byte) (wrapped, params []byte, err error) {
	secret, err := s.secret()
	if err != nil {
		return nil, nil, err
	}
	defer clear(secret)
	params = make([]byte, 16, 24)
	rand.Read(params)
	params = append(params, s.print(secret, params)...)
	return wrapKey(s.key(secret, params), rootKey, []byte(s.kind), params), params, nil
}

func (s *fileSeal) Unwrap(wrapped, params []byte) ([]byte, error) {
	secret, err := s.secret()
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	if len(params) != 24 || !bytes.Equal(params[16:], s.print(secret, params[:16])) {
		return nil, fmt.Errorf("%s: %w", s.path, errWrongSecret)
	}
	key, err := unwrapKey(s.key(secret, params), wrapped, []byte(s.kind), params)
	if err != nil {
		return nil, fmt.Errorf("%s: it fits, but the wrapped key in the book was changed", s.path)
	}
	return key, nil
}

func (s *fileSeal) print(secret, salt []byte) []byte {
	return derive(secret, salt, "labwarden seal print v1 "+s.kind, 8)
}

func (s *fileSeal) key(secret, params []byte) []byte {
	return derive(secret, params[:16], "labwarden seal v1 "+s.kind, keySize)
}
