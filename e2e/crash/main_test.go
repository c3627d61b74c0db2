package crash

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// rig is what TestMain prepares once; tests only read it.
type rig struct {
	binary string // the hub and its counterparts, built from this tree
	root   string // the project's folder
}

var built rig

func TestMain(m *testing.M) {
	if len(os.Args) > 3 && os.Args[1] == relayMode {
		os.Exit(relay(os.Args[2:]))
	}
	flag.Parse()
	os.Exit(withBinary(m))
}

func withBinary(m *testing.M) int {
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		wd, err := os.Getwd() // go test starts in the package's folder
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		file = filepath.Join(wd, "main_test.go")
	}
	built.root = filepath.Dir(filepath.Dir(filepath.Dir(file)))
	dir, err := os.MkdirTemp("", "labwarden-crash-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	built.binary = filepath.Join(dir, "labwarden")
	build := exec.Command("go", "build", "-o", built.binary, "./cmd/labwarden")
	build.Dir = built.root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build labwarden: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// size is how big a bar is to be; a bar skips where nobody asked for one.
func size(t *testing.T) (whole bool) {
	t.Helper()
	switch s := os.Getenv("LABWARDEN_BARS"); s {
	case "small":
		return false
	case "whole":
		return true
	default:
		t.Skip("SKIPPED A BAR: LABWARDEN_BARS is not set; `make bars` runs it small, `make soak` whole")
		return false
	}
}

func commit(t *testing.T) string {
	t.Helper()
	git := exec.Command("git", "rev-parse", "--short=12", "HEAD")
	git.Dir = built.root
	out, err := git.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
