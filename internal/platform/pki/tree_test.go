package pki_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/pki"
)

var at = time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)

// tree is an offline root and the intermediate of a hub.
func tree(t testing.TB, now time.Time, domains ...string) (root, hub *pki.Issuer) {
	t.Helper()
	root, err := pki.NewRoot(pki.RootOptions{Lab: "Test", Now: now, Rand: rand.Reader, Domains: domains})
	if err != nil {
		t.Fatal(err)
	}
	key, csr, err := pki.RequestIntermediate(rand.Reader, "Test")
	if err != nil {
		t.Fatal(err)
	}
	der, err := root.SignIntermediate(csr, now, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return root, &pki.Issuer{Cert: c, Key: key, Chain: [][]byte{der, root.Cert.Raw}}
}

func issue(t testing.TB, i *pki.Issuer, l pki.Leaf) *x509.Certificate {
	t.Helper()
	_, csr, err := pki.Request(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	r, err := pki.ReadRequest(csr)
	if err != nil {
		t.Fatal(err)
	}
	l.Rand, l.Lab = rand.Reader, "Test"
	c, err := i.Issue(r.PublicKey, l)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func partner(now time.Time, names ...string) pki.Leaf {
	return pki.Leaf{Identity: pki.Identity{Kind: pki.Partner, Name: "riverside"}, Names: names, Now: now, Life: pki.DefaultLife}
}

func verify(root, hub *pki.Issuer, c *x509.Certificate, name string, now time.Time) error {
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), DNSName: name, CurrentTime: now}
	o.Roots.AddCert(root.Cert)
	o.Intermediates.AddCert(hub.Cert)
	_, err := c.Verify(o)
	return err
}

func TestTheTreeHoldsAndItsRulesDoToo(t *testing.T) {
	root, hub := tree(t, at, "millbrook.example")
	c := issue(t, hub, partner(at, "hl7.millbrook.example"))
	if err := verify(root, hub, c, "hl7.millbrook.example", at); err != nil {
		t.Error(err)
	}
	if err := verify(root, hub, issue(t, hub, partner(at, "bank.example")), "bank.example", at); err == nil {
		t.Error("a name outside the root's domains was believed")
	}
	if _, err := hub.SignIntermediate(mustCSR(t), at, rand.Reader); err != nil {
		t.Fatal(err) // signed, but nobody believes it: pathlen 0
	}
	if c.NotBefore != at.Add(-5*time.Minute) || c.SerialNumber.BitLen() != 127 {
		t.Errorf("begins %v, serial %x", c.NotBefore, c.SerialNumber)
	}
	for _, l := range []pki.Leaf{
		{Identity: pki.Identity{Kind: pki.Partner, Name: "riverside"}, Now: at, Life: 91 * 24 * time.Hour},
		{Identity: pki.Identity{Kind: pki.Partner, Name: "River side"}, Now: at, Life: pki.DefaultLife},
		{Identity: pki.Identity{Kind: "root", Name: "riverside"}, Now: at, Life: pki.DefaultLife},
		partner(at, "*.millbrook.example"), partner(at, "a b"),
	} {
		l.Rand = rand.Reader
		if _, err := hub.Issue(c.PublicKey, l); err == nil {
			t.Errorf("issued: %+v", l)
		}
	}
	weak, err := rsa.GenerateKey(rand.Reader, 1024) // that it is weak is the point
	if err == nil {
		if _, err := hub.Issue(weak.Public(), partner(at)); err == nil {
			t.Error("a weak key was signed")
		}
	}
	if _, err := hub.Issue(c.PublicKey, func() pki.Leaf { l := partner(at.AddDate(6, 0, 0)); l.Rand = rand.Reader; return l }()); err == nil || !strings.Contains(err.Error(), "clock says") {
		t.Errorf("past the intermediate's end: %v", err)
	}
}

func mustCSR(t testing.TB) []byte {
	t.Helper()
	_, csr, err := pki.RequestIntermediate(rand.Reader, "Test")
	if err != nil {
		t.Fatal(err)
	}
	return csr
}

// RFC 5958 and RFC 8018: openssl opens the root's key too; RFC 5280: it verifies
// the chain, and refuses what our list revokes.
func TestOpenSSLReadsAllOfIt(t *testing.T) {
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("openssl is missing")
		}
		t.Skip("NOT TRIED: openssl is missing")
	}
	now := time.Now()
	root, hub := tree(t, now)
	good, bad := issue(t, hub, partner(now, "a.example")), issue(t, hub, partner(now, "b.example"))
	list, err := hub.CRL([]pki.Gone{{Serial: bad.SerialNumber, At: now}}, big.NewInt(now.UnixMicro()), now, time.Hour, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	file, err := pki.WriteRoot(root, "a long passphrase", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	put := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	run := func(args ...string) (string, error) {
		out, err := exec.CommandContext(t.Context(), openssl, args...).CombinedOutput()
		return string(out), err
	}
	ca, mid := put("ca.pem", pki.PEM(root.Cert.Raw)), put("mid.pem", pki.PEM(hub.Cert.Raw))
	rootFile := put("root.pem", file)
	if out, err := run("pkey", "-in", rootFile, "-passin", "pass:a long passphrase", "-noout", "-text"); err != nil || !strings.Contains(out, "P-384") {
		t.Errorf("%v\n%s", err, out)
	}
	crl, err := exec.CommandContext(t.Context(), openssl, "crl", "-inform", "DER", "-in", put("list.crl", list), "-CAfile", mid, "-out", filepath.Join(dir, "list.pem")).CombinedOutput()
	if err != nil || !bytes.Contains(crl, []byte("verify OK")) {
		t.Errorf("%v\n%s", err, crl)
	}
	for name, c := range map[string]*x509.Certificate{"good": good, "bad": bad} {
		out, err := run("verify", "-x509_strict", "-crl_check", "-CRLfile", filepath.Join(dir, "list.pem"), "-CAfile", ca, "-untrusted", mid, put(name+".pem", pki.PEM(c.Raw)))
		if name == "good" && err != nil || name == "bad" && (err == nil || !strings.Contains(out, "certificate revoked")) {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestARootsFileOpensWithItsPassphraseOnly(t *testing.T) {
	root, _ := tree(t, at)
	if _, err := pki.WriteRoot(root, "short", rand.Reader); err == nil {
		t.Error("a short passphrase was taken")
	}
	file, err := pki.WriteRoot(root, "a long passphrase", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	again, err := pki.ReadRoot(file, "a long passphrase")
	if err != nil || !pki.SameKey(again.Key.Public(), root.Cert.PublicKey) {
		t.Fatal(err)
	}
	if _, err := pki.ReadRoot(file, "another passphrase"); !errors.Is(err, pki.ErrPassphrase) {
		t.Errorf("another passphrase: %v", err)
	}
	other, _ := tree(t, at)
	mixed, err := pki.WriteRoot(&pki.Issuer{Cert: other.Cert, Key: root.Key}, "a long passphrase", rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := pki.ReadRoot(mixed, "a long passphrase"); err == nil {
		t.Error("the key of another root was taken")
	}
}

func TestATokenIsNoticedWhenItIsMistyped(t *testing.T) {
	tok, err := pki.NewToken(rand.Reader, [32]byte{1}, "hub.example:8446")
	if err != nil {
		t.Fatal(err)
	}
	s := tok.String()
	got, err := pki.ParseToken(" " + s + "\n")
	if err != nil || got != tok {
		t.Fatal(got, err)
	}
	if p, ok := pki.ParsePassword(tok.Password()); !ok || p != tok.Secret { // RFC 7030 3.2.3
		t.Error("password")
	}
	for i := range s {
		b := []byte(s)
		if b[i] == 'A' {
			b[i] = 'B'
		} else {
			b[i] = 'A'
		}
		if _, err := pki.ParseToken(string(b)); err == nil {
			t.Fatalf("byte %d was changed and not noticed", i)
		}
	}
	if _, err := pki.ParseToken(s[:len(s)-2]); err == nil {
		t.Error("cut short")
	}
}

func FuzzParseToken(f *testing.F) {
	tok, _ := pki.NewToken(bytes.NewReader(make([]byte, 32)), [32]byte{1}, "hub.example:8446")
	f.Add(tok.String())
	f.Add("lwenrol1_")
	f.Fuzz(func(t *testing.T, s string) {
		if got, err := pki.ParseToken(s); err == nil && got.String() != strings.TrimSpace(s) {
			t.Errorf("%q was read as %q", s, got.String())
		}
	})
}

func FuzzReadRequest(f *testing.F) {
	_, csr, err := pki.Request(rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(csr)
	f.Add([]byte("-----BEGIN CERTIFICATE REQUEST-----\nAAAA\n-----END CERTIFICATE REQUEST-----\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if r, err := pki.ReadRequest(b); err == nil && (r.CheckSignature() != nil || pki.CheckKey(r.PublicKey) != nil) {
			t.Error("a request was taken whose key does not hold")
		}
	})
}

func FuzzReadRoot(f *testing.F) {
	root, _ := tree(f, at)
	file, err := pki.WriteRoot(root, "a long passphrase", rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	// Without the derivation's cost: a wrong form is refused before it.
	f.Add(file[:len(file)/2])
	f.Fuzz(func(_ *testing.T, b []byte) {
		if bytes.Contains(b, []byte("ENCRYPTED PRIVATE KEY")) && len(b) > 900 {
			return
		}
		_, _ = pki.ReadRoot(b, "a long passphrase")
	})
}
