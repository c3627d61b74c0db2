package setup_test

import (
	"crypto/rand"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// TestAShareIsShownByItsFirstLine: of the present set, and nothing secret is typed.
func TestAShareIsShownByItsFirstLine(t *testing.T) {
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
	line, _, _ := strings.Cut(shares[2].Text(), "\n")
	storetest.Each(t, func(t *testing.T, open storetest.Opener) {
		r := newRig(t, open)
		ctx := t.Context()
		if s, err := r.service.SharesShown(ctx); err != nil || s.Set != "" {
			t.Fatal(s, err)
		}
		r.want(r.service.ShowShare(ctx, line, "", ann), setup.ErrNoShares)
		r.want(r.service.ShowShare(ctx, line, "00000000", ann), setup.ErrOtherShares)
		r.want(r.service.ShowShare(ctx, shares[2].Text(), shares[2].Set(), ann), vault.ErrShareHead)
		r.must(r.service.ShowShare(ctx, strings.ToLower(line), shares[2].Set(), ann))
		r.must(r.service.ShowShare(ctx, line, shares[2].Set(), bob))
		if s, err := r.service.SharesShown(ctx); err != nil || s.Set != shares[0].Set() || s.By != "bob" {
			t.Fatal(s, err)
		}
		r.fits()
		r.exec("UPDATE setup_shown SET shown_by = 'x'")
		found := 0
		r.must(r.service.Audit(ctx, func(string, string, string) { found++ }))
		if found != 1 {
			t.Error(found)
		}
	})
}
