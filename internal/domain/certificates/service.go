package certificates

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// Options is what the service stands on.
type Options struct {
	DB    *store.DB
	Vault *vault.Vault
	// Lab is the organisation's name in certificates.
	Lab func() string
	Now func() time.Time
	// Rand is for keys, serial numbers and tokens; nil is the system's.
	Rand io.Reader
	Log  *slog.Logger
	// FIPS makes SSH's authority an ECDSA one.
	FIPS bool
}

// Service issues, revokes and believes certificates. Its methods may be called
// from any goroutine.
type Service struct {
	Options
	db    *store.DB
	vault *vault.Vault
	tags  *bus.Tags

	now atomic.Pointer[standing]

	mu   sync.Mutex // changes of now, one after the other
	subs []func([]Revoked)

	own ownCertificate
}

// standing is what is in force, as one picture.
type standing struct {
	mark    string // what the database said when it was read
	issuer  *pki.Issuer
	issuers []*x509.Certificate // former ones too
	roots   *x509.CertPool
	// rootsDER are the same.
	rootsDER [][]byte
	ssh      ssh.Signer
	sshKeys  []ssh.PublicKey   // former ones too
	live     map[string]Issued // by serial
	revoked  map[string]Revoked
	pins     map[string][]Pin // by channel
}

// Revoked is a certificate that was revoked, for who keeps connections.
type Revoked struct {
	Form   string // x509 or ssh
	Serial string // in hex
	// Fingerprint is the SHA-256 of an X.509 certificate, as channel.Peer has it.
	Fingerprint string
	pki.Identity
	At time.Time
}

// New works on a migrated store; Load reads what stands.
func New(o Options) *Service {
	if o.Rand == nil {
		o.Rand = rand.Reader
	}
	s := &Service{Options: o, db: o.DB, vault: o.Vault, tags: bus.NewTags(o.Vault)}
	s.now.Store(&standing{roots: x509.NewCertPool()})
	return s
}

func (s *Service) clock() time.Time { return s.Now().UTC().Truncate(time.Microsecond) }

// OnRevoked tells f of each certificate that is revoked from now on, by way of
// any node, before Revoke returns where it was this one. f must not block.
func (s *Service) OnRevoked(f func([]Revoked)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs = append(s.subs, f)
}

// Load reads what stands. What cannot be opened or does not fit its tag is left
// out, loudly: it is not believed.
func (s *Service) Load(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.load(ctx)
}

func (s *Service) mark(ctx context.Context) (mark string, err error) {
	err = s.db.QueryRow(ctx, `SELECT (SELECT COALESCE(MAX(leaf), 0) || ' ' || count(*) FROM certificates_issued) || ' ' ||
		(SELECT COALESCE(MAX(leaf), 0) || ' ' || count(*) FROM certificates_authorities) || ' ' ||
		(SELECT COALESCE(MAX(leaf), 0) || ' ' || count(*) FROM certificates_pins)`).Scan(&mark)
	if err != nil {
		return "", fmt.Errorf("look at certificates: %w", err)
	}
	return mark, nil
}

func (s *Service) load(ctx context.Context) error {
	mark, err := s.mark(ctx)
	if err != nil {
		return err
	}
	st := &standing{mark: mark, roots: x509.NewCertPool(), live: map[string]Issued{}, revoked: map[string]Revoked{}, pins: map[string][]Pin{}}
	if err := s.loadAuthorities(ctx, st); err != nil {
		return err
	}
	if err := s.loadIssued(ctx, st); err != nil {
		return err
	}
	if err := s.loadPins(ctx, st); err != nil {
		return err
	}
	s.put(st)
	return nil
}

// put makes st what stands and tells of what is newly revoked, or no longer
// pinned, in it. The caller holds mu.
func (s *Service) put(st *standing) {
	old := s.now.Swap(st)
	var fresh []Revoked
	for k, r := range st.revoked {
		if _, was := old.revoked[k]; !was && old.mark != "" {
			fresh = append(fresh, r)
		}
	}
	still := map[string]bool{}
	for _, list := range st.pins {
		for _, p := range list {
			still[p.ID] = true
		}
	}
	for _, list := range old.pins {
		for _, p := range list {
			if !still[p.ID] {
				fresh = append(fresh, Revoked{Form: formX509, Fingerprint: p.Fingerprint, At: s.clock()})
			}
		}
	}
	if len(fresh) == 0 {
		return
	}
	for _, f := range s.subs {
		f(slices.Clone(fresh))
	}
}

