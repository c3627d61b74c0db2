package soak

import (
	"os"
	"path/filepath"
	"testing"
)

func TestASectionTakesThePlaceOfTheOlderOne(t *testing.T) {
	dir := t.TempDir()
	p := Page{File: "x.md", Title: "x", By: "e2e/x"}
	for _, w := range []struct{ section, where, line string }{
		{"one", "Commit 1.", "3 (goal 2): " + Met(3, 2)}, {"two", "Commit 1.", "3 (goal 2): " + MetFrom(3, 2)}, {"one", "Commit 2.", "2 (goal 2): " + Met(2, 2)},
	} {
		if err := p.write(dir, w.section, w.where, []string{w.line}); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(filepath.Join(dir, "x.md"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "# Soak: x\n\nWritten by `make soak` (e2e/x). Each part names the commit it ran on; figures are of the machine it ran on.\n" +
		"\n## two\n\n- 3 (goal 2): met\n\nCommit 1.\n\n## one\n\n- 2 (goal 2): met\n\nCommit 2.\n"
	if string(got) != want {
		t.Errorf("%s", got)
	}
	root, err := project()
	if err != nil {
		t.Fatal(err)
	}
	if c := commit(t, root); len(c) != 12 && c != "unknown" {
		t.Error(c)
	}
}
