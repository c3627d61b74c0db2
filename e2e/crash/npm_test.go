package crash

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/labwarden/labwarden/e2e/npm"
	"github.com/labwarden/labwarden/internal/demo"
)

// script runs one of them; lines is what it prints.
func script(t *testing.T, name string, conf map[string]any, stdin []byte) (lines chan string, ended chan error) {
	t.Helper()
	dir, node := npm.Install(t, built.root, "no HL7 client or server of others was tried", false)
	b, err := json.Marshal(conf)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), name+".json")
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(node, name, file)
	cmd.Dir = dir
	cmd.Stdin = bytes.NewReader(stdin)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines, ended = make(chan string, 4096), make(chan error, 1)
	gone := make(chan struct{})
	go func() {
		s := bufio.NewScanner(out)
		s.Buffer(nil, 8<<20)
		for s.Scan() {
			lines <- s.Text()
		}
		close(lines)
		ended <- cmd.Wait()
		close(gone)
	}()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-gone })
	return lines, ended
}

// An npm client sends through the hub to an npm server, both over TLS 1.3 with
// certificates on both sides: what the client wrote is, byte for byte, what the
// server got.
func TestNpmClientAndServer(t *testing.T) {
	l := newLab(t, layout{patience: "5s"})
	l.beginClinic(demo.StBrigid, "")
	l.beginClinic(demo.Northgate, "")
	l.begin()
	files := func(name string) map[string]any {
		return map[string]any{"ca": l.pem("ca"), "cert": l.pem(name), "key": l.pkey(name), "servername": "hub"}
	}
	number := func(addr string) int {
		_, p, err := net.SplitHostPort(addr)
		if err != nil {
			t.Fatal(err)
		}
		n, err := strconv.Atoi(p)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	got, _ := script(t, "receive.js", map[string]any{"port": number(l.clinic[demo.Riverside].addr), "tls": files(demo.Riverside), "oneEach": true}, nil)
	if s := <-got; s != "ready" {
		t.Fatalf("the server said %q", s)
	}
	const n = 60
	var texts []string
	for m := range demo.Synthetic(n, faultSeed) {
		texts = append(texts, string(m))
	}
	in, err := json.Marshal(texts)
	if err != nil {
		t.Fatal(err)
	}
	said, ended := script(t, "send.js", map[string]any{"host": "127.0.0.1", "port": number(l.addr), "tls": files("lis")}, in)
	due := map[string]string{} // text that is due at riverside, and elsewhere by hash
	elsewhere := map[string]bool{}
	answered := 0
	for line := range said {
		var x struct{ Sent, Code, Control, Error string }
		if err := json.Unmarshal([]byte(line), &x); err != nil {
			t.Fatal(err)
		}
		switch {
		case x.Sent != "":
			if slices.Contains(demo.PartnersOf([]byte(x.Sent)), demo.Riverside) {
				due[x.Sent] = ""
			} else {
				sum := sha256.Sum256([]byte(x.Sent))
				elsewhere[hex.EncodeToString(sum[:])] = true
			}
		case x.Code == "AA":
			answered++
		default:
			t.Errorf("the client was told %s", line)
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if answered != n || len(due) == 0 || len(due)+len(elsewhere) != n {
		t.Fatalf("%d of %d answered AA, %d due at the npm server", answered, n, len(due))
	}
	want := len(due)
	arrivals := 0
	timeout := time.NewTimer(time.Minute)
	defer timeout.Stop()
	for len(due) > 0 {
		select {
		case line, ok := <-got:
			if !ok {
				t.Fatal("the server ended")
			}
			var x struct{ Got string }
			if err := json.Unmarshal([]byte(line), &x); err != nil {
				t.Fatal(err)
			}
			arrivals++
			if _, ok := due[x.Got]; !ok {
				t.Logf("arrival %d is a repeat or not what was sent (%d bytes)", arrivals, len(x.Got))
			}
			delete(due, x.Got)
		case <-timeout.C:
			t.Fatalf("%d of %d did not arrive byte for byte at the npm server", len(due), want)
		}
	}
	until(t, time.Minute, "the clinics have the others", func() bool {
		l.arrived()
		for sum := range elsewhere {
			if l.tails[demo.StBrigid].got[sum]+l.tails[demo.Northgate].got[sum] == 0 {
				return false
			}
		}
		return true
	})
	t.Logf("node-hl7-client: %d sent, %d answered AA; node-hl7-server: %d messages in %d arrivals, byte for byte, TLS with client certificates both ways", n, answered, want, arrivals)
	l.drain(l.arrived(), time.Minute)
}
