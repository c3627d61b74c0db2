package npm

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"
)

// Install puts what package-lock.json pins under .test/npm, once per lock file,
// together with the scripts beside this file, and returns that folder and node.
// Test processes wait for each other. Without Node the test is skipped with what
// was then not tried, or fails where must is set.
func Install(t *testing.T, root, notTried string, must bool) (dir, node string) {
	t.Helper()
	return install(t, root, "npm", "npm", notTried, must)
}

// Validators is Install for those of e2e/fhir, which judge FHIR resources. It
// fails without Node where CI is set.
func Validators(t *testing.T, notTried string) (dir, node string) {
	t.Helper()
	return install(t, Root(t), "fhir", "fhir-validators", notTried, os.Getenv("CI") != "")
}

func install(t *testing.T, root, from, to, notTried string, must bool) (dir, node string) {
	t.Helper()
	node, err := exec.LookPath("node")
	if err != nil && must {
		t.Fatal("node is missing: install Node 20 or later")
	} else if err != nil {
		t.Skip("SKIPPED: node is missing: " + notTried)
	}
	dir = filepath.Join(root, ".test", to)
	if err := os.MkdirAll(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	unlock := lock(t, filepath.Join(root, ".test", to+".lock"))
	defer unlock()
	src := filepath.Join(root, "e2e", from)
	scripts, err := filepath.Glob(filepath.Join(src, "*.js"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(scripts, filepath.Join(src, "package.json"), filepath.Join(src, "package-lock.json")) {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		at := filepath.Join(dir, filepath.Base(f))
		if old, err := os.ReadFile(at); err == nil && bytes.Equal(old, b) {
			continue // another test may be reading it
		}
		if err := os.WriteFile(at, b, 0o600); err != nil { //nolint:gosec // a file of this tree, copied within it
			t.Fatal(err)
		}
	}
	pinned, err := os.ReadFile(filepath.Join(dir, "package-lock.json"))
	if err != nil {
		t.Fatal(err)
	}
	mark := filepath.Join(dir, "node_modules", ".installed")
	if old, err := os.ReadFile(mark); err == nil && bytes.Equal(old, pinned) {
		return dir, node
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("npm ci: %v\n%s", err, out)
	}
	if err := os.WriteFile(mark, pinned, 0o600); err != nil { //nolint:gosec // within this tree
		t.Fatal(err)
	}
	return dir, node
}

// Root is the project's folder.
func Root(t *testing.T) string {
	t.Helper()
	_, file, _, ok := runtime.Caller(0)
	if !ok || !filepath.IsAbs(file) {
		wd, err := os.Getwd() // go test starts in a package's folder, two below
		if err != nil {
			t.Fatal(err)
		}
		file = filepath.Join(wd, "install.go")
	}
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

func lock(t *testing.T, path string) (unlock func()) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}
