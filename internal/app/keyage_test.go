package app

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/web/kit"
)

// TestOldKeysAreAskedForOnToday: a year after a key was made Today asks for a new
// one until it is there; the index key is never asked for.
func TestOldKeysAreAskedForOnToday(t *testing.T) {
	f, clock := newFiled(t), &moving{}
	f.clock = clock.now
	h := f.open(t)
	look := func() (title, text string, state kit.State) {
		t.Helper()
		items, err := h.keySource().Look(t.Context(), nil, h.now())
		if err != nil || len(items) > 1 {
			t.Fatal(items, err)
		}
		for _, it := range items {
			title, text = it.Title, it.Text
		}
		line, err := h.checkKeys(t.Context(), h.now())
		if err != nil {
			t.Fatal(err)
		}
		return title, text + line.Text, line.State
	}
	clock.forward(365 * day)
	if title, text, _ := look(); title != "" || strings.Contains(text, "older") {
		t.Errorf("after 365 days: %q %q", title, text)
	}
	clock.forward(2 * day)
	title, text, state := look()
	if !strings.HasSuffix(title, " keys are older than a year") || !strings.Contains(text, "bodies") || strings.Contains(text, "index") || state != kit.Warn {
		t.Errorf("after 367 days: %q %q %v", title, text, state)
	}
	st, err := h.keyStatus()
	if err != nil {
		t.Fatal(err)
	}
	of, since := oldKeys(st, h.now())
	if age := h.now().Sub(since); age < 20*time.Hour || age > 30*time.Hour || slices.Contains(of, string(vault.PurposeIndex)) {
		t.Errorf("%v since %v", of, since)
	}
	for i, p := range of {
		if err := h.Vault.Rotate(t.Context(), vault.Purpose(p), h.now()); err != nil {
			t.Fatal(err)
		}
		if i == len(of)-2 {
			if title, _, _ := look(); title != "One key is older than a year" {
				t.Errorf("with one left: %q", title)
			}
		}
	}
	if title, text, _ := look(); title != "" || strings.Contains(text, "older") {
		t.Errorf("after they were made anew: %q %q", title, text)
	}
}
