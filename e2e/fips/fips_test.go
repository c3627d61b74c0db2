package fips

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// lab is a hub and its front, both the FIPS build, with one partner.
type lab struct {
	t         *testing.T
	bin, dir  string
	port, key string
	https     string
}

// output of a program that runs, read while it writes.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) find(re string) string {
	o.mu.Lock()
	defer o.mu.Unlock()
	if m := regexp.MustCompile(re).FindSubmatch(o.b.Bytes()); m != nil {
		return string(m[1])
	}
	return ""
}

func tool(t *testing.T, name string) {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing", name)
		}
		t.Skipf("SKIPPED: %s is not installed: tools/setup.sh installs it", name)
	}
}

// run is a program in the lab's folder and all it says; it may fail.
func (l *lab) run(name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(l.t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = l.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (l *lab) must(name string, args ...string) string {
	l.t.Helper()
	out, err := l.run(name, args...)
	if err != nil {
		l.t.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return out
}

// start runs the program until the test ends, and returns when it says re.
func (l *lab) start(re string, args ...string) string {
	l.t.Helper()
	out := &output{}
	cmd := exec.Command(l.bin, args...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = l.dir, out, out
	if err := cmd.Start(); err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); <-tick.C {
		if found := out.find(re); found != "" {
			return found
		}
	}
	l.t.Fatalf("labwarden %v did not say %q:\n%s", args, re, out.find(`(?s)(.*)`))
	return ""
}

const configuration = `lab: {name: Millbrook Laboratory, id: millbrook}
node:
  data: ./data
  seals: [{kind: keyfile, path: ./keys/root.key}]
  metrics: {listen: 127.0.0.1:0}
  tls: {certificate: ./tls/hub.pem, key: ./tls/hub.key}
  web: {listen: %[2]q}
  front: {sftp: {listen: 127.0.0.1:0}}
sources:
  lis:
    mllp: {listen: 127.0.0.1:0, tls: {client_ca: ./tls/ca.pem}}
partners:
  riverside:
    name: Riverside
    box: {keys: [%[1]q]}
    destination: {box: {}}
routes:
  - name: all
    from: lis
    to: riverside
    stage: carry
    check: none
    check_reason: made-up results only
`

func newLab(t *testing.T) *lab {
	bin := os.Getenv("LABWARDEN_FIPS_BINARY")
	if bin == "" {
		t.Skip("SKIPPED: LABWARDEN_FIPS_BINARY names no FIPS build; tools/fips.sh does")
	}
	for _, p := range []string{"ssh", "sftp", "ssh-keygen", "ssh-keyscan", "openssl"} {
		tool(t, p)
	}
	l := &lab{t: t, bin: bin, dir: t.TempDir()}
	l.key = filepath.Join(l.dir, "partner")
	for name, kind := range map[string]string{"partner": "ecdsa", "other": "ed25519"} {
		l.must("ssh-keygen", "-q", "-t", kind, "-N", "", "-f", filepath.Join(l.dir, name))
	}
	public, err := os.ReadFile(l.key + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l.https = ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	l.must(bin, "init", "lab", "--name", "Millbrook Laboratory", "--id", "millbrook")
	conf := fmt.Sprintf(configuration, strings.TrimSpace(string(public)), l.https)
	if err := os.WriteFile(l.config(), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	l.must(bin, "route", "approve", "all", "--no-old-path", "--director", "Dr. Okafor", "--reason", "a new practice", "--config", l.config())
	l.start(`listening lis (\S+)`, "serve", "--config", l.config())
	addr := l.start(`listening sftp (\S+)`, "front", "--socket", filepath.Join(l.dir, "lab/data/front/front.sock"))
	_, l.port, _ = net.SplitHostPort(addr)
	return l
}

func (l *lab) config() string { return filepath.Join(l.dir, "lab/labwarden.yaml") }

// ssh are the options of every SSH client here.
func (l *lab) ssh(more ...string) []string {
	return append([]string{
		"-F", "none", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes", "-o", "StrictHostKeyChecking=accept-new",
		"-o", "UserKnownHostsFile=" + filepath.Join(l.dir, "known"), "-i", l.key,
	}, more...)
}

// offered is a list of the server's first message (RFC 4253 7.1), as OpenSSH shows it.
func offered(t *testing.T, log, name string) []string {
	t.Helper()
	_, log, ok := strings.Cut(log, "peer server KEXINIT proposal")
	if !ok {
		t.Fatalf("OpenSSH did not show what the server offers:\n%s", log)
	}
	m := regexp.MustCompile(regexp.QuoteMeta(name) + `: (\S*)`).FindStringSubmatch(log)
	if m == nil {
		t.Fatalf("no %s in:\n%s", name, log)
	}
	return strings.Split(m[1], ",")
}

func TestWhatAFIPSHubOffers(t *testing.T) {
	l := newLab(t)
	if out := l.must(l.bin, "version"); !strings.Contains(out, "FIPS 140-3: yes, validated module v1.0.0") {
		t.Errorf("version says %q", out)
	}
	if out, _ := l.run(l.bin, "status", "--config", l.config()); !strings.Contains(out, "FIPS 140-3: yes") {
		t.Errorf("status says %q", out)
	}

	batch := filepath.Join(l.dir, "batch")
	order, err := os.ReadFile("../../internal/demo/messages/01-bmp.hl7")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(l.dir, "order.hl7"), order, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(batch, []byte("ls\nput order.hl7 inbox/order.hl7\nls inbox\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := l.must("sftp", l.ssh("-vv", "-P", l.port, "-b", batch, "riverside@127.0.0.1")...)
	for name, want := range map[string][]string{
		"KEX algorithms":      {"ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521"},
		"host key algorithms": {"ecdsa-sha2-nistp256"},
		"ciphers ctos":        {"aes128-gcm@openssh.com", "aes256-gcm@openssh.com"},
		"ciphers stoc":        {"aes128-gcm@openssh.com", "aes256-gcm@openssh.com"},
		"MACs ctos":           {"hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"},
		"compression stoc":    {"none"},
	} {
		got := slices.DeleteFunc(offered(t, out, name), func(s string) bool { return strings.HasPrefix(s, "kex-strict-") })
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", name, got, want)
		}
	}
	if out := l.must(l.bin, "box", "list", "riverside", "inbox", "--config", l.config()); !strings.Contains(out, "order.hl7") {
		t.Errorf("what was sent is not there: %s", out)
	}

	refused := func(what string, args ...string) {
		t.Helper()
		if out, err := l.run("sftp", l.ssh(append(args, "-P", l.port, "-b", batch, "riverside@127.0.0.1")...)...); err == nil {
			t.Errorf("%s was taken:\n%s", what, out)
		}
	}
	refused("X25519", "-o", "KexAlgorithms=curve25519-sha256")
	refused("a hybrid with X25519", "-o", "KexAlgorithms=sntrup761x25519-sha512@openssh.com")
	refused("ChaCha20", "-c", "chacha20-poly1305@openssh.com")
	refused("CBC", "-c", "aes256-cbc")
	refused("an Ed25519 host key", "-o", "HostKeyAlgorithms=ssh-ed25519")
	l.key = filepath.Join(l.dir, "other")
	refused("an Ed25519 key", "-o", "ConnectTimeout=10")
	if out, _ := l.run("ssh-keyscan", "-T", "5", "-p", l.port, "127.0.0.1"); strings.Contains(out, "ssh-ed25519") || !strings.Contains(out, "ecdsa-sha2-nistp256") {
		t.Errorf("host keys: %s", out)
	}
}

func TestPagesOfAFIPSHub(t *testing.T) {
	l := newLab(t)
	try := func(args ...string) (string, error) {
		return l.run("sh", append([]string{"-c", `exec openssl s_client -connect "$0" "$@" </dev/null`, l.https}, args...)...)
	}
	if out, err := try("-tls1_3"); err != nil || !strings.Contains(out, "TLSv1.3, Cipher is TLS_AES_") {
		t.Errorf("%v %s", err, out)
	}
	for what, args := range map[string][]string{
		"ChaCha20 in TLS 1.3": {"-tls1_3", "-ciphersuites", "TLS_CHACHA20_POLY1305_SHA256"},
		"ChaCha20 in TLS 1.2": {"-tls1_2", "-cipher", "ECDHE-RSA-CHACHA20-POLY1305:ECDHE-ECDSA-CHACHA20-POLY1305"},
		"X25519":              {"-tls1_3", "-groups", "X25519"},
		"RSA key transport":   {"-tls1_2", "-cipher", "AES256-GCM-SHA384"},
	} {
		if out, err := try(args...); err == nil && !strings.Contains(out, "Cipher is (NONE)") {
			t.Errorf("%s was taken: %s", what, out)
		}
	}
}
