package pki

import (
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net"
	"time"
)

// NewFor makes an authority whose root may only sign for these hosts (RFC 5280
// 4.2.1.10): browsers that trust it are not asked to trust it for anything else.
func NewFor(o Options, hosts ...string) (*Authority, error) {
	a := &Authority{o: o}
	t, err := a.template(o.Name + " pages root")
	if err != nil {
		return nil, err
	}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	t.PermittedDNSDomainsCritical = true
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			bits := 8 * len(short(ip))
			t.PermittedIPRanges = append(t.PermittedIPRanges, &net.IPNet{IP: short(ip), Mask: net.CIDRMask(bits, bits)})
		} else {
			t.PermittedDNSDomains = append(t.PermittedDNSDomains, h)
		}
	}
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

func short(ip net.IP) net.IP {
	if v4 := ip.To4(); v4 != nil {
		return v4
	}
	return ip
}

// Marshal returns root and key as PEM, to be sealed; Parse reads it.
func (a *Authority) Marshal() ([]byte, error) {
	k, err := x509.MarshalPKCS8PrivateKey(a.key)
	if err != nil {
		return nil, fmt.Errorf("write authority: %w", err)
	}
	return append(a.RootPEM(), block("PRIVATE KEY", k)...), nil
}

// Parse reads what Marshal wrote. o gives time and randomness for what it signs.
func Parse(b []byte, o Options) (*Authority, error) {
	c, rest := pem.Decode(b)
	k, _ := pem.Decode(rest)
	if c == nil || k == nil {
		return nil, errors.New("read authority: it is not a certificate and a key")
	}
	cert, err := x509.ParseCertificate(c.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	key, err := x509.ParsePKCS8PrivateKey(k.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read authority: %w", err)
	}
	ec, ok := key.(*ecdsa.PrivateKey)
	if !ok {
		return nil, errors.New("read authority: its key is of another kind")
	}
	return &Authority{cert: cert, key: ec, o: o}, nil
}

// Covers says whether the root may sign for the host, at that time.
func (a *Authority) Covers(host string, now time.Time) bool {
	if now.After(a.cert.NotAfter) {
		return false
	}
	if ip := net.ParseIP(host); ip != nil {
		for _, n := range a.cert.PermittedIPRanges {
			if n.Contains(ip) {
				return true
			}
		}
		return false
	}
	for _, d := range a.cert.PermittedDNSDomains {
		if d == host {
			return true
		}
	}
	return false
}

// Server makes a certificate for these hosts and server use only, of this life.
func (a *Authority) Server(now time.Time, life time.Duration, hosts ...string) (*tls.Certificate, error) {
	o := *a
	o.o.Now, o.o.Life = now, life
	t, err := o.template(hosts[0])
	if err != nil {
		return nil, err
	}
	if t.NotAfter.After(a.cert.NotAfter) {
		t.NotAfter = a.cert.NotAfter
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, h := range hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, short(ip))
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	der, key, err := o.create(t, a.cert, a.key)
	if err != nil {
		return nil, err
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("make certificate: %w", err)
	}
	return &tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key, Leaf: leaf}, nil
}
