package cli

import (
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/app"
	"github.com/labwarden/labwarden/internal/platform/alarm"
	"github.com/labwarden/labwarden/internal/platform/config"
	"github.com/labwarden/labwarden/internal/platform/store/storetest"
	"github.com/labwarden/labwarden/internal/platform/vault"
)

// gateway is a service for text messages that keeps its own list.
type gateway struct {
	*httptest.Server
	mu      sync.Mutex
	got     []alarm.Message
	refused []string // identifiers of what it refused
	closed  bool
}

func newGateway(t *testing.T, ca string) *gateway {
	t.Helper()
	g := &gateway{}
	g.Server = httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		var m alarm.Message
		if err != nil || json.Unmarshal(b, &m) != nil || r.Header.Get("Labwarden-Signature") == "" {
			t.Errorf("the gateway got %q, %v", b, err)
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		if g.closed {
			g.refused = append(g.refused, m.ID)
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		g.got = append(g.got, m)
	}))
	t.Cleanup(g.Close)
	check(t, os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: g.Certificate().Raw}), 0o600))
	return g
}

func (g *gateway) shut(yes bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = yes
}

// about are the messages about one kind of alarm, "raised over".
func (g *gateway) about(kind string) string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var out []string
	for _, m := range g.got {
		if m.Kind == kind {
			out = append(out, m.What)
		}
	}
	return strings.Join(out, " ")
}

func (g *gateway) until(t *testing.T, kind, want string) {
	t.Helper()
	if !poll(func() bool { return g.about(kind) == want }) {
		t.Fatalf("the gateway was told %q about %s, want %q", g.about(kind), kind, want)
	}
}

// program starts this program beside the test.
func program(t *testing.T, want string, args ...string) (cmd *exec.Cmd, found string, p *process) {
	t.Helper()
	p = &process{cmd: exec.Command(os.Args[0], args...), done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = p, p
	check(t, p.cmd.Start())
	go func() { defer close(p.done); _ = p.cmd.Wait() }()
	t.Cleanup(func() { _ = p.cmd.Process.Kill(); <-p.done })
	re := regexp.MustCompile(want)
	if !poll(func() bool { return re.MatchString(p.text()) }) {
		t.Fatalf("%v never said %s:\n%s", args, want, p.text())
	}
	m := re.FindStringSubmatch(p.text())
	return p.cmd, m[len(m)-1], p
}

// ask runs this program and returns its output, whatever its status.
func ask(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), os.Args[0], args...).CombinedOutput()
	if err != nil && len(out) == 0 {
		t.Fatalf("%v: %v", args, err)
	}
	return string(out)
}

const alarmedConfiguration = `lab: {name: Millbrook, id: millbrook}
node:
  data: %[1]s/data
  metrics: {listen: "127.0.0.1:0"}
  control: {socket: %[1]s/hub.sock}
  seals: [{kind: keyfile, path: %[1]s/root.key}, {kind: keyfile, path: %[1]s/gone.key}]
%[2]ssources:
  lis: {mllp: {listen: "127.0.0.1:0"}, from: [127.0.0.1/32]}
partners:
  first: {name: First, providers: [{id: "1", authority: NPI}], destination: {mllp: {address: "127.0.0.1:9"}}}
routes:
  - {name: all, from: lis, to: [first], stage: shadow}
`

// The hub is killed while the gateway refuses what it is to tell: after the
// start the same message is told, once. A second process notices the death.
func TestAlarmsReachSomebodyAcrossAKill(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { alarmsAcrossAKill(t, "") })
	t.Run("postgres", func(t *testing.T) { alarmsAcrossAKill(t, storetest.PostgresDSN(t)) })
}

