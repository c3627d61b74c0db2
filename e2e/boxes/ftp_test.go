package boxes

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// ftp is a client that says what it is told to.
type ftp struct {
	l    *lab
	raw  net.Conn
	c    net.Conn
	r    *bufio.Reader
	conf *tls.Config
}

// dialFrom connects from an address of this machine.
func dialFrom(from, to string) (net.Conn, error) {
	d := net.Dialer{Timeout: 10 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	return d.Dial("tcp", to)
}

// ftpFrom connects from an address and reads the greeting.
func (l *lab) ftpFrom(from string) (*ftp, string, error) {
	nc, err := dialFrom(from, l.ftps)
	if err != nil {
		return nil, "", err
	}
	l.t.Cleanup(func() { nc.Close() })
	_ = nc.SetDeadline(time.Now().Add(90 * time.Second))
	ca, err := os.ReadFile(filepath.Join(l.dir, "tls", "ca.pem"))
	if err != nil {
		return nil, "", err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	f := &ftp{l: l, raw: nc, c: nc, r: bufio.NewReader(nc), conf: &tls.Config{RootCAs: pool, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(8), MinVersion: tls.VersionTLS12}}
	said, err := f.reply()
	return f, said, err
}

// reply is the last line of one.
func (f *ftp) reply() (string, error) {
	for {
		line, err := f.r.ReadString('\n')
		if err != nil {
			return "", err
		}
		if len(line) > 3 && line[3] == ' ' && line[0] >= '1' && line[0] <= '5' {
			return strings.TrimSpace(line), nil
		}
	}
}

func (f *ftp) do(format string, args ...any) (string, error) {
	if _, err := fmt.Fprintf(f.c, format+"\r\n", args...); err != nil {
		return "", err
	}
	return f.reply()
}

// secure goes over to TLS.
func (f *ftp) secure() error {
	if said, err := f.do("AUTH TLS"); err != nil || !strings.HasPrefix(said, "234") {
		return fmt.Errorf("AUTH: %q %w", said, err)
	}
	c := tls.Client(f.raw, f.conf)
	if err := c.Handshake(); err != nil {
		return err
	}
	f.c, f.r = c, bufio.NewReader(c)
	return nil
}

// signIn is all that comes before a transfer.
func (f *ftp) signIn(user, password string) error {
	if err := f.secure(); err != nil {
		return err
	}
	for _, x := range [][2]string{{"USER " + user, "331"}, {"PASS " + password, "230"}, {"PBSZ 0", "200"}, {"PROT P", "200"}} {
		if said, err := f.do("%s", x[0]); err != nil || !strings.HasPrefix(said, x[1]) {
			return fmt.Errorf("%.4s: %q %w", x[0], said, err)
		}
	}
	return nil
}
