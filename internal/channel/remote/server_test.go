package remote_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/channeltest"
	"github.com/labwarden/labwarden/internal/channel/remote"
	"github.com/labwarden/labwarden/internal/channel/sftp"
)

// server is a file server that we did not write, on loopback, and a line to it
// that can be made to fail.
type server struct {
	kind string
	dir  string // on this machine
	line *line
	dial remote.Dial
	stop func() // ends the server's program
}

// need finds a program that the tests need.
func need(t *testing.T, path string) string {
	t.Helper()
	p, err := exec.LookPath(path)
	if err == nil {
		return p
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing", path)
	}
	t.Skipf("SKIPPED: %s is not installed: tools/setup.sh installs it", path)
	return ""
}

// line carries TCP to a server and can cut, or stall, what it carries.
type line struct {
	net.Listener
	to string

	mu    sync.Mutex
	conns map[net.Conn]bool
	after int64 // cut when so many bytes have gone to the server; 0: never
	gone  int64 // bytes so far

	// before is called before a cut: a server loses what it had not read when it
	// learns of the cut, which may be all.
	before func()
	stall  chan struct{} // while open, nothing is carried
	delay  time.Duration // before each piece
}

func newLine(t *testing.T, to string) *line {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &line{Listener: ln, to: to, conns: map[net.Conn]bool{}}
	go l.serve()
	t.Cleanup(func() { _ = ln.Close(); l.cut() })
	return l
}

func (l *line) addr() string { return l.Addr().String() }

func (l *line) serve() {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go l.carry(c)
	}
}

func (l *line) carry(c net.Conn) {
	far, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", l.to)
	if err != nil {
		_ = c.Close()
		return
	}
	l.mu.Lock()
	l.conns[c], l.conns[far] = true, true
	l.mu.Unlock()
	go func() { l.pump(c, far, false); _ = c.Close() }()
	l.pump(far, c, true)
	_ = far.Close()
	_ = c.Close()
}

func (l *line) pump(to, from net.Conn, up bool) {
	b := make([]byte, 8<<10)
	for {
		n, err := from.Read(b)
		l.mu.Lock()
		wait, delay := l.stall, l.delay
		l.mu.Unlock()
		if wait != nil {
			<-wait
		}
		if delay > 0 {
			<-time.After(delay)
		}
		if up {
			if l.count(n) {
				_ = from.Close()
				if tc, ok := to.(*net.TCPConn); ok {
					_ = tc.CloseWrite()
				}
				return
			}
		}
		if n > 0 {
			if _, werr := to.Write(b[:n]); werr != nil {
				return
			}
		}
		if err != nil {
			if tc, ok := to.(*net.TCPConn); ok {
				_ = tc.CloseWrite()
			}
			return
		}
	}
}

// cut ends every connection now.
func (l *line) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for c := range l.conns {
		_ = c.Close()
	}
	l.conns = map[net.Conn]bool{}
}

// count counts what goes up, and says that here is the cut.
func (l *line) count(n int) bool {
	l.mu.Lock()
	l.gone += int64(n)
	over, before := l.after > 0 && l.gone > l.after, l.before
	if over {
		l.before = nil
	}
	l.mu.Unlock()
	if over && before != nil {
		before()
	}
	return over
}

// onCut sets what is done before a cut.
func (l *line) onCut(f func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.before = f
}

// cutAfter cuts once n more bytes have gone up; 0 never.
func (l *line) cutAfter(n int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.after = 0
	if n > 0 {
		l.after = l.gone + n
	}
}

// hold stalls the line until the returned func is called.
func (l *line) hold() (release func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stall = make(chan struct{})
	was := l.stall
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.stall == was {
			l.stall = nil
			close(was)
		}
	}
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

// program runs a server until the test ends or stop is called, and waits until
// it listens.
func program(t *testing.T, port, name string, args ...string) (stop func()) {
	t.Helper()
	out, err := os.Create(filepath.Join(t.TempDir(), "output")) // a pipe would wait for the server's children
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd := exec.CommandContext(context.Background(), name, args...)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	stop = func() { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); <-ended }
	t.Cleanup(stop)
	channeltest.Eventually(t, name+" listens", func() error {
		select {
		case <-ended:
			said, _ := os.ReadFile(out.Name())
			return fmt.Errorf("it ended: %s", said)
		default:
		}
		c, err := net.Dial("tcp", "127.0.0.1:"+port) //nolint:noctx // loopback
		if err == nil {
			_ = c.Close()
		}
		return err
	})
	return stop
}