func alarmsAcrossAKill(t *testing.T, dsn string) {
	dir := t.TempDir()
	check(t, os.Chmod(dir, 0o700)) // the control socket is made in it
	at := func(name string) string { return filepath.Join(dir, name) }
	write := func(name, text string) { check(t, os.WriteFile(at(name), []byte(text), 0o600)) }
	check(t, vault.CreateKeyFile(at("root.key"), rand.Reader))
	database := ""
	if dsn != "" {
		write("dsn", dsn)
		database = fmt.Sprintf("  database: {engine: postgres, dsn_file: %s}\n", at("dsn"))
	}
	src := fmt.Sprintf(alarmedConfiguration, dir, database)
	conf, problems := config.Parse("labwarden.yaml", []byte(src), config.Options{Validators: app.Validators()})
	if conf == nil {
		t.Fatal(problems.Err())
	}
	deps := app.Deps{Now: time.Now, Log: slog.New(slog.DiscardHandler), Node: "test"}
	seals := []vault.Seal{vault.KeyFile(at("root.key"))}
	_, err := app.Create(t.Context(), conf, seals, 0, 0, deps)
	check(t, err)
	h, err := app.Open(t.Context(), conf, seals, deps)
	check(t, err)
	write("lab.pub", strings.Join(h.Vault.VerifierKeys(), "\n")+"\n")
	check(t, h.Close())

	g := newGateway(t, at("gateway.pem"))
	g.shut(true)
	write("secret", "0123456789abcdef0123456789abcdef\n")
	_, watcher, _ := program(t, `ready (\S+)`, "heartbeat", "watch", "--listen", "127.0.0.1:0", "--lab-key", at("lab.pub"), "--patience", "3s", "--repeat", "10m",
		"--notify", g.URL+"/watch", "--notify-secret", at("secret"), "--notify-ca", at("gateway.pem"))
	write("labwarden.yaml", src+fmt.Sprintf(`alarms:
  heartbeat: {url: %q, every: 1s}
  on_call:
    - name: M. Okafor
      wait: 10m
      ways: [{kind: webhook, url: %q, to: "+15550100", secret: "file:%s", ca: %s}]
`, watcher, g.URL+"/sms", at("secret"), at("gateway.pem")))
	serve := func() (*exec.Cmd, *process) {
		cmd, _, p := program(t, `listening lis (\S+)`, "serve", "--config", at("labwarden.yaml"))
		return cmd, p
	}
	on := []string{"--config", at("labwarden.yaml")}
	list := func() string { return ask(t, append([]string{"alarms", "list"}, on...)...) }

	hub, p := serve()
	refused := func() bool { g.mu.Lock(); defer g.mu.Unlock(); return len(g.refused) > 0 }
	if !poll(refused) {
		t.Fatalf("the gateway was never asked:\n%s", p.text())
	}
	if text := list(); !strings.Contains(text, "gone.key") || !strings.Contains(text, "M. Okafor cannot be reached by webhook 127.0.0.1") || strings.Contains(text, "/sms") {
		t.Errorf("alarms list:\n%s", text)
	}
	check(t, hub.Process.Kill()) // SIGKILL
	<-p.done
	g.shut(false)
	g.until(t, "hub.silent", "raised")

	_, p = serve()
	g.until(t, "seal.missing", "raised")
	g.until(t, "hub.silent", "raised over")
	g.mu.Lock()
	for _, m := range g.got {
		if m.Kind == "seal.missing" && m.ID != g.refused[0] {
			t.Errorf("after the kill it was told as %s, before as %v", m.ID, g.refused)
		}
	}
	g.mu.Unlock()

	if text := ask(t, append([]string{"status"}, on...)...); !strings.HasPrefix(text, "Alarm 1 (warning, since ") || !strings.Contains(text, "labwarden alarms accept 1") {
		t.Errorf("status:\n%s", text)
	}
	if text := ask(t, append([]string{"alarms", "close", "1", "--reason", "no matter"}, on...)...); !strings.Contains(text, "still stands") {
		t.Errorf("closing what stands:\n%s", text)
	}
	if text := ask(t, append([]string{"alarms", "accept", "1"}, on...)...); !strings.Contains(text, "Alarm 1 is accepted by ") {
		t.Errorf("accepting:\n%s", text)
	}
	if text := ask(t, append([]string{"alarms", "show", "1"}, on...)...); !strings.Contains(text, "200 OK") || !strings.Contains(text, "M. Okafor") {
		t.Errorf("show:\n%s", text)
	}
	if text := ask(t, append([]string{"alarms", "test"}, on...)...); !strings.Contains(text, "taken") || !strings.Contains(text, "200 OK") {
		t.Errorf("test:\n%s", text)
	}
	g.until(t, "", "test")
	write("gone.key", "back")
	if !poll(func() bool { return strings.Contains(list(), "quiet") }) {
		t.Errorf("the seal is back:\n%s", list())
	}
	var out struct {
		Alarms []alarm.Record `json:"alarms"`
	}
	if err := json.Unmarshal([]byte(ask(t, append([]string{"alarms", "list", "--json"}, on...)...)), &out); err != nil || len(out.Alarms) != 1 || out.Alarms[0].State != alarm.Accepted {
		t.Errorf("json: %+v, %v\n%s", out, err, p.text())
	}
}
