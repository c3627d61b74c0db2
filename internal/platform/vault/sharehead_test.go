package vault_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/vault"
)

// TestTheFirstLineOfAShareTellsItsSet: and nothing but a first line does.
func TestTheFirstLineOfAShareTellsItsSet(t *testing.T) {
	for _, s := range setUp(t).shares {
		lines := strings.Split(strings.TrimSpace(s.Text()), "\n")
		h, err := vault.ParseShareHead(strings.ToLower(lines[0]) + " ")
		must(t, err)
		if h != (vault.ShareHead{Set: s.Set(), Threshold: 3, Total: 5}) {
			t.Fatalf("%+v", h)
		}
		for _, bad := range append(lines[1:], s.Text(), lines[0][:10], "", lines[0]+"X", strings.Replace(lines[0], lines[0][:1], "Z", 1)) {
			if _, err := vault.ParseShareHead(bad); !errors.Is(err, vault.ErrShareHead) {
				t.Errorf("%d characters were taken", len(bad))
			}
		}
	}
}
