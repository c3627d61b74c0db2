package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

func (d *decoder) checkPartner(c *Config, name string) {
	p, at := c.Partners[name], join("partners", name)
	if r := p.Retry; r.First > r.Max && !d.bad(at+".retry") {
		where := at + ".retry.first"
		if !d.written(where) {
			where = at + ".retry.max"
		}
		d.add(where, "make first the smaller of the two", "first, %s, is longer than max, %s", r.First, r.Max)
	}
	d.checkContact(p, at+".contact")
	dest, at := p.Destination, at+".destination"
	var kinds []string
	for _, k := range []string{"mllp", "fhir", "fhir_pull", "http", "sftp", "ftps", "folder", "box", "portal"} {
		if d.written(at + "." + k) {
			kinds = append(kinds, k)
		}
	}
	if len(kinds) > 1 {
		d.addKey(at+"."+kinds[1], Error, "keep one; make another partner for the other", "a destination is one of mllp, fhir, fhir_pull, http, sftp, ftps, folder, box and portal, here are %s", strings.Join(kinds, " and "))
	} else if len(kinds) == 0 && d.written(at) && !d.bad(at) {
		d.addKey(at, Error, "write mllp:, fhir:, fhir_pull:, http:, sftp:, ftps:, folder:, box: or portal: below it", "the destination is empty")
	}
	switch {
	case dest.MLLP != nil:
		m := dest.MLLP
		d.checkException(m.Exception, at+".mllp", m.TLS != nil)
		d.clientTLS(m.TLS, at+".mllp.tls", true)
		if m.TLS == nil && !m.Address.Loopback() && (m.Exception == nil || m.Exception.Kind != "plaintext") && !d.bad(at+".mllp") {
			d.addKey(at+".mllp", Error, "write tls: with ca or fingerprint, or state exception: {kind: plaintext, reason, owner, until}",
				"results would go to %s in plaintext", m.Address)
		}
	case dest.FHIR != nil:
		f := dest.FHIR
		d.web(f.Base, f.TLS, f.Exception, at+".fhir", "base")
		d.checkAuth(c, f, at+".fhir")
	case dest.FHIRPull != nil:
		d.checkPull(c, name, at+".fhir_pull")
	case dest.HTTP != nil:
		d.web(dest.HTTP.URL, dest.HTTP.TLS, dest.HTTP.Exception, at+".http", "url")
	case dest.SFTP != nil:
		d.checkSFTP(at+".sftp", dest.SFTP.HostKeys, dest.SFTP.Key, dest.SFTP.Password)
		d.remoteName(dest.SFTP.Name, dest.SFTP.Verify, at+".sftp")
	case dest.FTPS != nil:
		d.checkFTPS(c, at+".ftps", dest.FTPS.TLS, dest.FTPS.Password, dest.FTPS.Exception)
		d.remoteName(dest.FTPS.Name, dest.FTPS.Verify, at+".ftps")
	case dest.Folder != nil:
		d.fileName(dest.Folder.Name, at+".folder.name")
	}
	d.checkBox(p, join("partners", name))
	if dest.Tunnel != "" && (dest.FHIRPull != nil || dest.Folder != nil || dest.Box != nil || dest.Portal != nil) && !d.bad(at) {
		d.addKey(at+".tunnel", Error, "remove it", "tunnel is for mllp, fhir, http, sftp and ftps destinations")
	}
	if dest.Encrypt != nil {
		d.checkEncrypt(dest, at+".encrypt")
	}
}

func (d *decoder) clientTLS(t *ClientTLS, at string, mllp bool) {
	if t == nil {
		return
	}
	d.pair(at, t.Certificate, t.Key)
	if t.OwnCA && t.CA != "" && !d.bad(at) {
		d.add(at+".own_ca", "remove ca:, or own_ca:", "our own authority and another beside it: whoever the other signs for would pass as this partner")
	}
	if mllp && t.CA == "" && t.Fingerprint == "" && !t.OwnCA && !t.Pinned && !d.bad(at) {
		d.addKey(at, Error, "write ca: FILE, own_ca: true, pinned: true or fingerprint: HEX", "nothing says how the partner proves who it is")
	}
}

func (d *decoder) web(u URL, t *ClientTLS, e *Exception, at, key string) {
	d.checkException(e, at, u.TLS())
	d.clientTLS(t, at+".tls", false)
	if u.Plaintext() && (e == nil || e.Kind != "plaintext") && !d.bad(at) {
		d.add(at+"."+key, "write https://, or state exception: {kind: plaintext, reason, owner, until}", "results would go there in plaintext")
	}
}

