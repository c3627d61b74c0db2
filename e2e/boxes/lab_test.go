package boxes

import (
	"bufio"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// lab is a laboratory with two partners that have boxes, each with a key.
type lab struct {
	t          *testing.T
	dir        string
	hub, front *exec.Cmd
	sftp, ftps string // addresses
	keys       map[string]ssh.Signer
	hostKeys   []ssh.PublicKey
}

// newLab makes one and starts its hub and front.
func newLab(t *testing.T) *lab { return newLabWith(t, asItIs) }

func asItIs(_ *lab, s string) string { return s }

// newLabWith makes one whose configuration more has gone over.
func newLabWith(t *testing.T, more func(l *lab, s string) string) *lab {
	t.Helper()
	return newLabOn(t, func(*lab) {}, more)
}

// newLabOn makes one in a folder that was prepared.
func newLabOn(t *testing.T, prepare func(*lab), more func(l *lab, s string) string) *lab {
	t.Helper()
	l := &lab{t: t, dir: t.TempDir(), keys: map[string]ssh.Signer{}}
	prepare(l)
	l.run("init", ".", "--name", "Millbrook", "--id", "millbrook")
	pub := map[string]string{}
	for _, p := range []string{"riverside", "northgate"} {
		pub[p] = l.key(p)
	}
	l.sftp, l.ftps = free(t), free(t)
	l.configure(func(s string) string {
		i := strings.Index(s, "\npartners:")
		box := func(p, more string) string {
			return fmt.Sprintf("  %s:\n    name: %s\n    providers: [{id: \"1234567893\", authority: NPI}]\n    box: {keys: [%q]%s}\n    destination: {box: {}}\n", p, p, pub[p], more)
		}
		s = s[:i] + "\npartners:\n" + box("riverside", ", password: true, accept: {encrypted: [age]}") + box("northgate", "") + "routes:\n  - {name: first-results, from: lis, to: [riverside], stage: shadow}\n"
		return more(l, strings.Replace(s, "\nsources:", fmt.Sprintf("\n  front:\n    sftp: {listen: %q, per_address: 1000}\n    ftps: {listen: %q, first_port: 42000, last_port: 42099}\nsources:", l.sftp, l.ftps), 1))
	})
	l.startHub()
	l.startFront()
	return l
}

// key makes a partner's key and its file, and returns the line of its .pub.
func (l *lab) key(partner string) string {
	l.t.Helper()
	_, k, err := ed25519.GenerateKey(rand.Reader)
	l.must(err)
	s, err := ssh.NewSignerFromKey(k)
	l.must(err)
	l.keys[partner] = s
	block, err := ssh.MarshalPrivateKey(k, "")
	l.must(err)
	l.must(os.WriteFile(filepath.Join(l.dir, "id_"+partner), pem.EncodeToMemory(block), 0o600))
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.PublicKey())))
}

// configure rewrites the configuration, with addresses that are free.
func (l *lab) configure(edit func(string) string) {
	l.t.Helper()
	path := filepath.Join(l.dir, "labwarden.yaml")
	b, err := os.ReadFile(path)
	l.must(err)
	s := edit(string(b))
	if !strings.Contains(s, "metrics:") {
		s = strings.Replace(s, "\nsources:", fmt.Sprintf("\n  metrics: {listen: %q}\nsources:", free(l.t)), 1)
	}
	for _, port := range []string{"127.0.0.1:2575", "127.0.0.1:8443"} {
		s = strings.ReplaceAll(s, port, free(l.t))
	}
	l.must(os.WriteFile(path, []byte(s), 0o600))
}

func (l *lab) must(err error) {
	l.t.Helper()
	if err != nil {
		l.t.Fatal(err)
	}
}

// run runs the binary in the laboratory's folder and returns what it says.
func (l *lab) run(args ...string) string {
	l.t.Helper()
	c := exec.Command(binary, args...)
	c.Dir = l.dir
	var complaint strings.Builder
	c.Stderr = &complaint
	out, err := c.Output()
	if err != nil {
		l.t.Fatalf("labwarden %s: %v\n%s%s", strings.Join(args, " "), err, out, complaint.String())
	}
	return string(out)
}

// given are the addresses that free gave: the system gives one again at times.
var given sync.Map

func free(t *testing.T) string {
	t.Helper()
	for {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		at := ln.Addr().String()
		ln.Close()
		if _, again := given.LoadOrStore(at, true); !again {
			return at
		}
	}
}

