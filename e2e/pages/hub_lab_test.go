package pages

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/demo"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// laboratory is a running hub with partners around it, each a process.
type laboratory struct {
	t     *testing.T
	dir   string
	url   string
	lis   string // address results go to
	certs []*x509.Certificate
	hub   *process
	link  string // one-time link of the first administrator, from / on
	key   string // the public key, in a file
	// further are practices that listen and are no partners yet, by name.
	further map[string]string
}

// place is a partner of the laboratory.
type place struct {
	key, name, kind string
	providers       []string
	down            bool
}

// places are those of LOOK's Today: five answer, one has been down.
func places() []place {
	return []place{
		{key: "northgate", name: "Northgate Clinic", kind: demo.KindMLLP, providers: []string{"NG301"}, down: true},
		{key: "riverside", name: "Riverside Family Practice", kind: demo.KindMLLP, providers: []string{"RV101"}},
		{key: "stbrigid", name: "St. Brigid Hospital", kind: demo.KindFHIR, providers: []string{"SB201"}},
		{key: "county", name: "County Health Department", kind: demo.KindFolder, providers: []string{"NG302"}},
		{key: "harbor", name: "Harbor Reference Lab", kind: demo.KindMLLP, providers: []string{"SB202"}},
		{key: "lindqvist", name: "Dr. A. Lindqvist", kind: demo.KindFolder, providers: []string{"RV102"}},
	}
}

// newLaboratory starts it and sends the bundled messages through: some partners
// acknowledge, one is down, one message cannot be read.
func newLaboratory(t *testing.T) *laboratory {
	t.Helper()
	l := &laboratory{t: t, dir: t.TempDir(), lis: door(t)}
	ca, err := demo.NewCA(time.Now(), 90*24*time.Hour)
	fatal(t, err)
	names := []string{"hub", "lis", "cedar", "maple"}
	for _, p := range places() {
		names = append(names, p.key)
	}
	fatal(t, ca.Write(l.path("tls"), names...))
	fatal(t, vault.CreateKeyFile(l.path("root.key"), rand.Reader))
	at := map[string]string{}
	for _, p := range places() {
		at[p.key] = door(t)
		if !p.down {
			at[p.key] = l.beginPartner(p, "127.0.0.1:0")
		}
	}
	l.further = map[string]string{}
	if whole() {
		for _, key := range []string{"cedar", "maple"} {
			l.further[key] = l.beginPartner(place{key: key, kind: demo.KindMLLP}, "127.0.0.1:0")
		}
	}
	pages := door(t)
	_, port, err := net.SplitHostPort(pages)
	fatal(t, err)
	l.url = "https://localhost:" + port
	src := l.configuration(pages, at)
	fatal(t, os.WriteFile(l.path("labwarden.yaml"), []byte(src), 0o600))
	l.create(src)
	l.hub = begin(t, l.dir, "hub", "serve", "--config", l.path("labwarden.yaml"))
	l.hub.says(t, "listening lis")
	said := l.must("access", "first")
	for line := range strings.Lines(said) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), l.url); ok {
			l.link = rest
		}
	}
	if l.link == "" {
		t.Fatalf("no link in %q", said)
	}
	l.certs = l.served(pages)
	l.send()
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(l.path("hub.log"))
			t.Logf("the hub's log ends:\n%s", log[max(0, len(log)-4000):])
		}
	})
	return l
}

func fatal(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (l *laboratory) path(name string) string { return filepath.Join(l.dir, name) }

// must runs a command against the hub.
func (l *laboratory) must(args ...string) string {
	l.t.Helper()
	out, err := command(l.t, l.dir, append(args, "--config", l.path("labwarden.yaml"))...)
	if err != nil {
		l.t.Fatalf("labwarden %s: %v", strings.Join(args, " "), err)
	}
	return out
}

// create makes the laboratory; its director states that there is no old path.
func (l *laboratory) create(src string) {
	l.t.Helper()
	c, problems := config.Parse("labwarden.yaml", []byte(src), config.Options{Now: time.Now(), Validators: app.Validators()})
	if c == nil {
		l.t.Fatal(problems.Err())
	}
	fatal(l.t, app.MakeBypassKey(&c.Node))
	deps := app.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Node: "millbrook"}
	seals := []vault.Seal{vault.KeyFile(l.path("root.key"))}
	_, err := app.Create(l.t.Context(), c, seals, 0, 0, deps)
	fatal(l.t, err)
	h, err := app.Open(l.t.Context(), c, seals, deps)
	fatal(l.t, err)
	l.key = l.path("millbrook.pub")
	fatal(l.t, os.WriteFile(l.key, []byte(h.Vault.VerifierKey()+"\n"), 0o600))
	fatal(l.t, errors.Join(h.StateNoOldPath(l.t.Context(), c, "Dr. H. Bell", results.By{Who: "init", Reason: "new-laboratory"}), h.Close()))
}

