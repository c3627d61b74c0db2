package boxes

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// login is a partner's password with the seed of its codes.
type login struct{ User, Password, Seed string }

func (l *lab) password(partner string) login {
	l.t.Helper()
	var p login
	l.must(json.Unmarshal([]byte(l.run("box", "password", partner, "--json")), &p))
	return p
}

// curl transfers by FTPS with a password and one of its codes.
func (l *lab) curl(p login, n int, args ...string) (string, error) {
	l.t.Helper()
	_, port, _ := net.SplitHostPort(l.ftps)
	for i, a := range args {
		args[i] = strings.Replace(a, "BASE", "ftp://localhost:"+port, 1)
	}
	c := exec.Command(tool(l.t, "curl"), append([]string{"-sS", "-m", "60", "--ssl-reqd", "--cacert", filepath.Join(l.dir, "tls", "ca.pem"), "--user", p.User + ":" + p.Password + code(l.t, p.Seed, n)}, args...)...)
	c.Dir = l.dir
	out, err := c.CombinedOutput()
	return string(out), err
}

// withFTPS is a laboratory whose second partner has a password too, with few ports
// for data.
func withFTPS(t *testing.T, ports int) *lab {
	t.Helper()
	return newLabWith(t, func(_ *lab, s string) string {
		i := strings.Index(s, "  northgate:")
		s = s[:i] + strings.Replace(s[i:], "]}\n", "], password: true}\n", 1)
		return strings.Replace(s, "first_port: 42000, last_port: 42099", fmt.Sprintf("first_port: 42100, last_port: %d", 42100+ports-1), 1)
	})
}

// A partner takes all the ports for data that it can get, and asks for more without
// end. Another transfers meanwhile; the first does as well, once it lets go.
func TestOnePartnerTakesAllPorts(t *testing.T) {
	l := withFTPS(t, 4)
	greedy, other := l.password("riverside"), l.password("northgate")
	body := csv(200_000)
	up := l.file("up.csv", body)
	// A session takes a code, so there are three in a minute; each holds a port.
	var sessions []*ftp
	held := 0
	for n := range 3 {
		f, said, err := l.ftpFrom("127.0.0.2")
		if err != nil {
			t.Fatal(said, err)
		}
		l.must(f.signIn(greedy.User, greedy.Password+code(t, greedy.Seed, n)))
		said, err = f.do("EPSV")
		l.must(err)
		switch {
		case strings.HasPrefix(said, "229"):
			held++
		case !strings.HasPrefix(said, "425 No port is free"):
			t.Error(said)
		}
		sessions = append(sessions, f)
	}
	if held == 0 || held > 2 {
		t.Fatalf("one partner holds %d of 4 ports", held)
	}
	stop := make(chan struct{})
	var wait sync.WaitGroup
	for _, f := range sessions {
		wait.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if said, err := f.do("EPSV"); err != nil || !strings.HasPrefix(said, "229") && !strings.HasPrefix(said, "425") {
					t.Error("the greedy partner:", said, err)
					return
				}
			}
		})
	}
	if out, err := l.curl(other, 0, "-T", up, "BASE/inbox/up.csv"); err != nil {
		t.Errorf("another partner brings nothing: %v %s", err, out)
	}
	if out, err := l.curl(other, 1, "-o", "down.csv", "BASE/inbox/up.csv"); err != nil {
		t.Errorf("another partner fetches nothing: %v %s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(l.dir, "down.csv")); err != nil || !bytes.Equal(got, body) {
		t.Errorf("it came back as another file: %v", err)
	}
	close(stop)
	wait.Wait()
	for _, f := range sessions[1:] {
		f.raw.Close()
	}
	for end := time.Now().Add(20 * time.Second); ; {
		if said, err := sessions[0].do("EPSV"); err == nil && strings.HasPrefix(said, "229") {
			break
		} else if err != nil || time.Now().After(end) {
			t.Fatal("it lets go and gets no port:", said, err)
		}
	}
}

