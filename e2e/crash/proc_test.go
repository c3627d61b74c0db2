package crash

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// proc is a process of the binary: no terminal, no environment.
type proc struct {
	cmd   *exec.Cmd
	log   string        // its standard error
	lines chan string   // its standard output
	ended chan struct{} // closed when it is gone
	err   error         // of Wait, once ended
}

func start(t *testing.T, dir, name string, args ...string) *proc {
	t.Helper()
	return startProgram(t, built.binary, dir, name, args...)
}

func startProgram(t *testing.T, program, dir, name string, args ...string) *proc {
	t.Helper()
	p := &proc{log: filepath.Join(dir, name+".log"), lines: make(chan string, 1024), ended: make(chan struct{})}
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close() // the child has its own
	p.cmd = exec.Command(program, args...)
	p.cmd.Dir = dir
	p.cmd.Env = []string{}
	p.cmd.Stderr = log
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout = w
	err = p.cmd.Start()
	_ = w.Close()
	if err != nil {
		t.Fatal(err)
	}
	var read sync.WaitGroup
	read.Go(func() {
		defer r.Close()
		for s := bufio.NewScanner(r); s.Scan(); {
			p.lines <- s.Text()
		}
	})
	go func() {
		p.err = p.cmd.Wait()
		read.Wait()
		close(p.ended)
	}()
	t.Cleanup(p.kill)
	return p
}

// kill is kill -9; it returns when the process is gone.
func (p *proc) kill() {
	_ = p.cmd.Process.Kill() // an error means that it is gone already
	<-p.ended
}

// stop ends the process as an operator would.
func (p *proc) stop(t *testing.T) {
	t.Helper()
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	if err := p.wait(30 * time.Second); err != nil {
		t.Fatalf("%s did not end on SIGTERM: %v\n%s", filepath.Base(p.log), err, p.tail())
	}
	if p.err != nil {
		t.Fatalf("%s after SIGTERM: %v\n%s", filepath.Base(p.log), p.err, p.tail())
	}
}

var errTime = errors.New("time is up")

func (p *proc) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-p.ended:
		return nil
	case <-timer.C:
		return errTime
	}
}

// says waits for a line of standard output that begins with prefix and returns
// the rest of it.
func (p *proc) says(prefix string, d time.Duration) (string, error) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	for {
		select {
		case l := <-p.lines:
			if rest, ok := strings.CutPrefix(l, prefix); ok {
				return strings.TrimSpace(rest), nil
			}
		case <-p.ended:
			select {
			case l := <-p.lines:
				if rest, ok := strings.CutPrefix(l, prefix); ok {
					return strings.TrimSpace(rest), nil
				}
				continue
			default:
			}
			return "", fmt.Errorf("it ended (%w) before it said %q:\n%s", p.err, prefix, p.tail())
		case <-timer.C:
			return "", fmt.Errorf("it did not say %q in %v:\n%s", prefix, d, p.tail())
		}
	}
}

// tail is the end of its standard error.
func (p *proc) tail() string { return tail(p.log, 3000) }

func tail(path string, n int64) string {
	f, err := os.Open(path)
	if err != nil {
		return err.Error()
	}
	defer f.Close()
	if i, err := f.Stat(); err == nil && i.Size() > n {
		_, _ = f.Seek(-n, io.SeekEnd)
	}
	b, _ := io.ReadAll(f) // what can be read is what there is to show
	return string(b)
}

// memory is the resident memory of the process in bytes.
func (p *proc) memory(t *testing.T) int64 {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	for l := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(l, "VmRSS:"); ok {
			kb, err := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kb << 10
		}
	}
	t.Fatal("no VmRSS in /proc")
	return 0
}

// ports counts the ports given out: tests that run at the same time must not be
// given the same one before either has opened it.
var ports atomic.Int64

// port finds a free port below the range of outgoing connections, so that it is
// still free when a killed process comes back. Each is given out once.
func port(t *testing.T) string {
	t.Helper()
	for range 200 {
		a := fmt.Sprintf("127.0.0.1:%d", 20000+(int64(os.Getpid())*37+ports.Add(1))%12000)
		if ln, err := net.Listen("tcp", a); err == nil {
			_ = ln.Close()
			return a
		}
	}
	t.Fatal("no free port")
	return ""
}

// until polls a condition; what says what was waited for.
func until(t *testing.T, d time.Duration, what string, ok func() bool) {
	t.Helper()
	if !within(d, ok) {
		t.Fatalf("not in %v: %s", d, what)
	}
}

func within(d time.Duration, ok func() bool) bool {
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		if ok() {
			return true
		}
		select {
		case <-end.C:
			return ok()
		case <-tick.C:
		}
	}
}

// pause waits; it is part of what is tested (the moment of a kill), not a way
// to wait for something.
func pause(d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	<-t.C
}
