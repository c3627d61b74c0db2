package setup

import (
	"context"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/approval"
	"github.com/labwarden/labwarden/internal/platform/config"
)

// NewPartner is what a form asks about a partner: who it is, how its results get
// there, and which route brings them. Its texts are as somebody typed them.
type NewPartner struct {
	Name, Key string
	// Providers are ordering providers' numbers (NPI) that belong to it, Accounts
	// client accounts; one a line, or with commas.
	Providers, Accounts   string
	ContactName, Contact  string // Contact is a mail address
	Kind                  string // mllp, fhir, http, folder, or one of the ways below
	Address               string // of MLLP, SFTP and FTPS: host:port
	URL                   string // of FHIR and HTTPS
	CA, Fingerprint       string // whom we accept: one of both, for MLLP
	ServerName            string
	Token                 string // name of a secret, for HTTPS, SFTP and FTPS
	TokenURL, ClientID    string // OAuth 2, for FHIR; Key in Token. ClientID is also a fetching program's
	Path                  string // of a folder
	User, HostKeys, Dir   string // of their SFTP or FTPS server
	Password              bool   // Token is a password, not a private key
	SSHKeys, From         string // of a box: who may fetch, and from where
	JWKS                  string // file with a fetching program's public keys
	Source, When, OldPath string // the route
}

// field names of a form, by the setting they become.
var partnerFields = map[string]string{
	"name": "name", "contact.name": "contact-name", "contact.mail": "contact", "providers": "providers", "accounts": "accounts",
	"destination.mllp.address": "address", "destination.mllp.tls.fingerprint": "fingerprint", "destination.mllp.tls.ca": "ca",
	"destination.mllp.tls.server_name": "server-name", "destination.mllp.tls": "fingerprint", "destination.mllp": "fingerprint",
	"destination.fhir.base": "url", "destination.fhir.tls.ca": "ca", "destination.fhir.tls.fingerprint": "fingerprint", "destination.fhir.auth.token_url": "token-url",
	"destination.fhir.auth.client_id": "client-id", "destination.fhir.auth.key": "token", "destination.fhir.auth": "client-id", "destination.fhir": "url",
	"destination.http.url": "url", "destination.http.token": "token", "destination.http.tls.ca": "ca", "destination.http.tls.fingerprint": "fingerprint",
	"destination.folder.path": "path",
}

var routeFields = map[string]string{"from": "source", "when": "when", "old_path": "old-path", "to": "providers", "check": "providers"}

var keyPattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)

// KeyOf is a key made of a name: "Harbor Reference Lab" is harbor-reference-lab.
func KeyOf(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' && b.Len() > 0:
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	s := b.String()
	return strings.Trim(s[:min(len(s), 40)], "-")
}

// Wrong says what is wrong with answers of a form, by the field's name; the empty
// name is the form as a whole.
type Wrong map[string]string

func (w Wrong) Error() string {
	for _, m := range w {
		return m
	}
	return "something is wrong with the form"
}

func (w Wrong) need(field, value, message string) {
	if value == "" && w[field] == "" {
		w[field] = message
	}
}

// items are the entries of a list that somebody typed.
func items(text string) (out []string) {
	for _, x := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == '\n' || r == '\r' || r == ';' }) {
		if x = strings.TrimSpace(x); x != "" {
			out = append(out, x)
		}
	}
	return out
}

// setting is one line of what a form writes.
type setting struct {
	path  string
	value any
}

