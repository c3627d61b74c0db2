package config

import (
	"net"
	"net/url"
	"strings"
)

// ACME is the public authority that certificates come from.
type ACME struct {
	Directory URL    `yaml:"directory" default:"https://acme-v02.api.letsencrypt.org/directory" doc:"The directory of the authority. Try with its staging first: https://acme-staging-v02.api.letsencrypt.org/directory, whose certificates nobody believes."`
	Email     string `yaml:"email" rule:"required" ex:"it@millbrook.example" doc:"The address of the account. Some authorities write to it when a certificate is about to end."`
	Agree     bool   `yaml:"agree_to_terms" doc:"true says that somebody who may has read the terms of the authority and agrees to them for the laboratory. Without it nothing is asked for."`
	CA        Path   `yaml:"ca" rule:"file" doc:"PEM file with the authorities that vouch for the directory, where the system does not know them: for an ACME server of your own."`
	HTTP      Listen `yaml:"http_listen" ex:"192.0.2.10:80" doc:"IP:PORT where the hub answers challenges by HTTP-01, in the place of TLS-ALPN-01 at the sites themselves. For sites whose port 443 is not this program's; port 80 of the names has to lead here. Nothing else is answered there."`
}

// ACMEHosts are the hosts of the sites that show a public certificate.
func (n *Node) ACMEHosts() []string {
	var out []string
	for _, s := range n.acmeSites() {
		out = append(out, strings.ToLower(hostOf(s.url)))
	}
	return out
}

type acmeSite struct {
	at  string
	url URL
	tls *KeyPair
}

func (n *Node) acmeSites() []acmeSite {
	var out []acmeSite
	if w := n.Web; w != nil && w.ACME {
		out = append(out, acmeSite{"node.web", w.PublicURL, w.TLS})
	}
	if w := n.Portal; w != nil && w.ACME {
		out = append(out, acmeSite{"node.portal", w.PublicURL, w.TLS})
	}
	if w := n.FHIR; w != nil && w.ACME {
		out = append(out, acmeSite{"node.fhir", w.PublicURL, w.TLS})
	}
	return out
}

// checkACME: a public authority is only asked for what it can give, and only by
// who has agreed to its terms.
func (d *decoder) checkACME(n *Node, taken map[Listen]string) {
	sites := n.acmeSites()
	for _, s := range sites {
		host := hostOf(s.url)
		switch {
		case d.bad(s.at):
		case s.tls != nil:
			d.add(s.at+".acme", "remove tls, or write acme: false", "there are two certificates to choose from")
		case n.ACME == nil && !d.bad("node.acme"):
			d.add(s.at+".acme", "write node.acme with email and agree_to_terms", "no public authority is named")
		case net.ParseIP(host) != nil || !strings.Contains(host, ".") || !hostName.MatchString(host):
			d.add(s.at+".acme", "write a public_url with a host name that the whole internet can resolve", "no public authority gives a certificate for %s", quote(host))
		}
	}
	a := n.ACME
	if a == nil || d.bad("node.acme") {
		return
	}
	if !a.Agree {
		d.addKey("node.acme", Error, "read its terms, then write agree_to_terms: true", "nobody has agreed to the terms of the authority")
	}
	if u, err := url.Parse(string(a.Directory)); err != nil || u.Scheme != "https" || u.Host == "" {
		d.add("node.acme.directory", "write https://HOST/PATH", "the directory is only asked over TLS")
	}
	if name, host, ok := strings.Cut(a.Email, "@"); !d.bad("node.acme.email") && (!ok || name == "" || host == "") {
		d.add("node.acme.email", "write NAME@HOST", "%s is no mail address", quote(a.Email))
	}
	if l := a.HTTP; l != "" && !strings.HasSuffix(string(l), ":0") {
		if other := taken[l]; other != "" {
			d.add("node.acme.http_listen", "give one of them another port", "%s is also the address of %s", l, other)
		}
		taken[l] = "node.acme"
	}
	if len(sites) == 0 {
		d.addKey("node.acme", Warning, "write acme: true at node.web, node.portal or node.fhir", "no site shows a public certificate")
	}
}