// beginPartner starts one and returns where it listens.
func (l *laboratory) beginPartner(p place, listen string) string {
	l.t.Helper()
	args := []string{"demo-clinic", "--kind", p.kind, "--name", p.key, "--certs", l.path("tls"), "--list", l.path(p.key + ".list"), "--listen", listen}
	if p.kind == demo.KindFolder {
		fatal(l.t, os.Mkdir(l.path(p.key), 0o700))
		args = append(args, "--folder", l.path(p.key), "--identity", l.path(p.key+".age"))
	}
	return begin(l.t, l.dir, p.key, args...).says(l.t, "ready")
}

// served are the certificates the pages show, and the authority's that access
// root prints: what a laboratory's browsers import.
func (l *laboratory) served(addr string) []*x509.Certificate {
	l.t.Helper()
	block, _ := pem.Decode([]byte(l.must("access", "root")))
	root, err := x509.ParseCertificate(block.Bytes)
	fatal(l.t, err)
	pool := x509.NewCertPool()
	pool.AddCert(root)
	d := tls.Dialer{Config: &tls.Config{RootCAs: pool, ServerName: "localhost", MinVersion: tls.VersionTLS13}}
	c, err := d.DialContext(l.t.Context(), "tcp", addr)
	fatal(l.t, err)
	defer c.Close()
	return append(c.(*tls.Conn).ConnectionState().PeerCertificates, root)
}

func (l *laboratory) send() {
	l.t.Helper()
	begin(l.t, l.dir, "lis", "demo-lis", "--hub", l.lis, "--certs", l.path("tls"), "--list", l.path("lis.list"), "--attempts", "1").ends(l.t)
}

func (l *laboratory) configuration(pages string, at map[string]string) string {
	cert := func(name string) string { return filepath.Join(l.dir, "tls", name) }
	var b strings.Builder
	fmt.Fprintf(&b, `lab: {name: Millbrook Laboratory, id: millbrook}
node:
  name: millbrook
  data: %s
  seals: [{kind: keyfile, path: %s}]
  control: {socket: %s}
  metrics: {listen: "127.0.0.1:0"}
  bypass: {key: %s}
  tls: {certificate: %s, key: %s}
  web: {listen: %q, public_url: %q}
alarms: {date_owner: M. Okafor, critical_after: 1m}
sources:
  lis: {mllp: {listen: %q, tls: {client_ca: %s}}, from: [127.0.0.1/32]}
partners:
`, l.path("data"), l.path("root.key"), l.path("hub.sock"), l.path("bypass.key"), cert("hub.pem"), cert("hub.key"), pages, l.url, l.lis, cert("ca.pem"))
	for _, p := range places() {
		fmt.Fprintf(&b, "  %s:\n    name: %q\n    providers: [", p.key, p.name)
		for _, id := range p.providers {
			fmt.Fprintf(&b, "{id: %q, authority: HOLLOWFEN}, ", id)
		}
		fmt.Fprintf(&b, "]\n    alarm_after: 1m\n    retry: {first: 1s, max: 5s}\n    destination:\n")
		switch p.kind {
		case demo.KindMLLP:
			fmt.Fprintf(&b, "      mllp: {address: %q, tls: {ca: %s, server_name: %s}}\n", at[p.key], cert("ca.pem"), p.key)
		case demo.KindFHIR:
			fmt.Fprintf(&b, "      fhir: {base: %q, tls: {ca: %s, server_name: %s}}\n", at[p.key], cert("ca.pem"), p.key)
		case demo.KindFolder:
			to, err := os.ReadFile(l.path(p.key + ".age.pub"))
			fatal(l.t, err)
			fmt.Fprintf(&b, "      folder: {path: %s}\n      encrypt: {age: [%s]}\n", at[p.key], strings.TrimSpace(string(to)))
		}
	}
	b.WriteString("routes:\n")
	for _, p := range places() {
		when := fmt.Sprintf(`any(providers, # in ["%s"])`, strings.Join(p.providers, `", "`))
		fmt.Fprintf(&b, "  - {name: %s-results, from: lis, to: [%s], stage: carry, when: %q}\n", p.key, p.key, when)
	}
	// A route that is being tried: it sends nothing.
	fmt.Fprintf(&b, "  - {name: county-reports, from: lis, to: [county], stage: shadow, when: 'msh.type == \"OUL\"'}\n")
	return b.String()
}

// console runs a command as whoever stands at the machine.
func (l *laboratory) console(line string) error {
	_, err := command(l.t, l.dir, append(strings.Fields(line), "--config", l.path("labwarden.yaml"))...)
	return err
}