// Clients that are slow with a handshake, or send a byte now and then, are sent
// away when their time is up, at every door; there is room for others meanwhile. It
// takes as long as the doors wait for a handshake: ten seconds.
func TestSlowClients(t *testing.T) {
	t.Parallel()
	d := allDoors(t)
	p := d.password("riverside")
	const from = "127.0.0.3"
	hello := []byte{22, 3, 1, 2, 0, 1, 0, 1, 252, 3, 3} // the beginning of a ClientHello (RFC 8446 4.1.2)
	type slow struct {
		door  string
		c     net.Conn
		drip  []byte
		limit time.Duration
	}
	var all []slow
	open := func(door, at string, drip []byte, limit time.Duration) net.Conn {
		c, err := dialFrom(from, at)
		d.must(err)
		t.Cleanup(func() { c.Close() })
		all = append(all, slow{door, c, drip, limit})
		return c
	}
	for range 64 { // all that the web door takes of one address
		open("web", d.web, hello, 14*time.Second)
	}
	for range 12 {
		c := open("FTPS handshake", d.ftps, hello, 14*time.Second)
		_, err := io.WriteString(c, "AUTH TLS\r\n")
		d.must(err)
	}
	for range 4 { // with those above all that may be signing in from one address
		open("FTP control", d.ftps, []byte("NOOP NOOP NOOP NOOP NOOP NOOP NOOP NOOP NOOP NOOP NOOP NOOP NOOP NOOP"), 65*time.Second)
	}
	for range 30 {
		open("SSH banner", d.sftp, []byte("SSH-2.0-abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklmnop"), 35*time.Second)
	}
	for range 8 {
		open("certificates", d.enrol, hello, 14*time.Second)
		open("tunnels", d.tunnels, hello, 14*time.Second)
	}
	patient := os.Getenv("LABWARDEN_BARS") == "whole" // a minute is long
	began := time.Now()
	var wait sync.WaitGroup
	for _, s := range all {
		if s.limit > 15*time.Second && !patient {
			continue
		}
		wait.Go(func() {
			gone := make(chan struct{})
			go func() { // a byte each second
				tick := time.NewTicker(time.Second)
				defer tick.Stop()
				for _, b := range s.drip {
					if _, err := s.c.Write([]byte{b}); err != nil {
						return
					}
					select {
					case <-tick.C:
					case <-gone:
						return
					}
				}
			}()
			_ = s.c.SetReadDeadline(began.Add(s.limit))
			_, err := io.Copy(io.Discard, s.c)
			close(gone)
			var late net.Error
			if errors.As(err, &late) && late.Timeout() {
				t.Errorf("%s: a slow client stays for %v", s.door, s.limit)
			}
		})
	}
	// Meanwhile, from another address: by SFTP, by FTPS, to the portal.
	if _, err := d.mustFiles("northgate").ReadDir("/"); err != nil {
		t.Error(err)
	}
	up := d.file("up.csv", csv(100_000))
	if out, err := d.curl(p, 0, "-T", up, "BASE/inbox/up.csv"); err != nil {
		t.Error(out, err)
	}
	_, port, _ := net.SplitHostPort(d.web)
	out, err := exec.Command(tool(t, "curl"), "-sS", "-m", "20", "--cacert", filepath.Join(d.dir, portalHost+".crt"), "--resolve", portalHost+":"+port+":127.0.0.1", "-o", "/dev/null", "-w", "%{http_code}", "https://"+portalHost+":"+port+"/sign-in").CombinedOutput()
	if err != nil || string(out) != "200" {
		t.Errorf("the portal: %s %v", out, err)
	}
	if took := time.Since(began); took > 9*time.Second {
		t.Logf("others were served within %v, when some of the slow ones were gone already", took)
	}
	wait.Wait()
}

// Guesses at a partner's password by FTPS, from many connections: none comes in, a
// connection ends after three, nothing of them stands in a log, and the partner
// comes in with password and code all the while.
func TestGuessingByFTPS(t *testing.T) {
	l := withFTPS(t, 20)
	p := l.password("northgate")
	for i := range 12 {
		f, said, err := l.ftpFrom("127.0.0.4")
		if err != nil {
			t.Fatal(said, err)
		}
		l.must(f.secure())
		ended := ""
		for n := range 4 {
			user := []string{"northgate", "riverside", "root"}[i%3]
			if _, err = f.do("USER %s", user); err != nil {
				break
			}
			if said, err = f.do("PASS guess%d%06d", i, n); err != nil {
				break
			}
			if strings.HasPrefix(said, "2") {
				t.Fatalf("%s came in by guessing: %s", user, said)
			}
			ended = said
		}
		if err == nil || !strings.HasPrefix(ended, "421") {
			t.Errorf("four guesses on one connection: %q %v", ended, err)
		}
	}
	up := l.file("up.csv", csv(1000))
	if out, err := l.curl(p, 0, "-T", up, "BASE/inbox/up.csv"); err != nil {
		t.Errorf("the partner is kept out by a stranger's guesses: %v %s", err, out)
	}
	for _, name := range []string{"hub.log", "front.log"} {
		if b, err := os.ReadFile(filepath.Join(l.dir, name)); err != nil || strings.Contains(string(b), "guess") {
			t.Errorf("a password stands in %s, or: %v", name, err)
		}
	}
}