// start starts a program of the laboratory and waits for a line of its output.
func (l *lab) start(name, line string, args ...string) *exec.Cmd {
	l.t.Helper()
	log, err := os.OpenFile(filepath.Join(l.dir, name+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	l.must(err)
	defer log.Close()
	c := exec.Command(binary, args...)
	c.Dir, c.Stderr = l.dir, log
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	out, err := c.StdoutPipe()
	l.must(err)
	l.must(c.Start())
	l.t.Cleanup(func() { l.kill(c) })
	said := make(chan bool, 1)
	go func() {
		for in := bufio.NewScanner(out); in.Scan(); {
			if strings.HasPrefix(in.Text(), line) {
				said <- true
			}
		}
		said <- false
	}()
	select {
	case ok := <-said:
		if !ok {
			b, _ := os.ReadFile(log.Name())
			l.t.Fatalf("%s ended:\n%s", name, tail(b))
		}
	case <-time.After(time.Minute):
		b, _ := os.ReadFile(log.Name())
		l.t.Fatalf("%s does not get ready:\n%s", name, tail(b))
	}
	return c
}

func tail(b []byte) []byte { return b[max(0, len(b)-4000):] }

func (l *lab) startHub() {
	l.t.Helper()
	l.hub = l.start("hub", "listening lis", "serve")
	if l.hostKeys == nil {
		var keys []struct{ Line string }
		l.must(json.Unmarshal([]byte(l.run("box", "hostkeys", "--json")), &keys))
		var known strings.Builder
		for _, k := range keys {
			pub, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k.Line))
			l.must(err)
			l.hostKeys = append(l.hostKeys, pub)
			host, port, _ := net.SplitHostPort(l.sftp)
			fmt.Fprintf(&known, "[%s]:%s %s\n", host, port, k.Line)
		}
		l.must(os.WriteFile(filepath.Join(l.dir, "known_hosts"), []byte(known.String()), 0o600))
	}
}

func (l *lab) startFront() {
	l.t.Helper()
	l.front = l.start("front", "listening sftp", "front")
}

// kill ends a process the hard way and waits until it is gone.
func (l *lab) kill(c *exec.Cmd) {
	if c.ProcessState != nil {
		return
	}
	_ = c.Process.Kill()
	_ = c.Wait()
}

// dial connects as a partner over SSH.
func (l *lab) dial(ctx context.Context, partner string) (*ssh.Client, error) {
	d := net.Dialer{}
	nc, err := d.DialContext(ctx, "tcp", l.sftp)
	if err != nil {
		return nil, err
	}
	_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
	c, chans, reqs, err := ssh.NewClientConn(nc, l.sftp, &ssh.ClientConfig{
		User: partner, Auth: []ssh.AuthMethod{ssh.PublicKeys(l.keys[partner])}, HostKeyAlgorithms: []string{ssh.KeyAlgoED25519},
		HostKeyCallback: ssh.FixedHostKey(l.hostKeys[0]),
	})
	if err != nil {
		nc.Close()
		return nil, err
	}
	_ = nc.SetDeadline(time.Time{})
	return ssh.NewClient(c, chans, reqs), nil
}

// files connects as a partner and opens SFTP.
func (l *lab) files(ctx context.Context, partner string) (*sftp.Client, func(), error) {
	c, err := l.dial(ctx, partner)
	if err != nil {
		return nil, nil, err
	}
	f, err := sftp.NewClient(c)
	if err != nil {
		c.Close()
		return nil, nil, err
	}
	return f, func() { f.Close(); c.Close() }, nil
}

func (l *lab) mustFiles(partner string) *sftp.Client {
	l.t.Helper()
	f, done, err := l.files(l.t.Context(), partner)
	l.must(err)
	l.t.Cleanup(done)
	return f
}

// sshArgs are the options of OpenSSH's programs.
func (l *lab) sshArgs(partner string) []string {
	return []string{
		"-i", filepath.Join(l.dir, "id_"+partner), "-o", "UserKnownHostsFile=" + filepath.Join(l.dir, "known_hosts"), "-o", "StrictHostKeyChecking=yes",
		"-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-F", "none",
	}
}

// inbox lists what lies in a partner's inbox, as the console says.
func (l *lab) inbox(partner string) map[string]string {
	l.t.Helper()
	var all []struct{ Name, SHA256, State string }
	l.must(json.Unmarshal([]byte(l.run("box", "list", partner, "inbox", "--json")), &all))
	out := map[string]string{}
	for _, f := range all {
		out[f.Name] = f.SHA256
	}
	return out
}

// cpu is the processor time a process has used, its ended children included.
func cpu(t *testing.T, pid int) time.Duration {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		t.Fatal(err)
	}
	f := strings.Fields(string(b[strings.LastIndexByte(string(b), ')')+2:]))
	var ticks int64
	for _, i := range []int{11, 12, 13, 14} { // utime, stime, cutime, cstime of proc(5)
		n, err := strconv.ParseInt(f[i], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}

// resident is a process's memory in bytes.
func resident(t *testing.T, pid int) int64 {
	t.Helper()
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/statm")
	if err != nil {
		t.Fatal(err)
	}
	n, err := strconv.ParseInt(strings.Fields(string(b))[1], 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n * int64(os.Getpagesize())
}
