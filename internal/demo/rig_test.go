package demo

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The test binary started again with LABWARDEN_DEMO set is a counterpart.
func TestMain(m *testing.M) {
	if kind := os.Getenv("LABWARDEN_DEMO"); kind != "" {
		os.Exit(counterpart(kind, os.Args[1:]))
	}
	os.Exit(m.Run())
}

func counterpart(kind string, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	fs := flag.NewFlagSet("demo", flag.ContinueOnError)
	dir, hub, name, fault := fs.String("dir", "", ""), fs.String("hub", "", ""), fs.String("name", "", ""), fs.String("fault", "", "")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	var err error
	if kind == "lis" {
		o := lisOptions(*dir, *hub)
		o.Out = os.Stdout
		err = RunLIS(ctx, o)
	} else {
		o := clinicOptions(*dir, kind, *name)
		o.Out = os.Stdout
		if o.Fault, err = ParseFault(*fault); err == nil {
			err = RunClinic(ctx, o)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func lisOptions(dir, hub string) LISOptions {
	// A clinic stands in for the hub, so it is the server to expect.
	return LISOptions{
		Hub: hub, Certs: dir, Name: "hub", Server: Riverside, List: filepath.Join(dir, "lis.jsonl"),
		Connections: 3, AckTimeout: 1500 * time.Millisecond, RetryEvery: 5 * time.Millisecond, Attempts: 8,
	}
}

func clinicOptions(dir, kind, name string) ClinicOptions {
	return ClinicOptions{
		Kind: kind, Name: name, Certs: dir, List: filepath.Join(dir, name+".jsonl"),
		Folder: filepath.Join(dir, "in-"+name), Identity: filepath.Join(dir, name+".age"),
	}
}

func certs(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	writeCerts(t, dir)
	return dir
}

func benchClinic(b *testing.B, dir string) (addr string, stop func()) {
	b.Helper()
	writeCerts(b, dir)
	return startClinic(b, clinicOptions(dir, KindMLLP, Riverside))
}

func writeCerts(t testing.TB, dir string) {
	t.Helper()
	ca, err := NewCA(time.Now(), time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if err := ca.Write(dir, "hub", "lis", Riverside, StBrigid); err != nil {
		t.Fatal(err)
	}
}

// startClinic runs a clinic in this process until the test ends or stop.
func startClinic(t testing.TB, o ClinicOptions) (addr string, stop func()) {
	t.Helper()
	r, w := io.Pipe()
	o.Out = w
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		err := RunClinic(ctx, o)
		_ = w.CloseWithError(fmt.Errorf("ended: %w", err))
		ended <- err
	}()
	stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("clinic: %v", err)
		}
		ended <- nil
	}
	t.Cleanup(stop)
	line, err := bufio.NewReader(r).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimPrefix(strings.TrimSpace(line), "ready "), stop
}

// startProcess runs a counterpart in a process of its own.
func startProcess(t *testing.T, kind string, args ...string) (addr string, out *bufio.Reader, cmd *exec.Cmd) {
	t.Helper()
	cmd = exec.Command(os.Args[0], args...)
	cmd.Env = append(os.Environ(), "LABWARDEN_DEMO="+kind)
	cmd.Stderr = os.Stderr
	p, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	out = bufio.NewReader(p)
	line, err := out.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "ready ") {
		t.Fatalf("%s said %q, %v", kind, line, err)
	}
	return strings.TrimSpace(line[6:]), out, cmd
}

func terminate(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}

// direct gives the books for a LIS that talks to one clinic without a hub:
// everything well-formed is due to it, and the clinic itself refuses what is
// malformed, as a hub would.
func direct(t *testing.T, dir string) Books {
	t.Helper()
	l, err := ReadLIS(filepath.Join(dir, "lis.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	c, err := ReadClinic(filepath.Join(dir, Riverside+".jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	b := Books{LIS: l}
	b.Expect, err = Expectations()
	if err != nil {
		t.Fatal(err)
	}
	for i := range b.Expect {
		if e := &b.Expect[i]; e.Quarantine {
			b.Hub.Quarantined = append(b.Hub.Quarantined, Item{SHA256: e.SHA256})
			c = slices.DeleteFunc(c, func(x ClinicLine) bool { return x.SHA256 == e.SHA256 })
		} else {
			e.Partners = []string{Riverside}
		}
	}
	b.Clinics = []ClinicList{{Riverside, KindMLLP, c}}
	return b
}

func events(l []LISLine, event string) (n int) {
	for _, x := range l {
		if x.Event == event {
			n++
		}
	}
	return n
}

func newReader(r io.Reader) *bufio.Reader { return bufio.NewReaderSize(r, 4096) }
