package vault_test

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

func TestSealUnseal(t *testing.T) {
	f := setUp(t)
	other, err := vault.Open(t.Context(), f.book, f.two) // another node
	must(t, err)
	for _, n := range []int{0, 1, 15, 16, 17, 1900, 1 << 20} {
		text := bytes.Repeat([]byte{'x'}, n)
		sealed, err := f.v.Seal(vault.PurposeBodies, place("1"), []byte("head"), text)
		must(t, err)
		if string(sealed[:4]) != "head" || len(sealed) != 4+n+vault.Overhead {
			t.Fatalf("%d bytes sealed to %d", n, len(sealed))
		}
		for range 2 { // a fresh session, then a known one
			got, err := other.Unseal(vault.PurposeBodies, place("1"), []byte("tail"), sealed[4:])
			must(t, err)
			if string(got[:4]) != "tail" || !bytes.Equal(got[4:], text) {
				t.Fatalf("%d bytes came back otherwise", n)
			}
		}
	}
	if bytes.Equal(seal(t, f.v, "1", "x"), seal(t, f.v, "1", "x")) {
		t.Fatal("the same text sealed twice gives the same bytes")
	}
}

func TestFlippedByteInRecord(t *testing.T) {
	f := setUp(t)
	sealed := seal(t, f.v, "1", "a body of some length")
	for i := range sealed {
		for bit := range 8 {
			bad := bytes.Clone(sealed)
			bad[i] ^= 1 << bit
			got, err := f.v.Unseal(vault.PurposeBodies, place("1"), nil, bad)
			if !errors.Is(err, vault.ErrTampered) && !errors.Is(err, vault.ErrUnknownKey) && !errors.Is(err, vault.ErrNotSealed) || len(got) != 0 {
				t.Fatalf("byte %d bit %d: %v", i, bit, err)
			}
		}
	}
	for n := range len(sealed) {
		if _, err := f.v.Unseal(vault.PurposeBodies, place("1"), nil, sealed[:n]); err == nil {
			t.Fatalf("cut to %d bytes: it opens", n)
		}
	}
	if _, err := f.v.Unseal(vault.PurposeBodies, place("1"), nil, append(bytes.Clone(sealed), 0)); !errors.Is(err, vault.ErrTampered) {
		t.Fatalf("one byte more: %v", err)
	}
}

