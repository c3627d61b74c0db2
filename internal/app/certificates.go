package app

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// ownCertificates lists the certificates the configuration names, ours and the
// authorities', with their ends as they stand on disk. One that cannot be read
// is left out and told of.
func ownCertificates(c *config.Config) ([]control.Date, error) {
	var out []control.Date
	var bad []error
	in := func(of string, path config.Path) []*x509.Certificate {
		list, err := certificatesIn(path)
		if err != nil {
			bad = append(bad, fmt.Errorf("%s: %w", of, err))
		}
		return list
	}
	ours := func(of string, path config.Path) {
		if leaf := in(of, path); len(leaf) > 0 {
			out = append(out, control.Date{Of: of, Kind: control.DateOurs, Begins: leaf[0].NotBefore, Ends: leaf[0].NotAfter, What: leaf[0].Subject.CommonName})
		}
	}
	// A file of authorities may hold the next one beside the present one: that
	// which ends last counts.
	authority := func(of string, path config.Path) {
		var last *x509.Certificate
		for _, x := range in(of, path) {
			if last == nil || x.NotAfter.After(last.NotAfter) {
				last = x
			}
		}
		if last != nil {
			out = append(out, control.Date{Of: of, Kind: control.DateAuthority, Begins: last.NotBefore, Ends: last.NotAfter, What: last.Subject.CommonName})
		}
	}
	if c.Node.TLS != nil {
		ours("node", c.Node.TLS.Certificate)
	}
	for _, key := range sorted(c.Sources) {
		if t := field(c.Sources[key].MLLP, func(m *config.MLLPListener) *config.ServerTLS { return m.TLS }); t != nil {
			ours("source "+key, t.Certificate)
			authority("source "+key, t.ClientCA)
		}
		if t := field(c.Sources[key].FTPS, func(m *config.FTPSSource) *config.ClientTLS { return m.TLS }); t != nil {
			ours("source "+key, t.Certificate)
			authority("source "+key, t.CA)
		}
	}
	for _, key := range sorted(c.Partners) {
		d := c.Partners[key].Destination
		for _, t := range []*config.ClientTLS{
			field(d.MLLP, func(m *config.MLLPDestination) *config.ClientTLS { return m.TLS }),
			field(d.FHIR, func(m *config.FHIRDestination) *config.ClientTLS { return m.TLS }),
			field(d.HTTP, func(m *config.HTTPDestination) *config.ClientTLS { return m.TLS }),
			field(d.FTPS, func(m *config.FTPSDestination) *config.ClientTLS { return m.TLS }),
		} {
			if t != nil {
				ours("partner "+key, t.Certificate)
				authority("partner "+key, t.CA)
			}
		}
	}
	return out, errors.Join(bad...)
}

// certificatesIn are those of a PEM file; none for no path.
func certificatesIn(path config.Path) ([]*x509.Certificate, error) {
	if path == "" {
		return nil, nil
	}
	return readCertificates(path)
}
