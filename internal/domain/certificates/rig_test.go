package certificates_test

import (
	"crypto/rand"
	"crypto/x509"
	"log/slog"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/domain/certificates"
	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
	"github.com/labwarden/labwarden/internal/platform/vault/vaulttest"
)

var ann = certificates.By{Who: "ann", Reason: "test"}

type rig struct {
	*certificates.Service
	t    *testing.T
	db   *store.DB
	v    *vault.Vault
	now  time.Time
	root *pki.Issuer
}

func newRig(t *testing.T, open storetest.Opener) *rig {
	t.Helper()
	r := &rig{t: t, now: time.Date(2026, 5, 4, 6, 0, 0, 0, time.UTC), db: open(store.Options{}), v: vaulttest.New(t)}
	r.must(r.db.Migrate(t.Context(), bus.Migrations(), certificates.Migrations()))
	log, err := bus.New("test")
	r.must(err)
	log.Attach(r.db)
	r.Service = r.another(false)
	return r
}

// another is a second node on the same store.
func (r *rig) another(fips bool) *certificates.Service {
	r.t.Helper()
	s := certificates.New(certificates.Options{
		DB: r.db, Vault: r.v, Lab: func() string { return "Test lab" }, Now: func() time.Time { return r.now }, Log: slog.New(slog.DiscardHandler), FIPS: fips,
	})
	r.must(s.Load(r.t.Context()))
	return s
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// authority is `labwarden ca init`.
func (r *rig) authority() certificates.Authority {
	r.t.Helper()
	csr, err := r.Request(r.t.Context(), ann)
	r.must(err)
	if r.root == nil {
		r.root, err = pki.NewRoot(pki.RootOptions{Lab: "Test lab", Now: r.now, Rand: rand.Reader})
		r.must(err)
	}
	der, err := r.root.SignIntermediate(csr, r.now, rand.Reader)
	r.must(err)
	chain, err := pki.Certificates(pki.PEM(der, r.root.Cert.Raw))
	r.must(err)
	a, err := r.Install(r.t.Context(), chain, false, ann)
	r.must(err)
	return a
}

// token makes one for a partner.
func (r *rig) token(name string) pki.Token {
	r.t.Helper()
	text, _, err := r.Token(r.t.Context(), certificates.Ask{
		Identity: pki.Identity{Kind: pki.Partner, Name: name}, Names: []string{name + ".example"}, Address: "hub.example:8443",
	}, ann)
	r.must(err)
	tok, err := pki.ParseToken(text)
	r.must(err)
	return tok
}

// enrol is `labwarden cert enrol`.
func (r *rig) enrol(name string) *x509.Certificate {
	r.t.Helper()
	_, csr, err := pki.Request(rand.Reader)
	r.must(err)
	chain, err := r.Enrol(r.t.Context(), r.token(name).Secret, csr)
	r.must(err)
	return r.leaf(chain)
}

func (r *rig) leaf(chain [][]byte) *x509.Certificate {
	r.t.Helper()
	c, err := x509.ParseCertificate(chain[0])
	r.must(err)
	return c
}
