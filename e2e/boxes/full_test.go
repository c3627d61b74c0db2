package boxes

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The disk of the boxes fills up: OpenSSH's sftp and curl by FTPS are told so, no
// name of a file that was not taken is there, what was acknowledged stays whole,
// and when there is room again everything goes on by itself.
func TestBoxOnAFullDisk(t *testing.T) {
	l := newLabOn(t, func(l *lab) {
		data := filepath.Join(l.dir, "data")
		l.must(os.MkdirAll(data, 0o700))
		if err := syscall.Mount("labwarden-boxes", data, "tmpfs", 0, "size=24m,mode=700"); err != nil {
			t.Skipf("SKIPPED: a small file system cannot be mounted here (%v): the full disk was not tried", err)
		}
		// The hub is ended before: cleanups run from the last to the first.
		t.Cleanup(func() {
			if err := syscall.Unmount(data, syscall.MNT_DETACH); err != nil {
				t.Errorf("unmount: %v", err)
			}
		})
	}, asItIs)
	host, port, _ := net.SplitHostPort(l.sftp)
	before, small, large := csv(600_000), csv(3_000), csv(4_000_000)
	l.file("before.csv", before)
	l.file("small.csv", small)
	l.file("large.csv", large)
	var p struct{ User, Password, Seed string }
	l.must(json.Unmarshal([]byte(l.run("box", "password", "riverside", "--json")), &p))
	sftp := func(in string) (string, error) {
		c := exec.Command(tool(t, "sftp"), append(l.sshArgs("riverside"), "-P", port, "-b", "-", "riverside@"+host)...)
		c.Dir, c.Stdin = l.dir, strings.NewReader(in)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	_, tls, _ := net.SplitHostPort(l.ftps)
	curl := func(n int, name string) (string, error) {
		c := exec.Command(tool(t, "curl"), "-sS", "-v", "--ssl-reqd", "--cacert", filepath.Join(l.dir, "tls", "ca.pem"), "--user", p.User+":"+p.Password+code(t, p.Seed, n), "-T", name, "ftp://localhost:"+tls+"/inbox/curl-"+name)
		c.Dir = l.dir
		out, err := c.CombinedOutput()
		return string(out), err
	}
	if out, err := sftp("put before.csv inbox/\n"); err != nil {
		t.Fatal(err, out)
	}
	was := l.inbox("riverside")
	// The ballast leaves a little: the large file runs into it in its middle.
	ballast := filepath.Join(l.dir, "data", "ballast")
	leave := func(room int64) {
		t.Helper()
		var fs syscall.Statfs_t
		l.must(syscall.Statfs(filepath.Dir(ballast), &fs))
		f, err := os.OpenFile(ballast, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		l.must(err)
		if n := int64(fs.Bavail)*fs.Bsize - room; n > 0 {
			_, err = f.Write(make([]byte, n))
		}
		l.must(err)
		l.must(f.Close())
	}
	words := "the laboratory has no room left; nothing of the file was kept. Try again later"
	leave(2 << 20)
	if out, err := sftp("put large.csv inbox/\n"); err == nil || !strings.Contains(out, "Labwarden: "+words) {
		t.Errorf("by sftp: %v\n%s", err, out)
	} else {
		t.Logf("OpenSSH's sftp says:\n%s", out)
	}
	if out, err := curl(0, "large.csv"); err == nil || !strings.Contains(out, words) {
		t.Errorf("by FTPS: %v\n%s", err, out)
	}
	if now := l.inbox("riverside"); len(now) != len(was) || now["before.csv"] != was["before.csv"] {
		t.Errorf("there was %v, there is %v", was, now)
	}
	// Nothing at all: small files, whose place is the database, are refused too.
	taken := map[string]bool{}
	leave(0)
	full := false
	for i := 0; i < 400 && !full; i++ {
		name := "s" + string(rune('a'+i/26)) + string(rune('a'+i%26)) + ".csv"
		out, err := sftp("put small.csv inbox/" + name + "\n")
		switch {
		case err == nil:
			taken[name] = true
		case strings.Contains(out, words):
			full = true
		default:
			t.Fatalf("refused by other words: %v\n%s", err, out)
		}
	}
	if !full {
		t.Error("the disk did not fill up")
	}
	t.Logf("%d small files went in before the database was full", len(taken))
	l.must(os.Remove(ballast))
	for end := time.Now().Add(20 * time.Second); ; {
		if _, err := sftp("put large.csv inbox/again.csv\nput small.csv inbox/again-small.csv\nget inbox/before.csv before.back\nget receipts/again.csv.receipt.json\n"); err == nil {
			break
		} else if time.Now().After(end) {
			t.Fatal("it does not recover by itself:", err)
		}
		<-time.After(300 * time.Millisecond)
	}
	if out, err := curl(1, "small.csv"); err != nil {
		t.Error(err, out)
	}
	now := l.inbox("riverside")
	for name := range taken {
		if now[name] == "" {
			t.Errorf("%s was acknowledged and is not there", name)
		}
	}
	if want := len(taken) + 4; len(now) != want {
		t.Errorf("%d files, want %d: %v", len(now), want, now)
	}
	l.file("lab.pub", []byte(l.run("keys", "public")))
	l.run("verify", "large.csv", "again.csv.receipt.json", "--key", "lab.pub")
	if got, err := os.ReadFile(filepath.Join(l.dir, "before.back")); err != nil || string(got) != string(before) {
		t.Error("what was there before came back as another file", err)
	}
	l.run("ledger", "verify")
}
