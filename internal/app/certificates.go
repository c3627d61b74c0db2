package app

import (
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/labwarden/labwarden/internal/app/control"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/posture"
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
	for _, d := range outerDoors(c) {
		if d.own != nil {
			ours(d.name, d.own.Certificate)
		}
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

// certified is a door of ours and the certificate that it has for itself; nil
// where it has none, and shows that of node.tls or one that the hub makes.
type certified struct {
	name string
	own  *config.KeyPair
}

// outerDoors are those that others come to from outside. Each takes a renewed
// certificate from disk within two minutes.
func outerDoors(c *config.Config) []certified {
	var out []certified
	n := &c.Node
	if n.Web != nil {
		out = append(out, certified{wayPages, n.Web.TLS})
	}
	if n.Portal != nil {
		out = append(out, certified{wayPortal, n.Portal.TLS})
	}
	if n.FHIR != nil {
		out = append(out, certified{wayFHIR, n.FHIR.TLS})
	}
	if n.Front != nil && n.Front.FTPS != nil {
		out = append(out, certified{wayFTPS, n.Front.FTPS.TLS})
	}
	return out
}

// shown are the dates of the certificate that a door shows.
func (p *postureLines) shown(door string) []posture.Date {
	for _, d := range outerDoors(p.c) {
		switch {
		case d.name != door:
		case d.own != nil:
			return p.dates[door]
		case door == wayFHIR || door == wayFTPS: // of node.tls
			return p.dates["node"]
		}
	}
	return nil
}

// certificatesIn are those of a PEM file; none for no path.
func certificatesIn(path config.Path) ([]*x509.Certificate, error) {
	if path == "" {
		return nil, nil
	}
	return readCertificates(path)
}
