package pki_test

import (
	"crypto/rand"
	"crypto/x509"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/platform/pki"
)

func TestTheRootOfThePagesSignsForNobodyElse(t *testing.T) {
	now := time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC)
	o := pki.Options{Name: "Test", Now: now, Life: 5 * 365 * 24 * time.Hour, Rand: rand.Reader}
	a, err := pki.NewFor(o, "lab.example", "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := a.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	a, err = pki.Parse(kept, o)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(a.RootPEM())
	good, err := a.Server(now, 90*24*time.Hour, "lab.example", "localhost", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []string{"lab.example", "localhost", "127.0.0.1"} {
		if _, err := good.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: h, CurrentTime: now}); err != nil {
			t.Errorf("%s: %v", h, err)
		}
		if !a.Covers(h, now) {
			t.Errorf("%s is not covered", h)
		}
	}
	for _, h := range []string{"bank.example", "192.0.2.1"} {
		bad, err := a.Server(now, time.Hour, h)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := bad.Leaf.Verify(x509.VerifyOptions{Roots: pool, DNSName: h, CurrentTime: now}); err == nil {
			t.Errorf("a certificate for %s was believed", h)
		}
		if a.Covers(h, now) {
			t.Errorf("%s is covered", h)
		}
	}
	if _, err := good.Leaf.Verify(x509.VerifyOptions{Roots: pool, CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err == nil {
		t.Error("the pages' certificate may act as a client")
	}
	if _, err := pki.Parse([]byte("x"), o); err == nil {
		t.Error("nonsense was read as an authority")
	}
}
