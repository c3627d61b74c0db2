package channel

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
)

// TLS describes one side of a channel's encryption. Server and Client turn it
// into a *tls.Config: TLS 1.3 only, certificates on both sides, no session
// resumption (every connection proves itself, so a withdrawn pin takes effect at
// the next connection).
//
// The other end is believed when its leaf certificate is one of Pins, or when it
// chains to Roots. At least one of the two must be given; the machine's own list
// of public authorities is never used unless the caller passes it as Roots.
type TLS struct {
	// Certificate is called for each handshake, so that a renewed certificate is
	// used without a restart.
	Certificate func() (*tls.Certificate, error)
	Roots       *x509.CertPool
	// Pins are SHA-256 fingerprints of leaf certificates (DER) in hex, with or
	// without colons. A pinned certificate is believed past its dates too: it is
	// the key that was agreed on, and dates alone never stop results.
	Pins []string
	// Expired is asked when a certificate that chains to Roots fails on its
	// dates alone; true lets the channel keep its state (the caller alarms).
	// Nil refuses.
	Expired func(leaf *x509.Certificate) bool
	// Believe is asked about every leaf certificate that was believed so far, pinned
	// or not; an error refuses it. It is how a revoked certificate is refused, and
	// one that is somebody else's. Nil believes. It must not block.
	Believe func(leaf *x509.Certificate, pinned bool) error
	// Seen is told of every leaf certificate that was believed, so that somebody
	// hears of its end in time; nil tells nobody. It must not block.
	Seen func(leaf *x509.Certificate)
	// Refused is told of every leaf certificate that was not believed, and why; nil
	// tells nobody. It must not block.
	Refused func(leaf *x509.Certificate, why error)
	// ServerName is the name a client expects in the server's certificate.
	ServerName string
	Exception  *Exception
	// Now is the clock for certificate dates; nil is time.Now.
	Now func() time.Time
}

// aeadSuites are the TLS 1.2 suites an exception allows: forward secret and
// AEAD (RFC 9325 4.2; NIST SP 800-52r2 3.3.1).
func aeadSuites() []uint16 {
	return []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
		tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
	}
}

func (t TLS) base() (*tls.Config, map[string]bool, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS13, SessionTicketsDisabled: true, Time: t.Now}
	if t.Exception != nil {
		if err := t.Exception.Validate(); err != nil {
			return nil, nil, err
		}
		if t.Exception.TLS12 {
			c.MinVersion, c.CipherSuites = tls.VersionTLS12, aeadSuites()
		}
	}
	pins := make(map[string]bool, len(t.Pins))
	for _, p := range t.Pins {
		n := strings.ToLower(strings.ReplaceAll(strings.TrimSpace(p), ":", ""))
		if b, err := hex.DecodeString(n); err != nil || len(b) != sha256.Size {
			return nil, nil, fmt.Errorf("read pin %q: want 64 hex digits of a SHA-256", p)
		}
		pins[n] = true
	}
	return c, pins, nil
}

// Server returns the configuration of a listening side. Clients must show a
// certificate unless the exception says otherwise.
func (t TLS) Server() (*tls.Config, error) {
	c, pins, err := t.base()
	if err != nil {
		return nil, err
	}
	if t.Certificate == nil {
		return nil, errors.New("server has no certificate")
	}
	c.GetCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return t.Certificate() }
	optional := t.Exception != nil && t.Exception.NoClientCertificate
	if !optional && t.Roots == nil && len(pins) == 0 {
		return nil, errors.New("no client authority and no pinned client certificate: nobody could connect")
	}
	// The chain is verified in VerifyConnection, where pins and dates are known;
	// crypto/tls still checks that the client owns the key (RFC 8446 4.4.3).
	c.ClientAuth = tls.RequireAnyClientCert
	if optional {
		c.ClientAuth = tls.RequestClientCert
	}
	c.ClientCAs = t.Roots // sent as a hint of which certificate to choose
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			if optional {
				return nil
			}
			return errors.New("client showed no certificate")
		}
		return t.verify(s.PeerCertificates, pins, "", x509.ExtKeyUsageClientAuth)
	}
	return c, nil
}