func (d *decoder) checkAuth(c *Config, f *FHIRDestination, at string) {
	a := f.Auth
	auth := at + ".auth"
	switch a.Kind {
	case "oauth2":
		d.need(auth, "token_url", a.TokenURL != "", "write token_url: https://HOST/PATH", "oauth2")
		d.need(auth, "client_id", a.ClientID != "", "write client_id: NAME", "oauth2")
		d.need(auth, "key", a.Key != "", "write key: vault:NAME or key: file:PATH", "oauth2")
		if a.TokenURL.Plaintext() {
			d.add(auth+".token_url", "write https://", "tokens would travel in plaintext")
		}
	case "mutual", "none":
		d.only(auth, "token_url", a.TokenURL == "", "oauth2")
		d.only(auth, "client_id", a.ClientID == "", "oauth2")
		d.only(auth, "key", a.Key == "", "oauth2")
		d.only(auth, "scope", a.Scope == "", "oauth2")
		if a.Kind == "mutual" && c.Node.TLS == nil && (f.TLS == nil || f.TLS.Certificate == "" && !f.TLS.OwnCA) && f.Base.TLS() && !d.bad(at) && !d.bad("node.tls") {
			d.addKey(at, Error, "write node.tls, tls: with certificate and key, or auth: {kind: oauth2, ...}", "there is no client certificate to show")
		}
	}
}

// scope is system/TYPE.RIGHTS; the server itself knows the types.
var scope = regexp.MustCompile(`^system/(\*|[A-Z][A-Za-z]+)\.(read|\*|c?r?u?d?s?)$`)

// checkPull: what stands here decides who may fetch patient data.
func (d *decoder) checkPull(c *Config, name, at string) {
	p := c.Partners[name].Destination.FHIRPull
	for other, x := range c.Partners {
		if o := x.Destination.FHIRPull; o != nil && other < name && o.ClientID == p.ClientID && p.ClientID != "" {
			d.add(at+".client_id", "give each partner's program a name of its own", "partner %s has this client_id already", other)
		}
	}
	for i, s := range p.Scopes {
		if !scope.MatchString(s) || strings.HasSuffix(s, ".") {
			d.add(fmt.Sprintf("%s.scopes[%d]", at, i), "write system/*.rs or system/DiagnosticReport.rs", "%s is not a scope of a program", quote(s))
		}
	}
	for i, n := range p.Notify {
		item := fmt.Sprintf("%s.notify[%d]", at, i)
		d.clientTLS(n.TLS, item+".tls", false)
		if !n.Endpoint.TLS() && !d.bad(item) {
			d.add(item+".endpoint", "write https://", "notices are only sent over TLS")
		}
	}
	if c.Node.FHIR == nil && !d.bad(at) && !d.bad("node.fhir") {
		d.addKey(at, Warning, "write node.fhir with public_url and a certificate", "no FHIR server is open on this node: %s cannot fetch anything", c.Partners[name].Name)
	}
}

var placeholders = []string{"id", "time", "date", "partner", "route"}

var placeholder = regexp.MustCompile(`\{([^{}]*)\}`)

func (d *decoder) fileName(name, at string) {
	for _, m := range placeholder.FindAllStringSubmatch(name, -1) {
		if !slices.Contains(placeholders, m[1]) {
			fix := "write {" + strings.Join(placeholders, "}, {") + "}"
			if near := nearest(m[1], placeholders); near != "" {
				fix = "write {" + near + "}"
			}
			d.add(at, fix, "unknown placeholder {%s}", m[1])
			return
		}
	}
	plain := placeholder.ReplaceAllString(name, "")
	switch {
	case !strings.Contains(name, "{id}"):
		d.add(at, "write {time}-{id}.hl7", "without {id} one file would replace another")
	case strings.ContainsAny(plain, "/\\{}:*?\"<>|") || strings.HasPrefix(plain, ".") && strings.HasPrefix(name, "."):
		d.add(at, "use letters, digits, -, _ and .", "%s cannot be a file name", quote(name))
	}
}

func (d *decoder) checkEncrypt(dest Destination, at string) {
	e := dest.Encrypt
	if dest.HTTP == nil && dest.Folder == nil && dest.SFTP == nil && dest.FTPS == nil && dest.Box == nil {
		d.addKey(at, Error, "remove it, or use http, sftp, ftps, folder or box", "encrypt is for destinations that carry files")
		return
	}
	n := 0
	for _, key := range []string{"keys", "age", "openpgp", "cms"} {
		if d.written(at + "." + key) {
			n++
		}
	}
	if n != 1 && !d.bad(at) {
		d.addKey(at, Error, "write one of keys:, age:, openpgp: and cms:", "encrypt needs exactly one of keys, age, openpgp and cms, here are %d", n)
	}
	if d.written(at+".age") && len(e.Age) == 0 && !d.bad(at) {
		d.add(at+".age", "write the partner's recipients: [age1...]", "the list is empty")
	}
	for i, r := range e.Age {
		item := fmt.Sprintf("%s.age[%d]", at, i)
		if strings.HasPrefix(strings.ToUpper(r), "AGE-SECRET-KEY-") {
			p := d.add(item, "write the recipient, age1..., and change that key: it has been shown", "a secret must not stand in the configuration")
			p.mask = p.Column
		} else if !ageRecipient.MatchString(r) && !d.bad(item) {
			d.add(item, "write what age-keygen -y shows: age1...", "%s is not an age recipient", quote(r))
		}
	}
}

// ageRecipient is the outer form; the encrypting code decodes it.
var ageRecipient = regexp.MustCompile(`^age1[a-z0-9]{20,1000}[a-z0-9]{0,1000}$`)
