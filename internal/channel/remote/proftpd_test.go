package remote_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel"
	"github.com/labwarden/labwarden/internal/channel/channeltest"
	"github.com/labwarden/labwarden/internal/channel/ftps"
	"github.com/labwarden/labwarden/internal/channel/remote"
	"github.com/labwarden/labwarden/internal/channel/sftp"
)

const ftpPassword = "correct horse battery staple"

// proftpd is ProFTPD with TLS required on both connections, and with its default:
// a data connection must resume the session of its control connection.
type proftpd struct {
	port, dir string
	tls       *tls.Config
	stop      func()
	restart   func()
	log       string
}

func startProFTPD(t *testing.T, more string) *proftpd {
	t.Helper()
	bin := need(t, "/usr/sbin/proftpd")
	if _, err := os.Stat("/usr/lib/proftpd/mod_tls.so"); err != nil {
		need(t, "/usr/lib/proftpd/mod_tls.so")
	}
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: proftpd is run as root")
	}
	base := t.TempDir()
	open(t, base)
	p := &proftpd{dir: filepath.Join(base, "files"), port: freePort(t), log: filepath.Join(base, "tls.log")}
	if err := os.Mkdir(p.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(p.dir, 0o777); err != nil {
		t.Fatal(err)
	}
	ca := channeltest.NewAuthority(t)
	cert := ca.Issue("ftp.example", time.Time{})
	key, err := x509.MarshalECPrivateKey(cert.PrivateKey.(*ecdsa.PrivateKey))
	if err != nil {
		t.Fatal(err)
	}
	certFile := write(t, filepath.Join(base, "cert.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Certificate[0]})), 0o600)
	keyFile := write(t, filepath.Join(base, "key.pem"), string(pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: key})), 0o600)
	hashed, err := exec.CommandContext(t.Context(), "openssl", "passwd", "-5", ftpPassword).Output()
	if err != nil {
		t.Fatal(err)
	}
	users := write(t, filepath.Join(base, "users"), fmt.Sprintf("clinic:%s:65534:65534::%s:/bin/false\n", strings.TrimSpace(string(hashed)), p.dir), 0o600)
	conf := write(t, filepath.Join(base, "proftpd.conf"), fmt.Sprintf(`LoadModule mod_tls.c
%s
ServerName "Test"
ServerType standalone
DefaultAddress 127.0.0.1
Port %s
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
AllowStoreRestart on
AllowRetrieveRestart on
MaxInstances 100
DefaultRoot ~
TLSEngine on
TLSRequired on
TLSProtocol TLSv1.2 TLSv1.3
TLSECCertificateFile %[6]s
TLSECCertificateKeyFile %[7]s
TLSVerifyClient off
TLSLog %[8]s
TLSRenegotiate none
%[3]s
`, loadable("mod_digest"), p.port, more, base, users, certFile, keyFile, p.log), 0o600)
	p.restart = func() { p.stop = program(t, p.port, bin, "-n", "-q", "-c", conf) }
	p.restart()
	p.tls, err = channel.TLS{Roots: ca.Pool, ServerName: "ftp.example", Certificate: func() (*tls.Certificate, error) { return &tls.Certificate{}, nil }}.Client()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func loadable(module string) string {
	if _, err := os.Stat("/usr/lib/proftpd/" + module + ".so"); err != nil {
		return ""
	}
	return "LoadModule " + module + ".c"
}

// throughLine is a dialer whose every connection, to whatever port of the
// server, goes through lines that fail together with the first.
func (p *proftpd) throughLine(t *testing.T, l *line) func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		if strings.HasSuffix(addr, ":"+p.port) {
			return (&net.Dialer{}).DialContext(ctx, network, l.addr())
		}
		c, err := (&net.Dialer{}).DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.conns[c] = true
		return &counted{Conn: c, l: l}, nil
	}
}

// counted is a data connection that counts for its line, and breaks with it.
type counted struct {
	net.Conn
	l *line
}

