package certificates

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/store"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// States of an authority.
const (
	requested = 0
	inUse     = 1
	former    = 2
)

const (
	formX509 = "x509"
	formSSH  = "ssh"
)

// Authority is one authority as people see it.
type Authority struct {
	ID    string    `json:"id" doc:"its id"`
	Form  string    `json:"form" doc:"x509 or ssh"`
	State string    `json:"state" doc:"requested, in use or former"`
	Name  string    `json:"name" doc:"its subject, or the SSH key's type"`
	Print string    `json:"fingerprint" doc:"SHA-256 of its certificate or SSH key"`
	Root  string    `json:"root,omitempty" doc:"SHA-256 of the root's certificate"`
	Made  time.Time `json:"made" doc:"when it was made"`
	By    string    `json:"by" doc:"who had it made"`
	Ends  time.Time `json:"ends,omitzero" doc:"when it ends"`
	// RootEnds is the end of the root.
	RootEnds time.Time `json:"root_ends,omitzero" doc:"when its root ends"`
}

type authorityRow struct {
	id, chain, sealed []byte
	form              string
	state             int64
	made, ends        time.Time
	by                string
}

func (s *Service) authorities(ctx context.Context, q store.Queryer) ([]authorityRow, error) {
	var out []authorityRow
	err := q.Query(ctx, "SELECT id, form, state, chain, made_at, made_by, ends_at, secret FROM certificates_authorities ORDER BY id", nil, func(row store.Scanner) error {
		var r authorityRow
		var made, ends int64
		err := row.Scan(&r.id, &r.form, &r.state, &r.chain, &made, &r.by, &ends, &r.sealed)
		r.made, r.ends = moment(made), moment(ends)
		out = append(out, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read authorities: %w", err)
	}
	return out, nil
}

// secret opens a row's private key.
func (s *Service) secret(r authorityRow) (crypto.Signer, error) {
	plain, err := s.vault.Unseal(vault.PurposeSecrets, secretAt(r.id), nil, r.sealed)
	if err != nil {
		return nil, fmt.Errorf("open an authority's key: %w", err)
	}
	defer clear(plain)
	k, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, errors.New("open an authority's key: it is not one")
	}
	sign, ok := k.(crypto.Signer)
	if !ok {
		return nil, errors.New("open an authority's key: it does not sign")
	}
	return sign, nil
}

func (s *Service) loadAuthorities(ctx context.Context, st *standing) error {
	rows, err := s.authorities(ctx, s.db)
	if err != nil {
		return err
	}
	for _, r := range rows {
		ok, err := s.genuine(ctx, s.db, taggedAuthorities, r.id)
		if err != nil {
			return err
		}
		if ok && r.state != requested {
			err = s.stand(st, r)
		}
		if !ok || err != nil {
			s.Log.Error("ALARM: an authority's row was changed or does not open; nothing of it is believed", "authority", fmt.Sprintf("%x", r.id), "error", err)
		}
	}
	return nil
}

func (s *Service) stand(st *standing, r authorityRow) error {
	key, err := s.secret(r)
	if err != nil {
		return err
	}
	if r.form == formSSH {
		signer, err := ssh.NewSignerFromSigner(key)
		if err != nil {
			return fmt.Errorf("read SSH authority: %w", err)
		}
		st.sshKeys = append(st.sshKeys, signer.PublicKey())
		if r.state == inUse {
			st.ssh = signer
		}
		return nil
	}
	chain, err := x509.ParseCertificates(r.chain)
	if err != nil || len(chain) < 2 {
		return fmt.Errorf("read authority: %w", errors.Join(err, errors.New("its chain is not one")))
	}
	st.issuers = append(st.issuers, chain[0])
	st.roots.AddCert(chain[len(chain)-1])
	st.rootsDER = append(st.rootsDER, chain[len(chain)-1].Raw)
	if r.state == inUse {
		st.issuer = &pki.Issuer{Cert: chain[0], Key: key}
		for _, c := range chain {
			st.issuer.Chain = append(st.issuer.Chain, c.Raw)
		}
	}
	return nil
}

// Request makes a key for an intermediate and returns what the root must sign.
// A request that was made before and never answered is forgotten.
func (s *Service) Request(ctx context.Context, by By) ([]byte, error) {
	if err := by.check(false); err != nil {
		return nil, err
	}
	key, csr, err := pki.RequestIntermediate(s.Rand, s.Lab())
	if err != nil {
		return nil, err
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		rows, err := s.authorities(ctx, tx)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.form != formX509 || r.state != requested {
				continue
			}
			if _, err := s.tags.Exec(ctx, tx, taggedAuthorities, r.id, "DELETE FROM certificates_authorities WHERE id = $1", r.id); err != nil {
				return err
			}
		}
		return s.keep(ctx, tx, "certificates.authority_requested", formX509, requested, nil, time.Time{}, key, by)
	})
	if err != nil {
		return nil, fmt.Errorf("request an intermediate: %w", err)
	}
	return csr, nil
}

