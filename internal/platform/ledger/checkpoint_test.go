package ledger

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"
)

// seed is a deterministic source for test keys.
func seed(s string) *bytes.Reader { h := sha256.Sum256([]byte(s)); return bytes.NewReader(h[:]) }

func labKey(t testing.TB, name string) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := note.GenerateKey(seed(name), name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	v, err := note.NewVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

func witnessKey(t testing.TB, name string, at int64) (note.Signer, note.Verifier) {
	t.Helper()
	skey, vkey, err := GenerateCosigner(seed(name), name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := NewCosigner(skey, func() time.Time { return time.Unix(at, 0) })
	if err != nil {
		t.Fatal(err)
	}
	v, err := NewCosignatureVerifier(vkey)
	if err != nil {
		t.Fatal(err)
	}
	if !IsWitnessKey(vkey) || s.KeyHash() != v.KeyHash() {
		t.Fatal("the halves of a witness key do not fit")
	}
	return s, v
}

func TestCheckpointSignedAndCosigned(t *testing.T) {
	lab, labV := labKey(t, "lab.example/ledger")
	w, wV := witnessKey(t, "witness.example/w1", 1_760_000_000)
	_, head := build(t, 9, 2)
	c := Checkpoint{Origin: lab.Name(), Size: head.Size, Root: head.Root()}
	signed, err := SignCheckpoint(c, lab, w)
	if err != nil {
		t.Fatal(err)
	}
	got, n, err := OpenCheckpoint(signed, labV, wV)
	if err != nil || got.Size != 9 || got.Root != c.Root || len(n.Sigs) != 2 {
		t.Fatalf("%+v %v", got, err)
	}
	at, err := CosignatureTime(n.Sigs[1])
	if err != nil || at.Unix() != 1_760_000_000 {
		t.Fatalf("time %v %v", at, err)
	}
	if _, err := CosignatureTime(n.Sigs[0]); err == nil {
		t.Error("the log's own signature passed for a cosignature")
	}
	_, other := labKey(t, "other.example")
	if _, _, err := OpenCheckpoint(signed, other); !errors.Is(err, ErrUnsigned) {
		t.Errorf("unknown key: %v", err)
	}
	for i := range signed {
		b := bytes.Clone(signed)
		b[i] ^= 4
		_, n, err := OpenCheckpoint(b, labV, wV)
		if err != nil || len(n.Sigs) < 2 {
			continue // refused, or one signer is no longer known
		}
		t.Errorf("byte %d changed: still both signatures", i)
	}
}

func TestCosignatureCoversTheTime(t *testing.T) {
	w, v := witnessKey(t, "w", 1000)
	sig, err := w.Sign([]byte("text\n"))
	if err != nil || !v.Verify([]byte("text\n"), sig) {
		t.Fatal("does not verify")
	}
	sig[7]++
	if v.Verify([]byte("text\n"), sig) || v.Verify([]byte("text\n"), sig[:71]) || v.Verify(nil, nil) {
		t.Error("another time verifies")
	}
}

func TestWitnessKeyRefuses(t *testing.T) {
	skey, vkey, _ := GenerateCosigner(seed("x"), "w")
	_, lab, _ := note.GenerateKey(seed("x"), "w")
	for _, k := range []string{"", "w", lab, "v" + vkey, vkey[:len(vkey)-4], strings.Replace(vkey, "+", "+0", 1), skey} {
		if _, err := NewCosignatureVerifier(k); err == nil {
			t.Errorf("took %q", k)
		}
	}
	for _, k := range []string{"", vkey, "PRIVATE+KEY+" + vkey, skey[:len(skey)-4]} {
		if _, err := NewCosigner(k, time.Now); err == nil {
			t.Error("took a wrong secret key")
		}
	}
	if _, _, err := GenerateCosigner(seed("x"), "a b"); err == nil {
		t.Error("took a name with a space")
	}
}

func TestParseCheckpointRefuses(t *testing.T) {
	root := (Head{}).Root().String()
	for _, s := range []string{
		"", "a\n", "a\n1\n", "a\n1\n" + root, "\n1\n" + root + "\n", "a\n01\n" + root + "\n", "a\n+1\n" + root + "\n",
		"a\n-1\n" + root + "\n", "a\n9007199254740992\n" + root + "\n", "a\n1\n" + root[:40] + "\n", "a\n1\n" + root + "\n\n",
		"a\x00\n1\n" + root + "\n", "a\n1\n" + root + "\n" + strings.Repeat("x\n", 17),
	} {
		if _, err := ParseCheckpoint(s); err == nil {
			t.Errorf("took %q", s)
		}
	}
	c, err := ParseCheckpoint("a\n1\n" + root + "\next 1\next 2\n")
	if err != nil || len(c.Extensions) != 2 {
		t.Errorf("extensions: %+v %v", c, err)
	}
	if _, err := SignCheckpoint(Checkpoint{Origin: "a\nb"}); err == nil {
		t.Error("signed an origin of two lines")
	}
}

func FuzzParseCheckpoint(f *testing.F) {
	f.Add("a\n1\n" + (Head{}).Root().String() + "\n")
	f.Add("a\n1\n" + (Head{}).Root().String() + "\next\n")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := ParseCheckpoint(s)
		if err != nil {
			return
		}
		if back, err := c.Text(); err != nil || back != s {
			t.Fatalf("round trip: %v", err)
		}
	})
}