func (c *counted) Write(b []byte) (int, error) {
	c.l.mu.Lock()
	wait := c.l.stall
	c.l.mu.Unlock()
	if wait != nil {
		<-wait
	}
	if c.l.count(len(b)) {
		_ = c.Conn.(*net.TCPConn).CloseWrite()
		c.l.cut()
		return 0, net.ErrClosed
	}
	return c.Conn.Write(b)
}

func (c *counted) CloseWrite() error { return c.Conn.(*net.TCPConn).CloseWrite() }

func (p *proftpd) config(dial func(ctx context.Context, network, addr string) (net.Conn, error)) ftps.ClientConfig {
	return ftps.ClientConfig{Name: "clinic", Addr: "127.0.0.1:" + p.port, User: "clinic", Password: ftpPassword, TLS: p.tls, Dial: dial}
}

func ftpsServer(t *testing.T) *server {
	p := startProFTPD(t, "")
	l := newLine(t, "127.0.0.1:"+p.port)
	return &server{kind: "ftps", dir: p.dir, line: l, dial: ftpsDial(t, p.config(p.throughLine(t, l))), stop: func() { p.stop() }}
}

func ftpsDial(t *testing.T, c ftps.ClientConfig) remote.Dial {
	t.Helper()
	cl, err := ftps.NewClient(c)
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

// modSFTP is ProFTPD's own SFTP: another server than OpenSSH, that takes passwords.
func modSFTP(t *testing.T) *server {
	t.Helper()
	bin := need(t, "/usr/sbin/proftpd")
	if os.Geteuid() != 0 {
		t.Skip("SKIPPED: proftpd is run as root")
	}
	base := t.TempDir()
	open(t, base)
	dir := filepath.Join(base, "files")
	if err := os.Mkdir(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o777); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(base, "host")
	if out, err := exec.CommandContext(t.Context(), "ssh-keygen", "-q", "-m", "PEM", "-t", "ecdsa", "-b", "256", "-N", "", "-f", key).CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	hashed, err := exec.CommandContext(t.Context(), "openssl", "passwd", "-5", ftpPassword).Output()
	if err != nil {
		t.Fatal(err)
	}
	users := write(t, filepath.Join(base, "users"), fmt.Sprintf("clinic:%s:65534:65534::%s:/bin/false\n", strings.TrimSpace(string(hashed)), dir), 0o600)
	port := freePort(t)
	conf := write(t, filepath.Join(base, "proftpd.conf"), fmt.Sprintf(`LoadModule mod_sftp.c
ServerName "Test"
ServerType standalone
DefaultAddress 127.0.0.1
Port %[1]s
UseIPv6 off
User nobody
Group nogroup
PidFile %[2]s/pid
ScoreboardFile %[2]s/scoreboard
DelayEngine off
WtmpLog off
TransferLog none
SystemLog %[2]s/system.log
UseReverseDNS off
AuthOrder mod_auth_file.c
AuthUserFile %[3]s
RequireValidShell off
AllowOverwrite on
AllowStoreRestart on
MaxInstances 100
DefaultRoot ~
SFTPEngine on
SFTPHostKey %[4]s
SFTPAuthMethods password
SFTPLog %[2]s/sftp.log
`, port, base, users, key), 0o600)
	stop := program(t, port, bin, "-n", "-q", "-c", conf)
	l := newLine(t, "127.0.0.1:"+port)
	shown, err := sftp.HostKeys(t.Context(), "127.0.0.1:"+port)
	if err != nil || len(shown) != 1 {
		said, _ := os.ReadFile(filepath.Join(base, "sftp.log"))
		t.Fatalf("%v %v\n%s", shown, err, said)
	}
	c := sftp.ClientConfig{Name: "clinic", Addr: l.addr(), User: "clinic", Password: ftpPassword, HostKeys: []string{shown[0].Fingerprint}}
	return &server{kind: "sftp", dir: dir, line: l, dial: sftpDial(t, c), stop: stop}
}

func TestFTPSWhoIsBelieved(t *testing.T) {
	p := startProFTPD(t, "")
	try := func(change func(*ftps.ClientConfig)) error {
		c := p.config(nil)
		change(&c)
		d, err := ftpsDial(t, c)(t.Context())
		if err == nil {
			_, err = d.List(t.Context())
			_ = d.Close()
		}
		return err
	}
	if err := try(func(*ftps.ClientConfig) {}); err != nil {
		said, _ := os.ReadFile(p.log)
		t.Fatalf("%v\n%s", err, said)
	}
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		err := try(func(c *ftps.ClientConfig) {
			c.TLS = c.TLS.Clone()
			c.TLS.MinVersion, c.TLS.MaxVersion = version, version
		})
		if err != nil {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
	err := try(func(c *ftps.ClientConfig) { c.Password = "wrong-password" })
	if channel.ClassOf(err) != channel.Misconfigured || strings.Contains(err.Error(), "wrong-password") || !strings.Contains(err.Error(), "does not let user clinic in") {
		t.Errorf("wrong password: %v", err)
	}
	other := channeltest.NewAuthority(t)
	err = try(func(c *ftps.ClientConfig) {
		if c.TLS, err = (channel.TLS{Roots: other.Pool, ServerName: "ftp.example", Certificate: func() (*tls.Certificate, error) { return &tls.Certificate{}, nil }}).Client(); err != nil {
			t.Fatal(err)
		}
	})
	if channel.ClassOf(err) != channel.Misconfigured {
		t.Errorf("another authority: %v", err)
	}
	err = try(func(c *ftps.ClientConfig) { c.Dir = "nowhere" })
	if channel.ClassOf(err) != channel.Misconfigured {
		t.Errorf("no such directory: %v", err)
	}
	if _, err := ftps.NewClient(ftps.ClientConfig{Addr: "x:1", User: "a\r\nDELE x", TLS: p.tls}); err == nil {
		t.Error("a line break in the user")
	}
}

// TestFTPSDataConnectionsResume: without resumption this server refuses; with it
// every one is a resumption of its control connection's session.
func TestFTPSDataConnectionsResume(t *testing.T) {
	p := startProFTPD(t, "")
	conf := p.tls.Clone()
	verify := conf.VerifyConnection
	var resumed []bool
	conf.VerifyConnection = func(s tls.ConnectionState) error {
		resumed = append(resumed, s.DidResume)
		return verify(s)
	}
	c := p.config(nil)
	c.TLS = conf
	srv := &server{kind: "ftps", dir: p.dir, dial: ftpsDial(t, c)}
	out := srv.sender(t, nil)
	for i := range 5 {
		if _, err := send(t, out, fmt.Sprintf("r%d.hl7", i), "body"); err != nil {
			t.Fatal(err)
		}
	}
	if len(resumed) < 6 || resumed[0] {
		t.Fatalf("%v", resumed)
	}
	for i, r := range resumed[1:] {
		if !r {
			t.Errorf("data connection %d did not resume: %v", i, resumed)
		}
	}
}

func TestFTPSNotAllowed(t *testing.T) {
	p := startProFTPD(t, "<Limit WRITE>\nDenyAll\n</Limit>")
	srv := &server{kind: "ftps", dir: p.dir, dial: ftpsDial(t, p.config(nil))}
	if _, err := send(t, srv.sender(t, nil), "a.hl7", "x"); channel.ClassOf(err) != channel.Misconfigured {
		t.Errorf("a directory that may not be written: %v", err)
	}
}

// TestFTPSWithoutTLS: nothing is sent to a server that speaks plaintext only.
func TestFTPSWithoutTLS(t *testing.T) {
	ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	got := make(chan string, 1)
	go func() {
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		_, _ = c.Write([]byte("220 hello\r\n"))
		b := make([]byte, 1000)
		n, _ := c.Read(b)
		_, _ = c.Write([]byte("502 no\r\n"))
		m, _ := c.Read(b[n:])
		got <- string(b[:n+m])
	}()
	p := &tls.Config{InsecureSkipVerify: true}
	_, err = ftpsDial(t, ftps.ClientConfig{Addr: ln.Addr().String(), User: "clinic", Password: ftpPassword, TLS: p})(t.Context())
	if channel.ClassOf(err) != channel.Misconfigured || !strings.Contains(err.Error(), "does not offer TLS") {
		t.Errorf("%v", err)
	}
	if said := <-got; said != "AUTH TLS\r\n" {
		t.Errorf("it was told %q", said)
	}
}