// keep writes an authority's row and its event.
func (s *Service) keep(ctx context.Context, tx *store.Tx, kind, form string, state int64, chain []byte, ends time.Time, key crypto.Signer, by By) error {
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	defer clear(plain)
	id, at := event.NewID(), s.clock().UnixMicro()
	sealed, err := s.vault.Seal(vault.PurposeSecrets, secretAt(id[:]), nil, plain)
	if err != nil {
		return err
	}
	leaf, err := bus.Publish(ctx, tx, ledger.Event{
		Kind: kind, At: at, IDs: ledger.Pairs{{K: "authority", V: id.String()}, {K: "by", V: ledger.Code(by.Who)}}, Codes: ledger.Pairs{{K: "form", V: form}},
	})
	if err != nil {
		return err
	}
	var c any // none yet
	if chain != nil {
		c = chain
	}
	_, err = tx.Exec(ctx, `INSERT INTO certificates_authorities (id, form, state, chain, made_at, made_by, ends_at, leaf, secret)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)`, id[:], form, state, c, at, by.Who, micro(ends), leaf, sealed)
	if err != nil {
		return err
	}
	return s.tags.Put(ctx, tx, taggedAuthorities, id[:])
}

// Install takes the chain that the root has signed: the intermediate for the
// request that waits, then the root. fresh allows a root other than the one in
// use, which every partner then has to be given. The SSH authority is made with
// the first.
func (s *Service) Install(ctx context.Context, chain []*x509.Certificate, fresh bool, by By) (Authority, error) {
	if err := by.check(false); err != nil {
		return Authority{}, err
	}
	now := s.clock()
	if err := checkChain(chain, now); err != nil {
		return Authority{}, invalid(err)
	}
	var raw []byte
	for _, c := range chain {
		raw = append(raw, c.Raw...)
	}
	var id []byte
	err := s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		rows, err := s.authorities(ctx, tx)
		if err != nil {
			return err
		}
		id = nil
		haveSSH := false
		for _, r := range rows {
			haveSSH = haveSSH || r.form == formSSH && r.state == inUse
			if r.form == formX509 && r.state == requested {
				if key, err := s.secret(r); err == nil && pki.SameKey(key.Public(), chain[0].PublicKey) {
					id = r.id
				}
			}
		}
		if id == nil {
			return refuse("this is not the answer to this hub's latest request; make it anew with `labwarden ca request` and sign that one")
		}
		leaf, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: "certificates.authority_installed", At: now.UnixMicro(), IDs: ledger.Pairs{{K: "by", V: ledger.Code(by.Who)}},
			Codes: ledger.Pairs{{K: "root", V: pki.Print(chain[len(chain)-1].Raw)}, {K: "intermediate", V: pki.Print(chain[0].Raw)}},
		})
		if err != nil {
			return err
		}
		for _, r := range rows {
			if r.form != formX509 || r.state != inUse {
				continue
			}
			if !bytes.HasSuffix(r.chain, chain[len(chain)-1].Raw) && !fresh {
				return refuse("its root is another than the one in use: whoever trusts the old root would refuse us; say --new-root if that is what you want")
			}
			if _, err := s.tags.Exec(ctx, tx, taggedAuthorities, r.id, "UPDATE certificates_authorities SET state = $2, leaf = $3 WHERE id = $1", r.id, int64(former), leaf); err != nil {
				return err
			}
		}
		if _, err := s.tags.Exec(ctx, tx, taggedAuthorities, id, "UPDATE certificates_authorities SET state = $2, chain = $3, ends_at = $4, leaf = $5 WHERE id = $1",
			id, int64(inUse), raw, chain[0].NotAfter.UnixMicro(), leaf); err != nil {
			return err
		}
		if haveSSH {
			return nil
		}
		key, err := s.sshKey()
		if err != nil {
			return err
		}
		return s.keep(ctx, tx, "certificates.ssh_authority_made", formSSH, inUse, nil, time.Time{}, key, by)
	})
	if err != nil {
		return Authority{}, fmt.Errorf("install the authority: %w", err)
	}
	s.own.forget()
	if err := s.Load(ctx); err != nil {
		return Authority{}, err
	}
	all, err := s.Authorities(ctx)
	for _, a := range all {
		if a.Print == pki.Print(chain[0].Raw) {
			return a, err
		}
	}
	return Authority{}, errors.Join(err, ErrDamaged)
}

