package vaulttest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Subject is a kind of seal under test.
type Subject struct {
	// Same returns seals that hold one and the same secret.
	Same func(t *testing.T) vault.Seal
	// Other returns a seal of the kind with another secret.
	Other func(t *testing.T) vault.Seal
	// Gone returns a seal whose secret is not there at all, or nil.
	Gone func(t *testing.T) vault.Seal
}

// TestSeal holds what every kind of seal must do.
func TestSeal(t *testing.T, s Subject) {
	root := make([]byte, 32)
	rand.Read(root)
	safe := func(t *testing.T, err error) {
		t.Helper()
		if err == nil {
			t.Fatal("opened what it must refuse")
		}
		for _, secret := range []string{string(root), hex.EncodeToString(root), base64.StdEncoding.EncodeToString(root)} {
			if strings.Contains(err.Error(), secret) {
				t.Fatal("the error holds the key")
			}
		}
	}
	t.Run("round trip", func(t *testing.T) {
		given := bytes.Clone(root)
		wrapped, params, err := s.Same(t).Wrap(given)
		must(t, err)
		if !bytes.Equal(given, root) {
			t.Fatal("Wrap changed its argument")
		}
		if bytes.Contains(wrapped, root) || bytes.Contains(params, root) {
			t.Fatal("the key stands in the clear")
		}
		w, p := bytes.Clone(wrapped), bytes.Clone(params)
		got, err := s.Same(t).Unwrap(w, p)
		must(t, err)
		if !bytes.Equal(got, root) {
			t.Fatal("another key came back")
		}
		if !bytes.Equal(w, wrapped) || !bytes.Equal(p, params) {
			t.Fatal("Unwrap changed its arguments")
		}
	})
	t.Run("kind", func(t *testing.T) {
		a, b := s.Same(t), s.Other(t)
		if a.Kind() == "" || a.Kind() != b.Kind() || a.NeedsPerson() != b.NeedsPerson() {
			t.Fatalf("kind %q/%q, needs person %v/%v", a.Kind(), b.Kind(), a.NeedsPerson(), b.NeedsPerson())
		}
	})
	t.Run("never the same twice", func(t *testing.T) {
		seal := s.Same(t)
		a, _, err := seal.Wrap(root)
		must(t, err)
		b, _, err := seal.Wrap(root)
		must(t, err)
		if bytes.Equal(a, b) {
			t.Fatal("two wraps of one key are equal")
		}
	})
	t.Run("other secret", func(t *testing.T) {
		wrapped, params, err := s.Same(t).Wrap(root)
		must(t, err)
		_, err = s.Other(t).Unwrap(wrapped, params)
		safe(t, err)
	})
	t.Run("secret gone", func(t *testing.T) {
		if s.Gone == nil {
			t.Skip("this kind of seal always has its secret")
		}
		wrapped, params, err := s.Same(t).Wrap(root)
		must(t, err)
		_, err = s.Gone(t).Unwrap(wrapped, params)
		safe(t, err)
		if _, _, err := s.Gone(t).Wrap(root); err == nil {
			t.Fatal("wrapped without its secret")
		}
	})
	t.Run("changed bytes", func(t *testing.T) {
		seal := s.Same(t)
		wrapped, params, err := seal.Wrap(root)
		must(t, err)
		for i := range wrapped {
			bad := bytes.Clone(wrapped)
			bad[i] ^= 1 << (i % 8)
			_, err := seal.Unwrap(bad, params)
			safe(t, err)
		}
		for i := range params {
			bad := bytes.Clone(params)
			bad[i] ^= 1 << (i % 8)
			_, err := seal.Unwrap(wrapped, bad)
			safe(t, err)
		}
		for _, n := range []int{0, 1, len(wrapped) / 2, len(wrapped) - 1} {
			_, err := seal.Unwrap(wrapped[:n], params)
			safe(t, err)
		}
		for _, n := range []int{0, 1, len(params) - 1} {
			if n >= 0 && n < len(params) {
				_, err := seal.Unwrap(wrapped, params[:n])
				safe(t, err)
			}
		}
	})
	t.Run("concurrent", func(t *testing.T) {
		seal := s.Same(t)
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				wrapped, params, err := seal.Wrap(root)
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := seal.Unwrap(wrapped, params); err != nil || !bytes.Equal(got, root) {
					t.Errorf("unwrap: %v", err)
				}
			})
		}
		wg.Wait()
	})
	t.Run("in a vault", func(t *testing.T) {
		var b Book
		v, _, err := vault.Create(t.Context(), &b, rand.Reader, vault.CreateOptions{Lab: "lab.example", Seals: []vault.Seal{s.Same(t)}, Now: time.Unix(1e9, 0)})
		must(t, err)
		v2, err := vault.Open(t.Context(), &b, s.Same(t))
		must(t, err)
		w := vault.Where{Table: "t", Column: "c", Row: []byte("r")}
		sealed, err := v.Seal(vault.PurposeBodies, w, nil, []byte("text"))
		must(t, err)
		text, err := v2.Unseal(vault.PurposeBodies, w, nil, sealed)
		must(t, err)
		if string(text) != "text" {
			t.Fatal("another text came back")
		}
		saves := b.Saves()
		_, err = vault.Open(t.Context(), &b, s.Other(t))
		safe(t, err)
		if b.Saves() != saves {
			t.Fatal("a refused Open wrote to the book")
		}
	})
}
