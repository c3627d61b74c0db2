package app

import (
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"os"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/pki"
)

// certificate loads a key pair; own beats the node's.
func certificate(cert, key config.Path, node *config.KeyPair) (func() (*tls.Certificate, error), error) {
	if cert == "" && node != nil {
		cert, key = node.Certificate, node.Key
	}
	if cert == "" {
		return nil, nil
	}
	pair, err := tls.LoadX509KeyPair(string(cert), string(key))
	if err != nil {
		return nil, fmt.Errorf("load certificate %s: %w", cert, err)
	}
	return func() (*tls.Certificate, error) { return &pair, nil }, nil
}

func roots(path config.Path) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(string(path))
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("read authorities: %s holds no certificate", path)
	}
	return pool, nil
}

func exception(e *config.Exception) *channel.Exception {
	if e == nil {
		return nil
	}
	return &channel.Exception{
		Plaintext: e.Kind == "plaintext", TLS12: e.Kind == "tls12",
		Reason: e.Reason, Owner: e.Owner, Until: e.Until.End(),
	}
}

// onLoopback is the exception for a listener or partner on this machine, which
// the configuration allows without one.
func onLoopback(now config.Date) *channel.Exception {
	return &channel.Exception{Plaintext: true, Reason: "this machine only (loopback)", Owner: "the configuration", Until: now.End()}
}

// clientTLS is our side of a connection to a partner.
func clientTLS(t *config.ClientTLS, host string, node *config.Node, e *channel.Exception, w watched) (*tls.Config, error) {
	cert, err := certificate(t.Certificate, t.Key, node.TLS)
	if err != nil {
		return nil, err
	}
	ca, err := roots(t.CA)
	if err != nil {
		return nil, err
	}
	name := t.ServerName
	if name == "" {
		name = host
	}
	c := w.over(channel.TLS{Certificate: cert, Roots: ca, ServerName: name, Exception: e})
	if t.Fingerprint != "" {
		c.Pins = []string{string(t.Fingerprint)}
	}
	if err := w.own(&c, node, t.OwnCA, t.Pinned, t.Certificate == "", pki.Partner); err != nil {
		return nil, err
	}
	return c.Client()
}

// serverTLS is our side of a source's connections.
func serverTLS(t *config.ServerTLS, node *config.Node, e *channel.Exception, w watched) (*tls.Config, error) {
	cert, err := certificate(t.Certificate, t.Key, node.TLS)
	if err != nil {
		return nil, err
	}
	ca, err := roots(t.ClientCA)
	if err != nil {
		return nil, err
	}
	c := w.over(channel.TLS{Certificate: cert, Roots: ca, Exception: e})
	for _, f := range t.Fingerprints {
		c.Pins = append(c.Pins, string(f))
	}
	if err := w.own(&c, node, t.OwnCA, t.Pinned, t.Certificate == "", pki.Device, pki.Service, pki.Partner); err != nil {
		return nil, err
	}
	return c.Server()
}

// webTLS is our side of an https connection. show says whether we show our own
// certificate.
func webTLS(t *config.ClientTLS, address string, node *config.Node, e *channel.Exception, show bool, w watched) (*tls.Config, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, fmt.Errorf("read address: %w", err)
	}
	if t == nil {
		t = &config.ClientTLS{}
	}
	ca, err := roots(t.CA)
	if err != nil {
		return nil, err
	}
	if ca == nil && t.Fingerprint == "" && !t.OwnCA && !t.Pinned {
		if ca, err = x509.SystemCertPool(); err != nil {
			return nil, fmt.Errorf("read the system's authorities: %w", err)
		}
	}
	cert, err := certificate(t.Certificate, t.Key, node.TLS)
	if err != nil {
		return nil, err
	}
	if !show {
		// A server that knows us by a token, or needs not know us: ours to choose
		// in the configuration, so no exception stands for it.
		cert = func() (*tls.Certificate, error) { return &tls.Certificate{}, nil }
	}
	c := w.over(channel.TLS{Certificate: cert, Roots: ca, ServerName: t.ServerName, Exception: e})
	if c.ServerName == "" {
		c.ServerName = u.Hostname()
	}
	if t.Fingerprint != "" {
		c.Pins = []string{string(t.Fingerprint)}
	}
	if err := w.own(&c, node, t.OwnCA, t.Pinned, t.Certificate == "" && show, pki.Partner); err != nil {
		return nil, err
	}
	return c.Client()
}

// readCertificates reads every certificate of a PEM file.
func readCertificates(path config.Path) ([]*x509.Certificate, error) {
	b, err := os.ReadFile(string(path))
	if err != nil {
		return nil, fmt.Errorf("read certificates: %w", err)
	}
	var out []*x509.Certificate
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("read certificate in %s: %w", path, err)
		}
		out = append(out, c)
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("%s holds no certificate", path)
	}
	return out, nil
}

// privateKey reads a PKCS #8 key in PEM.
func privateKey(b []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, errors.New("it is not PEM")
	}
	k, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, errors.New("it is not a PKCS #8 private key")
	}
	s, ok := k.(crypto.Signer)
	if !ok {
		return nil, errors.New("it is not a key that signs")
	}
	return s, nil
}
