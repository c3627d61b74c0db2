package demo

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/pki"
)

// NewCA makes the demo's certificate authority.
func NewCA(now time.Time, life time.Duration) (*pki.Authority, error) {
	return pki.New(pki.Options{Name: "Labwarden demo", Now: now, Life: life, Rand: rand.Reader})
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
