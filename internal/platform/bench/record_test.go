package bench

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"testing"
)

func keys(t testing.TB) map[string]crypto.Signer {
	t.Helper()
	p, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, e, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]crypto.Signer{"p256": p, "ed25519": e}
}

var words = Words{Shield: "bench1", Device: "chem1", Protocol: "astm", Kind: Message, At: 1772359800000000, Session: 7, Piece: 1}

func TestRecord(t *testing.T) {
	for name, key := range keys(t) {
		t.Run(name, func(t *testing.T) {
			r, err := Sign(key, words, []byte("H|\\^&\rL|1\r"))
			if err != nil {
				t.Fatal(err)
			}
			b := r.Append(nil)
			back, err := Read(b)
			if err != nil || back.Words != words || !bytes.Equal(back.Body, r.Body) || back.Verify(key.Public()) != nil {
				t.Fatalf("%+v %v", back, err)
			}
			if !bytes.Equal(back.Append(nil), b) {
				t.Error("written anew it is another")
			}
			// Any bit changed: no record, or a signature that does not hold.
			for i := range b {
				for bit := range 8 {
					c := bytes.Clone(b)
					c[i] ^= 1 << bit
					if r, err := Read(c); err == nil && r.Verify(key.Public()) == nil {
						t.Fatalf("bit %d of byte %d changed, and it verifies", bit, i)
					}
				}
			}
			for i := range b {
				if r, err := Read(b[:i]); err == nil && r.Verify(key.Public()) == nil {
					t.Fatalf("cut at %d, and it verifies", i)
				}
			}
			for _, other := range keys(t) {
				if back.Verify(other.Public()) == nil {
					t.Error("verifies with another key")
				}
			}
			if back.Verify(nil) == nil {
				t.Error("verifies without a key")
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	key := keys(f)["p256"]
	r, err := Sign(key, words, []byte("x"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(r.Append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Read(b)
		if err != nil {
			return
		}
		if !bytes.Equal(got.Append(nil), b) {
			t.Fatal("written anew it is another")
		}
		if got.Verify(key.Public()) == nil && !bytes.Equal(b, r.Append(nil)) {
			w, _ := got.Signed()
			if want, _ := r.Signed(); !bytes.Equal(w, want) || !bytes.Equal(got.Body, r.Body) {
				t.Fatal("nobody signed this")
			}
		}
	})
}
