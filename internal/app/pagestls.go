package app

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"net/url"
	"sync"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// KindPagesRoot is the fact that the pages got an authority of their own.
const KindPagesRoot = "pages.root_made"

const (
	pagesRootLife = 10 * 365 * 24 * time.Hour
	pagesLife     = 90 * 24 * time.Hour
	pagesRenew    = 30 * 24 * time.Hour // before its end
)

var taggedPages = &bus.Tagged{Table: "hub_pages", Key: "id", Columns: []string{"made_at"}}

func pagesWhere() vault.Where {
	return vault.Where{Table: "hub_pages", Column: "authority", Row: []byte{1}}
}

// pagesHosts are the names of the pages: that of the public address, and this
// machine's own.
func pagesHosts(w *config.Web) ([]string, error) {
	u, err := url.Parse(string(w.PublicURL))
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("read node.web.public_url: %w", err)
	}
	hosts := []string{u.Hostname()}
	for _, own := range []string{"localhost", "127.0.0.1"} {
		if own != hosts[0] {
			hosts = append(hosts, own)
		}
	}
	return hosts, nil
}

// pagesRoot reads the authority of the pages, or makes one: also where the
// public address has another host than the root may sign for.
func (h *Hub) pagesRoot(ctx context.Context, lab string, hosts []string) (*pki.Authority, error) {
	o := pki.Options{Name: lab, Now: h.now(), Life: pagesRootLife, Rand: rand.Reader}
	var sealed []byte
	switch err := h.DB.QueryRow(ctx, "SELECT authority FROM hub_pages WHERE id = 1").Scan(&sealed); {
	case err == nil:
		plain, err := h.Vault.Unseal(vault.PurposeSecrets, pagesWhere(), nil, sealed)
		if err != nil {
			return nil, fmt.Errorf("open the pages' authority: %w", err)
		}
		a, err := pki.Parse(plain, o)
		if err != nil {
			return nil, err
		}
		if a.Covers(hosts[0], h.now()) {
			return a, nil
		}
	case !errors.Is(err, store.ErrNoRows):
		return nil, fmt.Errorf("read the pages' authority: %w", err)
	}
	a, err := pki.NewFor(o, hosts...)
	if err != nil {
		return nil, err
	}
	plain, err := a.Marshal()
	if err != nil {
		return nil, err
	}
	fresh, err := h.Vault.Seal(vault.PurposeSecrets, pagesWhere(), nil, plain)
	if err != nil {
		return nil, fmt.Errorf("seal the pages' authority: %w", err)
	}
	overtaken := false
	err = h.DB.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		// Another node may have made one since: then it is that one.
		overtaken = false
		var there []byte
		err := tx.QueryRow(ctx, "SELECT authority FROM hub_pages WHERE id = 1").Scan(&there)
		if err != nil && !errors.Is(err, store.ErrNoRows) {
			return err
		}
		if string(there) != string(sealed) {
			overtaken = true
			return nil
		}
		at := h.now().UnixMicro()
		if _, err := tx.Exec(ctx, `INSERT INTO hub_pages (id, made_at, authority) VALUES (1, $1, $2)
			ON CONFLICT (id) DO UPDATE SET made_at = excluded.made_at, authority = excluded.authority`, at, fresh); err != nil {
			return err
		}
		if err := bus.NewTags(h.Vault).Put(ctx, tx, taggedPages, int64(1)); err != nil {
			return err
		}
		_, err = bus.Publish(ctx, tx, ledger.Event{Kind: KindPagesRoot, At: at, IDs: ledger.Pairs{{K: "host", V: ledger.Code(hosts[0])}}})
		return err
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("keep the pages' authority: %w", err)
	case overtaken:
		return h.pagesRoot(ctx, lab, hosts)
	}
	return a, nil
}

// PagesRoot is the root certificate that browsers must trust, as PEM; nil where
// the configuration names a certificate of its own.
func (h *Hub) PagesRoot(ctx context.Context, c *config.Config) ([]byte, error) {
	w := c.Node.Web
	if w == nil || w.TLS != nil {
		return nil, nil
	}
	hosts, err := pagesHosts(w)
	if err != nil {
		return nil, err
	}
	a, err := h.pagesRoot(ctx, c.Lab.Name, hosts)
	if err != nil {
		return nil, err
	}
	return a.RootPEM(), nil
}

// pagesTLS is how the pages are served: TLS 1.2 for old tablets, 1.3 as a rule.
func (h *Hub) pagesTLS(ctx context.Context, c *config.Config) (*tls.Config, error) {
	w := c.Node.Web
	out := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1"},
		CipherSuites: []uint16{ // of TLS 1.2: forward secrecy and AEAD only (NIST SP 800-52r2 3.3.1)
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
		},
	}
	if w.ClientCA != "" { // asked for only then: browsers bother people about certificates they hold
		var err error
		if out.ClientCAs, err = roots(w.ClientCA); err != nil {
			return nil, err
		}
		out.ClientAuth = tls.VerifyClientCertIfGiven
	}
	if w.TLS != nil {
		if _, err := tls.LoadX509KeyPair(string(w.TLS.Certificate), string(w.TLS.Key)); err != nil {
			return nil, fmt.Errorf("load the pages' certificate %s: %w", w.TLS.Certificate, err)
		}
		own := &ownCertificate{files: *w.TLS, now: h.now}
		out.GetCertificate = own.get
		return out, nil
	}
	hosts, err := pagesHosts(w)
	if err != nil {
		return nil, err
	}
	root, err := h.pagesRoot(ctx, c.Lab.Name, hosts)
	if err != nil {
		return nil, err
	}
	made := &madeCertificate{root: root, hosts: hosts, now: h.now}
	if _, err := made.get(nil); err != nil {
		return nil, err
	}
	out.GetCertificate = h.shown(w.ACME, w.PublicURL, made.get)
	if w.ACME {
		out.GetConfigForClient = h.challenged
	}
	return out, nil
}

// madeCertificate renews itself.
type madeCertificate struct {
	root  *pki.Authority
	hosts []string
	now   func() time.Time

	mu   sync.Mutex
	cert *tls.Certificate
}

func (m *madeCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	if m.cert == nil || now.Add(pagesRenew).After(m.cert.Leaf.NotAfter) {
		c, err := m.root.Server(now, pagesLife, m.hosts...)
		if err != nil {
			return nil, fmt.Errorf("renew the pages' certificate: %w", err)
		}
		m.cert = c
	}
	return m.cert, nil
}

// ownCertificate reads its files again once a minute, so that a renewed
// certificate needs no restart; what cannot be read leaves the last one.
type ownCertificate struct {
	files config.KeyPair
	now   func() time.Time

	mu   sync.Mutex
	cert *tls.Certificate
	at   time.Time
}

func (o *ownCertificate) get(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if now := o.now(); o.cert == nil || now.Sub(o.at) > time.Minute {
		c, err := tls.LoadX509KeyPair(string(o.files.Certificate), string(o.files.Key))
		if err != nil && o.cert == nil {
			return nil, fmt.Errorf("load the pages' certificate: %w", err)
		}
		if o.at = now; err == nil {
			o.cert = &c
		}
	}
	return o.cert, nil
}
