package ftps_test

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/tls"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/labwarden/labwarden/internal/channel/channeltest"
	"github.com/labwarden/labwarden/internal/channel/channeltest/boxtest"
	"github.com/labwarden/labwarden/internal/channel/ftps"
)

// rig is a server on a loopback port with the box of one partner.
type rig struct {
	testing.TB
	server *ftps.Server
	door   *boxtest.Door
	box    *boxtest.Box
	addr   string
	port   string
	ca     *channeltest.Authority
	caFile string
	log    *safeBuffer
	stop   func() error
	panics int64 // that the test brings about
}

const (
	user     = "northgate"
	password = "correct horse battery 123456"
)

// started starts a server that change may have changed.
func started(t testing.TB, change func(*ftps.Server)) *rig {
	t.Helper()
	return startedAt(t, "127.0.0.1:0", change)
}

// faraway is a key that can only be asked to sign, as the hub's is for the front.
type faraway struct{ crypto.Signer }

func startedAt(t testing.TB, at string, change func(*ftps.Server)) *rig {
	t.Helper()
	r := &rig{TB: t, door: &boxtest.Door{}, ca: channeltest.NewAuthority(t), log: &safeBuffer{}}
	r.box = r.door.Add(user, password)
	cert := r.ca.Issue("localhost", time.Time{})
	cert.PrivateKey = faraway{cert.PrivateKey.(crypto.Signer)}
	r.server = &ftps.Server{
		Door: r.door, TLS: &tls.Config{Certificates: []tls.Certificate{cert}},
		Log: slog.New(slog.NewTextHandler(r.log, nil)),
	}
	if change != nil {
		change(r.server)
	}
	ln, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	r.addr = ln.Addr().String()
	_, r.port, _ = net.SplitHostPort(r.addr)
	r.caFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(r.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.ca.DER()}), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.server.Serve(ctx, ln) }()
	stopped := false
	r.stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		select {
		case err := <-done:
			return err
		case <-time.After(20 * time.Second):
			return fmt.Errorf("the server does not stop")
		}
	}
	t.Cleanup(func() {
		if err := r.stop(); err != nil {
			t.Error(err)
		}
		if n := r.server.Stats().Panics; n != r.panics {
			t.Errorf("%d panics\n%s", n, r.log)
		}
		if n := r.box.Writing(); n != 0 {
			t.Errorf("%d uploads were neither committed nor aborted", n)
		}
		if n := r.door.Sessions(); n != 0 {
			t.Errorf("%d sessions of the box were not closed", n)
		}
	})
	return r
}

// wants runs a program, or skips the test where it is not installed; CI has it.
func wants(t testing.TB, program string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed; tools/setup.sh test installs it", program)
		}
		t.Skipf("NOT TESTED: %s is not installed; tools/setup.sh test installs it", program)
	}
}

// run runs a program and gives what it wrote, and its end.
func (r *rig) run(program string, args ...string) (string, error) {
	r.Helper()
	wants(r, program)
	ctx, cancel := context.WithTimeout(r.Context(), 60*time.Second)
	defer cancel()
	c := exec.CommandContext(ctx, program, args...)
	c.Env = append(os.Environ(), "HOME="+r.TempDir(), "LC_ALL=C")
	out, err := c.CombinedOutput()
	return string(out), err
}

// must runs a program that has to succeed.
func (r *rig) must(program string, args ...string) string {
	r.Helper()
	out, err := r.run(program, args...)
	if err != nil {
		r.Fatalf("%s %q: %v\n%s\nserver: %s", program, args, err, out, r.log)
	}
	return out
}

// file writes a file for a program to send.
func (r *rig) file(name string, body []byte) string {
	r.Helper()
	p := filepath.Join(r.TempDir(), name)
	if err := os.WriteFile(p, body, 0o600); err != nil {
		r.Fatal(err)
	}
	return p
}

// resumed: every data connection so far belonged to its control connection.
func (r *rig) resumed(atLeast int64) {
	r.Helper()
	s := r.server.Stats()
	if s.DataOpened < atLeast || s.DataResumed != s.DataOpened {
		r.Errorf("data connections: %d opened, %d resumed; want at least %d, and all of them", s.DataOpened, s.DataResumed, atLeast)
	}
}

