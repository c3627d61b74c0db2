package vault_test

import (
	"bytes"
	"crypto/rand"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

func TestBooks(t *testing.T) {
	t.Run("file", func(t *testing.T) {
		vaulttest.TestBook(t, func(t *testing.T) (b, again vault.Book) {
			path := filepath.Join(t.TempDir(), "keys.json")
			return vault.NewFileBook(path), vault.NewFileBook(path)
		})
	})
	t.Run("memory", func(t *testing.T) {
		vaulttest.TestBook(t, func(*testing.T) (b, again vault.Book) {
			m := new(vaulttest.Book)
			return m, m
		})
	})
}

func TestFileBookLeavesNothingBehind(t *testing.T) {
	dir := t.TempDir()
	b := vault.NewFileBook(filepath.Join(dir, "keys.json"))
	must(t, b.Save(t.Context(), nil, []byte("one")))
	must(t, b.Save(t.Context(), []byte("one"), []byte("two")))
	if err := b.Save(t.Context(), []byte("one"), []byte("x")); !errors.Is(err, vault.ErrConflict) {
		t.Fatal(err)
	}
	var names []string
	must(t, filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		st, err := d.Info()
		if err == nil && st.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", path, st.Mode())
		}
		names = append(names, d.Name())
		return err
	}))
	if got := strings.Join(names, " "); got != "keys.json keys.json.lock" {
		t.Errorf("files: %s", got)
	}
	must(t, os.Remove(filepath.Join(dir, "keys.json")))
	must(t, os.Mkdir(filepath.Join(dir, "keys.json"), 0o700))
	if _, err := b.Load(t.Context()); err == nil || errors.Is(err, vault.ErrEmpty) {
		t.Errorf("a book that cannot be read passes for an empty one: %v", err)
	}
}

func TestFlippedByteInBook(t *testing.T) {
	f := setUp(t)
	must(t, f.v.RotateSigner(t.Context(), day))
	must(t, f.v.Rotate(t.Context(), vault.PurposeBodies, day))
	good := f.book.Bytes()
	saves := f.book.Saves()
	for i := range good {
		for _, bit := range []byte{1, 0x20, 0x80} {
			bad := bytes.Clone(good)
			bad[i] ^= bit
			f.book.Set(bad)
			if _, err := vault.Open(t.Context(), f.book, f.one, f.two); err == nil {
				t.Fatalf("byte %d of %d flipped by %#x: the book opens", i, len(good), bit)
			}
			if i%7 == 0 {
				if _, err := vault.Recover(t.Context(), f.book, f.shares); err == nil {
					t.Fatalf("byte %d flipped by %#x: the book recovers", i, bit)
				}
			}
		}
	}
	for _, bad := range [][]byte{{}, []byte("{}"), []byte("null"), good[:len(good)-1], append(bytes.Clone(good), '\n'), append(bytes.Clone(good), good...), bytes.Repeat([]byte("["), 5<<20)} {
		f.book.Set(bad)
		if _, err := vault.Open(t.Context(), f.book, f.one); !errors.Is(err, vault.ErrBook) {
			t.Errorf("%d bytes: %v, want ErrBook", len(bad), err)
		}
	}
	if f.book.Saves() != saves {
		t.Fatal("something was written")
	}
	f.book.Set(good)
	_, err := vault.Open(t.Context(), f.book, f.one)
	must(t, err)
}

func TestCreate(t *testing.T) {
	f := setUp(t)
	if _, _, err := vault.Create(t.Context(), f.book, rand.Reader, vault.CreateOptions{Lab: "x", Seals: []vault.Seal{f.one}, Now: day}); !errors.Is(err, vault.ErrExists) {
		t.Errorf("second Create: %v, want ErrExists", err)
	}
	bad := map[string]vault.CreateOptions{
		"no seal":       {Lab: "lab.example"},
		"no name":       {Seals: []vault.Seal{f.one}},
		"space in name": {Lab: "our lab", Seals: []vault.Seal{f.one}},
		"plus in name":  {Lab: "a+b", Seals: []vault.Seal{f.one}},
		"one share":     {Lab: "a", Seals: []vault.Seal{f.one}, Shares: 1, Threshold: 1},
		"1 of 5":        {Lab: "a", Seals: []vault.Seal{f.one}, Shares: 5, Threshold: 1},
		"6 of 5":        {Lab: "a", Seals: []vault.Seal{f.one}, Shares: 5, Threshold: 6},
		"too many":      {Lab: "a", Seals: []vault.Seal{f.one}, Shares: 21, Threshold: 3},
		"negative":      {Lab: "a", Seals: []vault.Seal{f.one}, Shares: -1, Threshold: 3},
	}
	for name, o := range bad {
		b := new(vaulttest.Book)
		if _, _, err := vault.Create(t.Context(), b, rand.Reader, o); err == nil || b.Saves() != 0 {
			t.Errorf("%s: error %v, %d saves", name, err, b.Saves())
		}
	}
	b := new(vaulttest.Book)
	if _, _, err := vault.Create(t.Context(), b, bytes.NewReader(make([]byte, 100)), vault.CreateOptions{Lab: "a", Seals: []vault.Seal{f.one}}); err == nil || b.Saves() != 0 {
		t.Errorf("a dry random source: %v, %d saves", err, b.Saves())
	}
}

func TestStatusAndNeedsPerson(t *testing.T) {
	f := setUp(t)
	s := status(t, f.v)
	if s.Lab != "lab.example" || s.Revision != 1 || !s.Changed.Equal(day) || len(s.Seals) != 2 || len(s.Keys) != 7 || len(s.Warnings) != 0 ||
		s.Recovery == nil || s.Recovery.Threshold != 3 || s.Recovery.Shares != 5 || s.NeedsPerson || f.v.NeedsPerson() {
		t.Errorf("status: %+v", s)
	}
	b := new(vaulttest.Book)
	v, _, err := vault.Create(t.Context(), b, rand.Reader, vault.CreateOptions{Lab: "a", Seals: []vault.Seal{vault.CheapPassphrase("correct horse battery staple", false)}, Now: day})
	must(t, err)
	if s := status(t, v); !s.NeedsPerson || !v.NeedsPerson() || len(s.Warnings) != 3 {
		t.Errorf("passphrase alone: %+v", s)
	}
	must(t, v.AddSeal(t.Context(), keyFile(t), day))
	if v.NeedsPerson() || len(status(t, v).Warnings) != 1 {
		t.Errorf("with a key file: %+v", status(t, v))
	}
	v.Close()
	if _, err := v.Status(); !errors.Is(err, vault.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if err := v.Rotate(t.Context(), vault.PurposeBodies, day); !errors.Is(err, vault.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	if _, err := v.NoteSigner().Sign([]byte("x")); !errors.Is(err, vault.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}
