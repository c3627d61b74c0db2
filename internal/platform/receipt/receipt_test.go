package receipt_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/labwarden/labwarden/internal/platform/proof"
	"github.com/labwarden/labwarden/internal/platform/receipt"
)

var at = time.Date(2026, 3, 2, 6, 52, 1, 42_000, time.UTC)

func key(t testing.TB, seed string) (note.Signer, string) {
	t.Helper()
	h := sha256.Sum256([]byte(seed))
	skey, vkey, err := note.GenerateKey(bytes.NewReader(h[:]), "lab.example/ledger")
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(skey)
	if err != nil {
		t.Fatal(err)
	}
	return s, vkey + "\n"
}

var sample = []byte("MSH|^~\\&|LIS|NORTHGATE\r")

func statement() receipt.Statement {
	return receipt.Statement{
		ID: "0190b6a4-7f00-7000-8000-000000000001", Partner: "riverside", Event: receipt.Placed, Protocol: "sftp", At: at,
		File:        receipt.FileOf(`R é "1" <a>&b\.hl7.age`, "application/octet-stream", sample),
		EncryptedTo: []string{"age1qqqq"},
		Peer:        receipt.Peer{Proof: "key", Fingerprint: "SHA256:abc", Secured: "SSH curve25519", Code: "renamed"},
		Ledger:      &receipt.Place{Leaf: 4},
	}
}

func sampled(t testing.TB, b []byte) receipt.Print {
	t.Helper()
	p, err := receipt.PrintOf(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestReceiptHolds(t *testing.T) {
	s, pub := key(t, "lab")
	b, err := receipt.Make(statement(), at, s)
	if err != nil {
		t.Fatal(err)
	}
	r, err := receipt.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if r.Partner != "riverside" || r.From != "lab.example/ledger" || !r.At.Equal(at) || r.Ledger.Leaf != 4 {
		t.Errorf("read back %+v", r)
	}
	rep := receipt.Verify(b, sampled(t, sample), pub)
	if !rep.Holds() || !strings.Contains(rep.Text(), "does not show that it was fetched") {
		t.Error(rep.Text())
	}
	if rep := receipt.Verify(b, sampled(t, []byte("another")), pub); rep.Holds() || rep.State(receipt.CheckFile) != proof.Fails {
		t.Error("another file:", rep.Text())
	}
	if _, other := key(t, "other"); receipt.Verify(b, sampled(t, sample), other).Holds() {
		t.Error("holds under another laboratory's key")
	}
}

func TestTakenIsFromThePartner(t *testing.T) {
	signer, pub := key(t, "lab")
	s := statement()
	s.Event, s.EncryptedTo, s.Ledger = receipt.Taken, nil, nil
	b, err := receipt.Make(s, at, signer)
	if err != nil {
		t.Fatal(err)
	}
	r, err := receipt.Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if r.From != "riverside" || r.To != r.Lab || r.Partner != "riverside" {
		t.Errorf("%+v", r)
	}
	if !receipt.Verify(b, sampled(t, sample), pub).Holds() {
		t.Error("does not hold")
	}
}

// Every byte that is changed breaks it.
func TestOneByteDiffers(t *testing.T) {
	s, pub := key(t, "lab")
	b, err := receipt.Make(statement(), at, s)
	if err != nil {
		t.Fatal(err)
	}
	print := sampled(t, sample)
	for i := range b {
		for _, x := range []byte{1, 0x20, 0x80} {
			c := bytes.Clone(b)
			c[i] ^= x
			if receipt.Verify(c, print, pub).Holds() {
				t.Fatalf("byte %d xor %#x still holds:\n%s", i, x, c)
			}
		}
	}
	for _, c := range [][]byte{append(bytes.Clone(b), '\n'), b[:len(b)-1], bytes.ReplaceAll(b, []byte("\n "), []byte("\n  ")), nil} {
		if _, err := receipt.Parse(c); !errors.Is(err, receipt.ErrFormat) {
			t.Errorf("parse: %v", err)
		}
	}
}

func TestMakeRefuses(t *testing.T) {
	signer, _ := key(t, "lab")
	for name, change := range map[string]func(*receipt.Statement){
		"no id":          func(s *receipt.Statement) { s.ID = "" },
		"event":          func(s *receipt.Statement) { s.Event = "read" },
		"line end":       func(s *receipt.Statement) { s.File.Name = "a\nb" },
		"right to left":  func(s *receipt.Statement) { s.File.Name = "a\u202eb" },
		"line separator": func(s *receipt.Statement) { s.File.Name = "a\u2028b" },
		"delete":         func(s *receipt.Statement) { s.File.Name = "a\x7fb" },
		"wrong byte":     func(s *receipt.Statement) { s.File.Name = "a\xffb" },
		"long":           func(s *receipt.Statement) { s.Protocol = strings.Repeat("x", 201) },
		"hash":           func(s *receipt.Statement) { s.File.SHA256 = strings.ToUpper(s.File.SHA256) },
		"size":           func(s *receipt.Statement) { s.File.Size = -1 },
		"nobody":         func(s *receipt.Statement) { s.EncryptedTo = []string{} },
		"place":          func(s *receipt.Statement) { s.Ledger = &receipt.Place{Leaf: 5, Size: 5, Root: "x"} },
		"year":           func(s *receipt.Statement) { s.At = time.Date(12026, 1, 1, 0, 0, 0, 0, time.UTC) },
	} {
		s := statement()
		change(&s)
		if _, err := receipt.Make(s, at, signer); !errors.Is(err, receipt.ErrFormat) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// jq and openssl, as docs/comply/receipt-format.md tells a reader to use them.
func TestOpenSSLAgrees(t *testing.T) {
	for _, tool := range []string{"openssl", "jq"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(err)
			}
			t.Skip("SKIPPED: ", err)
		}
	}
	signer, pub := key(t, "lab")
	b, err := receipt.Make(statement(), at, signer)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, content := range map[string][]byte{"R": sample, "R.receipt.json": b, "lab.pub": []byte(pub)} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page, err := os.ReadFile("../../../docs/comply/receipt-format.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(page), "```sh\n")
	script, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("the page has no script")
	}
	run := func() (string, error) {
		c := exec.CommandContext(t.Context(), "sh", "-ec", script)
		c.Dir = dir
		c.Env = append(os.Environ(), "FILE=R")
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := run(); err != nil || !strings.Contains(out, "The receipt holds.") {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "R.receipt.json"), bytes.Replace(b, []byte("riverside"), []byte("riversida"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run(); err == nil {
		t.Fatalf("a changed receipt passes\n%s", out)
	}
	if err := os.WriteFile(filepath.Join(dir, "R.receipt.json"), b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "R"), []byte("another"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := run(); err == nil {
		t.Fatalf("another file passes\n%s", out)
	}
}

func FuzzParse(f *testing.F) {
	s, pub := key(f, "lab")
	b, err := receipt.Make(statement(), at, s)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Add([]byte(`{"receipt":{},"signature":{"key":"","ed25519":"` + base64.StdEncoding.EncodeToString(make([]byte, 64)) + `"}}`))
	print := sampled(f, sample)
	f.Fuzz(func(t *testing.T, in []byte) {
		if receipt.Verify(in, print, pub).Holds() && !bytes.Equal(in, b) {
			t.Fatalf("another receipt holds: %s", in)
		}
	})
}