// client speaks FTP line by line.
type client struct {
	t    testing.TB
	addr string
	raw  net.Conn
	c    net.Conn
	r    *bufio.Reader
	conf *tls.Config
}

// dial connects and reads the greeting.
func (r *rig) dial() *client {
	r.Helper()
	raw, err := net.Dial("tcp", r.addr)
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { raw.Close() })
	_ = raw.SetDeadline(time.Now().Add(30 * time.Second))
	c := &client{t: r, addr: r.addr, raw: raw, c: raw, r: bufio.NewReader(raw)}
	c.conf = &tls.Config{RootCAs: r.ca.Pool, ServerName: "localhost", ClientSessionCache: tls.NewLRUClientSessionCache(8)}
	c.want(220)
	return c
}

func (c *client) send(format string, args ...any) {
	c.t.Helper()
	if _, err := fmt.Fprintf(c.c, format+"\r\n", args...); err != nil {
		c.t.Fatalf("send: %v", err)
	}
}

// reply reads one reply, all its lines.
func (c *client) reply() (int, string) {
	c.t.Helper()
	var all []string
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return 0, strings.Join(all, "") + err.Error()
		}
		all = append(all, line)
		if len(line) > 3 && line[3] == ' ' && line[0] != ' ' {
			n, err := strconv.Atoi(line[:3])
			if err != nil {
				c.t.Fatalf("no reply: %q", line)
			}
			return n, strings.Join(all, "")
		}
	}
}

func (c *client) want(code int) string {
	c.t.Helper()
	got, text := c.reply()
	if got != code {
		c.t.Fatalf("reply %d, want %d: %s", got, code, text)
	}
	return text
}

// do sends a command and wants its reply.
func (c *client) do(code int, format string, args ...any) string {
	c.t.Helper()
	c.send(format, args...)
	return c.want(code)
}

func (c *client) encrypt() *client {
	c.t.Helper()
	c.do(234, "AUTH TLS")
	conn := tls.Client(c.raw, c.conf)
	if err := conn.Handshake(); err != nil {
		c.t.Fatal(err)
	}
	c.c, c.r = conn, bufio.NewReader(conn)
	return c
}

func (c *client) signIn() *client {
	c.t.Helper()
	c.encrypt()
	c.do(331, "USER %s", user)
	c.do(230, "PASS %s", password)
	c.do(200, "PBSZ 0")
	c.do(200, "PROT P")
	return c
}

// passive asks for a port.
func (c *client) passive() string {
	c.t.Helper()
	text := c.do(229, "EPSV")
	i, j := strings.Index(text, "(|||"), strings.Index(text, "|)")
	return net.JoinHostPort("127.0.0.1", text[i+4:j])
}

// knock connects to a passive port.
func (c *client) knock(addr string) net.Conn {
	c.t.Helper()
	d, err := net.Dial("tcp", addr)
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() { d.Close() })
	_ = d.SetDeadline(time.Now().Add(30 * time.Second))
	return d
}

// upload sends a file and gives the reply.
func (c *client) upload(name string, body []byte) (int, string) {
	c.t.Helper()
	d := c.knock(c.passive())
	c.send("STOR %s", name)
	if code, text := c.reply(); code != 150 {
		return code, text
	}
	conn := tls.Client(d, c.conf)
	if _, err := io.Copy(conn, bytes.NewReader(body)); err != nil {
		c.t.Logf("upload: %v", err)
	}
	conn.Close()
	return c.reply()
}

// download fetches what a command sends.
func (c *client) download(format string, args ...any) ([]byte, int, string) {
	c.t.Helper()
	d := c.knock(c.passive())
	c.send(format, args...)
	if code, text := c.reply(); code != 150 {
		return nil, code, text
	}
	body, err := io.ReadAll(tls.Client(d, c.conf))
	if err != nil {
		c.t.Logf("download: %v", err)
	}
	code, text := c.reply()
	return body, code, text
}

// eventually waits for what another goroutine brings about.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	late := time.After(20 * time.Second)
	for !is() {
		select {
		case <-tick.C:
		case <-late:
			t.Fatalf("never: %s", what)
		}
	}
}
