package boxes

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// csv is a table of about n bytes, which the content gate lets pass.
func csv(n int) []byte {
	var b bytes.Buffer
	b.WriteString("code,value,unit\r\n")
	row := make([]byte, 24)
	for b.Len() < n {
		_, _ = rand.Read(row)
		for i := range row {
			row[i] = 'a' + row[i]%26
		}
		b.Write(row[:8])
		b.WriteByte(',')
		b.Write(row[8:16])
		b.WriteByte(',')
		b.Write(row[16:])
		b.WriteString("\r\n")
	}
	return b.Bytes()
}

func (l *lab) file(name string, body []byte) string {
	l.t.Helper()
	path := filepath.Join(l.dir, name)
	l.must(os.WriteFile(path, body, 0o600))
	return path
}

// OpenSSH's sftp and scp, lftp and curl over SFTP, as they come.
func TestStockClientsOfSFTP(t *testing.T) {
	l := newLab(t)
	host, port, _ := net.SplitHostPort(l.sftp)
	small, large := csv(700), csv(900_000)
	l.file("small.csv", small)
	l.file("large.csv", large)
	back := func(name string, want []byte) {
		t.Helper()
		got, err := os.ReadFile(filepath.Join(l.dir, name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s came back as %d bytes of %d: %v", name, len(got), len(want), err)
		}
	}
	do := func(name string, in string, args ...string) string {
		t.Helper()
		c := exec.Command(tool(t, name), args...)
		c.Dir, c.Stdin = l.dir, strings.NewReader(in)
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	t.Run("sftp", func(t *testing.T) {
		args := append(l.sshArgs("riverside"), "-P", port, "-b", "-", "riverside@"+host)
		out := do("sftp", "cd inbox\nput small.csv\nput -p large.csv a.csv.filepart\nrename a.csv.filepart a.csv\nls -l\nget small.csv s.back\nget a.csv l.back\nrm small.csv\nls -1\n", args...)
		back("s.back", small)
		back("l.back", large)
		if !strings.Contains(out, "a.csv") {
			t.Error(out)
		}
		// What is refused fails, and leaves nothing.
		for _, line := range []string{"mkdir x", "put small.csv /results/x.csv", "put small.csv ../../../etc/x.csv", "put large.csv inbox/a.csv", "symlink inbox/a.csv b", "ln inbox/a.csv b", "rename inbox/a.csv results/a.csv", "rm inbox", "chmod 600 /etc/passwd", "get /etc/passwd"} {
			c := exec.Command(tool(t, "sftp"), args...)
			c.Dir, c.Stdin = l.dir, strings.NewReader(line+"\n")
			if out, err := c.CombinedOutput(); err == nil {
				t.Errorf("%q went through: %s", line, out)
			}
		}
	})
	t.Run("scp", func(t *testing.T) {
		do("scp", "", append(l.sshArgs("riverside"), "-P", port, "large.csv", "riverside@"+host+":/inbox/scp.csv")...)
		do("scp", "", append(l.sshArgs("riverside"), "-P", port, "riverside@"+host+":/inbox/scp.csv", "scp.back")...)
		back("scp.back", large)
	})
	t.Run("lftp", func(t *testing.T) {
		connect := "ssh -a -x -F none -i " + filepath.Join(l.dir, "id_riverside") + " -o UserKnownHostsFile=" + filepath.Join(l.dir, "known_hosts") + " -o IdentitiesOnly=yes -o BatchMode=yes"
		do("lftp", "", "-c", "set sftp:connect-program '"+connect+"'; set sftp:auto-confirm no; set net:max-retries 1; open -u riverside, sftp://"+l.sftp+"; put -O /inbox large.csv -o lftp.csv; get /inbox/lftp.csv -o lftp.back; cls /inbox")
		back("lftp.back", large)
	})
	t.Run("nobody else sees it", func(t *testing.T) {
		all, err := l.mustFiles("northgate").ReadDir("/inbox")
		if err != nil || len(all) != 0 {
			t.Errorf("northgate sees %v, %v", all, err)
		}
	})
}

// code is the one-time code of the step before now (0), of now (1), or of the
// next one (2): all are near enough, each is taken once, and none after a later one.
func code(t *testing.T, seed string, n int) string {
	t.Helper()
	// The oldest is near enough until this step ends: whoever shows it needs a moment.
	if left := 30*time.Second - time.Duration(time.Now().UnixNano()%int64(30*time.Second)); n == 0 && left < 3*time.Second {
		<-time.After(left)
	}
	c, err := totp.GenerateCode(seed, time.Now().Add(time.Duration(n-1)*30*time.Second))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A password with its code, by FTPS: curl, as it comes.
func TestCurlByFTPSWithACode(t *testing.T) {
	l := newLab(t)
	var p struct{ User, Password, Seed string }
	l.must(json.Unmarshal([]byte(l.run("box", "password", "riverside", "--json")), &p))
	body := csv(400_000)
	up := l.file("up.csv", body)
	curl := func(password string, args ...string) (string, error) {
		c := exec.Command(tool(t, "curl"), append([]string{"-sS", "--ssl-reqd", "--cacert", filepath.Join(l.dir, "tls", "ca.pem"), "--user", p.User + ":" + password}, args...)...)
		c.Dir = l.dir
		out, err := c.CombinedOutput()
		return string(out), err
	}
	_, port, _ := net.SplitHostPort(l.ftps)
	base := "ftp://localhost:" + port
	first := p.Password + code(t, p.Seed, 0)
	if out, err := curl(first, "-T", up, base+"/inbox/up.csv"); err != nil {
		t.Fatalf("up: %v %s", err, out)
	}
	if out, err := curl(first, "-o", "again", base+"/inbox/up.csv"); err == nil {
		t.Errorf("a code went through twice: %s", out)
	}
	if out, err := curl(p.Password+code(t, p.Seed, 1), "-o", "down.csv", base+"/inbox/up.csv"); err != nil {
		t.Fatalf("down: %v %s", err, out)
	}
	got, err := os.ReadFile(filepath.Join(l.dir, "down.csv"))
	if err != nil || !bytes.Equal(got, body) {
		t.Error("came back as another file", err)
	}
	// What the gate refuses, curl shows.
	l.file("bad.csv", []byte("MZ\x90\x00this is a program"))
	out, err := curl(p.Password+code(t, p.Seed, 2), "-v", "-T", "bad.csv", base+"/inbox/bad.csv")
	if err == nil || !strings.Contains(out, "< 55") {
		t.Errorf("a program was taken, or the reason is not shown: %v\n%s", err, out)
	}
	if _, there := l.inbox("riverside")["bad.csv"]; there {
		t.Error("a refused file is there")
	}
}
