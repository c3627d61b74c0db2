package config

import (
	"fmt"
	"net/url"
	"strings"
)

// PortalSite is the address of the provider portal.
type PortalSite struct {
	Listen    Listen   `yaml:"listen" default:"127.0.0.1:8444" doc:"IP:PORT of the portal. The default answers this machine only; with node.front.web there is none unless it is written here."`
	PublicURL URL      `yaml:"public_url" default:"https://localhost:8444" doc:"How the practices' browsers reach it; it stands on every letter. Passkeys are tied to its host: choose it once, and another host than that of the pages."`
	TLS       *KeyPair `yaml:"tls" doc:"Certificate of the portal. Without it the hub makes one with its own small authority, which browsers outside do not know."`
	ACME      bool     `yaml:"acme" sample:"off" doc:"Whether the portal shows a certificate of the public authority of node.acme, for the host of public_url. In the place of tls; until it is there, the hub's own is shown."`
}

// Portal is what the provider portal says and shows.
type Portal struct {
	Phone      string       `yaml:"phone" ex:"+1 555 0142" doc:"The laboratory's number, shown on every page and letter of the portal."`
	Sender     string       `yaml:"sender" ex:"12 Mill Lane, Millbrook, MA 01234" doc:"The laboratory's postal address, on letters to practices: it stands in small letters over the address in the envelope's window."`
	Paper      string       `yaml:"paper" default:"letter" rule:"oneof=letter|a4" doc:"What letters and results are printed on as PDF."`
	Letter     Duration     `yaml:"letter" default:"14d" rule:"min=1d,max=60d" doc:"How long the code of a letter works."`
	CopyWithin Duration     `yaml:"copy_within" rule:"min=1d,max=30d" ex:"10d" doc:"The laboratory's own policy: within how many days a patient who asks for their results has them. Shown apart from the law's 30 days, which it never lengthens. Absent: none."`
	Idle       Duration     `yaml:"idle" default:"10m" rule:"min=2m,max=1h" doc:"A session that was not used for this long is over."`
	Rules      []PortalRule `yaml:"rules" sample:"off" doc:"What is kept back from the portal, or shown to the ordering provider alone. Without rules everything that a route sends there is shown to everybody of the practice. A rule that is added says nothing about what is there already."`
}

// PortalRule keeps results back.
type PortalRule struct {
	Name     string   `yaml:"name" rule:"required,name" ex:"minors-sti" doc:"What the rule is called, for the laboratory's people and the ledger."`
	Codes    []string `yaml:"codes" doc:"Codes of services or observations (OBR-4, OBX-3, the alternate code too), any of them. Empty: all."`
	Under    int      `yaml:"under" rule:"min=0,max=150" doc:"Patients younger than this many years when the result comes (PID-7); a birth date that cannot be read counts as younger. 0: any age."`
	Copies   bool     `yaml:"copies" doc:"Only reports that name somebody to get a copy (OBR-28)."`
	Partners []string `yaml:"partners" rule:"ref=partner" doc:"The practices it is for. Empty: all."`
	Then     string   `yaml:"then" rule:"required,oneof=withhold|ordering_provider" ex:"withhold" doc:"withhold keeps it back until somebody of the laboratory lets it go. ordering_provider shows it to the person alone whose identifier is that of OBR-16.1."`
}

// checkPortal: the portal carries patient data to the outside, on a host of its own,
// since browsers keep the cookies of two ports of one host together.
func (d *decoder) checkPortal(c *Config, taken map[Listen]string) {
	names := map[string]bool{}
	for i, r := range c.Portal.Rules {
		at := fmt.Sprintf("portal.rules[%d]", i)
		if names[r.Name] && !d.bad(at+".name") {
			d.add(at+".name", "give it another name", "two rules are called %s", r.Name)
		}
		names[r.Name] = true
		if len(r.Codes) == 0 && r.Under == 0 && !r.Copies && !d.bad(at) {
			d.addKey(at, Error, "write codes:, under: or copies: true", "the rule would be about every result")
		}
	}
	w := c.Node.Portal
	if w == nil || d.bad("node.portal") {
		return
	}
	if l := w.Listen; l != "" && !strings.HasSuffix(string(l), ":0") {
		if other, ok := taken[l]; ok {
			d.add("node.portal.listen", "write another port", "%s has this address already", other)
		}
		taken[l] = "node.portal"
	}
	u, err := url.Parse(string(w.PublicURL))
	switch {
	case err != nil || d.bad("node.portal.public_url"):
	case !w.PublicURL.TLS():
		d.add("node.portal.public_url", "write https://HOST or https://HOST:PORT", "the portal is only served over TLS")
	case c.Node.Web != nil && u.Hostname() != "localhost" && strings.EqualFold(u.Hostname(), hostOf(c.Node.Web.PublicURL)):
		d.add("node.portal.public_url", "give the portal a host name of its own, such as results.HOST", "the pages have this host, and browsers keep the cookies of two ports of one host together")
	case u.Path != "" && u.Path != "/":
		d.add("node.portal.public_url", "write https://HOST or https://HOST:PORT, nothing behind it", "the portal stands at the root of its address")
	}
	if w.TLS != nil {
		d.pair("node.portal.tls", w.TLS.Certificate, w.TLS.Key)
	}
}

func hostOf(u URL) string {
	x, err := url.Parse(string(u))
	if err != nil {
		return ""
	}
	return x.Hostname()
}
