package vault_test

import (
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

func TestSealKinds(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"same", "other"} {
		must(t, vault.CreateKeyFile(filepath.Join(dir, name), rand.Reader))
	}
	of := func(s vault.Seal) func(*testing.T) vault.Seal {
		return func(*testing.T) vault.Seal { return s }
	}
	t.Run("key file", func(t *testing.T) {
		vaulttest.TestSeal(t, vaulttest.Subject{
			Same:  of(vault.KeyFile(filepath.Join(dir, "same"))),
			Other: of(vault.KeyFile(filepath.Join(dir, "other"))),
			Gone:  of(vault.KeyFile(filepath.Join(dir, "gone"))),
		})
	})
	t.Run("credential", func(t *testing.T) {
		vaulttest.TestSeal(t, vaulttest.Subject{
			Same:  of(vault.Credential(dir, "same")),
			Other: of(vault.Credential(dir, "other")),
			Gone:  of(vault.Credential("", "same")),
		})
	})
	for name, fips := range map[string]bool{"passphrase": false, "passphrase under FIPS": true} {
		t.Run(name, func(t *testing.T) {
			vaulttest.TestSeal(t, vaulttest.Subject{
				Same:  of(vault.CheapPassphrase("correct horse battery staple", fips)),
				Other: of(vault.CheapPassphrase("correct horse battery stable", fips)),
			})
		})
	}
}

func TestPassphraseAtFullCost(t *testing.T) {
	root := []byte("0123456789abcdef0123456789abcdef")
	// e + combining acute, and the composed letter: two keyboards, one passphrase.
	wrapped, params, err := vault.Passphrase("cafe\u0301 au lait, tout de suite").Wrap(root)
	must(t, err)
	got, err := vault.Passphrase("caf\u00e9 au lait, tout de suite").Unwrap(wrapped, params)
	must(t, err)
	if string(got) != string(root) {
		t.Fatal("another key came back")
	}
}

func TestPassphraseRefuses(t *testing.T) {
	root := make([]byte, 32)
	if _, _, err := vault.Passphrase("fourteen chars").Wrap(root); err == nil || !strings.Contains(err.Error(), "at least 15") {
		t.Fatalf("short passphrase: %v", err)
	}
	words := "correct horse battery staple"
	wrapped, params, err := vault.CheapPassphrase(words, false).Wrap(root)
	must(t, err)
	if _, err := vault.CheapPassphrase(words, true).Unwrap(wrapped, params); err == nil || !strings.Contains(err.Error(), "FIPS") {
		t.Fatalf("Argon2id wrap under FIPS: %v", err)
	}
	// A hostile book must not make us spend all memory.
	greedy := strings.Replace(string(params), `"memory_kib":8`, `"memory_kib":4000000000`, 1)
	if greedy == string(params) {
		t.Fatal("the test did not change the parameters")
	}
	if _, err := vault.CheapPassphrase(words, false).Unwrap(wrapped, []byte(greedy)); err == nil || !strings.Contains(err.Error(), "out of bounds") {
		t.Fatalf("greedy parameters: %v", err)
	}
}

func TestKeyFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "lab.key")
	must(t, vault.CreateKeyFile(path, rand.Reader))
	st, err := os.Stat(path)
	must(t, err)
	if st.Mode().Perm() != 0o600 {
		t.Fatalf("mode %v, want 0600", st.Mode())
	}
	before, err := os.ReadFile(path)
	must(t, err)
	if err := vault.CreateKeyFile(path, rand.Reader); err == nil || !strings.Contains(err.Error(), "exists already") {
		t.Fatalf("second CreateKeyFile: %v", err)
	}
	after, err := os.ReadFile(path)
	must(t, err)
	if string(before) != string(after) {
		t.Fatal("the key file was touched")
	}
	root := make([]byte, 32)
	for _, mode := range []os.FileMode{0o640, 0o604, 0o620, 0o660, 0o644} {
		must(t, os.Chmod(path, mode))
		if _, _, err := vault.KeyFile(path).Wrap(root); err == nil || !strings.Contains(err.Error(), "chmod 600 "+path) {
			t.Errorf("mode %v: %v", mode, err)
		}
	}
	must(t, os.Chmod(path, 0o600))
	for name, text := range map[string]string{
		"empty": "", "not ours": "-----BEGIN PRIVATE KEY-----\n", "cut": string(before[:40]),
		"one digit off": strings.Replace(string(before), string(before[20]), "#", 1), "too long": string(before) + strings.Repeat("x", 2000),
	} {
		must(t, os.WriteFile(path, []byte(text), 0o600))
		if _, _, err := vault.KeyFile(path).Wrap(root); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, _, err := vault.KeyFile(dir).Wrap(root); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory: %v", err)
	}
}

func TestOpenSaysWhatWasTried(t *testing.T) {
	f := setUp(t)
	saves := f.book.Saves()
	gone := filepath.Join(t.TempDir(), "gone.key")
	_, err := vault.Open(t.Context(), f.book, keyFile(t), vault.KeyFile(gone), vault.CheapPassphrase("correct horse battery staple", false))
	if !errors.Is(err, vault.ErrLocked) {
		t.Fatalf("Open with wrong seals: %v", err)
	}
	var locked *vault.LockedError
	if !errors.As(err, &locked) || len(locked.Attempts) != 5 { // two key files, each on two wraps, and the passphrase
		t.Fatalf("attempts: %v", err)
	}
	for _, part := range []string{"key-file: ", "not the one this book was sealed with", gone, "passphrase: this book has no seal of this kind"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("the error does not say %q: %v", part, err)
		}
	}
	if _, err := vault.Open(t.Context(), f.book); err == nil || !strings.Contains(err.Error(), "no seal was given") {
		t.Errorf("Open without seals: %v", err)
	}
	if f.book.Saves() != saves {
		t.Fatal("a refused Open wrote to the book")
	}
	// Each of the two seals opens alone, also after wrong ones.
	for _, s := range []vault.Seal{f.one, f.two} {
		v, err := vault.Open(t.Context(), f.book, keyFile(t), s)
		must(t, err)
		wantText(t, v, "1", "text", seal(t, f.v, "1", "text"))
	}
	if f.book.Saves() != saves {
		t.Fatal("Open wrote to the book")
	}
}

// liar wraps nothing and hands out a key of its own: what a seal over another
// laboratory's key looks like once it unwraps.
type liar struct {
	vault.Seal
	key []byte
}

func (l liar) Unwrap(_, _ []byte) ([]byte, error) { return l.key, nil }

func TestKeyCheckRefusesForeignKey(t *testing.T) {
	f := setUp(t)
	saves := f.book.Saves()
	for _, n := range []int{0, 16, 32, 64} {
		_, err := vault.Open(t.Context(), f.book, liar{f.one, make([]byte, n)})
		if !errors.Is(err, vault.ErrLocked) || !strings.Contains(err.Error(), "key check value") {
			t.Fatalf("%d byte key: %v", n, err)
		}
	}
	if f.book.Saves() != saves {
		t.Fatal("a wrong key led to a write")
	}
	b := new(vaulttest.Book)
	_, _, err := vault.Create(t.Context(), b, rand.Reader, vault.CreateOptions{Lab: "x", Seals: []vault.Seal{liar{f.one, make([]byte, 32)}}, Now: day})
	if err == nil || b.Saves() != 0 {
		t.Fatalf("Create with a seal that does not give its key back: %v, %d saves", err, b.Saves())
	}
}
