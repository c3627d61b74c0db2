package front

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// confinedChild is set in the environment of the process that confines itself.
const confinedChild = "LABWARDEN_TEST_CONFINED"

// TestConfinedOpensNothing: a process that has confined itself opens no file and
// no connection, and still serves, and still reaches a Unix socket (the hub's).
func TestConfinedOpensNothing(t *testing.T) {
	if os.Getenv(confinedChild) != "" {
		confined(t)
		return
	}
	cmd := exec.Command(os.Args[0], "-test.run=^TestConfinedOpensNothing$", "-test.v")
	cmd.Env = []string{confinedChild + "=1", "TMPDIR=" + t.TempDir()}
	out, err := cmd.CombinedOutput()
	if strings.Contains(string(out), "no Landlock here") {
		if os.Getenv("CI") != "" && os.Getenv("LABWARDEN_NO_LANDLOCK") == "" {
			t.Fatalf("this kernel has no Landlock, so nothing was tested:\n%s", out)
		}
		t.Skipf("this kernel has no Landlock: confinement was not tested\n%s", out)
	}
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

func confined(t *testing.T) {
	open, err := os.Create(filepath.Join(os.Getenv("TMPDIR"), "before")) // the parent takes it away: we cannot any more
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	sock, err := net.Listen("unix", open.Name()+".sock")
	if err != nil {
		t.Fatal(err)
	}
	// The whole front, all its threads.
	how, err := Confine()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Open("/etc/passwd"); err == nil {
		t.Skipf("no Landlock here: %s", how)
	}
	for name, do := range map[string]func() error{
		"read":    func() error { _, err := os.ReadFile("/etc/passwd"); return err },
		"list":    func() error { _, err := os.ReadDir("/"); return err },
		"write":   func() error { return os.WriteFile(open.Name()+".2", nil, 0o600) },
		"again":   func() error { _, err := os.Open(open.Name()); return err },
		"remove":  func() error { return os.Remove(open.Name()) },
		"execute": func() error { return exec.Command("/bin/true").Run() },
		"connect": func() error { _, err := net.Dial("tcp", ln.Addr().String()); return err },
	} {
		if err := do(); !errors.Is(err, syscall.EACCES) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := open.WriteString("what is open stays open"); err != nil {
		t.Error(err)
	}
	more, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Error("no door can be opened any more:", err)
	} else {
		_ = more.Close()
	}
	if c, err := net.Dial("unix", sock.Addr().String()); err != nil {
		t.Error("the hub cannot be reached any more:", err)
	} else {
		_ = c.Close()
	}
}
