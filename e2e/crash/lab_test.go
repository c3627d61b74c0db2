package crash

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
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

// lab is a hub with its counterparts in a folder of its own.
type lab struct {
	t      *testing.T
	dir    string
	dsn    string // empty: SQLite
	data   string // data folder
	addr   string // of the source "lis"
	hub    *proc
	clinic map[string]*clinic
	tails  map[string]*arrivals
}

type clinic struct {
	*proc
	addr, fault string
}

type layout struct {
	dsn      string
	data     string            // another data folder
	limits   string            // further settings of the source, a line each
	partner  map[string]string // further settings by partner, a line each
	patience string            // reply timeout of the partners
	extra    string            // further sources, two spaces deep
	route    string            // further routes
}

// newLab makes keys, certificates, database and configuration. The three
// practices of the demo are its partners, all over MLLP.
func newLab(t *testing.T, o layout) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), dsn: o.dsn, data: o.data, addr: port(t), clinic: map[string]*clinic{}, tails: map[string]*arrivals{}}
	if l.data == "" {
		l.data = filepath.Join(l.dir, "data")
	}
	ca, err := demo.NewCA(time.Now(), 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	names := []string{"hub", "lis"}
	for _, p := range demo.Practices() {
		names = append(names, p.Partner)
		l.clinic[p.Partner] = &clinic{addr: port(t)}
		l.tails[p.Partner] = &arrivals{path: l.list(p.Partner), got: map[string]int{}, came: map[string]int{}}
	}
	if err := ca.Write(l.tls(), names...); err != nil {
		t.Fatal(err)
	}
	if err := vault.CreateKeyFile(l.key(), rand.Reader); err != nil {
		t.Fatal(err)
	}
	src := l.configuration(o)
	if err := os.WriteFile(l.config(), []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	c, problems := config.Parse(l.config(), []byte(src), config.Options{Validators: app.Validators()})
	if c == nil {
		t.Fatalf("%v\n%s", problems.Err(), src)
	}
	if err := app.MakeBypassKey(&c.Node); err != nil {
		t.Fatal(err)
	}
	deps := app.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Node: "crash"}
	if _, err := app.Create(t.Context(), c, []vault.Seal{vault.KeyFile(l.key())}, 0, 0, deps); err != nil {
		t.Fatal(err)
	}
	h, err := app.Open(t.Context(), c, []vault.Seal{vault.KeyFile(l.key())}, deps)
	if err != nil {
		t.Fatal(err)
	}
	// What a new laboratory's director states once, so that its routes may carry.
	if err := errors.Join(h.StateNoOldPath(t.Context(), c, "Dr. Crash", results.By{Who: "crash", Reason: "a-test"}), h.Close()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the hub's log ends:\n%s", tail(filepath.Join(l.dir, "hub.log"), 4000))
		}
	})
	return l
}

func (l *lab) tls() string             { return filepath.Join(l.dir, "tls") }
func (l *lab) key() string             { return filepath.Join(l.dir, "root.key") }
func (l *lab) config() string          { return filepath.Join(l.dir, "labwarden.yaml") }
func (l *lab) list(name string) string { return filepath.Join(l.dir, name+".jsonl") }
func (l *lab) database() string        { return filepath.Join(l.data, "labwarden.db") }
func (l *lab) pem(name string) string  { return filepath.Join(l.tls(), name+".pem") }
func (l *lab) pkey(name string) string { return filepath.Join(l.tls(), name+".key") }
func indent(s, by string) string {
	return by + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n"+by) + "\n"
}

func (l *lab) configuration(o layout) string {
	db := "{engine: sqlite}"
	if l.dsn != "" {
		file := filepath.Join(l.dir, "dsn")
		if err := os.WriteFile(file, []byte(l.dsn), 0o600); err != nil {
			l.t.Fatal(err)
		}
		db = "{engine: postgres, dsn_file: " + file + "}"
	}
	if o.patience == "" {
		o.patience = "5s"
	}
	var b strings.Builder
	fmt.Fprintf(&b, `lab: {name: Crash Laboratory, id: crash}
node:
  data: %s
  database: %s
  seals: [{kind: keyfile, path: %s}]
  bypass: {key: %s}
  tls: {certificate: %s, key: %s}
sources:
  lis:
    mllp: {listen: %q, tls: {client_ca: %s}}
`, l.data, db, l.key(), l.bypassKey(), l.pem("hub"), l.pkey("hub"), l.addr, l.pem("ca"))
	if o.limits != "" {
		b.WriteString(indent(o.limits, "    "))
	}
	b.WriteString(o.extra + "partners:\n")
	for _, p := range demo.Practices() {
		fmt.Fprintf(&b, "  %s:\n    name: %s\n    providers:\n", p.Partner, p.Facility)
		for _, id := range p.Providers {
			fmt.Fprintf(&b, "      - {id: %s, authority: HOLLOWFEN}\n", id)
		}
		fmt.Fprintf(&b, "    destination: {mllp: {address: %q, reply_timeout: %s, tls: {ca: %s, server_name: %s}}}\n", l.clinic[p.Partner].addr, o.patience, l.pem("ca"), p.Partner)
		b.WriteString("    retry: {first: 100ms, max: 1s}\n")
		if s := o.partner[p.Partner]; s != "" {
			b.WriteString(indent(s, "    "))
		}
	}
	b.WriteString("routes:\n")
	for _, p := range demo.Practices() {
		fmt.Fprintf(&b, "  - {name: %s, from: lis, when: 'msh.receiving_app == %q', to: %s, stage: carry}\n", p.Partner, strings.ToUpper(p.Partner), p.Partner)
	}
	return b.String() + o.route
}

// begin starts the hub and waits until its door is open.
func (l *lab) begin() {
	l.t.Helper()
	l.launch()
	if _, err := l.hub.says("listening lis", 60*time.Second); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) launch() {
	l.t.Helper()
	l.hub = start(l.t, l.dir, "hub", "serve", "--config", l.config())
}

func (l *lab) beginClinic(name, fault string) {
	l.t.Helper()
	c := l.clinic[name]
	c.fault = fault
	args := []string{"demo-clinic", "--kind", "mllp", "--name", name, "--listen", c.addr, "--certs", l.tls(), "--list", l.list(name)}
	if fault != "" {
		args = append(args, "--fault", fault)
	}
	c.proc = start(l.t, l.dir, name, args...)
	if _, err := c.says("ready", 30*time.Second); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) beginClinics() {
	l.t.Helper()
	for _, p := range demo.Practices() {
		l.beginClinic(p.Partner, "")
	}
}

// beginLIS starts the LIS with n generated messages.
func (l *lab) beginLIS(n int, seed uint64, more ...string) *proc {
	l.t.Helper()
	args := []string{
		"demo-lis", "--hub", l.addr, "--certs", l.tls(), "--list", l.list("lis"),
		"--synthetic", fmt.Sprint(n), "--seed", fmt.Sprint(seed), "--connections", "16", "--retry-every", "50ms", "--ack-timeout", "5s",
	}
	return start(l.t, l.dir, "lis", append(args, more...)...)
}
