package pki_test

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/pki"
)

func authority(t *testing.T, now time.Time) *pki.Authority {
	t.Helper()
	a, err := pki.New(pki.Options{Name: "Test", Now: now, Life: 48 * time.Hour, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func leaf(t *testing.T, b []byte) *x509.Certificate {
	t.Helper()
	p, _ := pem.Decode(b)
	c, err := x509.ParseCertificate(p.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestIssuedCertificatesServeBothSidesUntilTheirEnd(t *testing.T) {
	now := time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)
	a, other := authority(t, now), authority(t, now)
	raw, _, err := a.IssueUntil("hub", now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	c, pool, wrong := leaf(t, raw), x509.NewCertPool(), x509.NewCertPool()
	pool.AppendCertsFromPEM(a.RootPEM())
	wrong.AppendCertsFromPEM(other.RootPEM())
	for _, name := range []string{"hub", "localhost", "127.0.0.1", "::1"} {
		for _, use := range []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth} {
			o := x509.VerifyOptions{Roots: pool, DNSName: name, KeyUsages: []x509.ExtKeyUsage{use}, CurrentTime: now}
			if _, err := c.Verify(o); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	var bad x509.CertificateInvalidError
	if _, err := c.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now.Add(2 * time.Hour)}); !errors.As(err, &bad) || bad.Reason != x509.Expired {
		t.Errorf("after its end: %v", err)
	}
	if _, err := c.Verify(x509.VerifyOptions{Roots: wrong, CurrentTime: now}); err == nil {
		t.Error("another authority's certificate was believed")
	}
	again, _, err := a.Issue("hub")
	if err != nil || leaf(t, again).SerialNumber.Cmp(c.SerialNumber) == 0 {
		t.Errorf("two certificates have one serial number: %v", err)
	}
}

func TestWriteKeepsKeysPrivateAndTheRootsKeyNowhere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "tls")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "hub.key"), []byte("old"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := authority(t, time.Now()).Write(dir, "hub", "lis"); err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadDir(dir)
	if err != nil || len(list) != 5 {
		t.Fatalf("%v %v", list, err)
	}
	for _, e := range list {
		i, err := e.Info()
		if err != nil || i.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v, %v", e.Name(), i.Mode(), err)
		}
	}
	for _, n := range []string{"hub", "lis"} {
		if _, err := tls.LoadX509KeyPair(filepath.Join(dir, n+".pem"), filepath.Join(dir, n+".key")); err != nil {
			t.Error(err)
		}
	}
}
