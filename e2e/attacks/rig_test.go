package attacks

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// program builds the real one, once.
var program = sync.OnceValues(func() (string, error) {
	wd, err := os.Getwd() // go test starts in the package's folder, two below
	if err != nil {
		return "", err
	}
	path := filepath.Join(wd, "..", "..", ".test", "attacks", "labwarden")
	build := exec.Command("go", "build", "-o", path, "github.com/labwarden/labwarden/cmd/labwarden")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build labwarden: %w\n%s", err, out)
	}
	return path, nil
})

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func bars() string { return os.Getenv("LABWARDEN_BARS") }

// door is an address nobody uses.
func door(t testing.TB) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer ln.Close()
	return ln.Addr().String()
}

// hub is the program as it runs, with its pages and one source.
type hub struct {
	t     testing.TB
	dir   string
	addr  string // of the pages
	url   string
	lis   string
	link  string // one-time link of the first administrator, from / on
	roots *x509.CertPool
	bin   string
	cmd   *exec.Cmd
	ended chan struct{}
}

func (h *hub) path(name string) string { return filepath.Join(h.dir, name) }

// newHub makes a laboratory and starts it; partners is the configuration's part
// of that name.
func newHub(t testing.TB, partners, to string) *hub {
	t.Helper()
	bin, err := program()
	must(t, err)
	h := &hub{t: t, dir: t.TempDir(), addr: door(t), lis: door(t), bin: bin, ended: make(chan struct{})}
	_, port, err := net.SplitHostPort(h.addr)
	must(t, err)
	h.url = "https://localhost:" + port
	must(t, vault.CreateKeyFile(h.path("root.key"), rand.Reader))
	src := fmt.Sprintf(`lab: {name: Millbrook Laboratory, id: millbrook}
node:
  name: millbrook
  data: %s
  seals: [{kind: keyfile, path: %s}]
  control: {socket: %s}
  bypass: {key: %s}
  metrics: {listen: "127.0.0.1:0"}
  web: {listen: %q, public_url: %q, requests_per_minute: 1000000}
alarms: {date_owner: M. Okafor, critical_after: 1m}
sources:
  lis: {mllp: {listen: %q}, from: [127.0.0.1/32]}
  other: {mllp: {listen: "127.0.0.1:0"}, from: [127.0.0.1/32]}
partners:
%sroutes:
  - {name: all, from: lis, to: [%s], stage: carry, check: none, check_reason: a test}
`, h.path("data"), h.path("root.key"), h.path("hub.sock"), h.path("bypass.key"), h.addr, h.url, h.lis, partners, to)
	must(t, os.WriteFile(h.path("labwarden.yaml"), []byte(src), 0o600))
	h.create(src)
	h.serve()
	for line := range strings.Lines(h.must("access", "first")) {
		if rest, ok := strings.CutPrefix(strings.TrimSpace(line), h.url); ok {
			h.link = rest
		}
	}
	h.roots = x509.NewCertPool()
	if !h.roots.AppendCertsFromPEM([]byte(h.must("access", "root"))) || h.link == "" {
		t.Fatal("no root, or no link for the first administrator")
	}
	return h
}

func (h *hub) create(src string) {
	t := h.t
	c, problems := config.Parse("labwarden.yaml", []byte(src), config.Options{Now: time.Now(), Validators: app.Validators()})
	if c == nil {
		t.Fatal(problems.Err())
	}
	must(t, app.MakeBypassKey(&c.Node))
	deps := app.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Node: "millbrook"}
	seals := []vault.Seal{vault.KeyFile(h.path("root.key"))}
	_, err := app.Create(t.Context(), c, seals, 0, 0, deps)
	must(t, err)
	a, err := app.Open(t.Context(), c, seals, deps)
	must(t, err)
	must(t, errors.Join(a.StateNoOldPath(t.Context(), c, "Dr. H. Bell", results.By{Who: "init", Reason: "new-laboratory"}), a.Close()))
}

func (h *hub) serve() {
	t := h.t
	log, err := os.Create(h.path("hub.log"))
	must(t, err)
	defer log.Close() // the child has its own
	h.cmd = exec.Command(h.bin, "serve", "--config", h.path("labwarden.yaml"))
	h.cmd.Dir, h.cmd.Env, h.cmd.Stderr = h.dir, []string{}, log
	h.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	out, err := h.cmd.StdoutPipe()
	must(t, err)
	must(t, h.cmd.Start())
	up := make(chan struct{})
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			if strings.HasPrefix(s.Text(), "listening lis") {
				close(up)
			}
		}
		_ = h.cmd.Wait() // how it ends does not matter here
		close(h.ended)
	}()
	t.Cleanup(func() {
		_ = h.cmd.Process.Kill() // an error means that it is gone already
		<-h.ended
		if t.Failed() {
			t.Logf("the hub's log ends:\n%s", h.log())
		}
	})
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	select {
	case <-up:
	case <-h.ended:
		t.Fatalf("it ended at once:\n%s", h.log())
	case <-late.C:
		t.Fatal("it did not listen in a minute")
	}
}

func (h *hub) log() string {
	b, _ := os.ReadFile(h.path("hub.log"))
	return string(b[max(0, len(b)-4000):])
}

// must runs a command against the hub.
func (h *hub) must(args ...string) string {
	h.t.Helper()
	var out, bad bytes.Buffer
	c := exec.CommandContext(h.t.Context(), h.bin, append(args, "--config", h.path("labwarden.yaml"))...)
	c.Dir, c.Env, c.Stdout, c.Stderr = h.dir, []string{}, &out, &bad
	if err := c.Run(); err != nil {
		h.t.Fatalf("labwarden %s: %v\n%s", strings.Join(args, " "), err, bad.String())
	}
	return out.String()
}

var kilobytes = regexp.MustCompile(`(?m)^(VmRSS|VmHWM):\s+(\d+) kB`)

// memory is what the process holds now, and the most it ever held, in MiB.
func (h *hub) memory() (now, peak int) {
	h.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", h.cmd.Process.Pid))
	if err != nil {
		h.t.Skip("this system does not tell a process's memory: ", err)
	}
	for _, m := range kilobytes.FindAllStringSubmatch(string(b), -1) {
		n, err := strconv.Atoi(m[2])
		must(h.t, err)
		if m[1] == "VmRSS" {
			now = n >> 10
		} else {
			peak = n >> 10
		}
	}
	return now, peak
}

// dial opens a TLS connection that speaks the protocol named.
func (h *hub) dial(proto string) *tls.Conn {
	h.t.Helper()
	d := tls.Dialer{Config: &tls.Config{RootCAs: h.roots, ServerName: "localhost", NextProtos: []string{proto}, MinVersion: tls.VersionTLS12}}
	c, err := d.DialContext(h.t.Context(), "tcp", h.addr)
	must(h.t, err)
	h.t.Cleanup(func() { _ = c.Close() }) // often closed before
	tc := c.(*tls.Conn)
	if got := tc.ConnectionState().NegotiatedProtocol; got != proto {
		h.t.Fatalf("%q was agreed on, not %q", got, proto)
	}
	must(h.t, tc.SetDeadline(time.Now().Add(20*time.Second)))
	return tc
}

func (h *hub) host() string {
	u, err := url.Parse(h.url)
	must(h.t, err)
	return u.Host
}