// Write writes the partner and its route into a configuration; everything else
// stays byte for byte. Where an answer cannot be taken the error is a Wrong.
func (p *NewPartner) Write(src []byte, read Reader) ([]byte, error) {
	p.trim()
	c, problems := read(src)
	if c == nil {
		return nil, Wrong{"": "The configuration in force has errors here: " + problems.Err().Error()}
	}
	w := p.check(c)
	if len(w) > 0 {
		return nil, w
	}
	out := src
	at := "partners." + p.Key + "."
	settings := p.settings()
	for i := range settings {
		settings[i].path = at + settings[i].path
	}
	route := fmt.Sprintf("routes[%d]", len(c.Routes))
	settings = append(settings, setting{route, map[string]any{"name": p.route()}}, setting{route + ".from", p.Source}, setting{route + ".to", p.Key}, setting{route + ".stage", "shadow"})
	if p.When != "" {
		settings = append(settings, setting{route + ".when", p.When})
	}
	if p.OldPath != "" {
		settings = append(settings, setting{route + ".old_path", p.OldPath})
	}
	if len(items(p.Providers)) == 0 {
		settings = append(settings, setting{route + ".check", "account"})
	}
	return write(out, settings, read, func(path string) string {
		if f, ok := strings.CutPrefix(path, at); ok {
			if name := longest(fileFields, f); name != "" {
				return name
			}
			return longest(partnerFields, f)
		}
		if f, ok := strings.CutPrefix(path, route+"."); ok {
			return longest(routeFields, f)
		}
		return ""
	})
}

// write puts settings into a text, reads it, and says what is wrong by field.
func write(src []byte, settings []setting, read Reader, field func(path string) string) ([]byte, error) {
	out := src
	var err error
	for _, s := range settings {
		if out, err = config.SetPath(out, s.path, s.value); err != nil {
			return nil, Wrong{"": "The configuration cannot be changed by a form here: " + err.Error() + ". Write a draft by hand."}
		}
	}
	c, problems := read(out)
	if c != nil {
		return out, nil
	}
	w := Wrong{}
	for _, p := range problems.Errors() {
		text := sentenceOf(p.Message)
		if p.Fix != "" {
			text += " " + sentenceOf(p.Fix)
		}
		f := field(p.Path)
		if w[f] == "" {
			w[f] = text
		}
	}
	return nil, w
}

func longest(fields map[string]string, path string) string {
	for path != "" {
		if f, ok := fields[path]; ok {
			return f
		}
		if i := strings.LastIndexAny(path, ".["); i > 0 {
			path = path[:i]
		} else {
			return ""
		}
	}
	return ""
}

func sentenceOf(s string) string {
	if s == "" {
		return ""
	}
	s = strings.ToUpper(s[:1]) + s[1:]
	if !strings.HasSuffix(s, ".") {
		s += "."
	}
	return s
}

func (p *NewPartner) trim() {
	for _, s := range []*string{
		&p.Name, &p.Key, &p.ContactName, &p.Contact, &p.Kind, &p.Address, &p.URL, &p.CA, &p.Fingerprint, &p.ServerName, &p.Token,
		&p.TokenURL, &p.ClientID, &p.Path, &p.Source, &p.When, &p.OldPath, &p.User, &p.HostKeys, &p.Dir, &p.SSHKeys, &p.From, &p.JWKS,
	} {
		*s = strings.TrimSpace(*s)
	}
	if p.Key == "" {
		p.Key = KeyOf(p.Name)
	}
}

func (p *NewPartner) route() string { return p.Key + "-results" }

