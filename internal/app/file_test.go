package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReplaceFileKeepsModeLinkNodeAndWhatNobodyApplied(t *testing.T) {
	dir := t.TempDir()
	real, link := filepath.Join(dir, "real.yaml"), filepath.Join(dir, "labwarden.yaml")
	old := "lab: {id: a}\nnode:\n  data: /here # where\n"
	writeFile(t, real, old)
	if err := os.Chmod(real, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("real.yaml", link); err != nil {
		t.Fatal(err)
	}
	next := "# new\nlab: {id: b}\nnode:\n  data: /there\n"
	out := ReplaceFile(link, []byte(next), []byte("lab: {id: a}\nnode: {data: /elsewhere}\n"))
	if !out.Written || out.Problem != "" || out.Kept != "" {
		// What was applied differs in the node section only: nothing is lost.
		t.Fatalf("%+v", out)
	}
	if got := readFile(t, real); got != "# new\nlab: {id: b}\nnode:\n  data: /here # where\n" {
		t.Errorf("the file says %q", got)
	}
	if i, err := os.Lstat(link); err != nil || i.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v", err)
	}
	if i, err := os.Stat(real); err != nil || i.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", i.Mode(), err)
	}
	// What was applied is not kept a second time.
	if out := ReplaceFile(link, []byte(old), []byte(next)); !out.Written || out.Kept != "" || readFile(t, real) != old {
		t.Errorf("%+v %q", out, readFile(t, real))
	}
	if out := ReplaceFile(link, []byte(old), nil); out.Written || out.Problem != "" {
		t.Errorf("nothing to do: %+v", out)
	}
	left, err := filepath.Glob(filepath.Join(dir, ".*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestReplaceFileLeavesWhatItCannotMend(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "labwarden.yaml")
	broken := "lab: ]\n"
	writeFile(t, file, broken)
	if out := ReplaceFile(file, []byte("lab: {id: a}\nnode: {data: /x}\n"), nil); out.Written || !strings.Contains(out.Problem, "has errors") || readFile(t, file) != broken {
		t.Errorf("%+v", out)
	}
	if out := ReplaceFile(filepath.Join(dir, "no", "such.yaml"), []byte("lab: {}\n"), nil); out.Written || out.Problem == "" {
		t.Errorf("%+v", out)
	}
	fresh := filepath.Join(dir, "fresh.yaml")
	if out := ReplaceFile(fresh, []byte("lab: {}\n"), nil); !out.Written || readFile(t, fresh) != "lab: {}\n" {
		t.Errorf("%+v", out)
	}
	if i, err := os.Stat(fresh); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", i.Mode(), err)
	}
}
