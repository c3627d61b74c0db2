package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Options describe an authority.
type Options struct {
	// Name is the organisation in every certificate; the root is "NAME root".
	Name string
	// Now and Life: certificates are valid from five minutes before Now, for
	// clocks that differ, until Life after it.
	Now  time.Time
	Life time.Duration
	Rand io.Reader
}

// Authority signs certificates.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	o    Options
}

// New makes an authority with a fresh root.
func New(o Options) (*Authority, error) {
	a := &Authority{o: o}
	t, err := a.template(o.Name + " root")
	if err != nil {
		return nil, err
	}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, key, err := a.create(t, t, nil)
	if err != nil {
		return nil, err
	}
	a.key = key
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("make root: %w", err)
	}
	return a, nil
}

// RootPEM returns the root certificate.
func (a *Authority) RootPEM() []byte { return block("CERTIFICATE", a.cert.Raw) }

// Issue makes a certificate for client and server use that bears name,
// localhost, 127.0.0.1 and ::1. It ends when the authority does.
func (a *Authority) Issue(name string) (certPEM, keyPEM []byte, err error) {
	return a.IssueUntil(name, a.cert.NotAfter)
}

// IssueUntil is Issue with an end of its own.
func (a *Authority) IssueUntil(name string, end time.Time) (certPEM, keyPEM []byte, err error) {
	t, err := a.template(name)
	if err != nil {
		return nil, nil, err
	}
	t.NotAfter = end
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	t.DNSNames = slices.Compact([]string{name, "localhost"})
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	der, key, err := a.create(t, a.cert, a.key)
	if err != nil {
		return nil, nil, err
	}
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue certificate: %w", err)
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", k), nil
}

// Write puts ca.pem and, for each name, NAME.pem and NAME.key (all 0600) into
// dir, which it makes (0700). Files of these names are replaced. The root's key
// is not written: nobody needs it again.
func (a *Authority) Write(dir string, names ...string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write certificates: %w", err)
	}
	out := map[string][]byte{"ca.pem": a.RootPEM()}
	for _, n := range names {
		c, k, err := a.Issue(n)
		if err != nil {
			return err
		}
		out[n+".pem"], out[n+".key"] = c, k
	}
	for n, b := range out {
		if err := WritePrivate(filepath.Join(dir, n), b); err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
	}
	return nil
}

func (a *Authority) template(name string) (*x509.Certificate, error) {
	var serial [16]byte
	if _, err := io.ReadFull(a.o.Rand, serial[:]); err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	serial[0] = serial[0]&0x7f | 0x40 // positive, and never shorter (RFC 5280 4.1.2.2)
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial[:]),
		Subject:      pkix.Name{CommonName: name, Organization: []string{a.o.Name}},
		NotBefore:    a.o.Now.Add(-5 * time.Minute),
		NotAfter:     a.o.Now.Add(a.o.Life),
	}, nil
}

// create signs t with the parent's key, or with its own when that is nil.
func (a *Authority) create(t, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), a.o.Rand)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(a.o.Rand, t, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("sign certificate: %w", err)
	}
	return der, key, nil
}

func block(kind string, b []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})
}

// WritePrivate replaces path by a new file with mode 0600, so that an older
// file's wider mode does not stay.
func WritePrivate(path string, b []byte) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	return errors.Join(err, f.Close())
}