func (s *Service) sshKey() (crypto.Signer, error) {
	if s.FIPS {
		return ecdsa.GenerateKey(elliptic.P256(), s.Rand)
	}
	_, key, err := ed25519.GenerateKey(s.Rand)
	return key, err
}

func checkChain(chain []*x509.Certificate, now time.Time) error {
	if len(chain) < 2 {
		return errors.New("two certificates are needed in one file: the intermediate, then the root")
	}
	root := chain[len(chain)-1]
	if err := root.CheckSignatureFrom(root); err != nil {
		return fmt.Errorf("the last certificate is no root: %w", err)
	}
	for i, c := range chain {
		if !c.IsCA {
			return fmt.Errorf("certificate %d of the file is no authority's", i+1)
		}
		if err := pki.InTime(c, "certificate "+c.Subject.CommonName, now); err != nil {
			return err
		}
		if i > 0 {
			if err := chain[i-1].CheckSignatureFrom(c); err != nil {
				return fmt.Errorf("certificate %d is not signed by the one after it: %w", i, err)
			}
		}
	}
	return nil
}

// Authorities lists them, the oldest first.
func (s *Service) Authorities(ctx context.Context) ([]Authority, error) {
	rows, err := s.authorities(ctx, s.db)
	if err != nil {
		return nil, err
	}
	out := []Authority{}
	for _, r := range rows {
		id, err := event.IDFromBytes(r.id)
		if err != nil {
			return nil, fmt.Errorf("read authorities: %w", err)
		}
		a := Authority{ID: id.String(), Form: r.form, State: [...]string{"requested", "in use", "former"}[r.state&3%3], Made: r.made, By: r.by, Ends: r.ends}
		if chain, err := x509.ParseCertificates(r.chain); err == nil && len(chain) > 1 {
			root := chain[len(chain)-1]
			a.Name, a.Print, a.Root, a.RootEnds = chain[0].Subject.CommonName, pki.Print(chain[0].Raw), pki.Print(root.Raw), root.NotAfter
		}
		if key, err := s.secret(r); err == nil && r.form == formSSH {
			if k, err := ssh.NewPublicKey(key.Public()); err == nil {
				a.Name, a.Print = k.Type(), ssh.FingerprintSHA256(k)
			}
		}
		out = append(out, a)
	}
	return out, nil
}

// RootPrint is the SHA-256 of the root in use.
func (s *Service) RootPrint() ([32]byte, error) {
	st := s.now.Load()
	if st.issuer == nil {
		return [32]byte{}, ErrNone
	}
	return sha256.Sum256(st.issuer.Chain[len(st.issuer.Chain)-1]), nil
}

// Chain are intermediate and root in use, DER, for whoever must trust us.
func (s *Service) Chain() [][]byte {
	if st := s.now.Load(); st.issuer != nil {
		return st.issuer.Chain
	}
	return nil
}
