package cli

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A laboratory that could not be made leaves nothing behind and takes nothing that
// was there; the next try makes it.
func TestInitThatFailsLeavesNothing(t *testing.T) {
	home := t.TempDir()
	t.Chdir(home) // init goes into the laboratory's folder
	dir := filepath.Join(home, "lab")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.MkdirAll(filepath.Join(dir, "keys"), 0o700))
	must(os.WriteFile(filepath.Join(dir, "keys", "mine"), []byte("x"), 0o600))
	must(os.WriteFile(filepath.Join(dir, "data"), []byte("in the way"), 0o600))
	run := func() (int, string) {
		must(os.Chdir(home)) //nolint:usetesting // back to where t.Chdir began
		var out, bad bytes.Buffer
		code := Main([]string{"init", "lab", "--name", "Millbrook", "--id", "millbrook"}, strings.NewReader(""), &out, &bad)
		return code, out.String() + bad.String()
	}
	for range 2 { // the second is not told of a laboratory that is none
		if code, said := run(); code != 1 || !strings.Contains(said, "nothing was left behind") {
			t.Fatalf("%d: %s", code, said)
		}
		for name, there := range map[string]bool{"labwarden.yaml": false, "tls": false, "keys/root.key": false, "keys/mine": true, "data": true} {
			if _, err := os.Lstat(filepath.Join(dir, name)); (err == nil) != there {
				t.Errorf("%s: %v, want it there: %v", name, err, there)
			}
		}
	}
	must(os.Remove(filepath.Join(dir, "data")))
	if code, said := run(); code != 0 || !strings.Contains(said, "Share 5") {
		t.Fatalf("%d: %s", code, said)
	}
	if code, said := run(); code != 1 || !strings.Contains(said, "already") {
		t.Errorf("%d: %s", code, said)
	}
	if _, err := os.Lstat(filepath.Join(dir, "labwarden.yaml")); err != nil {
		t.Error("a second init took the laboratory away: ", err)
	}
}
