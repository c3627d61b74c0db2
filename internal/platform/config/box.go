package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// Box is a partner's drop box: who may come to it and how much it takes. Each
// partner has one folder with its results, an inbox, and receipts.
type Box struct {
	Keys         []string  `yaml:"keys" ex:"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB9iUeQQ6BHmFlGmQQDqLkM6dKzfUJjIqKCF0mfDpYcB results@riverside" doc:"SSH public keys that may sign in by SFTP, as they stand in an id_ed25519.pub. RSA from 2048 bits on."`
	Certificates bool      `yaml:"certificates" sample:"off" doc:"Lets SSH certificates of the laboratory's own authority sign in (labwarden ca ssh)."`
	Password     bool      `yaml:"password" sample:"off" doc:"Lets the password that labwarden box password made sign in, with its one-time code behind it: by SFTP and FTPS. For partners that can't use a key."`
	From         []Network `yaml:"from" ex:"203.0.113.0/28" doc:"Networks the partner may connect from. Any when absent."`
	MaxFile      Size      `yaml:"max_file" default:"1GiB" rule:"min=1KiB,max=64GiB" doc:"A longer file is refused."`
	Room         Size      `yaml:"room" default:"8GiB" rule:"min=1KiB,max=4096GiB" doc:"What the inbox holds until the laboratory fetches it; then further files are refused."`
	Accept       *Accept   `yaml:"accept" sample:"off" doc:"What may be sent: kinds of files, archives, whose. Without it HL7, FHIR, PDF and CSV."`
	Files        int       `yaml:"files" default:"20000" rule:"min=1,max=1000000" doc:"How many files the inbox holds."`
}

// BoxDestination puts results into the partner's box here, where the partner
// fetches them.
type BoxDestination struct {
	Name           string   `yaml:"name" default:"{time}-{id}.hl7" doc:"File name: {id} (needed: the delivery), {time}, {date}, {partner}, {route} and plain characters. Never patient data."`
	PickedUpWithin Duration `yaml:"picked_up_within" default:"24h" rule:"min=5m,max=31d" doc:"A result that was not picked up after this time raises an alarm."`
	Keep           Duration `yaml:"keep" default:"30d" rule:"min=1d,max=3660d" doc:"How long a file that was picked up stays; one that was not is never taken away by itself."`
}

// Front is the partner front: the process that faces the partners. It runs as a
// user of its own (labwarden front) and asks the hub over a socket.
type Front struct {
	Socket Path       `yaml:"socket" default:"./data/front/front.sock" doc:"Unix socket between hub and front. Only the hub's own user and user may open it."`
	User   string     `yaml:"user" ex:"labwarden-front" sample:"off" doc:"The system user that the front runs as. Without it only the hub's own user may be the front, which protects less: say so on purpose."`
	SFTP   *FrontSFTP `yaml:"sftp" doc:"Where partners reach their boxes by SFTP."`
	FTPS   *FrontFTPS `yaml:"ftps" sample:"off" doc:"Where partners reach their boxes by FTP inside TLS. SFTP is simpler for both sides: a firewall has one port to open."`
	Web    *FrontWeb  `yaml:"web" sample:"off" doc:"Where partners reach the portal and the FHIR server through the front. Without it both are reached at addresses of their own, in the hub."`
}

// FrontWeb is the listener of the portal and the FHIR server.
type FrontWeb struct {
	Listen      Listen `yaml:"listen" default:"127.0.0.1:9443" doc:"IP:PORT. A port alone listens on 127.0.0.1. Which of both a client gets is told by the host of its public_url; TLS 1.3 only, with the certificates of node.portal and node.fhir, whose keys stay in the hub."`
	Connections int    `yaml:"connections" default:"1000" rule:"min=1,max=5000" doc:"Connections at one time, in all."`
	PerAddress  int    `yaml:"per_address" default:"64" rule:"min=1,max=5000" doc:"Connections at one time from one address."`
}

// FrontFTPS is the FTPS listener: explicit TLS, passive data connections.
type FrontFTPS struct {
	Listen      Listen   `yaml:"listen" default:"127.0.0.1:2121" doc:"IP:PORT. A port alone listens on 127.0.0.1."`
	FirstPort   int      `yaml:"first_port" default:"50000" rule:"min=1024,max=65535" doc:"First port of data connections; the firewall has to let them in."`
	LastPort    int      `yaml:"last_port" default:"50099" rule:"min=1024,max=65535" doc:"Last port of data connections."`
	Host        string   `yaml:"host" ex:"203.0.113.10" doc:"The IPv4 address to tell clients for data connections, where the front stands behind address translation."`
	TLS         *KeyPair `yaml:"tls" doc:"Its certificate, when it is not the one of node.tls. The key stays in the hub."`
	Connections int      `yaml:"connections" default:"512" rule:"min=1,max=5000" doc:"Connections at one time, in all."`
	PerAddress  int      `yaml:"per_address" default:"64" rule:"min=1,max=5000" doc:"Connections at one time from one address."`
}