func write(t *testing.T, path, text string, mode os.FileMode) string {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

// open makes what lies under the test's folder reachable for other users.
func open(t *testing.T, dir string) {
	t.Helper()
	for d := dir; d != "/" && d != os.TempDir(); d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

// sshd is OpenSSH with keys of its own.
type sshd struct {
	addr, dir     string
	host, user    ssh.Signer
	userPEM       []byte
	stop          func()
	restart       func()
	hostKeyLine   string
	accountToUser string
}

func newKeyPair(t *testing.T) (ssh.Signer, []byte) {
	t.Helper()
	var key crypto.Signer
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if fips140.Enabled() {
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	}
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return s, pem.EncodeToMemory(block)
}

// startSSHD runs sshd as the user who runs the test, or as another where that is
// root and account is given.
func startSSHD(t *testing.T, account string) *sshd {
	t.Helper()
	bin := need(t, "/usr/sbin/sshd")
	if os.Geteuid() == 0 {
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	base := t.TempDir()
	open(t, base)
	s := &sshd{dir: filepath.Join(base, "files"), accountToUser: account}
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var hostPEM []byte
	s.host, hostPEM = newKeyPair(t)
	s.user, s.userPEM = newKeyPair(t)
	s.hostKeyLine = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.host.PublicKey())))
	key := write(t, filepath.Join(base, "host"), string(hostPEM), 0o600)
	known := write(t, filepath.Join(base, "authorized"), string(ssh.MarshalAuthorizedKey(s.user.PublicKey())), 0o644)
	port := freePort(t)
	conf := write(t, filepath.Join(base, "sshd_config"), fmt.Sprintf(`Port %s
ListenAddress 127.0.0.1
HostKey %s
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PidFile none
PermitRootLogin yes
MaxStartups 100:30:200
MaxSessions 100
Subsystem sftp internal-sftp
ForceCommand internal-sftp
LogLevel ERROR
`, port, key, known), 0o600)
	s.addr = "127.0.0.1:" + port
	s.restart = func() { s.stop = program(t, port, bin, "-D", "-e", "-f", conf) }
	s.restart()
	return s
}

func (s *sshd) config(addr string) sftp.ClientConfig {
	user := s.accountToUser
	if user == "" {
		user = os.Getenv("USER")
		if os.Geteuid() == 0 {
			user = "root"
		}
	}
	return sftp.ClientConfig{Name: "clinic", Addr: addr, User: user, HostKeys: []string{ssh.FingerprintSHA256(s.host.PublicKey())}, Key: s.userPEM, Dir: s.dir}
}

func sftpServer(t *testing.T) *server {
	s := startSSHD(t, "")
	l := newLine(t, s.addr)
	return &server{kind: "sftp", dir: s.dir, line: l, dial: sftpDial(t, s.config(l.addr())), stop: func() { s.stop() }}
}

func sftpDial(t *testing.T, c sftp.ClientConfig) remote.Dial {
	t.Helper()
	cl, err := sftp.NewClient(c)
	if err != nil {
		t.Fatal(err)
	}
	return func(ctx context.Context) (remote.Dir, error) {
		d, err := cl.Open(ctx)
		if err != nil {
			return nil, err
		}
		return d, nil
	}
}

// servers are the kinds that every test runs against.
var servers = map[string]func(*testing.T) *server{"sftp": sftpServer, "ftps": ftpsServer, "mod_sftp": modSFTP}

func each(t *testing.T, run func(*testing.T, *server)) {
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) { run(t, start(t)) })
	}
}

// files are the visible files there.
func (s *server) files(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	all, err := os.ReadDir(s.dir)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	for _, e := range all {
		if e.Type().IsRegular() && !strings.HasPrefix(e.Name(), ".") {
			b, err := os.ReadFile(filepath.Join(s.dir, e.Name()))
			if err != nil {
				t.Fatal(err)
			}
			out[e.Name()] = string(b)
		}
	}
	return out
}

func (s *server) hidden(t *testing.T) []os.DirEntry {
	t.Helper()
	all, err := os.ReadDir(s.dir)
	if err != nil {
		t.Fatal(err)
	}
	var out []os.DirEntry
	for _, e := range all {
		if strings.HasPrefix(e.Name(), ".labwarden-") {
			out = append(out, e)
		}
	}
	return out
}

func (s *server) sender(t *testing.T, change func(*remote.Config)) *remote.Sender {
	t.Helper()
	c := remote.Config{Name: "clinic", Place: s.kind + "://clinic/in", Dial: s.dial, Patience: 10 * time.Second}
	if change != nil {
		change(&c)
	}
	out, err := remote.NewSender(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	return out
}

func send(t *testing.T, s *remote.Sender, name, body string) (channel.Receipt, error) {
	t.Helper()
	return s.Send(t.Context(), channel.Message{Name: name, Body: []byte(body)})
}

var _ io.Closer = (*remote.Sender)(nil)
