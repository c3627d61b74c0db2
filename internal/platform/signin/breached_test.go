package signin

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func sumOf(p string) [20]byte { return sha1.Sum([]byte(p)) }

func list(n int, word string) string {
	lines := make([]string, n)
	for i := range lines {
		s := sumOf(fmt.Sprint(word, i))
		lines[i] = strings.ToUpper(hex.EncodeToString(s[:])) + fmt.Sprintf(":%d", i+1)
	}
	slices.Sort(lines)
	return strings.Join(lines, "\r\n") + "\r\n"
}

func TestKnownPasswordsAreFoundOffline(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known")
	const n = 50_000
	got, err := ImportBreached(t.Context(), strings.NewReader(list(n, "stolen")), path, nil)
	if err != nil || got != n {
		t.Fatal(got, err)
	}
	b, err := OpenBreached(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	if b.Count() != n {
		t.Fatal(b.Count())
	}
	for i := range n {
		if known, err := b.Has(t.Context(), sumOf(fmt.Sprint("stolen", i))); err != nil || !known {
			t.Fatalf("stolen%d: %v %v", i, known, err)
		}
	}
	wrong := 0
	for i := range n {
		known, err := b.Has(t.Context(), sumOf(fmt.Sprint("mine", i)))
		if err != nil {
			t.Fatal(err)
		}
		if known {
			wrong++
		}
	}
	if wrong > 0 { // expected: 50,000 * 50,000 / 2^48 < 0.00001
		t.Fatalf("%d taken for known", wrong)
	}
}

func TestListsThatAreNoneAreRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "known")
	whole := list(300, "a")
	if _, err := ImportBreached(t.Context(), strings.NewReader(whole), path, nil); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(whole, "\r\n")
	for name, text := range map[string]string{
		"unordered": lines[5] + "\n" + lines[4], "empty": "", "not hex": "hello:3\n", "short": "00AA:1\n", "NTLM": strings.Repeat("A", 32) + ":1\n", "long": strings.Repeat("A", 5000),
	} {
		if _, err := ImportBreached(t.Context(), strings.NewReader(text), path, nil); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	after, err := os.ReadFile(path)
	if err != nil || !bytes.Equal(before, after) {
		t.Fatal("a list that was refused changed the file", err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(entries) != 1 {
		t.Fatal("something was left lying about", entries, err)
	}
	for name, b := range map[string][]byte{"cut": before[:len(before)-1], "longer": append(slices.Clone(before), 1), "another file": bytes.Repeat([]byte("x"), len(before)), "empty": {}} {
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if x, err := OpenBreached(path); err == nil {
			_ = x.Close()
			t.Errorf("%s was opened", name)
		}
	}
}
