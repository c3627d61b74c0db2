package soak

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// Page is one part's page.
type Page struct {
	File  string // "boxes.md"
	Title string // "partners' boxes"
	By    string // where its tests are: "e2e/boxes"
}

func (p Page) head() string {
	return "# Soak: " + p.Title + "\n\nWritten by `make soak` (" + p.By + "). Each part names the commit it ran on; figures are of the machine it ran on.\n"
}

// Met says whether a figure that must not be larger than its goal met it.
func Met(figure, goal float64) string { return word(figure <= goal) }

// MetFrom is Met for a figure that must not be smaller.
func MetFrom(figure, goal float64) string { return word(figure >= goal) }

func word(ok bool) string {
	if ok {
		return "met"
	}
	return "missed"
}

// Write puts a section on the page, in the project's folder.
func (p Page) Write(t testing.TB, section string, lines ...string) {
	t.Helper()
	root, err := project()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.write(filepath.Join(root, "docs", "operate", "soak"), section, fmt.Sprintf("Commit %s, %d processors.", commit(t, root), runtime.NumCPU()), lines); err != nil {
		t.Fatal(err)
	}
}

func (p Page) write(dir, section, where string, lines []string) error {
	path := filepath.Join(dir, p.File)
	old, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read page of the soak: %w", err)
	}
	_, rest, _ := strings.Cut(string(old), "\n## ")
	var b strings.Builder
	b.WriteString(p.head())
	for part := range strings.SplitSeq(rest, "\n## ") {
		part = strings.TrimSpace(part)
		if part != "" && !strings.HasPrefix(part, section+"\n") {
			fmt.Fprintf(&b, "\n## %s\n", part)
		}
	}
	fmt.Fprintf(&b, "\n## %s\n\n", section)
	for _, l := range lines {
		fmt.Fprintf(&b, "- %s\n", l)
	}
	fmt.Fprintf(&b, "\n%s\n", where)
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil { //nolint:gosec // a page for everybody
		return fmt.Errorf("write page of the soak: %w", err)
	}
	return nil
}

// project is the folder with go.mod, above the one go test starts in.
func project() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("look for the project: %w", err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", errors.New("look for the project: no folder above has a go.mod")
		}
		dir = up
	}
}

func commit(t testing.TB, root string) string {
	// A page may be written when a test has ended and been cleaned up.
	git := exec.CommandContext(context.WithoutCancel(t.Context()), "git", "rev-parse", "--short=12", "HEAD")
	git.Dir = root
	out, err := git.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}
