package cli

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// run runs the command line in the laboratory's folder.
func run(t *testing.T, dir, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	t.Chdir(dir)
	var o, e bytes.Buffer
	code = Main(args, strings.NewReader(stdin), &o, &e)
	return code, o.String(), e.String()
}

func newLab(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if code, _, errs := run(t, dir, "", "init", ".", "--name", "Test", "--id", "test"); code != 0 {
		t.Fatal(errs)
	}
	return dir
}

func edit(t *testing.T, dir, from, to string) {
	t.Helper()
	file := filepath.Join(dir, "labwarden.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(b, []byte(from)) {
		t.Fatalf("%q is not in the file", from)
	}
	if err := os.WriteFile(file, bytes.Replace(b, []byte(from), []byte(to), 1), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	dir := newLab(t)
	if code, out, errs := run(t, dir, "", "check"); code != 0 || !strings.Contains(out, "no errors") {
		t.Fatalf("%d %q %q", code, out, errs)
	}
	edit(t, dir, "stage: shadow", "stage: shadwo")
	code, out, _ := run(t, dir, "", "check")
	if code != 1 || !strings.Contains(out, "labwarden.yaml:24:58: error") || !strings.Contains(out, "shadow, parallel") {
		t.Errorf("%d %q", code, out)
	}
	code, out, _ = run(t, dir, "", "check", "--json")
	var problems []struct {
		Line     int
		Severity string
	}
	if err := json.Unmarshal([]byte(out), &problems); err != nil || code != 1 || len(problems) == 0 {
		t.Errorf("%d %v %q", code, err, out)
	}
}

func TestApplyHistoryDiffRollback(t *testing.T) {
	dir := newLab(t)
	if code, _, errs := run(t, dir, "", "config", "apply", "--yes"); code != 2 || !strings.Contains(errs, "--reason") {
		t.Errorf("without a reason: %d %q", code, errs)
	}
	if code, _, errs := run(t, dir, "", "config", "apply", "--reason", "first"); code != 2 || !strings.Contains(errs, "--yes") {
		t.Errorf("without consent: %d %q", code, errs)
	}
	if code, out, errs := run(t, dir, "", "config", "apply", "--reason", "first", "--yes"); code != 0 || !strings.Contains(out, "Revision 1 is applied") {
		t.Fatalf("%d %q %q", code, out, errs)
	}
	edit(t, dir, "stage: shadow", "stage: carry")
	code, _, errs := run(t, dir, "", "config", "apply", "--reason", "go-live", "--yes")
	if code != 1 || !strings.Contains(errs, "route first-results goes from shadow to carry") || !strings.Contains(errs, "route approve first-results --no-old-path") {
		t.Errorf("carry without approval: %d %q", code, errs)
	}
	if code, _, errs := run(t, dir, "", "check"); code != 1 || !strings.Contains(errs, "route first-results goes from shadow to carry") {
		t.Errorf("check before the approval: %d %q", code, errs)
	}
	code, out, errs := run(t, dir, "", "config", "diff")
	if code != 0 || !strings.Contains(out, "route first-results: stage changes from shadow to carry") {
		t.Errorf("diff: %d %q %q", code, out, errs)
	}
	if code, _, errs = run(t, dir, "", "route", "approve", "first-results", "--no-old-path", "--director", "Dr. Okafor", "--reason", "a new practice"); code != 0 {
		t.Fatal(errs)
	}
	if code, _, errs := run(t, dir, "", "check"); code != 0 {
		t.Errorf("check after the approval: %d %q", code, errs)
	}
	if code, _, errs = run(t, dir, "", "config", "apply", "--reason", "go-live", "--yes"); code != 0 {
		t.Fatal(errs)
	}
	code, out, _ = run(t, dir, "", "config", "history", "--json")
	var list []struct {
		Number     int
		ApprovedBy string `json:"approved_by"`
	}
	if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 || len(list) != 2 || list[0].ApprovedBy != "Dr. Okafor" {
		t.Errorf("history: %d %v %q", code, err, out)
	}
	if code, out, _ = run(t, dir, "", "config", "rollback", "1", "--reason", "back", "--yes"); code != 0 || !strings.Contains(out, "Revision 3") {
		t.Errorf("rollback: %d %q", code, out)
	}
	if _, out, _ = run(t, dir, "", "config", "show"); !strings.Contains(out, "stage: shadow") || !strings.Contains(out, "# Labwarden's configuration") {
		t.Errorf("show: %q", out)
	}
	if code, _, errs = run(t, dir, "", "config", "show", "77"); code != 1 || !strings.Contains(errs, "no revision 77") {
		t.Errorf("show 77: %d %q", code, errs)
	}
	if text, err := os.ReadFile(filepath.Join(dir, "labwarden.yaml")); err != nil || !strings.Contains(string(text), "stage: shadow") {
		t.Errorf("the file does not say what was rolled back to: %v\n%s", err, text)
	}
	// A file with a mistake keeps nobody from reading the history.
	edit(t, dir, "stage: shadow", "stage: karry")
	if code, out, errs = run(t, dir, "", "config", "history"); code != 0 || strings.Count(out, "\n") != 3 {
		t.Errorf("history: %d %q %q", code, out, errs)
	}
	if code, out, _ = run(t, dir, "", "config", "apply", "--reason", "x", "--yes"); code != 1 || out != "" {
		t.Errorf("a wrong file was applied: %d %q", code, out)
	}
}

func TestSecretCommands(t *testing.T) {
	dir := newLab(t)
	const value = "the-value-itself"
	if code, out, errs := run(t, dir, value+"\n", "secret", "set", "token"); code != 0 || strings.Contains(out+errs, value) {
		t.Fatalf("%d %q %q", code, out, errs)
	}
	code, out, errs := run(t, dir, "", "secret", "list")
	if code != 0 || !strings.Contains(out, "token") || strings.Contains(out+errs, value) {
		t.Errorf("%d %q %q", code, out, errs)
	}
	edit(t, dir, "routes:\n", "witnesses:\n  - {kind: http, name: w, url: \"https://w.example/\", key: \"w+00000000+AAAA\", token: \"vault:token\"}\nroutes:\n")
	if code, _, errs := run(t, dir, "", "config", "apply", "--reason", "witness", "--yes"); code != 0 {
		t.Fatal(errs)
	}
	if code, _, errs := run(t, dir, "", "secret", "remove", "token"); code != 1 || !strings.Contains(errs, "uses this secret") {
		t.Errorf("%d %q", code, errs)
	}
	if code, _, errs := run(t, dir, "", "secret", "set", "empty"); code != 1 || !strings.Contains(errs, "empty") {
		t.Errorf("%d %q", code, errs)
	}
}

func TestOfflineCommandsNameTheHolder(t *testing.T) {
	dir := newLab(t)
	lock, err := os.OpenFile(filepath.Join(dir, "data", "lock"), os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Close()
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if _, err := lock.WriteString("4711\n"); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"config", "history"}, {"secret", "list"}, {"check", "--replay", "2026-01-01"}} {
		code, _, errs := run(t, dir, "", args...)
		if code != 1 || !strings.Contains(errs, "in use by process 4711") || !strings.Contains(errs, "no hub answers on the control socket") {
			t.Errorf("%v: %d %q", args, code, errs)
		}
	}
}