// FrontSFTP is the SFTP listener.
type FrontSFTP struct {
	Listen      Listen `yaml:"listen" default:"127.0.0.1:2022" doc:"IP:PORT. A port alone listens on 127.0.0.1."`
	Connections int    `yaml:"connections" default:"1000" rule:"min=1,max=5000" doc:"Connections at one time, in all."`
	PerAddress  int    `yaml:"per_address" default:"64" rule:"min=1,max=5000" doc:"Connections at one time from one address."`
}

// keyTypes are how a public key line may begin.
var keyTypes = []string{
	"ssh-ed25519", "sk-ssh-ed25519@openssh.com", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "sk-ecdsa-sha2-nistp256@openssh.com", "ssh-rsa",
}

func (d *decoder) checkBox(p Partner, at string) {
	if p.Destination.Box != nil {
		d.fileName(p.Destination.Box.Name, at+".destination.box.name")
		if p.Box == nil && !d.bad(at) {
			d.addKey(at+".destination.box", Error, "write box: with keys: below the partner", "nobody could fetch what is put there: the partner has no box")
		}
	}
	b := p.Box
	if b == nil {
		return
	}
	at += ".box"
	if len(b.Keys) == 0 && !b.Certificates && !b.Password && !d.bad(at) {
		d.addKey(at, Error, "write keys: with the partner's SSH public key, certificates: true or password: true", "nobody could sign in to the box")
	}
	for i, k := range b.Keys {
		item := fmt.Sprintf("%s.keys[%d]", at, i)
		f := strings.Fields(k)
		switch {
		case strings.Contains(k, "PRIVATE KEY"):
			d.add(item, "write the line of the .pub file, and have the partner make a new key: this one has been shown", "a private key must not stand in the configuration")
		case len(f) < 2 || !slices.Contains(keyTypes, f[0]):
			d.add(item, "write the whole line of the .pub file, like ssh-ed25519 AAAA... name", "this is no SSH public key that may sign in here")
		}
	}
}

func (d *decoder) checkFront(c *Config, taken map[Listen]string) {
	f := c.Node.Front
	if f == nil {
		return
	}
	if f.SFTP != nil {
		d.takes(f.SFTP.Listen, "node.front.sftp", "the partners' SFTP", taken)
	}
	d.checkFrontWeb(&c.Node, taken)
	if t := f.FTPS; t != nil {
		at := "node.front.ftps"
		d.takes(t.Listen, at, "the partners' FTPS", taken)
		switch {
		case t.TLS != nil:
			d.pair(at+".tls", t.TLS.Certificate, t.TLS.Key)
		case c.Node.TLS == nil && !d.bad(at):
			d.addKey(at, Error, "write tls: {certificate: FILE, key: FILE} there, or node.tls", "FTPS needs a certificate")
		}
		if t.LastPort < t.FirstPort && !d.bad(at) {
			d.add(at+".last_port", "write a port from first_port on", "the ports of data connections end before they begin")
		}
		if ip, err := netip.ParseAddr(t.Host); t.Host != "" && (err != nil || !ip.Is4()) {
			d.add(at+".host", "write an IPv4 address", "%s is no IPv4 address", quote(t.Host))
		}
	}
}

// checkFrontWeb also closes the addresses of their own of the sites behind the
// front, where the file does not ask for them.
func (d *decoder) checkFrontWeb(n *Node, taken map[Listen]string) {
	w := n.Front.Web
	if w == nil {
		return
	}
	d.takes(w.Listen, "node.front.web", "the partners' web door", taken)
	if n.Portal == nil && n.FHIR == nil && !d.bad("node") {
		d.addKey("node.front.web", Error, "write node.portal or node.fhir, or remove it", "nothing is behind the partners' web door")
	}
	if n.Portal != nil && n.FHIR != nil && !d.bad("node.fhir") && strings.EqualFold(hostOf(n.Portal.PublicURL), hostOf(n.FHIR.PublicURL)) {
		d.add("node.fhir.public_url", "give the FHIR server a host name of its own, such as fhir.HOST", "the portal has this host, and the front tells them apart by it")
	}
	if n.Portal != nil && !d.written("node.portal.listen") {
		n.Portal.Listen = ""
	}
	if n.FHIR != nil && !d.written("node.fhir.listen") {
		n.FHIR.Listen = ""
	}
}

// takes claims a listening address.
func (d *decoder) takes(l Listen, at, whose string, taken map[Listen]string) {
	if strings.HasSuffix(string(l), ":0") {
		return
	}
	if other := taken[l]; other != "" {
		d.add(at+".listen", "give one of them another port", "%s is also the address of %s", l, other)
	}
	taken[l] = whose
}
