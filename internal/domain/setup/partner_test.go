package setup_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/setup/setuptest"
)

func harbor(kind string) setup.NewPartner {
	return setup.NewPartner{
		Name: "Harbor Reference Lab", Providers: "1234567893, 1003000126\n1234567893", Kind: kind, Source: "lis", ContactName: "IT desk", Contact: "it@harbor.example",
		Address: "hl7.harbor.example:2576", URL: "https://harbor.example/r4", Fingerprint: strings.Repeat("ab", 32), Path: "/srv/harbor", When: `msh.type == "ORU"`,
	}
}

// TestAFormWritesAPartner: of each kind, and every other byte stays.
func TestAFormWritesAPartner(t *testing.T) {
	for _, kind := range []string{"mllp", "fhir", "http", "folder"} {
		p := harbor(kind)
		p.ClientID, p.TokenURL, p.Token = "millbrook", "https://harbor.example/token", "harbor-key"
		p.Providers = "1234567893"
		out, err := p.Write([]byte(setuptest.First), setuptest.Read)
		if err != nil {
			t.Fatalf("%s: %v", kind, err)
		}
		for line := range strings.SplitSeq(setuptest.First, "\n") {
			if !strings.Contains(string(out), line) {
				t.Errorf("%s: %q is gone:\n%s", kind, line, out)
			}
		}
		c, ps := setuptest.Read(out)
		if c == nil {
			t.Fatal(ps)
		}
		h := c.Partners["harbor-reference-lab"]
		if h.Name != p.Name || h.Providers[0].ID != "1234567893" || h.Contact.Mail != "it@harbor.example" {
			t.Errorf("%s: %+v", kind, h)
		}
		r := c.Routes[len(c.Routes)-1]
		if r.Name != "harbor-reference-lab-results" || r.Stage != "shadow" || r.To[0] != "harbor-reference-lab" || r.From[0] != "lis" {
			t.Errorf("%+v", r)
		}
	}
}

// TestAFormSaysWhatIsWrongBesideTheField.
func TestAFormSaysWhatIsWrongBesideTheField(t *testing.T) {
	for name, x := range map[string]struct {
		change func(*setup.NewPartner)
		field  string
	}{
		"no name":         {func(p *setup.NewPartner) { p.Name = " " }, "name"},
		"key there":       {func(p *setup.NewPartner) { p.Key = "north" }, "key"},
		"key odd":         {func(p *setup.NewPartner) { p.Key = "No th" }, "key"},
		"key path":        {func(p *setup.NewPartner) { p.Key = "a.b" }, "key"},
		"nobody's":        {func(p *setup.NewPartner) { p.Providers = "" }, "providers"},
		"no kind":         {func(p *setup.NewPartner) { p.Kind = "pigeon" }, "kind"},
		"address":         {func(p *setup.NewPartner) { p.Address = "nowhere" }, "address"},
		"fingerprint":     {func(p *setup.NewPartner) { p.Fingerprint = "abc" }, "fingerprint"},
		"no fingerprint":  {func(p *setup.NewPartner) { p.Fingerprint = "" }, "fingerprint"},
		"no such source":  {func(p *setup.NewPartner) { p.Source = "other" }, "source"},
		"plain http":      {func(p *setup.NewPartner) { p.Kind, p.URL = "http", "http://harbor.example" }, "url"},
		"contact":         {func(p *setup.NewPartner) { p.Contact = "nobody" }, "contact"},
		"contact nobody":  {func(p *setup.NewPartner) { p.ContactName = "" }, "contact-name"},
		"half of oauth":   {func(p *setup.NewPartner) { p.Kind, p.ClientID = "fhir", "us" }, "token-url"},
		"no fhir address": {func(p *setup.NewPartner) { p.Kind, p.URL = "fhir", "" }, "url"},
		"no folder":       {func(p *setup.NewPartner) { p.Kind, p.Path = "folder", "" }, "path"},
		"old path":        {func(p *setup.NewPartner) { p.OldPath = "none" }, "old-path"},
	} {
		p := harbor("mllp")
		p.Providers = "1234567893"
		x.change(&p)
		_, err := p.Write([]byte(setuptest.First), setuptest.Read)
		var w setup.Wrong
		if !errors.As(err, &w) || w[x.field] == "" {
			t.Errorf("%s: %#v", name, err)
		}
	}
	if k := setup.KeyOf("  9 St. Brigid's Hospital & Clinic, of the very long name indeed"); k != "st-brigid-s-hospital-clinic-of-the-very" {
		t.Error(k)
	}
}

// TestAFormWritesASource.
func TestAFormWritesASource(t *testing.T) {
	n := setup.NewSource{Key: "old-engine", Kind: "mllp", Listen: "127.0.0.1:2580", Fingerprint: strings.Repeat("ab", 32), From: "192.0.2.0/24", Site: "main"}
	_, err := n.Write([]byte(setuptest.First), setuptest.Read)
	var wrong setup.Wrong
	if !errors.As(err, &wrong) {
		t.Errorf("a site that is not configured: %v", err)
	}
	out, err := n.Write([]byte(strings.Replace(setuptest.First, "sources:", "sites: {main: {name: Main laboratory}}\nsources:", 1)), setuptest.Read)
	if err != nil {
		t.Fatal(err)
	}
	c, ps := setuptest.Read(out)
	if c == nil || c.Sources["old-engine"].MLLP.Listen != "127.0.0.1:2580" || c.Sources["old-engine"].Site != "main" {
		t.Fatal(ps)
	}
	for name, x := range map[string]struct {
		change func(*setup.NewSource)
		field  string
	}{
		"taken":       {func(n *setup.NewSource) { n.Key = "lis" }, "key"},
		"network":     {func(n *setup.NewSource) { n.From = "everywhere" }, "from"},
		"listen":      {func(n *setup.NewSource) { n.Listen = "here" }, "listen"},
		"nobody":      {func(n *setup.NewSource) { n.Fingerprint = "" }, "fingerprint"},
		"folder":      {func(n *setup.NewSource) { n.Kind = "folder" }, "path"},
		"kind":        {func(n *setup.NewSource) { n.Kind = "" }, "kind"},
		"fingerprint": {func(n *setup.NewSource) { n.Fingerprint = "zz" }, "fingerprint"},
	} {
		m := setup.NewSource{Key: "old-engine", Kind: "mllp", Listen: "127.0.0.1:2580", Fingerprint: strings.Repeat("ab", 32)}
		x.change(&m)
		_, err := m.Write([]byte(setuptest.First), setuptest.Read)
		var w setup.Wrong
		if !errors.As(err, &w) || w[x.field] == "" {
			t.Errorf("%s: %#v", name, err)
		}
	}
}
