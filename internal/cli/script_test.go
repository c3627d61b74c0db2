package cli

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// TestMain lets the test binary be the program for the scripts, and every
// process of the demo.
func TestMain(m *testing.M) {
	// Tests that kill the hub, and the demo's and witnesses' counterparts, run this program again.
	if len(os.Args) > 1 && (strings.HasPrefix(os.Args[1], "demo-") || slices.Contains([]string{"witness", "serve", "heartbeat", "alarms", "status"}, os.Args[1])) {
		os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	testscript.Main(m, map[string]func(){
		"labwarden": func() { os.Exit(Main(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestCommands runs the program as a user types it; each file of
// testdata/script is one story.
func TestCommands(t *testing.T) {
	message, err := os.ReadFile("../demo/messages/01-bmp.hl7")
	if err != nil {
		t.Fatal(err)
	}
	// The log of the tests is searched for the sample patients' names.
	named := bytes.ReplaceAll(message, []byte("Testerby^Marigold^A"), []byte("Familyname^Givenname"))
	if bytes.Equal(named, message) {
		t.Fatal("the sample message has another patient now")
	}
	batch, err := os.ReadFile("../demo/messages/54-batch-evening.hl7")
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Values[processKey{}] = map[string]*process{}
			e.Setenv("TODAY", time.Now().UTC().Format(time.DateOnly))
			if err := os.WriteFile(filepath.Join(e.WorkDir, "bmp.hl7"), named, 0o600); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(e.WorkDir, "batch.hl7"), batch, 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"start": start, "stopped": stopped, "expand": expand, "get": get, "until": until, "firstid": firstID, "keyid": keyID, "cutshares": cutShares, "freeport": freePort, "readtoken": readWord,
			"capture": capture, "killed": killed, "tunnelport": tunnelPort,
		},
	})
}

// keyID sets KEY to the id of the first partner's key that was just listed.
func keyID(ts *testscript.TestScript, neg bool, args []string) {
	m := regexp.MustCompile(`"id": "([0-9a-f-]{36})"`).FindStringSubmatch(ts.ReadFile("stdout"))
	if neg || len(args) > 0 || m == nil {
		ts.Fatalf("keyid: no key was listed")
	}
	ts.Setenv("KEY", m[1])
}

// process is a program a script runs beside itself.
type process struct {
	cmd  *exec.Cmd
	done chan struct{}
	mu   sync.Mutex
	out  bytes.Buffer
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.Write(b)
}

func (p *process) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.out.String()
}

type processKey struct{}

// processes of a script, by name.
func processes(ts *testscript.TestScript) map[string]*process {
	return ts.Value(processKey{}).(map[string]*process)
}

const patience = 20 * time.Second

// poll asks until it is answered yes, for at most patience.
func poll(yes func() bool) bool {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); time.Now().Before(end); <-tick.C {
		if yes() {
			return true
		}
	}
	return false
}

// start NAME VAR=REGEXP... -- PROGRAM ARGS... runs a program beside the script
// and sets each VAR to the first group of REGEXP once the output has it.
func start(ts *testscript.TestScript, neg bool, args []string) {
	cut := strings.Index(strings.Join(args, "\x00"), "\x00--\x00")
	if neg || cut < 0 {
		ts.Fatalf("usage: start NAME VAR=REGEXP... -- PROGRAM ARGS...")
	}
	var want, run []string
	for i, a := range args {
		if a == "--" {
			want, run = args[1:i], args[i+1:]
			break
		}
	}
	var path string
	for _, dir := range filepath.SplitList(ts.Getenv("PATH")) {
		if p := filepath.Join(dir, run[0]); path == "" && exists(p) {
			path = p
		}
	}
	p := &process{cmd: exec.Command(path, run[1:]...), done: make(chan struct{})}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr = ts.MkAbs("."), p, p
	p.cmd.Env = append(os.Environ(), "PATH="+ts.Getenv("PATH"))
	ts.Check(p.cmd.Start())
	go func() {
		defer close(p.done)
		p.cmd.Wait()
	}()
	ts.Defer(func() {
		p.cmd.Process.Kill()
		<-p.done
	})
	processes(ts)[args[0]] = p
	for _, w := range want {
		name, expr, _ := strings.Cut(w, "=")
		re := regexp.MustCompile(expr)
		var found []string
		if !poll(func() bool {
			select {
			case <-p.done: // it will say no more
				found = re.FindStringSubmatch(p.text())
				return true
			default:
			}
			found = re.FindStringSubmatch(p.text())
			return found != nil
		}) || found == nil {
			ts.Fatalf("%s never said %s:\n%s", args[0], expr, p.text())
		}
		ts.Setenv(name, found[len(found)-1])
	}
}

func exists(path string) bool { _, err := os.Stat(path); return err == nil }

// stopped NAME [TEXT] asks the program to stop, waits for status 0 and looks for
// TEXT in what it said. With ! it only waits: the program ends by itself.
func stopped(ts *testscript.TestScript, neg bool, args []string) {
	p, ok := processes(ts)[args[0]]
	if !ok {
		ts.Fatalf("%s was not started", args[0])
	}
	if !neg {
		ts.Check(p.cmd.Process.Signal(syscall.SIGTERM))
	}
	select {
	case <-p.done:
	case <-time.After(patience):
		ts.Fatalf("%s does not stop:\n%s", args[0], p.text())
	}
	if code := p.cmd.ProcessState.ExitCode(); code != 0 {
		ts.Fatalf("%s ended with status %d:\n%s", args[0], code, p.text())
	}
	if len(args) > 1 && !strings.Contains(p.text(), args[1]) {
		ts.Fatalf("%s did not say %q:\n%s", args[0], args[1], p.text())
	}
}

// expand FILE puts the script's variables into a file.
func expand(ts *testscript.TestScript, _ bool, args []string) {
	text := os.Expand(ts.ReadFile(args[0]), ts.Getenv)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(text), 0o600))
}

