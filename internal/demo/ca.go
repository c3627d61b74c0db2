package demo

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// CA is the demo's certificate authority: ECDSA P-256, one level, short-lived.
type CA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	life time.Duration
	now  time.Time
}

// NewCA makes a root valid from five minutes before now until life after it.
func NewCA(now time.Time, life time.Duration) (*CA, error) {
	ca := &CA{life: life, now: now}
	t, err := ca.template("Labwarden demo root")
	if err != nil {
		return nil, err
	}
	t.IsCA, t.BasicConstraintsValid, t.MaxPathLenZero = true, true, true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, key, err := create(t, t, nil)
	if err != nil {
		return nil, err
	}
	ca.key = key
	if ca.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("make root: %w", err)
	}
	return ca, nil
}

// RootPEM returns the root certificate.
func (ca *CA) RootPEM() []byte { return block("CERTIFICATE", ca.cert.Raw) }

// Issue makes a certificate for client and server use that bears name,
// localhost, 127.0.0.1 and ::1.
func (ca *CA) Issue(name string) (certPEM, keyPEM []byte, err error) {
	t, err := ca.template(name)
	if err != nil {
		return nil, nil, err
	}
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
	t.DNSNames = []string{name, "localhost"}
	t.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	der, key, err := create(t, ca.cert, ca.key)
	if err != nil {
		return nil, nil, err
	}
	k, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, fmt.Errorf("issue certificate: %w", err)
	}
	return block("CERTIFICATE", der), block("PRIVATE KEY", k), nil
}

// Write puts ca.pem and, for each name, NAME.pem and NAME.key (0600) into dir,
// which it makes (0700). The root's key is not written: nobody needs it again.
func (ca *CA) Write(dir string, names ...string) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("write certificates: %w", err)
	}
	out := map[string][]byte{"ca.pem": ca.RootPEM()}
	for _, n := range names {
		c, k, err := ca.Issue(n)
		if err != nil {
			return err
		}
		out[n+".pem"], out[n+".key"] = c, k
	}
	for n, b := range out {
		if err := writePrivate(filepath.Join(dir, n), b); err != nil {
			return fmt.Errorf("write certificates: %w", err)
		}
	}
	return nil
}

func (ca *CA) template(name string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("make serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name, Organization: []string{"Labwarden demo"}},
		NotBefore:    ca.now.Add(-5 * time.Minute),
		NotAfter:     ca.now.Add(ca.life),
	}, nil
}

// create signs t with the parent's key, or with its own when that is nil.
func create(t, parent *x509.Certificate, signer *ecdsa.PrivateKey) ([]byte, *ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make key: %w", err)
	}
	if signer == nil {
		signer = key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)
	if err != nil {
		return nil, nil, fmt.Errorf("sign certificate: %w", err)
	}
	return der, key, nil
}

func block(kind string, b []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: b})
}

// writePrivate replaces path by a new file with mode 0600, so that an older
// file's wider mode does not stay.
func writePrivate(path string, b []byte) error {
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

func loadTLS(dir, name string) (tls.Certificate, *x509.CertPool, error) {
	cert, err := tls.LoadX509KeyPair(filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key"))
	if err != nil {
		return cert, nil, fmt.Errorf("load certificate: %w", err)
	}
	root, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		return cert, nil, fmt.Errorf("load root: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(root) {
		return cert, nil, errors.New("load root: no certificate in ca.pem")
	}
	return cert, pool, nil
}

// ServerTLS is TLS 1.3 that requires the client to be peer, by a certificate of
// the root in dir that bears that name.
func ServerTLS(dir, name, peer string) (*tls.Config, error) {
	cert, pool, err := loadTLS(dir, name)
	if err != nil {
		return nil, err
	}
	return &tls.Config{
		MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert},
		ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool,
		VerifyConnection: func(s tls.ConnectionState) error {
			if len(s.PeerCertificates) == 0 || !slices.Contains(s.PeerCertificates[0].DNSNames, peer) {
				return errors.New("client certificate is not that of " + peer)
			}
			return nil
		},
	}, nil
}

// ClientTLS is TLS 1.3 with name's certificate; the server must bear server.
func ClientTLS(dir, name, server string) (*tls.Config, error) {
	cert, pool, err := loadTLS(dir, name)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{cert}, RootCAs: pool, ServerName: server}, nil
}