func (p *NewPartner) check(c *config.Config) Wrong {
	w := Wrong{}
	w.need("name", p.Name, "Write the partner's name.")
	if p.Key != "" && !keyPattern.MatchString(p.Key) {
		w["key"] = "Use small letters, digits and dashes, at most 40, and begin with a letter."
	}
	w.need("key", p.Key, "Write a short name: small letters, digits and dashes.")
	if _, there := c.Partners[p.Key]; there {
		w["key"] = "There is a partner of this short name already."
	}
	if slices.ContainsFunc(c.Routes, func(r config.Route) bool { return r.Name == p.route() }) {
		w["key"] = "There is a route " + p.route() + " already: choose another short name."
	}
	if len(items(p.Providers)) == 0 && len(items(p.Accounts)) == 0 {
		w["providers"] = "Write the ordering providers' numbers or client accounts that belong to this partner: nothing else is sent to it."
	}
	if p.Contact != "" {
		if _, err := mail.ParseAddress(p.Contact); err != nil {
			w["contact"] = "Write a mail address, like it@partner.example."
		}
		w.need("contact-name", p.ContactName, "Write who reads mail there.")
	}
	w.need("source", p.Source, "Choose where its results come from.")
	switch p.Kind {
	case "mllp":
		w.need("address", p.Address, "Write host and port, like hl7.partner.example:2576.")
		if p.CA == "" && p.Fingerprint == "" {
			w["fingerprint"] = "Write their certificate's fingerprint, or below the file of the authority that vouches for it."
		}
	case "fhir":
		w.need("url", p.URL, "Write the base address, like https://fhir.partner.example/r4.")
		if p.ClientID != "" || p.TokenURL != "" {
			w.need("token-url", p.TokenURL, "Write where tokens are issued.")
			w.need("client-id", p.ClientID, "Write our name there.")
			w.need("token", p.Token, "Write the name of the secret that holds the signing key.")
		}
	case "http":
		w.need("url", p.URL, "Write the address, like https://intake.partner.example/hl7.")
	case "folder":
		w.need("path", p.Path, "Write the folder.")
	default:
		if !p.checkFiles(w) {
			w["kind"] = "Choose how its results get there."
		}
	}
	return w
}

func (p *NewPartner) settings() []setting {
	out := []setting{{"name", p.Name}}
	if p.ContactName != "" {
		out = append(out, setting{"contact.name", p.ContactName})
		if p.Contact != "" {
			out = append(out, setting{"contact.mail", p.Contact})
		}
	}
	if ids := items(p.Providers); len(ids) > 0 {
		list := []any{}
		for _, id := range ids {
			list = append(list, map[string]any{"id": id, "authority": "NPI"})
		}
		out = append(out, setting{"providers", list})
	}
	if ids := items(p.Accounts); len(ids) > 0 {
		list := []any{}
		for _, id := range ids {
			list = append(list, id)
		}
		out = append(out, setting{"accounts", list})
	}
	if files, ok := p.fileSettings(); ok {
		return append(out, files...)
	}
	at := "destination." + p.Kind + "."
	add := func(path, value string) {
		if value != "" {
			out = append(out, setting{at + path, value})
		}
	}
	switch p.Kind {
	case "mllp":
		add("address", p.Address)
	case "fhir":
		add("base", p.URL)
		if p.ClientID != "" {
			add("auth.kind", "oauth2")
			add("auth.token_url", p.TokenURL)
			add("auth.client_id", p.ClientID)
			add("auth.key", "vault:"+p.Token)
		}
	case "http":
		add("url", p.URL)
		if p.Token != "" {
			add("token", "vault:"+p.Token)
		}
	case "folder":
		add("path", p.Path)
		return out
	}
	add("tls.fingerprint", p.Fingerprint)
	add("tls.ca", p.CA)
	add("tls.server_name", p.ServerName)
	return out
}

// BeginPartner writes a draft that adds a partner. What is wrong with its answers
// is a Wrong, by field.
func (s *Service) BeginPartner(ctx context.Context, p NewPartner, by approval.Person) (Draft, error) {
	return s.beginForm(ctx, func(src []byte) ([]byte, string, error) {
		out, err := p.Write(src, s.read)
		return out, p.Name + " as a partner", err
	}, by)
}

// BeginSource writes a draft that adds a source.
func (s *Service) BeginSource(ctx context.Context, n NewSource, by approval.Person) (Draft, error) {
	return s.beginForm(ctx, func(src []byte) ([]byte, string, error) {
		out, err := n.Write(src, s.read)
		return out, n.Key + " as a source", err
	}, by)
}

func (s *Service) beginForm(ctx context.Context, write func([]byte) ([]byte, string, error), by approval.Person) (Draft, error) {
	cur, err := s.conf.Revision(ctx, 0)
	if err != nil {
		return Draft{}, err
	}
	out, title, err := write([]byte(cur.Source))
	if err != nil {
		return Draft{}, err
	}
	return s.BeginWith(ctx, title, cur.Number, out, by)
}
