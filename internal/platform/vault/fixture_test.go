package vault_test

import (
	"crypto/rand"
	"path/filepath"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

var day = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// fixture is a vault with two key files and three of five shares.
type fixture struct {
	book     *vaulttest.Book
	v        *vault.Vault
	one, two vault.Seal
	shares   []vault.Share
}

func setUp(t testing.TB) *fixture {
	t.Helper()
	f := &fixture{book: new(vaulttest.Book), one: keyFile(t), two: keyFile(t)}
	var err error
	f.v, f.shares, err = vault.Create(t.Context(), f.book, rand.Reader, vault.CreateOptions{
		Lab: "lab.example", Seals: []vault.Seal{f.one, f.two}, Shares: 5, Threshold: 3, Now: day,
	})
	must(t, err)
	return f
}

func keyFile(t testing.TB) vault.Seal {
	t.Helper()
	path := filepath.Join(t.TempDir(), "lab.key")
	must(t, vault.CreateKeyFile(path, rand.Reader))
	return vault.KeyFile(path)
}

func place(row string) vault.Where {
	return vault.Where{Table: "results_messages", Column: "body", Row: []byte(row)}
}

func seal(t testing.TB, v *vault.Vault, row, text string) []byte {
	t.Helper()
	out, err := v.Seal(vault.PurposeBodies, place(row), nil, []byte(text))
	must(t, err)
	return out
}

func wantText(t testing.TB, v *vault.Vault, row, text string, sealed []byte) {
	t.Helper()
	got, err := v.Unseal(vault.PurposeBodies, place(row), nil, sealed)
	must(t, err)
	if string(got) != text {
		t.Fatalf("unsealed %d other bytes", len(got))
	}
}

func status(t testing.TB, v *vault.Vault) vault.Status {
	t.Helper()
	s, err := v.Status()
	must(t, err)
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