// get URL STATUS TEXT asks a hub's metrics or health.
func get(ts *testscript.TestScript, _ bool, args []string) {
	client := http.Client{Timeout: patience}
	resp, err := client.Get(args[0])
	ts.Check(err)
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	ts.Check(err)
	if want, err := strconv.Atoi(args[1]); err != nil || resp.StatusCode != want {
		ts.Fatalf("%s: status %d, want %s:\n%s", args[0], resp.StatusCode, args[1], b)
	}
	for _, text := range args[2:] {
		if !strings.Contains(string(b), text) {
			ts.Fatalf("%s: %q is not in\n%s", args[0], text, b)
		}
	}
}

// until TEXT PROGRAM ARGS... repeats a command until its output has TEXT.
func until(ts *testscript.TestScript, _ bool, args []string) {
	var last string
	if !poll(func() bool {
		ts.Exec(args[1], args[2:]...)
		last = ts.ReadFile("stdout")
		return strings.Contains(last, args[0])
	}) {
		ts.Fatalf("never said %q; last:\n%s", args[0], last)
	}
}

// firstID sets ID to the first message id, and NUMBER to the first delivery, of
// the last command's output.
func firstID(ts *testscript.TestScript, _ bool, _ []string) {
	out := ts.ReadFile("stdout")
	ts.Setenv("ID", regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f-]{27}`).FindString(out))
	if m := regexp.MustCompile(`(\d+) \w+: `).FindStringSubmatch(out); m != nil {
		ts.Setenv("NUMBER", m[1])
	}
}

// cutshares N FROM TO takes the first N shares from what init printed.
func cutShares(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	text := ts.ReadFile(args[1])
	text = text[strings.Index(text, "Share 1"):]
	if i := strings.Index(text, "Share "+strconv.Itoa(n+1)); i > 0 {
		text = text[:i]
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text), 0o600))
}

// freeport VAR sets VAR to a port of this machine that nobody uses now.
func freePort(ts *testscript.TestScript, _ bool, args []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	_, port, err := net.SplitHostPort(ln.Addr().String())
	ts.Check(err)
	ts.Check(ln.Close())
	ts.Setenv(args[0], port)
}

// readtoken VAR FILE sets VAR to what stands in FILE, without the blanks around it.
func readWord(ts *testscript.TestScript, _ bool, args []string) {
	ts.Setenv(args[0], strings.TrimSpace(ts.ReadFile(args[1])))
}
