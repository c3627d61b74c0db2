package enrolment

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/labwarden/labwarden/internal/platform/pki"
)

// The files in a folder: IdentityFile holds the private key, the certificate and
// its intermediate; RootFile whom to believe; hubFile where the hub is.
const (
	IdentityFile = "identity.pem"
	RootFile     = "ca.pem"
	hubFile      = "hub.json"
)

// chainPEM asks for certificates as PEM (RFC 8555 9.1).
const chainPEM = "application/pem-certificate-chain"

// Client works on one folder.
type Client struct {
	Dir string
	Now func() time.Time
}

type hubAt struct {
	Address string `json:"address"`
}

// Enrol fetches a certificate with a token. A folder that holds one already is
// left alone.
func (c *Client) Enrol(ctx context.Context, text string) (*x509.Certificate, error) {
	t, err := pki.ParseToken(text)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(c.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make folder: %w", err)
	}
	if _, err := os.Stat(filepath.Join(c.Dir, IdentityFile)); !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("%s holds a certificate already; name another folder, or renew it with `labwarden cert renew`", c.Dir)
	}
	believe := func(chain []*x509.Certificate) (*x509.Certificate, error) {
		for _, x := range chain {
			if sha256.Sum256(x.Raw) == t.Root {
				return x, nil
			}
		}
		return nil, errors.New("whoever answers there is not the hub that made this token: its root is another; somebody may be in between")
	}
	key, csr, err := pki.Request(rand.Reader)
	if err != nil {
		return nil, err
	}
	chain, root, err := c.ask(ctx, t.Address, "/.well-known/est/simpleenroll", csr, believe, nil, t.Password())
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	where, err := json.Marshal(hubAt{t.Address})
	if err != nil {
		return nil, fmt.Errorf("write files: %w", err)
	}
	// The identity comes last: with it the folder is whole.
	for _, f := range []struct {
		name string
		b    []byte
	}{{hubFile, append(where, '\n')}, {RootFile, pki.PEM(root.Raw)}} {
		if err := replace(filepath.Join(c.Dir, f.name), f.b); err != nil {
			return nil, err
		}
	}
	return chain[0], c.keep(key, chain)
}

// Renew fetches a new certificate for a new key, by the present one.
func (c *Client) Renew(ctx context.Context) (*x509.Certificate, error) {
	pair, err := c.Identity()
	if err != nil {
		return nil, err
	}
	if err := pki.InTime(pair.Leaf, "the certificate in "+c.Dir, c.Now()); err != nil {
		return nil, fmt.Errorf("%w; one that has ended takes a new token", err)
	}
	b, err := os.ReadFile(filepath.Join(c.Dir, hubFile))
	if err != nil {
		return nil, fmt.Errorf("read where the hub is: %w", err)
	}
	var at hubAt
	if err := json.Unmarshal(b, &at); err != nil {
		return nil, fmt.Errorf("read where the hub is: %w", err)
	}
	if b, err = os.ReadFile(filepath.Join(c.Dir, RootFile)); err != nil {
		return nil, fmt.Errorf("read root: %w", err)
	}
	roots, err := pki.Certificates(b)
	if err != nil {
		return nil, err
	}
	key, csr, err := pki.Request(rand.Reader)
	if err != nil {
		return nil, err
	}
	believe := func([]*x509.Certificate) (*x509.Certificate, error) { return roots[0], nil }
	chain, _, err := c.ask(ctx, at.Address, "/.well-known/est/simplereenroll", csr, believe, pair, "")
	if err != nil {
		return nil, fmt.Errorf("renew: %w", err)
	}
	return chain[0], c.keep(key, chain)
}

// Identity reads the folder's key and certificate.
func (c *Client) Identity() (*tls.Certificate, error) {
	path := filepath.Join(c.Dir, IdentityFile)
	pair, err := tls.LoadX509KeyPair(path, path)
	if err != nil {
		return nil, fmt.Errorf("read the certificate of this folder: %w", err)
	}
	return &pair, nil
}

// Due is when a certificate is renewed: when two thirds of its life are over.
func Due(c *x509.Certificate) time.Time {
	return c.NotBefore.Add(c.NotAfter.Sub(c.NotBefore) * 2 / 3)
}

// hub judges who answers: it chains to the root, in time, and is the hub, not
// one of the many others who have a certificate of this root.
func (c *Client) hub(chain []*x509.Certificate, root *x509.Certificate) error {
	now := c.Now()
	o := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	o.Roots.AddCert(root)
	for _, x := range chain[1:] {
		o.Intermediates.AddCert(x)
	}
	if _, err := chain[0].Verify(o); err != nil {
		for _, x := range chain {
			if late := pki.InTime(x, "the hub's certificate", now); late != nil {
				return late
			}
		}
		return fmt.Errorf("verify the hub's certificate: %w", err)
	}
	if id, ok := pki.IdentityOf(chain[0]); !ok || id.Kind != pki.Hub {
		return errors.New("whoever answers there has a certificate of the laboratory, but is not the hub")
	}
	return nil
}

// ask sends a request to the hub and returns the chain without its root, and
// the root.
func (c *Client) ask(ctx context.Context, address, path string, csr []byte, believe func([]*x509.Certificate) (*x509.Certificate, error), own *tls.Certificate, password string) ([]*x509.Certificate, *x509.Certificate, error) {
	var root *x509.Certificate
	conf := &tls.Config{
		MinVersion: tls.VersionTLS13, Time: c.Now,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does the whole check, by the root we were told
		VerifyConnection: func(s tls.ConnectionState) (err error) {
			if root, err = believe(s.PeerCertificates); err != nil {
				return err
			}
			return c.hub(s.PeerCertificates, root)
		},
	}
	if own != nil {
		conf.Certificates = []tls.Certificate{*own}
	}
	client := &http.Client{
		Transport: &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true, TLSHandshakeTimeout: 20 * time.Second}, Timeout: time.Minute,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://"+address+path, bytes.NewReader([]byte(base64.StdEncoding.EncodeToString(csr))))
	if err != nil {
		return nil, nil, err
	}
	r.Header.Set("Content-Type", "application/pkcs10")
	r.Header.Set("Accept", chainPEM)
	if password != "" {
		r.SetBasicAuth("token", password)
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return nil, nil, fmt.Errorf("read the hub's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, nil, fmt.Errorf("the hub says: %s", bytes.TrimSpace(b))
	}
	chain, err := pki.Certificates(b)
	if err != nil {
		return nil, nil, err
	}
	for len(chain) > 1 && bytes.Equal(chain[len(chain)-1].Raw, root.Raw) {
		chain = chain[:len(chain)-1]
	}
	return chain, root, nil
}

// keep writes key and chain as one file, whole.
func (c *Client) keep(key *ecdsa.PrivateKey, chain []*x509.Certificate) error {
	if !pki.SameKey(key.Public(), chain[0].PublicKey) {
		return errors.New("the hub answered with a certificate for another key")
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("write key: %w", err)
	}
	out := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	for _, x := range chain {
		out = append(out, pki.PEM(x.Raw)...)
	}
	return replace(filepath.Join(c.Dir, IdentityFile), out)
}

// replace puts a file in the place of another, whole and on disk.
func replace(path string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err == nil {
		var d *os.File
		if d, err = os.Open(filepath.Dir(path)); err == nil {
			err = errors.Join(d.Sync(), d.Close())
		}
	}
	if err != nil {
		return errors.Join(fmt.Errorf("write %s: %w", path, err), os.RemoveAll(f.Name()))
	}
	return nil
}
