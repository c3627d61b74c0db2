package vault_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

// What parses as a share prints to something that parses to the same share,
// and an error never repeats what was typed.
func FuzzParseShare(f *testing.F) {
	for _, s := range setUp(f).shares {
		f.Add(s.Text())
		f.Add(strings.ToLower(s.Text()[:40]))
	}
	f.Add("")
	f.Add("OIL-oil 0 \u2011")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := vault.ParseShare(text)
		if err != nil {
			if len(text) > 12 && strings.Contains(err.Error(), text[:12]) {
				t.Fatal("the error repeats the share")
			}
			return
		}
		again, err := vault.ParseShare(s.Text())
		if err != nil || again != s {
			t.Fatalf("round trip: %v", err)
		}
		if s.Index() < 1 || s.Index() > s.Total() || s.Threshold() < 2 || s.Threshold() > s.Total() {
			t.Fatalf("impossible numbers: %v", s)
		}
	})
}

// Any text at any place seals and unseals; any other bytes in the sealed ones'
// place are refused without a panic, and dst keeps what it had.
func FuzzUnseal(f *testing.F) {
	v := vaulttest.New(f)
	good := seal(f, v, "1", "text")
	f.Add(good, "t", "c", []byte("r"))
	f.Add(good[:vault.Overhead], "results_messages", "body", []byte("1"))
	f.Add([]byte{}, "", "", []byte{})
	f.Add(bytes.Repeat([]byte{1}, 100), "a", "b", []byte("c"))
	f.Fuzz(func(t *testing.T, data []byte, table, column string, row []byte) {
		w := vault.Where{Table: table, Column: column, Row: row}
		if !bytes.Equal(data, good) {
			out, err := v.Unseal(vault.PurposeBodies, w, []byte("dst"), data)
			if err == nil || string(out) != "dst" {
				t.Fatal("opened bytes that nobody sealed")
			}
		}
		sealed, err := v.Seal(vault.PurposeBodies, w, []byte("dst"), data)
		if table == "" || column == "" || len(row) == 0 {
			if err == nil {
				t.Fatal("sealed for nowhere")
			}
			return
		}
		must(t, err)
		if _, err := vault.KeyIDOf(sealed[3:]); err != nil {
			t.Fatal(err)
		}
		out, err := v.Unseal(vault.PurposeBodies, w, []byte("dst"), sealed[3:])
		must(t, err)
		if string(out[:3]) != "dst" || !bytes.Equal(out[3:], data) {
			t.Fatal("round trip")
		}
	})
}

// A book nobody wrote never opens and never panics.
func FuzzOpenBook(f *testing.F) {
	x := setUp(f)
	good := x.book.Bytes()
	f.Add(good)
	f.Add(bytes.Replace(good, []byte(`"threshold":3`), []byte(`"threshold":0`), 1))
	f.Add([]byte(`{"book":{"format":"labwarden-book-1"},"mac":null}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		b := new(vaulttest.Book)
		b.Set(raw)
		_, err := vault.Open(t.Context(), b, x.one)
		if (err == nil) != bytes.Equal(raw, good) {
			t.Fatalf("open: %v", err)
		}
		if _, err := vault.Recover(t.Context(), b, x.shares); (err == nil) != bytes.Equal(raw, good) {
			t.Fatalf("recover: %v", err)
		}
		if b.Saves() != 0 {
			t.Fatal("wrote")
		}
	})
}
