package certificates

import (
	"context"
	"crypto"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/bus"
	"github.com/labwarden/labwarden/internal/platform/event"
	"github.com/labwarden/labwarden/internal/platform/ledger"
	"github.com/labwarden/labwarden/internal/platform/pki"
	"github.com/labwarden/labwarden/internal/platform/store"
)

func (x *Issued) fingerprint() {
	sum := sha256.Sum256(x.der)
	x.Fingerprint = hex.EncodeToString(sum[:])
}

// tokenLife is how long a token may wait at most, and by default.
const (
	maxTokenLife     = 7 * 24 * time.Hour
	defaultTokenLife = 24 * time.Hour
)

// Ask is what a token shall be for.
type Ask struct {
	pki.Identity
	Names []string
	// Days is the life of the certificate, 0 for 30; it renews itself.
	Days int
	// For is how long the token may be used, 0 for a day.
	For time.Duration
	// Address is where the other side enrols, HOST:PORT.
	Address string
}

// Token makes a one-time token. Its text is shown once and not kept.
func (s *Service) Token(ctx context.Context, a Ask, by By) (text string, ends time.Time, err error) {
	if err := by.check(false); err != nil {
		return "", ends, err
	}
	if a.Days == 0 {
		a.Days = int(pki.DefaultLife / (24 * time.Hour))
	}
	if a.For == 0 {
		a.For = defaultTokenLife
	}
	if err := a.Check(); err != nil {
		return "", ends, invalid(err)
	}
	if _, _, err := pki.Names(a.Names); err != nil {
		return "", ends, invalid(err)
	}
	longest := int(a.Kind.MaxLife() / (24 * time.Hour))
	switch {
	case a.Kind == pki.Hub:
		return "", ends, refuse("a certificate is for a device, a partner or a service; the hub's own needs no token")
	case a.Days < 1 || a.Days > longest:
		return "", ends, refuse(fmt.Sprintf("a certificate for a %s lives from 1 to %d days; it renews itself", a.Kind, longest))
	case a.For < time.Minute || a.For > maxTokenLife:
		return "", ends, refuse("a token waits from a minute to seven days")
	case a.Address == "":
		return "", ends, refuse("nobody could use a token yet: set node.enrol.listen and node.enrol.address, then restart")
	}
	root, err := s.RootPrint()
	if err != nil {
		return "", ends, err
	}
	t, err := pki.NewToken(s.Rand, root, a.Address)
	if err != nil {
		return "", ends, err
	}
	names, err := json.Marshal(append([]string{}, a.Names...))
	if err != nil {
		return "", ends, fmt.Errorf("write names: %w", err)
	}
	now, hash, id := s.clock(), t.Hash(), event.NewID()
	ends = now.Add(a.For)
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		leaf, err := bus.Publish(ctx, tx, ledger.Event{
			Kind: "certificates.token_made", At: now.UnixMicro(),
			IDs:     ledger.Pairs{{K: "token", V: id.String()}, {K: "for", V: ledger.Code(string(a.Kind) + "." + a.Name)}, {K: "by", V: ledger.Code(by.Who)}},
			Numbers: []ledger.Number{{K: "days", N: int64(a.Days)}, {K: "until", N: ends.UnixMicro()}},
		})
		if err != nil {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO certificates_tokens (id, hash, kind, name, names, days, made_at, made_by, ends_at, used_at, serial, leaf)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, 0, NULL, $10)`, id[:], hash[:], string(a.Kind), a.Name, string(names), int64(a.Days), now.UnixMicro(), by.Who,
			ends.UnixMicro(), leaf)
		if err != nil {
			return err
		}
		return s.tags.Put(ctx, tx, taggedTokens, id[:])
	})
	if err != nil {
		return "", ends, fmt.Errorf("make token: %w", err)
	}
	return t.String(), ends, nil
}

type token struct {
	id      []byte
	kind    string
	name    string
	names   []string
	days    int64
	by      string
	ends    time.Time
	usedAt  int64
	genuine bool
}

func (s *Service) token(ctx context.Context, q store.Queryer, secret [32]byte) (t token, err error) {
	hash := sha256.Sum256(secret[:])
	var names string
	var ends int64
	err = q.QueryRow(ctx, "SELECT id, kind, name, names, days, made_by, ends_at, used_at FROM certificates_tokens WHERE hash = $1", hash[:]).
		Scan(&t.id, &t.kind, &t.name, &names, &t.days, &t.by, &ends, &t.usedAt)
	if errors.Is(err, store.ErrNoRows) {
		return t, ErrToken
	}
	if err == nil {
		err = json.Unmarshal([]byte(names), &t.names)
	}
	if err == nil {
		t.genuine, err = s.genuine(ctx, q, taggedTokens, t.id)
	}
	if err != nil {
		return t, fmt.Errorf("read token: %w", err)
	}
	t.ends = moment(ends)
	if !t.genuine || t.usedAt != 0 || !s.clock().Before(t.ends) {
		return t, ErrToken
	}
	return t, nil
}

// Enrol spends a token for a certificate of the request's key, and returns the
// chain: leaf, intermediate, root.
func (s *Service) Enrol(ctx context.Context, secret [32]byte, csr []byte) ([][]byte, error) {
	r, err := pki.ReadRequest(csr)
	if err != nil {
		return nil, invalid(err)
	}
	t, err := s.token(ctx, s.db, secret)
	if err != nil {
		return nil, err
	}
	x, chain, err := s.sign(r.PublicKey, pki.Identity{Kind: pki.Kind(t.kind), Name: t.name}, t.names, t.days, "token")
	if err != nil {
		return nil, err
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		again, err := s.token(ctx, tx, secret) // of two who come with one token, one is late
		if err != nil {
			return err
		}
		if err := s.record(ctx, tx, "certificates.issued", x, again.by); err != nil {
			return err
		}
		_, err = s.tags.Exec(ctx, tx, taggedTokens, again.id, "UPDATE certificates_tokens SET used_at = $2, serial = $3 WHERE id = $1 AND used_at = 0", again.id, x.Made.UnixMicro(), x.serial)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("enrol: %w", err)
	}
	s.know(x)
	return chain, nil
}

// sign makes a certificate; it is not on record yet.
func (s *Service) sign(pub crypto.PublicKey, id pki.Identity, names []string, days int64, via string) (Issued, [][]byte, error) {
	st := s.now.Load()
	if st.issuer == nil {
		return Issued{}, nil, ErrNone
	}
	now := s.clock()
	c, err := st.issuer.Issue(pub, pki.Leaf{Identity: id, Lab: s.Lab(), Names: names, Now: now, Life: time.Duration(days) * 24 * time.Hour, Rand: s.Rand})
	if err != nil {
		return Issued{}, nil, err
	}
	x := Issued{
		Serial: hex.EncodeToString(c.SerialNumber.Bytes()), Form: formX509, Identity: id, Names: names, Begins: c.NotBefore, Ends: c.NotAfter,
		Made: now, Via: via, Days: days, serial: c.SerialNumber.Bytes(), der: c.Raw,
	}
	x.fingerprint()
	return x, st.chain(c.Raw), nil
}

// Renew issues a certificate in the place of one whose holder has just proved
// to have its key (mutual TLS): same names, same life, a key of its own. The old
// one stays good until its end, for what still uses it.
func (s *Service) Renew(ctx context.Context, leaf *x509.Certificate, csr []byte) ([][]byte, error) {
	now := s.clock()
	if err := pki.InTime(leaf, "your certificate", now); err != nil {
		return nil, fmt.Errorf("%w; one that has ended takes a new token: %w", invalid(err), ErrToken)
	}
	id, ok := pki.IdentityOf(leaf)
	if !ok || id.Kind == pki.Hub {
		return nil, ErrWhose
	}
	if err := s.Admit(leaf, id.Name, id.Kind); err != nil {
		return nil, err
	}
	r, err := pki.ReadRequest(csr)
	if err != nil {
		return nil, invalid(err)
	}
	old, err := s.Get(ctx, hex.EncodeToString(leaf.SerialNumber.Bytes()))
	if err != nil {
		return nil, err
	}
	x, chain, err := s.sign(r.PublicKey, id, old.Names, old.Days, "renewal")
	if err != nil {
		return nil, err
	}
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		is, err := getIssued(ctx, tx, old.Serial)
		if err != nil {
			return err
		}
		if !is.Revoked.IsZero() { // in this moment
			return ErrRevoked
		}
		ok, err := s.genuine(ctx, tx, taggedIssued, is.serial)
		if err != nil || !ok {
			return errors.Join(err, ErrDamaged)
		}
		if err := s.record(ctx, tx, "certificates.renewed", x, is.By); err != nil {
			return err
		}
		_, err = s.tags.Exec(ctx, tx, taggedIssued, is.serial, "UPDATE certificates_issued SET renewed_at = $2 WHERE serial = $1", is.serial, now.UnixMicro())
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("renew: %w", err)
	}
	s.know(x, old.Serial)
	return chain, nil
}

const (
	ownDays  = 30
	ownRetry = time.Minute
	ownLimit = 5 * time.Second
)

// Own is this node's own certificate for both sides of a connection, named after
// node and with these names. Its key is never written anywhere: each start makes
// a new one. It is renewed here when two thirds of its life are over; if that
// fails, the present one goes on.
func (s *Service) Own(node string, names []string) (*tls.Certificate, error) {
	o := &s.own
	o.mu.Lock()
	defer o.mu.Unlock()
	now := s.clock()
	if o.cert != nil && slices.Equal(o.names, names) {
		life := o.cert.Leaf.NotAfter.Sub(o.cert.Leaf.NotBefore)
		if now.Before(o.cert.Leaf.NotBefore.Add(life*2/3)) || now.Sub(o.tried).Abs() < ownRetry {
			return o.cert, nil
		}
	}
	o.tried = now
	c, err := s.makeOwn(node, names)
	if err != nil {
		if o.cert != nil {
			s.Log.Error("the hub's own certificate could not be renewed; it is tried again each minute", "ends", o.cert.Leaf.NotAfter, "error", err)
			return o.cert, nil
		}
		return nil, err
	}
	o.cert, o.names = c, slices.Clone(names)
	return c, nil
}

func (o *ownCertificate) forget() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.cert, o.tried = nil, time.Time{}
}

// RenewOwn has this node's certificate made anew with the next connection.
func (s *Service) RenewOwn() { s.own.forget() }

// OwnEnds is the end of this node's certificate; zero where there is none.
func (s *Service) OwnEnds() time.Time {
	s.own.mu.Lock()
	defer s.own.mu.Unlock()
	if s.own.cert == nil {
		return time.Time{}
	}
	return s.own.cert.Leaf.NotAfter
}

func (s *Service) makeOwn(node string, names []string) (*tls.Certificate, error) {
	key, _, err := pki.Request(s.Rand)
	if err != nil {
		return nil, err
	}
	x, chain, err := s.sign(key.Public(), pki.Identity{Kind: pki.Hub, Name: node}, names, ownDays, "hub")
	if err != nil {
		return nil, fmt.Errorf("make the hub's own certificate: %w", err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), ownLimit)
	defer cancel()
	var replaced []string
	err = s.db.Do(ctx, func(ctx context.Context, tx *store.Tx) error {
		before, err := listIssued(ctx, tx, "WHERE kind = $1 AND name = $2 AND renewed_at = 0 AND revoked_at = 0 AND ends_at > $3 ORDER BY serial", string(pki.Hub), node, x.Made.UnixMicro())
		if err != nil {
			return err
		}
		replaced = nil
		for i := range before {
			replaced = append(replaced, before[i].Serial)
			if _, err := s.tags.Exec(ctx, tx, taggedIssued, before[i].serial, "UPDATE certificates_issued SET renewed_at = $2 WHERE serial = $1", before[i].serial, x.Made.UnixMicro()); err != nil {
				return err
			}
		}
		return s.record(ctx, tx, "certificates.issued", x, ledger.Program)
	})
	if err != nil {
		return nil, fmt.Errorf("record the hub's own certificate: %w", err)
	}
	s.know(x, replaced...)
	leaf, err := x509.ParseCertificate(x.der)
	if err != nil {
		return nil, fmt.Errorf("read the hub's own certificate: %w", err)
	}
	return &tls.Certificate{Certificate: chain, PrivateKey: key, Leaf: leaf}, nil
}
