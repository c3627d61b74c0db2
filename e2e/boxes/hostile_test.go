package boxes

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
)

// The door is for files: no shell, no command, no forwarding, no environment.
func TestNothingButFiles(t *testing.T) {
	l := newLab(t)
	c, err := l.dial(t.Context(), "riverside")
	l.must(err)
	defer c.Close()
	for _, kind := range []string{"direct-tcpip", "x11", "auth-agent@openssh.com", "direct-streamlocal@openssh.com", "tun@openssh.com"} {
		if ch, _, err := c.OpenChannel(kind, nil); err == nil {
			ch.Close()
			t.Errorf("a channel %s is opened", kind)
		}
	}
	if ln, err := c.Listen("tcp", "127.0.0.1:0"); err == nil {
		ln.Close()
		t.Error("it listens for the client")
	}
	for _, ask := range []func(s *ssh.Session) error{
		func(s *ssh.Session) error { return s.Run("id") },
		func(s *ssh.Session) error { return s.Shell() },
		func(s *ssh.Session) error { return s.RequestPty("xterm", 24, 80, nil) },
		func(s *ssh.Session) error { return s.Setenv("LD_PRELOAD", "/tmp/x.so") },
		func(s *ssh.Session) error { return s.RequestSubsystem("netconf") },
		func(s *ssh.Session) error { return s.Run("scp -t /inbox") },
	} {
		s, err := c.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		if err := ask(s); err == nil {
			t.Error("something other than files was granted")
		}
		s.Close()
	}
}

func TestPathsOfAHostileClient(t *testing.T) {
	l := newLab(t)
	f := l.mustFiles("riverside")
	w, err := f.Create("/inbox/a.csv")
	l.must(err)
	_, err = w.Write(csv(100))
	l.must(err)
	l.must(w.Close())
	for _, p := range []string{
		"/etc/passwd", "../../etc/passwd", "/inbox/../../etc/passwd", "/inbox/../inbox/../../x", "/inboxes/a.csv", "/inbox/a.csv/../../../etc/passwd", "/inbox/a.csv\x00.pdf",
		"/inbox/" + strings.Repeat("a", 201), "/inbox/a\u0301.csv", "/inbox/..%2f..%2fetc", "/inbox/a\\..\\b", "/INBOX/a.csv", strings.Repeat("/inbox", 900), "/northgate/inbox/a.csv", "/results/../../boxes",
	} {
		if r, err := f.Open(p); err == nil {
			b, _ := io.ReadAll(io.LimitReader(r, 20))
			t.Errorf("%.60q is read: %q", p, b)
		}
		if w, err := f.Create(p); err == nil {
			if _, err = w.Write([]byte("x")); err == nil && w.Close() == nil {
				t.Errorf("%.60q is written", p)
			}
		}
	}
	for what, err := range map[string]error{
		"symlink": f.Symlink("/etc/passwd", "/inbox/link.csv"), "hard link": f.Link("/inbox/a.csv", "/inbox/hard.csv"), "folder": f.Mkdir("/inbox/x"),
		"rename across roots": f.Rename("/inbox/a.csv", "/results/a.csv"), "rename out": f.PosixRename("/inbox/a.csv", "/../a.csv"), "removed folder": f.RemoveDirectory("/inbox"), "truncate": f.Truncate("/inbox/a.csv", 1),
	} {
		if err == nil {
			t.Errorf("%s was granted", what)
		}
	}
	if got := l.inbox("riverside"); len(got) != 1 {
		t.Errorf("the inbox holds %d files", len(got))
	}
}

// Whoever's key is taken out of the configuration, or whose password is made anew or
// switched off, is cut within two seconds, in the middle of an upload by SFTP or FTPS,
// and what was not whole is not there. A certificate that is revoked:
// TestAPartnerThatIsKeptOutOfItsBox.
func TestAccessEndsInMidSession(t *testing.T) {
	l := newLab(t)
	f := l.mustFiles("riverside")
	other := l.mustFiles("northgate")
	w, err := f.Create("/inbox/half.csv")
	l.must(err)
	_, err = w.Write(csv(300_000))
	l.must(err)
	cut := func(what string, goesOn func() error) {
		t.Helper()
		began := time.Now()
		for goesOn() == nil {
			if time.Since(began) > 2*time.Second {
				t.Fatal(what, "goes on")
			}
		}
		t.Logf("%s: cut %v later", what, time.Since(began).Round(time.Millisecond))
	}
	// An upload by FTPS whose password is made anew meanwhile.
	first := l.password("riverside")
	c1, d1 := l.storing(first, "by-password.csv")
	second := l.password("riverside")
	cut("the upload by FTPS", func() error { _, err := d1.Write(csv(1000)); return err })
	cut("the session of FTPS", func() error { _, err := c1.do("NOOP"); return err })
	c2, d2 := l.storing(second, "by-the-new-one.csv")

	// The key is another one and passwords are off.
	fresh := l.key("later")
	var old string
	l.configure(func(s string) string {
		old = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(l.keys["riverside"].PublicKey())))
		return strings.Replace(strings.Replace(s, old, fresh, 1), ", password: true", "", 1)
	})
	l.run("config", "apply", "--yes", "--reason", "the key was lost")
	cut("the session with the key", func() error { _, err := f.ReadDir("/inbox"); return err })
	cut("the upload by FTPS with the new password", func() error { _, err := d2.Write(csv(1000)); return err })
	cut("its session", func() error { _, err := c2.do("NOOP"); return err })
	if _, err := l.dial(t.Context(), "riverside"); err == nil {
		t.Error("the key still signs in")
	}
	if _, err := other.ReadDir("/inbox"); err != nil {
		t.Error("another partner was cut as well:", err)
	}
	if got := l.inbox("riverside"); len(got) != 0 {
		t.Errorf("a file that was not whole is there: %v", got)
	}
}

