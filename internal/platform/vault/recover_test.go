package vault_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// Every subset of the five shares: three and more recover all, fewer nothing.
func TestRecoverSubsets(t *testing.T) {
	f := setUp(t)
	sealed := seal(t, f.v, "1", "text")
	saves := f.book.Saves()
	recovered := 0
	for set := range 1 << 5 {
		var some []vault.Share
		for i, s := range f.shares {
			if set>>i&1 == 1 {
				typed, err := vault.ParseShare(s.Text())
				must(t, err)
				some = append([]vault.Share{typed}, some...) // any order
			}
		}
		v, err := vault.Recover(t.Context(), f.book, some)
		if len(some) < 3 {
			var missing *vault.MissingSharesError
			if !errors.As(err, &missing) || missing.Have != len(some) || missing.Need != 3 || !errors.Is(err, vault.ErrShares) {
				t.Fatalf("subset %05b: %v", set, err)
			}
			continue
		}
		must(t, err)
		recovered++
		wantText(t, v, "1", "text", sealed)
		if v.VerifierKey() != f.v.VerifierKey() {
			t.Fatal("another signing key")
		}
	}
	if recovered != 16 {
		t.Fatalf("%d subsets recovered, want 16", recovered)
	}
	if f.book.Saves() != saves {
		t.Fatal("Recover wrote")
	}
}

// Recovery, then a new seal, and the lab opens by itself again.
func TestRecoverThenNewSeal(t *testing.T) {
	f := setUp(t)
	sealed := seal(t, f.v, "1", "text")
	v, err := vault.Recover(t.Context(), f.book, f.shares[2:])
	must(t, err)
	fresh := keyFile(t)
	must(t, v.AddSeal(t.Context(), fresh, day))
	v, err = vault.Open(t.Context(), f.book, fresh)
	must(t, err)
	wantText(t, v, "1", "text", sealed)
}

func TestRecoverRefuses(t *testing.T) {
	f, other := setUp(t), setUp(t)
	s := f.shares
	for name, c := range map[string]struct {
		shares []vault.Share
		says   string
	}{
		"the same thrice": {[]vault.Share{s[0], s[0], s[0]}, "1 given, 2 missing"},
		"one of another":  {[]vault.Share{s[0], s[1], other.shares[2]}, "share 3 is of set " + other.shares[2].Set()},
		"forged":          {[]vault.Share{s[0], vault.ForgeShare(s[3], 5), s[2]}, "share 4 was changed"},
		"twice, unlike":   {[]vault.Share{s[0], vault.ForgeShare(s[0], 9), s[1], s[2]}, "share 1 was changed"},
		"empty one":       {[]vault.Share{{}, s[0], s[1]}, "is of set 00000000"},
		"all of another":  {other.shares, "is of set"},
	} {
		_, err := vault.Recover(t.Context(), f.book, c.shares)
		if !errors.Is(err, vault.ErrShares) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
	b := new(vaulttest.Book)
	_, _, err := vault.Create(t.Context(), b, rand.Reader, vault.CreateOptions{Lab: "a", Seals: []vault.Seal{f.one}, Now: day})
	must(t, err)
	if _, err := vault.Recover(t.Context(), b, s); !errors.Is(err, vault.ErrShares) || !strings.Contains(err.Error(), "no recovery shares") {
		t.Errorf("a book without shares: %v", err)
	}
}

func TestNewSharesVoidTheOld(t *testing.T) {
	f := setUp(t)
	fresh, err := f.v.NewShares(t.Context(), 3, 2, day)
	must(t, err)
	if _, err := vault.Recover(t.Context(), f.book, f.shares); !errors.Is(err, vault.ErrShares) {
		t.Errorf("old shares: %v", err)
	}
	_, err = vault.Recover(t.Context(), f.book, fresh[1:])
	must(t, err)
}

func TestShareTyped(t *testing.T) {
	f := setUp(t)
	for _, s := range f.shares {
		text := s.Text()
		if lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n"); len(lines) != 6 || len(lines[0]) != len("0123-4567-89AB-C") {
			t.Fatalf("%d lines, the first of %d characters", len(lines), len(lines[0]))
		}
		for _, typed := range []string{
			strings.ToLower(text), strings.ReplaceAll(text, "-", " "), strings.ReplaceAll(strings.ReplaceAll(text, "-", ""), "\n", ""),
			strings.NewReplacer("0", "o", "1", "l", "\n", "\r\n").Replace(text), "\t " + strings.NewReplacer("1", "I", "0", "O").Replace(text),
		} {
			got, err := vault.ParseShare(typed)
			must(t, err)
			if got != s {
				t.Fatal("another share came back")
			}
		}
		for _, shown := range []string{s.String(), fmt.Sprint(s), fmt.Sprintf("%v %+v %#v %s", s, s, s, s)} {
			if strings.Contains(shown, text[10:14]) || strings.Contains(shown, "data") {
				t.Errorf("printing a share tells it: %s", shown)
			}
		}
	}
}

// Every single wrong character and every exchange of neighbours is found, and
// the line is named.
func TestShareTypingErrors(t *testing.T) {
	const alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	text := strings.NewReplacer("-", "", "\n", "").Replace(setUp(t).shares[1].Text())
	for i := range text {
		line := fmt.Sprintf("line %d ", i/13+1)
		for _, c := range alphabet {
			if byte(c) == text[i] {
				continue
			}
			_, err := vault.ParseShare(text[:i] + string(c) + text[i+1:])
			if err == nil || !strings.Contains(err.Error(), line) {
				t.Fatalf("character %d changed: %v", i, err)
			}
		}
		if i%13 < 12 && text[i] != text[i+1] {
			_, err := vault.ParseShare(text[:i] + text[i+1:i+2] + text[i:i+1] + text[i+2:])
			if err == nil || !strings.Contains(err.Error(), line) {
				t.Fatalf("characters %d and %d exchanged: %v", i, i+1, err)
			}
		}
		if _, err := vault.ParseShare(text[:i] + text[i+1:]); err == nil {
			t.Fatalf("character %d left out: it parses", i)
		}
	}
	if _, err := vault.ParseShare(text[13:26] + text[:13] + text[26:]); err == nil {
		t.Error("two lines exchanged: it parses")
	}
	for typed, says := range map[string]string{"": "0 characters", "u": "line 1, character 1", text + "0": "79 characters", strings.Repeat(" ", 5000): "longer", "ABC\xff": "character 4"} {
		if _, err := vault.ParseShare(typed); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%.10q: %v, want %q", typed, err, says)
		}
	}
}

func TestField(t *testing.T) {
	// FIPS 197 4.2: {57} x {83} = {c1}, {57} x {13} = {fe}.
	if vault.GFMul(0x57, 0x83) != 0xc1 || vault.GFMul(0x57, 0x13) != 0xfe {
		t.Fatal("multiplication is not that of the field")
	}
	for a := 1; a < 256; a++ {
		if vault.GFMul(byte(a), vault.GFInv(byte(a))) != 1 {
			t.Fatalf("inverse of %#x", a)
		}
	}
}