// Client returns the configuration of a connecting side. It shows its
// certificate when asked; having none takes an exception.
func (t TLS) Client() (*tls.Config, error) {
	c, pins, err := t.base()
	if err != nil {
		return nil, err
	}
	if t.Roots == nil && len(pins) == 0 {
		return nil, errors.New("no server authority and no pinned server certificate: nobody could be believed")
	}
	if t.Roots != nil && len(pins) == 0 && t.ServerName == "" {
		return nil, errors.New("server name is missing: any certificate of the authority would do")
	}
	if t.Certificate != nil {
		c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return t.Certificate() }
	} else if t.Exception == nil || !t.Exception.NoClientCertificate {
		return nil, errors.New("client has no certificate")
	}
	c.ServerName = t.ServerName
	// Not insecure: VerifyConnection below does the whole check, and does not
	// stop at the dates of a pinned certificate.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 {
			return errors.New("server showed no certificate")
		}
		return t.verify(s.PeerCertificates, pins, t.ServerName, x509.ExtKeyUsageServerAuth)
	}
	return c, nil
}

func (t TLS) verify(chain []*x509.Certificate, pins map[string]bool, name string, use x509.ExtKeyUsage) error {
	err := t.judge(chain, pins, name, use)
	if err == nil && t.Believe != nil {
		if err = t.Believe(chain[0], pins[Fingerprint(chain[0])]); err != nil {
			err = fmt.Errorf("certificate %s: %w", Fingerprint(chain[0]), err)
		}
	}
	switch {
	case err == nil && t.Seen != nil:
		t.Seen(chain[0])
	case err != nil && t.Refused != nil:
		t.Refused(chain[0], err)
	}
	return err
}

func (t TLS) judge(chain []*x509.Certificate, pins map[string]bool, name string, use x509.ExtKeyUsage) error {
	leaf := chain[0]
	if pins[Fingerprint(leaf)] {
		return nil
	}
	if t.Roots == nil || (name == "" && use == x509.ExtKeyUsageServerAuth) {
		return fmt.Errorf("certificate %s is not pinned", Fingerprint(leaf))
	}
	now := time.Now
	if t.Now != nil {
		now = t.Now
	}
	o := x509.VerifyOptions{
		Roots: t.Roots, Intermediates: x509.NewCertPool(), DNSName: name,
		KeyUsages: []x509.ExtKeyUsage{use}, CurrentTime: now(),
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	_, err := leaf.Verify(o)
	if err == nil {
		return nil
	}
	var bad x509.CertificateInvalidError
	if !errors.As(err, &bad) || bad.Reason != x509.Expired || t.Expired == nil || !now().After(leaf.NotAfter) {
		return fmt.Errorf("verify certificate %s: %w", Fingerprint(leaf), err)
	}
	// Only the leaf's own end is forgiven: everything else must have held in its
	// last second.
	o.CurrentTime = leaf.NotAfter
	if _, again := leaf.Verify(o); again != nil || !t.Expired(leaf) {
		return fmt.Errorf("verify certificate %s: %w", Fingerprint(leaf), err)
	}
	return nil
}

// Fingerprint is the SHA-256 of a certificate's DER in lower-case hex.
func Fingerprint(c *x509.Certificate) string {
	h := sha256.Sum256(c.Raw)
	return hex.EncodeToString(h[:])
}

// PeerOf describes the other end of a finished handshake: its address, the
// fingerprint of its certificate, protocol, suite and key exchange. The name stays
// empty.
func PeerOf(s tls.ConnectionState, addr string) Peer {
	p := Peer{Addr: addr, Proof: "none"}
	if !s.HandshakeComplete {
		return p
	}
	p.TLS = Secured(s)
	if len(s.PeerCertificates) > 0 {
		p.Proof, p.Fingerprint = "certificate", Fingerprint(s.PeerCertificates[0])
	}
	return p
}

// Secured names protocol, suite and the group of the key exchange ("TLS 1.3
// TLS_AES_128_GCM_SHA256 X25519MLKEM768"); the group is left out where there was
// none.
func Secured(s tls.ConnectionState) string {
	out := tls.VersionName(s.Version) + " " + tls.CipherSuiteName(s.CipherSuite)
	if s.CurveID != 0 {
		out += " " + s.CurveID.String()
	}
	return out
}
