package boxes

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/soak"
)

var (
	binary string // built once from this tree
	root   string // the project's folder
)

func TestMain(m *testing.M) { os.Exit(withBinary(m)) }

func withBinary(m *testing.M) int {
	wd, err := os.Getwd() // go test starts in the package's folder
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	root = filepath.Dir(filepath.Dir(wd))
	dir, err := os.MkdirTemp("", "labwarden-boxes-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	binary = filepath.Join(dir, "labwarden")
	build := exec.Command("go", "build", "-o", binary, "./cmd/labwarden")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build labwarden: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

var page = soak.Page{File: "boxes.md", Title: "partners' boxes", By: "e2e/boxes"}

// bars says how large a bar is to be; it skips where nobody asked for one.
func bars(t *testing.T) (whole bool) {
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

// tool is a program of Debian's; in CI it has to be there.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed: tools/setup.sh test installs it", name)
		}
		t.Skipf("SKIPPED: %s is not installed: tools/setup.sh test installs it", name)
	}
	return path
}
