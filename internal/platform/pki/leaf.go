package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Kind is what a certificate is for.
type Kind string

// The kinds. Hub is the laboratory's own side.
const (
	Device  Kind = "device"
	Partner Kind = "partner"
	Service Kind = "service"
	Hub     Kind = "hub"
)

const (
	day = 24 * time.Hour
	// DefaultLife is short, for renewal is nobody's work.
	DefaultLife = 30 * day
)

// MaxLife is the longest life of a kind: devices may be off for long.
func (k Kind) MaxLife() time.Duration {
	switch k {
	case Device:
		return 180 * day
	case Partner, Service:
		return 90 * day
	case Hub:
		return DefaultLife
	}
	return 0
}

// Identity is who a certificate speaks for. It stands in the certificate as a
// URI, labwarden://KIND/NAME, which only the authority writes. (It has a host, for
// one without cannot be held against name constraints, RFC 5280 4.2.1.10.)
type Identity struct {
	Kind Kind   `json:"kind"`
	Name string `json:"name"`
}

func (i Identity) String() string { return string(i.Kind) + " " + i.Name }

var identityName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,62}$`)

// Check refuses what is no identity.
func (i Identity) Check() error {
	if i.Kind.MaxLife() == 0 {
		return errors.New("a certificate is for a device, a partner or a service")
	}
	if !identityName.MatchString(i.Name) {
		return errors.New("write the name as in the configuration: small letters, digits, - _ and ., at most 63")
	}
	return nil
}

func (i Identity) uri() *url.URL {
	return &url.URL{Scheme: "labwarden", Host: string(i.Kind), Path: "/" + i.Name}
}

// IdentityOf reads who a certificate speaks for; ok is false where it does not
// say, or says more than one.
func IdentityOf(c *x509.Certificate) (id Identity, ok bool) {
	for _, u := range c.URIs {
		if u.Scheme != "labwarden" {
			continue
		}
		if ok {
			return Identity{}, false
		}
		id, ok = Identity{Kind(u.Host), strings.TrimPrefix(u.Path, "/")}, true
	}
	if ok && id.Check() != nil {
		return Identity{}, false
	}
	return id, ok
}

// Names are the DNS names and IP addresses of a certificate.
func Names(list []string) (dns []string, ips []net.IP, err error) {
	for _, n := range list {
		if ip := net.ParseIP(n); ip != nil {
			ips = append(ips, short(ip))
			continue
		}
		if !hostName.MatchString(n) || len(n) > 253 {
			return nil, nil, fmt.Errorf("%q is no host name and no address", n)
		}
		dns = append(dns, strings.ToLower(n))
	}
	return dns, ips, nil
}

// No wildcard: a certificate names who it is for.
var hostName = regexp.MustCompile(`(?i)^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*$`)

// Request makes a key and a request with nothing in it: the authority says what
// stands in the certificate.
func Request(rand io.Reader) (*ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	csr, err := x509.CreateCertificateRequest(rand, &x509.CertificateRequest{}, key)
	if err != nil {
		return nil, nil, fmt.Errorf("make request: %w", err)
	}
	return key, csr, nil
}

// ReadRequest reads a PKCS #10 request, DER or PEM, and checks that who made it
// holds the key and that the key is one we sign (RFC 2986).
func ReadRequest(b []byte) (*x509.CertificateRequest, error) {
	if len(b) > maxPEM {
		return nil, errors.New("read request: it is larger than 64 KiB")
	}
	if p, _ := pem.Decode(b); p != nil {
		if p.Type != "CERTIFICATE REQUEST" && p.Type != "NEW CERTIFICATE REQUEST" {
			return nil, fmt.Errorf("read request: the file is a %s", strings.ToLower(p.Type))
		}
		b = p.Bytes
	}
	r, err := x509.ParseCertificateRequest(b)
	if err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if err := CheckKey(r.PublicKey); err != nil {
		return nil, fmt.Errorf("read request: %w", err)
	}
	if err := r.CheckSignature(); err != nil {
		return nil, fmt.Errorf("read request: it is not signed by its own key: %w", err)
	}
	return r, nil
}

// CheckKey takes ECDSA P-256 and P-384, and RSA of 2048 to 4096 bits (SP 800-57
// part 1 rev. 5, 5.6.1: 112 bits of strength at least).
func CheckKey(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *ecdsa.PublicKey:
		if k.Curve == elliptic.P256() || k.Curve == elliptic.P384() {
			return nil
		}
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n >= 2048 && n <= 4096 && k.E >= 65537 {
			return nil
		}
	}
	return errors.New("keys are ECDSA P-256 or P-384, or RSA of 2048 to 4096 bits")
}

// Leaf describes a certificate to issue.
type Leaf struct {
	Identity
	Lab   string
	Names []string
	Now   time.Time
	Life  time.Duration
	Rand  io.Reader
}

// Issue signs a leaf for the key. It ends with the issuer at the latest.
func (i *Issuer) Issue(pub crypto.PublicKey, l Leaf) (*x509.Certificate, error) {
	if err := l.Check(); err != nil {
		return nil, err
	}
	if err := CheckKey(pub); err != nil {
		return nil, err
	}
	if err := i.stands(l.Now); err != nil {
		return nil, err
	}
	if l.Life <= 0 || l.Life > l.Kind.MaxLife() {
		return nil, fmt.Errorf("a certificate for a %s lives %d days at most", l.Kind, l.Kind.MaxLife()/day)
	}
	dns, ips, err := Names(l.Names)
	if err != nil {
		return nil, err
	}
	serial, err := Serial(l.Rand)
	if err != nil {
		return nil, err
	}
	t := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: l.Identity.String(), Organization: []string{l.Lab}},
		NotBefore: l.Now.Add(-Backdate), NotAfter: l.Now.Add(l.Life), DNSNames: dns, IPAddresses: ips, URIs: []*url.URL{l.uri()},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		BasicConstraintsValid: true,
	}
	if t.NotAfter.After(i.Cert.NotAfter) {
		t.NotAfter = i.Cert.NotAfter
	}
	der, err := x509.CreateCertificate(l.Rand, t, i.Cert, pub, i.Key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("read certificate: %w", err)
	}
	return c, nil
}

// Gone is a certificate that was revoked.
type Gone struct {
	Serial *big.Int
	At     time.Time
}

// CRL signs the list of what was revoked (RFC 5280 5). number must grow.
func (i *Issuer) CRL(gone []Gone, number *big.Int, now time.Time, life time.Duration, rand io.Reader) ([]byte, error) {
	t := &x509.RevocationList{Number: number, ThisUpdate: now.Add(-Backdate), NextUpdate: now.Add(life)}
	for _, g := range gone {
		t.RevokedCertificateEntries = append(t.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: g.Serial, RevocationTime: g.At})
	}
	der, err := x509.CreateRevocationList(rand, t, i.Cert, i.Key)
	if err != nil {
		return nil, fmt.Errorf("sign the list of revoked certificates: %w", err)
	}
	return der, nil
}