// followEvery is how often a node looks for what was issued or revoked by way
// of another.
const followEvery = 250 * time.Millisecond

// Follow takes over what other nodes change, and what a failed read left, until
// ctx ends.
func (s *Service) Follow(ctx context.Context) error {
	tick := time.NewTicker(followEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		mark, err := s.mark(ctx)
		if err == nil && mark != s.now.Load().mark {
			err = s.Load(ctx)
		}
		if err != nil && ctx.Err() == nil {
			s.Log.Warn("it could not be seen which certificates were revoked; it is tried again", "error", err)
		}
	}
}

func (s *Service) loadIssued(ctx context.Context, st *standing) error {
	since := s.clock().Add(-keepRevoked).UnixMicro()
	all, err := s.list(ctx, "WHERE ends_at > $1 ORDER BY serial", since)
	if err != nil {
		return err
	}
	for i := range all {
		x := &all[i]
		ok, err := s.genuine(ctx, s.db, taggedIssued, x.serial)
		if err != nil {
			return err
		}
		switch {
		case !ok:
			s.Log.Error("ALARM: the row of an issued certificate was changed; it is not believed", "serial", x.Serial)
		case !x.Revoked.IsZero():
			st.revoked[x.Serial] = x.gone()
		default:
			st.live[x.Serial] = *x
		}
	}
	return nil
}

// keepRevoked: a certificate that ended longer ago needs no entry; until then a
// channel that a person extended may still believe it.
const keepRevoked = 35 * 24 * time.Hour

// Believe refuses a certificate of this authority that was revoked or is not on
// record; one of another authority is not its business. It asks no database.
func (s *Service) Believe(leaf *x509.Certificate) error { return s.now.Load().believe(leaf) }

func (st *standing) believe(leaf *x509.Certificate) error {
	if !st.ours(leaf) {
		return nil
	}
	serial := hex.EncodeToString(leaf.SerialNumber.Bytes())
	if r, gone := st.revoked[serial]; gone {
		return fmt.Errorf("%w on %s", ErrRevoked, r.At.Format("2006-01-02 15:04 MST"))
	}
	if _, known := st.live[serial]; !known {
		return ErrUnknown
	}
	return nil
}

// Ours says whether a certificate bears this authority's signature.
func (s *Service) Ours(leaf *x509.Certificate) bool { return s.now.Load().ours(leaf) }

// ours: it bears a signature of one of our issuers.
func (st *standing) ours(leaf *x509.Certificate) bool {
	return slices.ContainsFunc(st.issuers, func(i *x509.Certificate) bool { return leaf.CheckSignatureFrom(i) == nil })
}

// Admit is Believe for a certificate that must be this authority's, and of the
// one whose name is given, of one of the kinds.
func (s *Service) Admit(leaf *x509.Certificate, name string, kinds ...pki.Kind) error {
	return s.now.Load().admit(leaf, name, kinds)
}

func (st *standing) admit(leaf *x509.Certificate, name string, kinds []pki.Kind) error {
	if !st.ours(leaf) {
		return ErrUnknown
	}
	if err := st.believe(leaf); err != nil {
		return err
	}
	id, ok := pki.IdentityOf(leaf)
	if !ok || id.Name != name || !slices.Contains(kinds, id.Kind) {
		return fmt.Errorf("%w: it speaks for %s", ErrWhose, id)
	}
	return nil
}

// Roots are the roots that stand, for who verifies chains; it is a copy.
func (s *Service) Roots() *x509.CertPool { return s.now.Load().roots.Clone() }

// Ready says whether there is an authority that issues.
func (s *Service) Ready() bool { return s.now.Load().issuer != nil }

// chain is what a server shows: leaf, intermediate, root. The root is for
// whoever enrols and knows its hash only.
func (st *standing) chain(leaf []byte) [][]byte {
	return append([][]byte{leaf}, st.issuer.Chain...)
}

// ownCertificate is the hub's own side, on this node.
type ownCertificate struct {
	mu    sync.Mutex
	names []string
	cert  *tls.Certificate
	tried time.Time
}
