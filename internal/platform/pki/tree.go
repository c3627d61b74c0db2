package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"time"
)

const (
	// RootLife and IntermediateLife are how long what a person has to carry by
	// hand lasts: an intermediate is renewed with the offline root.
	RootLife         = 20 * 365 * 24 * time.Hour
	IntermediateLife = 5 * 365 * 24 * time.Hour
	// Backdate is for clocks that differ.
	Backdate = 5 * time.Minute
)

// Issuer is a certificate that signs others, and its key. For a hub it is the
// intermediate; Chain begins with its own DER and ends with the root's.
type Issuer struct {
	Cert  *x509.Certificate
	Key   crypto.Signer
	Chain [][]byte
}

// RootOptions describe a root.
type RootOptions struct {
	Lab  string
	Now  time.Time
	Rand io.Reader
	// Domains bound what names may stand in certificates below it (RFC 5280
	// 4.2.1.10); none bounds nothing.
	Domains []string
}

// NewRoot makes an offline root: P-384, one level of authorities below it.
func NewRoot(o RootOptions) (*Issuer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), o.Rand)
	if err != nil {
		return nil, fmt.Errorf("make root key: %w", err)
	}
	serial, err := Serial(o.Rand)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: o.Lab + " root", Organization: []string{o.Lab}},
		NotBefore: o.Now.Add(-Backdate), NotAfter: o.Now.Add(RootLife), IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
	if len(o.Domains) > 0 {
		t.PermittedDNSDomains, t.PermittedDNSDomainsCritical = append([]string{"localhost"}, o.Domains...), true
	}
	der, err := x509.CreateCertificate(o.Rand, t, t, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("sign root: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read root: %w", err)
	}
	return &Issuer{Cert: c, Key: key, Chain: [][]byte{der}}, nil
}

// RequestIntermediate makes a key and the request for an intermediate's
// certificate, which the offline root signs.
func RequestIntermediate(rand io.Reader, lab string) (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P384(), rand)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand, &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: lab + " issuing authority", Organization: []string{lab}},
	}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make request: %w", err)
	}
	return key, csr, nil
}

// SignIntermediate signs a hub's request. It ends with the root at the latest.
func (i *Issuer) SignIntermediate(csr []byte, now time.Time, rand io.Reader) ([]byte, error) {
	r, err := ReadRequest(csr)
	if err != nil {
		return nil, err
	}
	if k, ok := r.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P384() {
		return nil, errors.New("this is the request of a leaf, not of a hub's issuing authority: its key is not ECDSA P-384")
	}
	if err := i.stands(now); err != nil {
		return nil, err
	}
	serial, err := Serial(rand)
	if err != nil {
		return nil, err
	}
	end := now.Add(IntermediateLife)
	if end.After(i.Cert.NotAfter) {
		end = i.Cert.NotAfter
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: r.Subject, NotBefore: now.Add(-Backdate), NotAfter: end,
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true, // signs no further authority (RFC 5280 4.2.1.9)
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		PermittedDNSDomains: i.Cert.PermittedDNSDomains, PermittedDNSDomainsCritical: i.Cert.PermittedDNSDomainsCritical,
	}
	der, err := x509.CreateCertificate(rand, t, i.Cert, r.PublicKey, i.Key)
	if err != nil {
		return nil, fmt.Errorf("sign intermediate: %w", err)
	}
	return der, nil
}

// stands says whether the issuer is valid now; the error tells a clock that is
// off from an authority that has ended as far as one can.
func (i *Issuer) stands(now time.Time) error { return InTime(i.Cert, "the authority", now) }

// InTime checks a certificate's dates. Its error says what this machine's clock
// shows: a clock that is off by a day looks like a certificate that is.
func InTime(c *x509.Certificate, what string, now time.Time) error {
	const form = "2006-01-02 15:04 MST"
	switch {
	case now.Before(c.NotBefore):
		return fmt.Errorf("%s is valid only from %s, and this machine's clock says %s: the clock is probably wrong; set it and try again", what, c.NotBefore.UTC().Format(form), now.UTC().Format(form))
	case now.After(c.NotAfter):
		return fmt.Errorf("%s ended on %s, and this machine's clock says %s: if the clock is right, renew it", what, c.NotAfter.UTC().Format(form), now.UTC().Format(form))
	}
	return nil
}

// Serial is a random serial number of 126 bits, positive and never shorter than
// 16 bytes (RFC 5280 4.1.2.2).
func Serial(rand io.Reader) (*big.Int, error) {
	var b [16]byte
	if _, err := io.ReadFull(rand, b[:]); err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	b[0] = b[0]&0x7f | 0x40
	return new(big.Int).SetBytes(b[:]), nil
}

// Print is the SHA-256 of a DER certificate in hex.
func Print(der []byte) string {
	h := sha256.Sum256(der)
	return hex.EncodeToString(h[:])
}

// PEM writes certificates one after the other.
func PEM(ders ...[]byte) []byte {
	var out []byte
	for _, d := range ders {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: d})...)
	}
	return out
}

// RequestPEM writes a request.
func RequestPEM(der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

// maxPEM bounds what is read as certificates or a request.
const maxPEM = 64 << 10

// Certificates reads the certificates of a PEM text, or one in DER.
func Certificates(b []byte) ([]*x509.Certificate, error) {
	if len(b) > maxPEM {
		return nil, errors.New("read certificate: it is larger than 64 KiB")
	}
	if c, err := x509.ParseCertificate(b); err == nil {
		return []*x509.Certificate{c}, nil
	}
	var out []*x509.Certificate
	for p, rest := pem.Decode(b); p != nil; p, rest = pem.Decode(rest) {
		if p.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(p.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read certificate: %w", err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, errors.New("read certificate: there is none in it; a PEM file with -----BEGIN CERTIFICATE----- or one in DER is expected")
	}
	return out, nil
}
