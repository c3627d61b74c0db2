package gate

import (
	"bufio"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The test file of the European Institute for Computer Antivirus Research, in two
// parts so that no scanner takes this source for it.
const eicar = `X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-` + `STANDARD-ANTIVIRUS-TEST-FILE!$H+H*`

// realClamd starts Debian's clamd with a database of our own: the EICAR file and
// a mark of ours. It listens on a Unix socket and on a port of loopback.
func realClamd(t *testing.T, more ...string) (socket, tcp string) {
	t.Helper()
	const program = "/usr/sbin/clamd"
	if _, err := os.Stat(program); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("clamd is not installed: tools/setup.sh test")
		}
		t.Skip("SKIPPED: clamd is not installed (apt-get install clamav-daemon): the gate was not tried with the real scanner")
	}
	dir := t.TempDir()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	_ = l.Close()
	socket = filepath.Join(dir, "s")
	// clamav's signature formats: .hdb is MD5:SIZE:NAME, .ndb NAME:TARGET:OFFSET:HEX.
	sum := md5.Sum([]byte(eicar))
	for name, text := range map[string]string{
		"db/own.hdb": fmt.Sprintf("%x:%d:Own.Eicar\n", sum, len(eicar)),
		"db/own.ndb": fmt.Sprintf("Own.Mark:0:*:%x\n", "LABWARDEN-GATE-TEST-MARK"),
		"conf": strings.Join(append([]string{
			"DatabaseDirectory " + dir + "/db", "LocalSocket " + socket, "TCPAddr 127.0.0.1", fmt.Sprintf("TCPSocket %d", port),
			"Foreground yes", "LogFile " + dir + "/log", "AlertExceedsMax yes",
		}, more...), "\n") + "\n",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command(program, "--config-file="+dir+"/conf")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended })
	c, err := NewClamd("unix:" + socket)
	if err != nil {
		t.Fatal(err)
	}
	limit := time.After(time.Minute)
	for tick := time.NewTicker(50 * time.Millisecond); c.Ping(t.Context()) != nil; {
		select {
		case <-ended:
			b, _ := os.ReadFile(dir + "/log")
			t.Fatalf("clamd ended: %s\n%s", out.String(), b)
		case <-limit:
			t.Fatalf("clamd does not answer: %s", out.String())
		case <-tick.C:
		}
	}
	return "unix:" + socket, fmt.Sprintf("tcp:127.0.0.1:%d", port)
}

func gateWith(t *testing.T, down WhenDown, addresses ...string) (*Gate, *[]string) {
	t.Helper()
	c, err := NewClamd(addresses...)
	if err != nil {
		t.Fatal(err)
	}
	told := &[]string{}
	return New(Config{Scanner: c, WhenDown: down, ScanLimit: 30 * time.Second, Told: func(kind, partner, detail string) {
		*told = append(*told, kind+" "+partner+" "+detail)
	}}), told
}

func TestWithTheRealScanner(t *testing.T) {
	socket, tcp := realClamd(t)
	files := map[string]string{
		"clean.hl7": normal, "clean.zip": string(zipOf(t, map[string]string{"a.hl7": normal})),
		"eicar.csv":  eicar,
		"mark.hl7":   normal + "NTE|1|L|LABWARDEN-GATE-TEST-MARK\r",
		"inside.zip": string(zipOf(t, map[string]string{"a.hl7": normal, "b.csv": eicar})),
		"large.csv":  strings.Repeat("1,2,3\n", 1<<20) + "LABWARDEN-GATE-TEST-MARK,2,3\n",
	}
	for _, address := range []string{socket, tcp} {
		for name, content := range files {
			// An address where nobody listens stands before it.
			g, told := gateWith(t, Hold, "unix:/nonexistent", address)
			v, err := g.Check(t.Context(), File{Partner: "riverside", Name: name, Size: int64(len(content)), Body: strings.NewReader(content)}, open)
			if err != nil {
				t.Fatal(err)
			}
			clean := strings.HasPrefix(name, "clean")
			if v.Pass != clean || v.Held || !clean && (v.Cause != CauseVirus || !strings.Contains(v.Reason, "Own.")) {
				t.Errorf("%s by %s: %+v", name, address, v)
			}
			if !clean && (len(*told) != 1 || !strings.HasPrefix((*told)[0], "file.virus riverside Own.")) {
				t.Errorf("%s by %s: told %q", name, address, *told)
			}
		}
	}
}

func TestScannerWithALimit(t *testing.T) {
	socket, tcp := realClamd(t, "StreamMaxLength 1M")
	content := strings.Repeat("1,2,3\n", 1<<20)
	for _, address := range []string{socket, tcp} {
		for down, want := range map[WhenDown]Verdict{Hold: {Held: true}, Refuse: {}, PassAndTell: {Pass: true}} {
			g, told := gateWith(t, down, address)
			v, err := g.Check(t.Context(), File{Partner: "riverside", Name: "a.csv", Size: int64(len(content)), Body: strings.NewReader(content)}, open)
			if err != nil || v.Pass != want.Pass || v.Held != want.Held || v.Cause != CauseScanner || !strings.Contains(v.Reason, "size") {
				t.Errorf("%s, %s: %+v, %v", address, down, v, err)
			}
			if len(*told) != 1 || !strings.HasPrefix((*told)[0], ToldLarge) {
				t.Errorf("%s, %s: told %q", address, down, *told)
			}
		}
	}
}

