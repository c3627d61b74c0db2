package app

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/labwarden/labwarden/internal/app/control"
)

// proftpd runs ProFTPD with TLS on a loopback port and ten ports for its data
// connections, until the test ends. p has its certificate under "ftp".
func proftpd(t *testing.T, p *papers) (addr, passive, dir string) {
	t.Helper()
	const bin = "/usr/sbin/proftpd"
	for _, need := range []string{bin, "/usr/lib/proftpd/mod_tls.so"} {
		if _, err := os.Stat(need); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatal(need + " is missing")
			}
			t.Skip("SKIPPED: " + need + " is not installed: tools/setup.sh installs it")
		}
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: proftpd is run as root")
	}
	base := t.TempDir()
	for at := base; at != "/"; at = filepath.Dir(at) { // it gives up root before it looks
		if i, err := os.Stat(at); err == nil && i.Mode().Perm()&1 == 0 {
			if err := os.Chmod(at, i.Mode().Perm()|0o011); err != nil {
				t.Fatal(err)
			}
		}
	}
	dir = filepath.Join(base, "files")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(dir, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	hashed, err := exec.CommandContext(t.Context(), "openssl", "passwd", "-5", "correct horse").Output()
	if err != nil {
		t.Fatal(err)
	}
	users, conf, port := filepath.Join(base, "users"), filepath.Join(base, "conf"), tunnelPort(t, "tcp")
	first, err := strconv.Atoi(tunnelPort(t, "tcp"))
	if err != nil {
		t.Fatal(err)
	}
	first = min(first, 65500)
	writeFile(t, users, fmt.Sprintf("clinic:%s:65534:65534::%s:/bin/false\n", strings.TrimSpace(string(hashed)), dir))
	if err := os.Chmod(users, 0o600); err != nil {
		t.Fatal(err)
	}
	writeFile(t, conf, fmt.Sprintf(`LoadModule mod_tls.c
ServerName "Test"
ServerType standalone
DefaultAddress 127.0.0.1
Port %s
PassivePorts %d %d
UseIPv6 off
User nobody
Group nogroup
PidFile %[4]s/pid
ScoreboardFile %[4]s/scoreboard
DelayEngine off
WtmpLog off
TransferLog none
SystemLog %[4]s/system.log
UseReverseDNS off
AuthOrder mod_auth_file.c
AuthUserFile %[5]s
RequireValidShell off
AllowOverwrite on
DefaultRoot ~
TLSEngine on
TLSRequired on
TLSProtocol TLSv1.3
TLSECCertificateFile %[6]s
TLSECCertificateKeyFile %[7]s
TLSVerifyClient off
`, port, first, first+9, base, users, p.path("ftp.pem"), p.path("ftp.key")))
	cmd := exec.CommandContext(context.Background(), bin, "-n", "-q", "-c", conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); _ = cmd.Wait() })
	addr = "127.0.0.1:" + port
	eventually(t, "proftpd listens", func() bool {
		c, err := net.Dial("tcp", addr)
		if err == nil {
			_ = c.Close()
		}
		return err == nil
	})
	return addr, fmt.Sprintf("127.0.0.1:%d-%d", first, first+9), dir
}

// Results come from OpenSSH at the far side of a tunnel, and go to OpenSSH and to
// ProFTPD there; what is not on the tunnel's list is not reached.
func TestFileServersThroughATunnel(t *testing.T) {
	sftpAt, key, fingerprint, dir := sshd(t)
	s := newSite(t, "")
	p := newPapers(t, "hub", "ftp")
	ftpsAt, passive, ftpDir := proftpd(t, p)
	password := filepath.Join(s.dir, "password")
	writeFile(t, password, "correct horse\n")
	server := fmt.Sprintf(`address: "%s", user: root, host_keys: ["%s"], key: "file:%s"`, sftpAt, fingerprint, key)
	src := s.source(fmt.Sprintf("  p: {name: Northgate, destination: {tunnel: far, sftp: {%s, dir: %s/out}}}\n", server, dir)+
		fmt.Sprintf("  q: {name: State, retry: {first: 200ms, max: 1s}, destination: {tunnel: far, ftps: {address: %q, user: clinic, password: \"file:%s\", tls: {ca: %s, server_name: ftp}}}}\n", ftpsAt, password, p.path("ca.pem")), "p, q", "carry")
	src = strings.Replace(src, `    mllp: {listen: "127.0.0.1:0"}`, fmt.Sprintf("    tunnel: far\n    sftp: {%s, dir: %s/in, every: 1s, settle: 1s, match: \"*.hl7\"}", server, dir), 1)
	tcp := tunnelPort(t, "tcp")
	src = strings.Replace(src, "sources:\n", fmt.Sprintf("  tunnels: {listen: \"127.0.0.1:%s\", address: \"127.0.0.1:%s\", wireguard_port: 0}\nsources:\n", tcp, tcp), 1)
	c := s.parse(src)
	h := s.open()
	if _, err := propose(t.Context(), h, c, src); err != nil {
		t.Fatal(err)
	}
	s.serve(h, c)
	room := h.rooms.tunnels
	in, err := room.Add(t.Context(), control.NewTunnel{Name: "far", Kind: "tls", Allowed: control.TunnelList{Allow: []string{sftpAt, ftpsAt}}}, "tester")
	if err != nil {
		t.Fatal(err)
	}
	if users := in.Tunnel.Users; len(users) != 3 {
		t.Errorf("used by %v", users)
	}
	f, _ := farEnd(t, in.Token)
	if err := os.WriteFile(filepath.Join(dir, "in", "r.hl7"), []byte(result("F1")), 0o600); err != nil {
		t.Fatal(err)
	}
	placed := func(pattern string) func() bool {
		return func() bool {
			all, err := filepath.Glob(pattern)
			if err != nil {
				t.Fatal(err)
			}
			return len(all) == 1
		}
	}
	eventually(t, "the result is placed at OpenSSH", placed(dir+"/out/*.hl7"))
	if placed(ftpDir + "/*.hl7")() {
		t.Error("a port that is not on the list was reached")
	}
	if _, err := room.Allow(t.Context(), "far", control.TunnelList{Allow: []string{sftpAt, ftpsAt, passive}}, "tester", "data connections"); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the far end knows the new list", func() bool {
		x, err := room.Show(t.Context(), "far")
		return err == nil && len(x.Missing) == 1 && x.Missing[0] == passive
	})
	if err := f.Confirm([]string{sftpAt, ftpsAt, passive}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the result is placed at ProFTPD", placed(ftpDir+"/*.hl7"))
	lines, err := h.Posture(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ways := fmt.Sprint(lines)
	for _, want := range []string{"SFTP server, through tunnel far", "FTPS server, through tunnel far"} {
		if !strings.Contains(ways, want) {
			t.Errorf("posture does not say %q", want)
		}
	}
}
