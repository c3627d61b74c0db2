package pages

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/npm"
)

// program builds the real one, once for all tests of this package.
var program = sync.OnceValues(func() (string, error) {
	wd, err := os.Getwd() // go test starts in the package's folder, two below
	if err != nil {
		return "", err
	}
	path := filepath.Join(wd, "..", "..", ".test", "pages", "labwarden")
	build := exec.Command("go", "build", "-o", path, "github.com/labwarden/labwarden/cmd/labwarden")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build labwarden: %w\n%s", err, out)
	}
	return path, nil
})

func binary(t *testing.T) string {
	t.Helper()
	path, err := program()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// process is a running program of ours: no environment, its own log.
type process struct {
	cmd   *exec.Cmd
	log   string
	lines chan string
	ended chan struct{}
	err   error
}

func begin(t *testing.T, dir, name string, args ...string) *process {
	t.Helper()
	p := &process{log: filepath.Join(dir, name+".log"), lines: make(chan string, 256), ended: make(chan struct{})}
	log, err := os.Create(p.log)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the child has its own
	p.cmd = exec.Command(binary(t), args...)
	p.cmd.Dir, p.cmd.Env, p.cmd.Stderr = dir, []string{}, log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	out, err := p.cmd.StdoutPipe()
	if err == nil {
		err = p.cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for s := bufio.NewScanner(out); s.Scan(); {
			p.lines <- s.Text()
		}
		p.err = p.cmd.Wait()
		close(p.ended)
	}()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // an error means that it is gone already
		<-p.ended
	})
	return p
}

// says waits for a line that begins so and returns its rest.
func (p *process) says(t *testing.T, prefix string) string {
	t.Helper()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	for {
		select {
		case l := <-p.lines:
			if rest, ok := strings.CutPrefix(l, prefix); ok {
				return strings.TrimSpace(rest)
			}
		case <-p.ended:
			log, _ := os.ReadFile(p.log)
			t.Fatalf("it ended (%v) before it said %q:\n%s", p.err, prefix, log)
		case <-late.C:
			t.Fatalf("it did not say %q in a minute", prefix)
		}
	}
}

// ends waits until it has ended by itself.
func (p *process) ends(t *testing.T) {
	t.Helper()
	late := time.NewTimer(time.Minute)
	defer late.Stop()
	select {
	case <-p.ended:
	case <-late.C:
		t.Fatal("it did not end in a minute")
	}
}

// command runs a command of the program to its end.
func command(t *testing.T, dir string, args ...string) (string, error) {
	t.Helper()
	var out, bad bytes.Buffer
	c := exec.CommandContext(t.Context(), binary(t), args...)
	c.Dir, c.Env, c.Stdout, c.Stderr = dir, []string{}, &out, &bad
	if err := c.Run(); err != nil {
		return out.String(), errors.Join(err, errors.New(bad.String()))
	}
	return out.String(), nil
}

// door is an address nobody uses.
func door(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// whole says whether everything is to be looked at.
func whole() bool { return os.Getenv("LABWARDEN_BARS") == "whole" }

func commit(t *testing.T) string {
	t.Helper()
	git := exec.Command("git", "rev-parse", "--short=12", "HEAD")
	git.Dir = npm.Root(t)
	out, err := git.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