func TestMovedRecord(t *testing.T) {
	f := setUp(t)
	w := vault.Where{Table: "ab", Column: "cd", Row: []byte("ef")}
	sealed, err := f.v.Seal(vault.PurposeBodies, w, nil, []byte("text"))
	must(t, err)
	for name, moved := range map[string]vault.Where{
		"row":          {Table: "ab", Column: "cd", Row: []byte("eg")},
		"longer row":   {Table: "ab", Column: "cd", Row: []byte("ef\x00")},
		"no row":       {Table: "ab", Column: "cd"},
		"column":       {Table: "ab", Column: "ce", Row: []byte("ef")},
		"table":        {Table: "ac", Column: "cd", Row: []byte("ef")},
		"shift":        {Table: "abc", Column: "d", Row: []byte("ef")},
		"shift to row": {Table: "ab", Column: "c", Row: []byte("def")},
		"nothing":      {},
	} {
		if got, err := f.v.Unseal(vault.PurposeBodies, moved, nil, sealed); !errors.Is(err, vault.ErrTampered) || len(got) != 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := f.v.Unseal(vault.PurposeReceipts, w, nil, sealed); !errors.Is(err, vault.ErrUnknownKey) {
		t.Errorf("other purpose: %v", err)
	}
	other := vaulttest.New(t)
	if _, err := other.Unseal(vault.PurposeBodies, w, nil, sealed); !errors.Is(err, vault.ErrUnknownKey) {
		t.Errorf("other laboratory: %v", err)
	}
	for _, bad := range []vault.Where{{}, {Table: "t", Column: "c"}, {Table: "t", Row: []byte("r")}, {Column: "c", Row: []byte("r")}} {
		if out, err := f.v.Seal(vault.PurposeBodies, bad, []byte("d"), []byte("text")); err == nil || string(out) != "d" {
			t.Errorf("sealed for nowhere: %+v", bad)
		}
	}
	if _, err := f.v.Seal("unheard of", w, nil, nil); !errors.Is(err, vault.ErrPurpose) {
		t.Errorf("unknown purpose: %v", err)
	}
}

// A session is used for no more than its limit, and what was sealed before
// and after a change opens.
func TestSessionLimit(t *testing.T) {
	f := setUp(t)
	salt := func(b []byte) string { return string(b[5:17]) }
	first := seal(t, f.v, "1", "a")
	f.v.UseUpSession(vault.PurposeBodies, 2)
	second, third, fourth := seal(t, f.v, "1", "b"), seal(t, f.v, "1", "c"), seal(t, f.v, "1", "d")
	if salt(first) != salt(second) || salt(second) != salt(third) || salt(third) == salt(fourth) {
		t.Fatal("the session did not end where it should")
	}
	for i, sealed := range [][]byte{first, second, third, fourth} {
		wantText(t, f.v, "1", string(rune('a'+i)), sealed)
	}
}

// More sessions than the cache holds still open, from many goroutines while
// keys are rotated: run it with -race.
func TestManySessionsAtOnce(t *testing.T) {
	f := setUp(t)
	var sealed [][]byte
	for i := range 1500 {
		f.v.UseUpSession(vault.PurposeBodies, 0)
		sealed = append(sealed, seal(t, f.v, "1", fmt.Sprint(i)))
	}
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range sealed {
				i = (i*7 + g*331) % len(sealed)
				got, err := f.v.Unseal(vault.PurposeBodies, place("1"), nil, sealed[i])
				if err != nil || string(got) != fmt.Sprint(i) {
					t.Errorf("record %d: %v", i, err)
					return
				}
				if i%50 == 0 {
					out, err := f.v.Seal(vault.PurposeBodies, place("2"), nil, got)
					if err != nil {
						t.Error(err)
						return
					}
					if _, err := f.v.Unseal(vault.PurposeBodies, place("2"), nil, out); err != nil {
						t.Error(err)
					}
					f.v.Index(fmt.Sprint("domain ", i), got)
				}
			}
		})
	}
	for range 5 {
		must(t, f.v.Rotate(t.Context(), vault.PurposeBodies, day))
	}
	wg.Wait()
}

func TestSealAllocatesNothing(t *testing.T) {
	if underRace {
		t.Skip("the race detector lets pools allocate")
	}
	v := vaulttest.New(t)
	text, w := make([]byte, 1024), place("1")
	out := make([]byte, 0, 2048)
	back := make([]byte, 0, 2048)
	n := testing.AllocsPerRun(200, func() {
		sealed, err := v.Seal(vault.PurposeBodies, w, out, text)
		if err == nil {
			_, err = v.Unseal(vault.PurposeBodies, w, back, sealed)
		}
		if err != nil {
			t.Fatal(err)
		}
		v.Index("d", text[:16])
	})
	if n >= 1 { // a collection in between may empty a pool
		t.Errorf("%v allocations", n)
	}
}

func TestIndex(t *testing.T) {
	f := setUp(t)
	again, err := vault.Open(t.Context(), f.book, f.one)
	must(t, err)
	b := func(s string) []byte { return []byte(s) }
	base := f.v.Index("d", b("ab"), b("c"))
	if again.Index("d", b("ab"), b("c")) != base {
		t.Fatal("not the same on another node")
	}
	for name, other := range map[string][16]byte{
		"domain": f.v.Index("e", b("ab"), b("c")), "shifted": f.v.Index("d", b("a"), b("bc")), "joined": f.v.Index("d", b("abc")),
		"empty part": f.v.Index("d", b("ab"), b("c"), nil), "none": f.v.Index("d"), "other lab": vaulttest.New(t).Index("d", b("ab"), b("c")),
	} {
		if other == base {
			t.Errorf("%s: the same value", name)
		}
	}
	must(t, f.v.Rotate(t.Context(), vault.PurposeIndex, day))
	all := f.v.IndexVersions("d", b("ab"), b("c"))
	if len(all) != 2 || all[1] != base || all[0] != f.v.Index("d", b("ab"), b("c")) || all[0] == base {
		t.Fatal("the versions are not the current and the old")
	}
}
