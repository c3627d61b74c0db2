package setup_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/domain/setup"
	"github.com/labwarden/labwarden/internal/domain/setup/setuptest"
	"github.com/labwarden/labwarden/internal/platform/config"
)

const (
	hostKey = "SHA256:n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg"
	sshKey  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9iUeQQ6BHmFlGmQQDqLkM6dKzfUJjIqKCF0mfDpYcB results, of riverside"
)

// filed answers everything that the ways by files ask.
func filed(kind string) setup.NewPartner {
	return setup.NewPartner{
		Name: "Harbor Reference Lab", Accounts: "H-100", Kind: kind, Source: "lis", Address: "files.harbor.example:22", User: "millbrook", HostKeys: hostKey, Token: "harbor",
		Fingerprint: strings.Repeat("ab", 32), Dir: "in", SSHKeys: sshKey + "\r\n", From: "203.0.113.0/28", ClientID: "harbor-ehr", JWKS: "./partners/harbor.jwks",
	}
}

// Each way writes what it asks for and nothing else, into a configuration that is
// right as it stands.
func TestAFormWritesTheWaysByFiles(t *testing.T) {
	for kind, is := range map[string]func(p config.Partner) bool{
		setup.WaySFTP: func(p config.Partner) bool {
			s := p.Destination.SFTP
			return s != nil && s.User == "millbrook" && s.HostKeys[0] == hostKey && s.Key == "vault:harbor" && s.Password == "" && s.Dir == "in"
		},
		setup.WayFTPS: func(p config.Partner) bool {
			s := p.Destination.FTPS
			return s != nil && s.Password == "vault:harbor" && string(s.TLS.Fingerprint) == strings.Repeat("ab", 32)
		},
		setup.WaySFTPBox: func(p config.Partner) bool {
			return p.Destination.Box != nil && p.Box.Keys[0] == sshKey && !p.Box.Password && len(p.Box.From) == 1
		},
		setup.WayFTPSBox: func(p config.Partner) bool {
			return p.Destination.Box != nil && p.Box.Password && len(p.Box.Keys) == 0
		},
		setup.WayFHIRPull: func(p config.Partner) bool {
			f := p.Destination.FHIRPull
			return f != nil && f.ClientID == "harbor-ehr" && f.Keys == "./partners/harbor.jwks"
		},
		setup.WayPortal: func(p config.Partner) bool { return p.Destination.Portal != nil && p.Box == nil },
	} {
		p := filed(kind)
		out, err := p.Write([]byte(setuptest.First), setuptest.Read)
		if err != nil {
			t.Errorf("%s: %v", kind, err)
			continue
		}
		c, ps := setuptest.Read(out)
		if c == nil {
			t.Fatal(ps)
		}
		h := c.Partners["harbor-reference-lab"]
		if !is(h) || h.Destination.Folder != nil || h.Destination.MLLP != nil {
			t.Errorf("%s:\n%s", kind, out)
		}
		if r := c.Routes[len(c.Routes)-1]; r.Stage != "shadow" || r.To[0] != "harbor-reference-lab" || r.Check != "account" {
			t.Errorf("%s: %+v", kind, r)
		}
	}
	p := filed(setup.WaySFTPBox)
	p.SSHKeys = " \n"
	out, err := p.Write([]byte(setuptest.First), setuptest.Read)
	if err != nil {
		t.Fatal(err)
	}
	if c, _ := setuptest.Read(out); !c.Partners["harbor-reference-lab"].Box.Password {
		t.Error("a box that nobody could sign in to")
	}
	p = filed(setup.WaySFTP)
	p.Password = true
	if out, err = p.Write([]byte(setuptest.First), setuptest.Read); err != nil || !strings.Contains(string(out), "password: vault:harbor") || strings.Contains(string(out), "key: vault:harbor") {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestTheWaysByFilesSayWhatIsWrong(t *testing.T) {
	for name, x := range map[string]struct {
		kind   string
		change func(*setup.NewPartner)
		field  string
	}{
		"no address":       {setup.WaySFTP, func(p *setup.NewPartner) { p.Address = "" }, "address"},
		"odd address":      {setup.WaySFTP, func(p *setup.NewPartner) { p.Address = "nowhere" }, "address"},
		"no user":          {setup.WayFTPS, func(p *setup.NewPartner) { p.User = " " }, "user"},
		"no host key":      {setup.WaySFTP, func(p *setup.NewPartner) { p.HostKeys = "" }, "host-keys"},
		"no such host key": {setup.WaySFTP, func(p *setup.NewPartner) { p.HostKeys = "aa:bb:cc" }, "host-keys"},
		"no secret":        {setup.WaySFTP, func(p *setup.NewPartner) { p.Token = "" }, "token"},
		"no certificate":   {setup.WayFTPS, func(p *setup.NewPartner) { p.Fingerprint = "" }, "fingerprint"},
		"odd fingerprint":  {setup.WayFTPS, func(p *setup.NewPartner) { p.Fingerprint = "abc" }, "fingerprint"},
		"a private key":    {setup.WaySFTPBox, func(p *setup.NewPartner) { p.SSHKeys = "-----BEGIN OPENSSH PRIVATE KEY-----" }, "ssh-keys"},
		"no network":       {setup.WayFTPSBox, func(p *setup.NewPartner) { p.From = "home" }, "from"},
		"no program":       {setup.WayFHIRPull, func(p *setup.NewPartner) { p.ClientID = "" }, "client-id"},
		"no keys":          {setup.WayFHIRPull, func(p *setup.NewPartner) { p.JWKS = "" }, "jwks"},
		"nobody's":         {setup.WayPortal, func(p *setup.NewPartner) { p.Accounts = "" }, "providers"},
	} {
		p := filed(x.kind)
		x.change(&p)
		_, err := p.Write([]byte(setuptest.First), setuptest.Read)
		var w setup.Wrong
		if !errors.As(err, &w) || w[x.field] == "" {
			t.Errorf("%s: %#v", name, err)
		}
	}
}
