package vault_test

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

const benchSize = 1024

func BenchmarkSeal(b *testing.B) {
	v, text, out := vaulttest.New(b), make([]byte, benchSize), make([]byte, 0, 2*benchSize)
	w := place("0123456789abcdef")
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Seal(vault.PurposeBodies, w, out, text); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkUnseal(b *testing.B) {
	v, out := vaulttest.New(b), make([]byte, 0, 2*benchSize)
	w := place("0123456789abcdef")
	sealed, err := v.Seal(vault.PurposeBodies, w, nil, make([]byte, benchSize))
	must(b, err)
	b.SetBytes(benchSize)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := v.Unseal(vault.PurposeBodies, w, out, sealed); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSealParallel(b *testing.B) {
	v, text := vaulttest.New(b), make([]byte, benchSize)
	b.SetBytes(benchSize)
	b.RunParallel(func(pb *testing.PB) {
		out, w := make([]byte, 0, 2*benchSize), place("0123456789abcdef")
		for pb.Next() {
			if _, err := v.Seal(vault.PurposeBodies, w, out, text); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// The bare cipher, as fast as the library goes: a fixed nonce, which nobody may
// use, and a nonce drawn from the system for each message, which we do use.
func BenchmarkBare(b *testing.B) {
	block, err := aes.NewCipher(make([]byte, 32))
	must(b, err)
	fixed, err := cipher.NewGCM(block)
	must(b, err)
	drawn, err := cipher.NewGCMWithRandomNonce(block)
	must(b, err)
	text, out, ad, nonce := make([]byte, benchSize), make([]byte, 0, 2*benchSize), make([]byte, 64), make([]byte, 12)
	for name, run := range map[string]func(){
		"seal, fixed nonce": func() { fixed.Seal(out, nonce, text, ad) },
		"seal, drawn nonce": func() { drawn.Seal(out, nil, text, ad) },
		"nonce alone":       func() { rand.Read(nonce) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(benchSize)
			for b.Loop() {
				run()
			}
		})
	}
	sealed := fixed.Seal(nil, nonce, text, ad)
	b.Run("open", func(b *testing.B) {
		b.SetBytes(benchSize)
		for b.Loop() {
			if _, err := fixed.Open(out, nonce, sealed, ad); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkIndex(b *testing.B) {
	v, part := vaulttest.New(b), []byte("A-2026-000123")
	b.ReportAllocs()
	for b.Loop() {
		v.Index("results accession", part)
	}
}

// A record of a session that is not cached, as in a scan over old records.
func BenchmarkUnsealColdSession(b *testing.B) {
	v, out := vaulttest.New(b), make([]byte, 0, 2*benchSize)
	w := place("0123456789abcdef")
	var all [][]byte
	for range 4096 {
		v.UseUpSession(vault.PurposeBodies, 0)
		sealed, err := v.Seal(vault.PurposeBodies, w, nil, make([]byte, benchSize))
		must(b, err)
		all = append(all, sealed)
	}
	i := 0
	b.ResetTimer()
	for b.Loop() {
		if _, err := v.Unseal(vault.PurposeBodies, w, out, all[i%len(all)]); err != nil {
			b.Fatal(err)
		}
		i++
	}
}
