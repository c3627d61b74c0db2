package cli

import (
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// TestSharesAreTypedBack: a part of two of them, with three tries each.
func TestSharesAreTypedBack(t *testing.T) {
	key := filepath.Join(t.TempDir(), "k")
	if err := vault.CreateKeyFile(key, rand.Reader); err != nil {
		t.Fatal(err)
	}
	_, shares, err := vault.Create(t.Context(), new(vaulttest.Book), rand.Reader, vault.CreateOptions{
		Lab: "lab.example", Seals: []vault.Seal{vault.KeyFile(key)}, Shares: 5, Threshold: 3, Now: time.Now(),
	})
	if err != nil {
		t.Fatal(err)
	}
	line := func(share, n int) string { return strings.Split(shares[share-1].Text(), "\n")[n-1] }
	for name, x := range map[string]struct {
		typed string
		right bool
	}{
		"right":         {line(2, 4) + "\n" + line(4, 3) + "\n", true},
		"as people do":  {"wrong\n" + strings.ToLower(strings.ReplaceAll(line(2, 4), "-", " ")) + "\n" + line(4, 3) + "\n", true},
		"another share": {line(1, 4) + "\n" + line(3, 4) + "\n" + line(5, 4) + "\n", false},
		"nothing":       {"", false},
		"half":          {line(2, 4) + "\n", false},
	} {
		var out strings.Builder
		if got := confirmShares(strings.NewReader(x.typed), &out, shares); got != x.right {
			t.Errorf("%s: %v\n%s", name, got, out.String())
		}
		if strings.Contains(out.String(), line(2, 4)) || strings.Contains(out.String(), line(4, 3)) {
			t.Errorf("%s: a part of a share is printed", name)
		}
	}
}
