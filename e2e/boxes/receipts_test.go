package boxes

import (
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// An upload's receipt, fetched by OpenSSH's sftp and by curl, verifies with the
// file; the reason of a refusal lies there for a client that does not show it.
func TestReceiptsOfABox(t *testing.T) {
	l := newLab(t)
	host, port, _ := net.SplitHostPort(l.sftp)
	l.file("small.csv", csv(700))
	l.file("large.csv", csv(300_000))
	l.file("bad.csv", []byte("MZ\x90\x00this is a program"))
	sftp := func(in string) (string, error) {
		c := exec.Command(tool(t, "sftp"), append(l.sshArgs("riverside"), "-P", port, "-b", "-", "riverside@"+host)...)
		c.Dir, c.Stdin = l.dir, strings.NewReader(in)
		out, err := c.CombinedOutput()
		return string(out), err
	}
	must := func(in string) string {
		t.Helper()
		out, err := sftp(in)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}
	must("put small.csv inbox/\nput large.csv inbox/large.csv.part\nrename inbox/large.csv.part inbox/large.csv\nget receipts/small.csv.receipt.json\nget receipts/large.csv.receipt.json\n")
	l.file("lab.pub", []byte(l.run("keys", "public")))
	for _, f := range []string{"small.csv", "large.csv"} {
		if out := l.run("verify", f, f+".receipt.json", "--key", "lab.pub"); !strings.Contains(out, "took it from riverside") || !strings.Contains(out, "by sftp, proof of the other side: key, its key SHA256:") {
			t.Error(out)
		}
	}
	before, err := os.ReadFile(filepath.Join(l.dir, "small.csv.receipt.json"))
	l.must(err)
	if out, err := sftp("put bad.csv inbox/\n"); err == nil {
		t.Errorf("a program was taken: %s", out)
	}
	if out := must("ls -1 receipts\nget receipts/bad.csv.refused.txt\n"); !strings.Contains(out, "receipts/bad.csv.refused.txt") || strings.Contains(out, "bad.csv.receipt.json") {
		t.Error(out)
	}
	why, err := os.ReadFile(filepath.Join(l.dir, "bad.csv.refused.txt"))
	if err != nil || !strings.Contains(string(why), "Reason:") || !strings.Contains(string(why), "Rule:") {
		t.Errorf("%v\n%s", err, why)
	}
	t.Logf("what the sender of a refused file finds:\n%s", why)
	for _, in := range []string{"rm receipts/small.csv.receipt.json", "put small.csv receipts/x.receipt.json", "rename receipts/small.csv.receipt.json receipts/y", "rename receipts/small.csv.receipt.json inbox/y"} {
		if out, err := sftp(in + "\n"); err == nil {
			t.Errorf("%s went through: %s", in, out)
		}
	}
	if all, err := l.mustFiles("northgate").ReadDir("/receipts"); err != nil || len(all) != 0 {
		t.Errorf("northgate sees %v, %v", all, err)
	}
	// The same bytes to another client, after the hub has started again.
	var p struct{ User, Password, Seed string }
	l.must(json.Unmarshal([]byte(l.run("box", "password", "riverside", "--json")), &p))
	l.kill(l.hub)
	l.startHub()
	l.awaitFront()
	_, tls, _ := net.SplitHostPort(l.ftps)
	c := exec.Command(tool(t, "curl"), "-sS", "--ssl-reqd", "--cacert", filepath.Join(l.dir, "tls", "ca.pem"), "--user", p.User+":"+p.Password+code(t, p.Seed, 1), "ftp://localhost:"+tls+"/receipts/small.csv.receipt.json")
	if again, err := c.Output(); err != nil || string(again) != string(before) {
		t.Errorf("%v\n%s\n%s", err, again, before)
	}
}
