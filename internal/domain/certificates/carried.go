package certificates

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/labwarden/labwarden/internal/platform/pki"
)

// Carried is what stands, for a program without the store: the bypass. It
// believes what the hub believed when it was made, and issues nothing. Key is
// secret: whoever keeps a Carried encrypts it.
type Carried struct {
	Roots   [][]byte         `json:"roots,omitempty"`
	Issuers [][]byte         `json:"issuers,omitempty"`
	Live    []string         `json:"live,omitempty"` // serial numbers in hex
	Revoked []Revoked        `json:"revoked,omitempty"`
	Pins    map[string][]Pin `json:"pins,omitempty"`
	// Own is the hub's own certificate with its chain, and its key (PKCS #8).
	Own [][]byte `json:"own,omitempty"`
	Key []byte   `json:"key,omitempty"`
}

// Mark changes when what is carried does.
func (s *Service) Mark() string {
	return s.now.Load().mark + " " + s.OwnEnds().Format(time.RFC3339)
}

// Carry is what stands now; nil where there is nothing to carry.
func (s *Service) Carry() (*Carried, error) {
	st := s.now.Load()
	if len(st.issuers) == 0 && len(st.pins) == 0 {
		return nil, nil
	}
	c := &Carried{Live: slices.Sorted(maps.Keys(st.live)), Pins: st.pins}
	for _, serial := range slices.Sorted(maps.Keys(st.revoked)) {
		c.Revoked = append(c.Revoked, st.revoked[serial])
	}
	for _, i := range st.issuers {
		c.Issuers = append(c.Issuers, i.Raw)
	}
	c.Roots = st.rootsDER
	s.own.mu.Lock()
	own := s.own.cert
	s.own.mu.Unlock()
	if own != nil {
		key, err := x509.MarshalPKCS8PrivateKey(own.PrivateKey)
		if err != nil {
			return nil, fmt.Errorf("carry our certificate: %w", err)
		}
		c.Own, c.Key = own.Certificate, key
	}
	return c, nil
}

// Standing is a Carried in use.
type Standing struct {
	st  *standing
	own *tls.Certificate
}

// Open reads what was carried.
func (c *Carried) Open() (*Standing, error) {
	st := &standing{roots: x509.NewCertPool(), live: map[string]Issued{}, revoked: map[string]Revoked{}, pins: c.Pins}
	for _, list := range []struct {
		ders [][]byte
		add  func(*x509.Certificate)
	}{{c.Roots, st.roots.AddCert}, {c.Issuers, func(x *x509.Certificate) { st.issuers = append(st.issuers, x) }}} {
		for _, der := range list.ders {
			x, err := x509.ParseCertificate(der)
			if err != nil {
				return nil, fmt.Errorf("read what was carried: %w", err)
			}
			list.add(x)
		}
	}
	for _, serial := range c.Live {
		st.live[serial] = Issued{}
	}
	for _, r := range c.Revoked {
		st.revoked[r.Serial] = r
	}
	out := &Standing{st: st}
	if len(c.Own) > 0 {
		key, err := x509.ParsePKCS8PrivateKey(c.Key)
		if err != nil {
			return nil, errors.New("read what was carried: our key is not one")
		}
		leaf, err := x509.ParseCertificate(c.Own[0])
		if err != nil {
			return nil, fmt.Errorf("read what was carried: %w", err)
		}
		out.own = &tls.Certificate{Certificate: c.Own, PrivateKey: key, Leaf: leaf}
	}
	return out, nil
}

// Roots, Pins, Believe, Admit and Own are the Service's, as far as was carried.
func (c *Standing) Roots() *x509.CertPool { return c.st.roots }

// Pins are the certificates pinned for a channel.
func (c *Standing) Pins(channel string) []Pin { return c.st.pins[channel] }

// Believe is the Service's.
func (c *Standing) Believe(leaf *x509.Certificate) error { return c.st.believe(leaf) }

// Admit is the Service's.
func (c *Standing) Admit(leaf *x509.Certificate, name string, kinds ...pki.Kind) error {
	return c.st.admit(leaf, name, kinds)
}

// Own is the certificate the hub had last.
func (c *Standing) Own(string, []string) (*tls.Certificate, error) {
	if c.own == nil {
		return nil, ErrNone
	}
	return c.own, nil
}
