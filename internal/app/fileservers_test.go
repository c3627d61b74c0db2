package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel/remote"
	"github.com/labwarden/labwarden/internal/channel/sftp"
	"github.com/labwarden/labwarden/internal/domain/results"
	"github.com/labwarden/labwarden/internal/platform/receipt"
)

// sshd runs OpenSSH on a loopback port, with keys of its own, until the test ends.
func sshd(t *testing.T) (addr, key, fingerprint, dir string) {
	t.Helper()
	const bin = "/usr/sbin/sshd"
	if _, err := os.Stat(bin); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("sshd is missing")
		}
		t.Skip("SKIPPED: sshd is not installed: tools/setup.sh installs it")
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: sshd is run as root")
	}
	if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	in := func(name string) string { return filepath.Join(base, name) }
	for _, k := range []string{"host", "user"} {
		if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", in(k)).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr = ln.Addr().String()
	_, port, _ := net.SplitHostPort(addr)
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	conf := fmt.Sprintf("Port %s\nListenAddress 127.0.0.1\nHostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPidFile none\nPermitRootLogin yes\nSubsystem sftp internal-sftp\nForceCommand internal-sftp\n",
		port, in("host"), in("user.pub"))
	if err := os.WriteFile(in("conf"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(context.Background(), bin, "-D", "-f", in("conf"), "-E", in("log"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() })
	var shown []sftp.Shown
	eventually(t, "sshd listens", func() bool {
		shown, err = sftp.HostKeys(t.Context(), addr)
		return err == nil
	})
	dir = in("files")
	for _, d := range []string{dir, dir + "/in", dir + "/out"} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return addr, in("user"), shown[0].Fingerprint, dir
}

// TestFileServers: a result comes from a directory at OpenSSH and goes to another,
// its receipt lies beside it,
// its pick-up is noticed there, and that it is not picked up raises an alarm.
func TestFileServers(t *testing.T) {
	addr, key, fingerprint, dir := sshd(t)
	s := newSite(t, "")
	server := fmt.Sprintf(`address: "%s", user: root, host_keys: ["%s"], key: "file:%s"`, addr, fingerprint, key)
	src := s.source(fmt.Sprintf("  p: {name: Northgate, destination: {sftp: {%s, dir: %s/out, name: \"{id}.hl7\", receipts: true, picked_up_within: 5m}}}\n", server, dir), "p", "carry")
	src = strings.Replace(src, `    mllp: {listen: "127.0.0.1:0"}`, fmt.Sprintf("    sftp: {%s, dir: %s/in, every: 1s, settle: 1s, match: \"*.hl7\"}", server, dir), 1)
	var ahead atomic.Int64
	deps := s.deps()
	deps.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	c := s.parse(src)
	h, err := Open(t.Context(), c, s.seals, deps)
	if err != nil {
		t.Fatal(err)
	}
	if err := stated(t.Context(), h, c); err != nil {
		t.Fatal(err)
	}
	if _, err := h.Begin(t.Context(), c.Node, c, []byte(src), "tester"); err != nil {
		t.Fatal(err)
	}
	s.serve(h, c)
	for i := range 2 {
		if err := os.WriteFile(filepath.Join(dir, "in", fmt.Sprintf("r%d.hl7", i)), []byte(result(fmt.Sprintf("F%d", i))), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	placed := func() []string {
		all, err := filepath.Glob(dir + "/out/*.hl7")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	eventually(t, "both results are placed", func() bool { return len(placed()) == 2 })
	if b, err := os.ReadFile(placed()[0]); err != nil || !strings.Contains(string(b), "|F") {
		t.Errorf("%q %v", b, err)
	}
	receipts := func() []string {
		all, err := filepath.Glob(dir + "/out/*.hl7.receipt.json")
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	eventually(t, "both have their receipts", func() bool { return len(receipts()) == 2 })
	for _, f := range placed() {
		of, err := os.Open(f)
		if err != nil {
			t.Fatal(err)
		}
		print, err := receipt.PrintOf(of)
		_ = of.Close()
		b, rerr := os.ReadFile(f + receipt.Suffix)
		if err != nil || rerr != nil {
			t.Fatal(err, rerr)
		}
		said := receipt.Verify(b, print, h.Vault.VerifierKey())
		if !said.Holds() || !strings.Contains(string(b), `"protocol": "sftp"`) || !strings.Contains(string(b), `"proof": "host key"`) {
			t.Errorf("%s\n%s", said.Text(), b)
		}
	}
	waiting := func() []results.Pickup {
		w, err := h.Results.AwaitPickup(t.Context(), "p", -1, 10)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	eventually(t, "both wait to be picked up", func() bool { return len(waiting()) == 2 })
	first := waiting()[0]
	if err := os.Remove(filepath.Join(dir, "out", first.Name)); err != nil {
		t.Fatal(err)
	}
	p := newPickups(h)
	p.look(t.Context())
	if len(waiting()) != 2 {
		t.Error("missing once was taken for picked up")
	}
	p.look(t.Context())
	if w := waiting(); len(w) != 1 || w[0].Seq == first.Seq {
		t.Errorf("%+v", w)
	}
	l := newLookout(h)
	if _, alarms, err := l.fetched(t.Context(), c); err != nil || len(alarms) != 0 {
		t.Errorf("%+v %v", alarms, err)
	}
	ahead.Store(int64(6 * time.Minute))
	_, alarms, err := l.fetched(t.Context(), c)
	if err != nil || len(alarms) != 1 || !strings.Contains(alarms[0].Sentence, "Northgate has not picked up 1 result") {
		t.Errorf("%+v %v", alarms, err)
	}
	h.applying.Lock()
	w := h.running.doors["lis"].watcher.(*remote.Watcher)
	h.applying.Unlock()
	if since, why := w.Trouble(); !since.IsZero() || why != nil {
		t.Errorf("%v %v", since, why)
	}
	if err := os.Rename(dir+"/in", dir+"/away"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the source is missed", func() bool { since, _ := w.Trouble(); return !since.IsZero() })
	ahead.Store(int64(40 * time.Minute))
	_, alarms, err = l.unreached(t.Context(), c)
	if err != nil || len(alarms) != 1 || !strings.Contains(alarms[0].Sentence, "Nothing could be taken from source lis") || !strings.Contains(alarms[0].Sentence, "misconfigured") {
		t.Errorf("%+v %v", alarms, err)
	}
	if err := os.Rename(dir+"/away", dir+"/in"); err != nil {
		t.Fatal(err)
	}
	if done, err := filepath.Glob(dir + "/in/done/*.hl7"); err != nil || len(done) != 2 {
		t.Errorf("%v %v", done, err)
	}
}