// TestScannerThatDoesNotAnswer: whatever goes wrong on the other side, the policy
// decides, the verdict says so and somebody is told.
func TestScannerThatDoesNotAnswer(t *testing.T) {
	faults := map[string]func(net.Conn){
		"closes at once":      func(net.Conn) {},
		"closes after it all": func(c net.Conn) { drainStream(c) },
		"hangs":               func(c net.Conn) { _, _ = io.Copy(io.Discard, c) },
		"garbage":             func(c net.Conn) { drainStream(c); _, _ = c.Write([]byte("HTTP/1.1 400 Bad Request\r\n\x00")) },
		"an error":            func(c net.Conn) { drainStream(c); _, _ = c.Write([]byte("stream: Can't allocate memory ERROR\x00")) },
		"never ends":          func(c net.Conn) { drainStream(c); _, _ = c.Write(bytes.Repeat([]byte("x"), 1<<20)) },
		"half an answer":      func(c net.Conn) { drainStream(c); _, _ = c.Write([]byte("stream: O")) },
		"OK before the end":   func(c net.Conn) { _, _ = c.Write([]byte("stream: OK\x00")) },
	}
	large := strings.Repeat("1,2,3\n", 1<<20) // more than fits into a socket
	for name, fault := range faults {
		for down, want := range map[WhenDown]Verdict{Hold: {Held: true}, Refuse: {}, PassAndTell: {Pass: true}} {
			t.Run(name+", "+string(down), func(t *testing.T) {
				l, err := net.Listen("tcp", "127.0.0.1:0")
				if err != nil {
					t.Fatal(err)
				}
				defer l.Close()
				go func() {
					for {
						c, err := l.Accept()
						if err != nil {
							return
						}
						go func() { fault(c); _ = c.Close() }()
					}
				}()
				g, told := gateWith(t, down, "tcp:"+l.Addr().String())
				g.conf.ScanLimit = 300 * time.Millisecond
				v, err := g.Check(t.Context(), File{Partner: "riverside", Name: "a.csv", Size: int64(len(large)), Body: strings.NewReader(large)}, open)
				if err != nil || v.Pass != want.Pass || v.Held != want.Held || v.Cause != CauseScanner || v.Reason == "" {
					t.Errorf("%+v, %v", v, err)
				}
				if len(*told) != 1 || !strings.HasPrefix((*told)[0], ToldScanner+" riverside") {
					t.Errorf("told %q", *told)
				}
			})
		}
	}
}

// drainStream reads a command and its chunks up to the one of no length.
func drainStream(c net.Conn) {
	r := bufio.NewReader(c)
	if _, err := r.ReadString(0); err != nil {
		return
	}
	for {
		var n uint32
		if binary.Read(r, binary.BigEndian, &n) != nil || n == 0 {
			return
		}
		if _, err := io.CopyN(io.Discard, r, int64(n)); err != nil {
			return
		}
	}
}

// TestHeldAndUnseen: what cannot be looked into and is not let through may be a
// critical result.
func TestHeldAndUnseen(t *testing.T) {
	g, _ := gateWith(t, Hold, "unix:/nonexistent")
	for name, f := range map[string]struct {
		content  string
		critical bool
	}{
		"a.hl7.age": {"age-encryption.org/v1\n-> X25519 abc\n", true}, "a.hl7": {critical, true}, "b.hl7": {normal, false}, "c.csv": {"1,2\n", false},
	} {
		v, err := g.Check(t.Context(), File{Name: name, Size: int64(len(f.content)), Body: strings.NewReader(f.content)}, open)
		if err != nil || !v.Held || v.Critical != f.critical {
			t.Errorf("%s: %+v, %v", name, v, err)
		}
	}
}

// TestReadingFailsWhileItIsScanned: a disk that fails is not the scanner's fault.
func TestReadingFailsWhileItIsScanned(t *testing.T) {
	c := &Clamd{[]string{"tcp:" + sink(t)}}
	_, err := c.Scan(t.Context(), func() io.Reader { return io.MultiReader(strings.NewReader("abc"), eof{errBroken}) })
	var read *ReadError
	if !errors.As(err, &read) || !errors.Is(err, errBroken) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Scan(ctx, func() io.Reader { return strings.NewReader("abc") }); err == nil {
		t.Error("a scan whose caller has gone succeeds")
	}
}

// sink listens and answers nothing.
func sink(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _, _ = io.Copy(io.Discard, c); _ = c.Close() }()
		}
	}()
	return l.Addr().String()
}

func TestAddresses(t *testing.T) {
	for _, a := range []string{"", "unix:", "/run/clamd", "http://x", "tcp:"} {
		if _, err := NewClamd(a); err == nil {
			t.Errorf("%q is taken", a)
		}
	}
}
