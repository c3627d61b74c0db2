package tunnel

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"math/big"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
)

// alpn names this protocol; a connection without it is somebody else's (RFC 7301).
const alpn = "labwarden-tunnel/1"

// exportLabel names the exporter of preshared keys (RFC 8446 7.5; RFC 5705 4).
const exportLabel = "EXPORTER-labwarden-tunnel-preshared-key"

// hybrids are the key exchanges of the link, each with ML-KEM
// (draft-ietf-tls-ecdhe-mlkem 3). A preshared key is only as good against a
// quantum computer as the handshake it is exported from, so nothing else is
// offered. The second and third are for the FIPS build.
func hybrids() []tls.CurveID {
	return []tls.CurveID{tls.X25519MLKEM768, tls.SecP256r1MLKEM768, tls.SecP384r1MLKEM1024}
}

// NewIdentity makes a key and the certificate over it by which one end knows the
// other: pinned by its fingerprint, so that no authority and no date is involved.
func NewIdentity(name string, now time.Time) (certificate, key []byte, err error) {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, nil, fmt.Errorf("make serial number: %w", err)
	}
	c := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-time.Hour), NotAfter: now.AddDate(30, 0, 0),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
	}
	certificate, err = x509.CreateCertificate(rand.Reader, c, c, k.Public(), k)
	if err != nil {
		return nil, nil, fmt.Errorf("make certificate: %w", err)
	}
	key, err = x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return nil, nil, fmt.Errorf("write key: %w", err)
	}
	return certificate, key, nil
}

// ReadIdentity is what NewIdentity made, ready for use.
func ReadIdentity(certificate, key []byte) (tls.Certificate, error) {
	leaf, err := x509.ParseCertificate(certificate)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read certificate: %w", err)
	}
	k, err := x509.ParsePKCS8PrivateKey(key)
	if err != nil {
		return tls.Certificate{}, fmt.Errorf("read key: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{certificate}, PrivateKey: k, Leaf: leaf}, nil
}

func base(now func() time.Time) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS13, CurvePreferences: hybrids(), NextProtos: []string{alpn},
		SessionTicketsDisabled: true, // each connection proves itself, and each handshake has its own ML-KEM
		Time:                   now,
	}
}

// serverConfig lets everybody with a certificate in: who it is is looked up by
// its fingerprint, and somebody unknown may only enrol.
func serverConfig(id tls.Certificate, now func() time.Time) *tls.Config {
	c := base(now)
	c.Certificates = []tls.Certificate{id}
	c.ClientAuth = tls.RequireAnyClientCert // possession is checked (RFC 8446 4.4.3), the name is the fingerprint
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if s.NegotiatedProtocol != alpn {
			return errors.New("not this protocol")
		}
		return nil
	}
	return c
}

// ErrWrongHub: whoever answered is not the hub of the token.
var ErrWrongHub = errors.New("whoever answers there is not the hub that made the token: its certificate is another one; nothing was told to it")

func clientConfig(id tls.Certificate, pin string, now func() time.Time) *tls.Config {
	c := base(now)
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &id, nil }
	// Not insecure: VerifyConnection below holds the certificate against its pin.
	c.InsecureSkipVerify = true
	c.VerifyConnection = func(s tls.ConnectionState) error {
		if len(s.PeerCertificates) == 0 || channel.Fingerprint(s.PeerCertificates[0]) != pin {
			return ErrWrongHub
		}
		if s.NegotiatedProtocol != alpn {
			return errors.New("whoever answers there does not speak this protocol")
		}
		return nil
	}
	return c
}

// preshared is WireGuard's preshared key of one pair of keys, exported on both
// sides from the handshake they are agreed in.
func preshared(s tls.ConnectionState, hub, far []byte, epoch int64) ([]byte, error) {
	if s.CurveID != tls.X25519MLKEM768 && s.CurveID != tls.SecP256r1MLKEM768 && s.CurveID != tls.SecP384r1MLKEM1024 {
		return nil, errors.New("export preshared key: the handshake had no ML-KEM")
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%x %x %d", hub, far, epoch))
	psk, err := s.ExportKeyingMaterial(exportLabel, sum[:], 32)
	if err != nil {
		return nil, fmt.Errorf("export preshared key: %w", err)
	}
	return psk, nil
}