// storing is a session of FTPS with an upload that is not finished.
func (l *lab) storing(p login, name string) (*ftp, net.Conn) {
	l.t.Helper()
	f, _, err := l.ftpFrom("127.0.0.1")
	l.must(err)
	l.must(f.signIn(p.User, p.Password+code(l.t, p.Seed, 0)))
	said, err := f.do("EPSV")
	l.must(err)
	var port int
	if _, err := fmt.Sscanf(said[max(0, strings.IndexByte(said, '(')):], "(|||%d|)", &port); err != nil {
		l.t.Fatal(said, err)
	}
	raw, err := dialFrom("127.0.0.1", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	l.must(err)
	l.t.Cleanup(func() { raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(30 * time.Second))
	if said, err := f.do("STOR /inbox/%s", name); err != nil || !strings.HasPrefix(said, "150") {
		l.t.Fatal(said, err)
	}
	d := tls.Client(raw, f.conf)
	_, err = d.Write(csv(300_000))
	l.must(err)
	return f, d
}

// Guesses get nowhere, and keep no partner out, with a key or with a password.
func TestGuessing(t *testing.T) {
	l := newLab(t)
	p := l.password("riverside")
	try := func(user, password string) error {
		nc, err := net.Dial("tcp", l.sftp)
		if err != nil {
			return err
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(10 * time.Second))
		c, _, _, err := ssh.NewClientConn(nc, l.sftp, &ssh.ClientConfig{User: user, Auth: []ssh.AuthMethod{ssh.Password(password)}, HostKeyCallback: ssh.InsecureIgnoreHostKey()})
		if err == nil {
			c.Close()
		}
		return err
	}
	for i := range 25 {
		for _, user := range []string{"riverside", "northgate", "root", "nobody"} {
			if try(user, fmt.Sprintf("password%06d", i)) == nil {
				t.Fatalf("%s came in by guessing", user)
			}
		}
	}
	if _, err := l.mustFiles("riverside").ReadDir("/"); err != nil {
		t.Error("the partner's key does not sign in any more:", err)
	}
	if err := try(p.User, p.Password+code(t, p.Seed, 1)); err != nil {
		t.Error("the partner's password does not sign in any more:", err)
	}
	b, err := os.ReadFile(filepath.Join(l.dir, "hub.log"))
	l.must(err)
	if strings.Contains(string(b), "password0") {
		t.Error("a password stands in the log")
	}
}

// Clients that say nothing are sent away, and others come in meanwhile.
func TestSilentClients(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var idle []net.Conn
	for range 40 {
		c, err := net.Dial("tcp", l.sftp)
		l.must(err)
		idle = append(idle, c)
	}
	defer func() {
		for _, c := range idle {
			c.Close()
		}
	}()
	if _, err := l.mustFiles("northgate").ReadDir("/"); err != nil {
		t.Error(err)
	}
	_ = idle[0].SetReadDeadline(time.Now().Add(45 * time.Second))
	b, err := io.ReadAll(idle[0]) // banner and first packet, then the end
	if err != nil {
		t.Errorf("a client that says nothing stays: %d bytes, %v", len(b), err)
	}
}

// What ssh-audit warns of is explained in docs/comply/scanners.md; everything else
// fails.
func TestSSHAudit(t *testing.T) {
	l := newLab(t)
	_, port, _ := net.SplitHostPort(l.sftp)
	out, err := exec.Command(tool(t, "ssh-audit"), "-n", "-l", "warn", "-p", port, "127.0.0.1").CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	page, err := os.ReadFile(filepath.Join(root, "docs", "comply", "scanners.md"))
	l.must(err)
	_, list, _ := strings.Cut(string(page), "\nFindings of ssh-audit")
	list, _, _ = strings.Cut(list, "\nFindings of")
	var explained []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(list, -1) {
		explained = append(explained, row[1])
	}
	if len(explained) == 0 {
		t.Fatal("the page of scanners explains nothing of ssh-audit")
	}
	for line := range strings.SplitSeq(string(out), "\n") {
		if !strings.Contains(line, "[fail]") && !strings.Contains(line, "[warn]") {
			continue
		}
		ok := false
		for _, e := range explained {
			ok = ok || strings.Contains(line, e)
		}
		if !ok {
			t.Error(line)
		}
	}
	for _, bad := range []string{"chacha20", "-cbc", "sha1", "3des", "none"} {
		for line := range strings.SplitSeq(string(out), "\n") {
			if strings.HasPrefix(line, "(") && strings.Contains(line, bad) && !strings.HasPrefix(line, "(rec)") && !strings.HasPrefix(line, "(nfo)") {
				t.Error("offered: ", line)
			}
		}
	}
}
