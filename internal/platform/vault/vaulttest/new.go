package vaulttest

import (
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/vault"
)

// New is a vault with fresh keys, its book in memory, sealed by a key file in
// the test's folder.
func New(t testing.TB) *vault.Vault {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab.key")
	must(t, vault.CreateKeyFile(path, rand.Reader))
	v, _, err := vault.Create(t.Context(), new(Book), rand.Reader, vault.CreateOptions{
		Lab: "lab.example", Seals: []vault.Seal{vault.KeyFile(path)}, Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
	})
	must(t, err)
	return v
}
