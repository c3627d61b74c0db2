package arch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestClauseIndex: the committed page is what the code says today, and every
// clause in the code has a test.
func TestClauseIndex(t *testing.T) {
	root := rootFolder(t)
	want, err := ClausePage(root)
	if err != nil {
		t.Fatal(err)
	}
	have, err := os.ReadFile(filepath.Join(root, "docs", "comply", "index.md"))
	if err != nil {
		t.Fatal(err)
	}
	if string(have) != want {
		t.Error("docs/comply/index.md is out of date: run go generate ./internal/arch")
	}
	for _, must := range []string{
		"| v2.5.1 2.9.2 |", "| table 0155 |", "| section 1.2 |", "| 42 CFR 493.1291(c)(1) |", "| 42 CFR 493.1105(a)(6) |",
		"| Segment OBX to Observation |", "| signed-note", "| tlog-checkpoint", "| RFC 6962",
	} {
		if !strings.Contains(want, must) {
			t.Errorf("the page has no row %s", must)
		}
	}
}

// TestClausePlanted: a clause in code that no test reaches is found; one that a
// test reaches, from its own package or another, is not.
func TestClausePlanted(t *testing.T) {
	plant := func(files map[string]string) string {
		tree := map[string]*folder{}
		for path, text := range files {
			if err := addFile(tree, path, []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		_, err := clausePage(tree)
		if err == nil {
			return ""
		}
		return err.Error()
	}
	const code = "package a\n\n// Do does, HL7 v2.5.1 2.9.2, 2.9.3.\nfunc Do() { inner() }\n\nfunc inner() {} // RFC 6962 2.1\n"
	if got := plant(map[string]string{"internal/a/a.go": code}); !strings.Contains(got, "nothing in the code cites") && !strings.Contains(got, "no test") {
		t.Errorf("no test at all: %q", got)
	}
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"own test":     {map[string]string{"a_test.go": "package a\nfunc TestDo(t *T) { Do() }"}, "TestDo"},
		"nearest":      {map[string]string{"a_test.go": "package a\nfunc TestAll(t *T) { via() }\nfunc via() { Do() }\nfunc TestDo(t *T) { Do() }"}, "TestDo"},
		"cites":        {map[string]string{"a_test.go": "package a\n// TestAll is of v2.5.1 2.9.2.\nfunc TestAll(t *T) { via() }\nfunc via() { Do() }\nfunc TestDo(t *T) { Do() }"}, "TestAll"},
		"another's":    {map[string]string{"../b/b_test.go": "package b\nimport \"" + module + "/internal/a\"\nfunc TestB(t *T) { a.Do() }"}, "TestB (internal/b)"},
		"reaches none": {map[string]string{"a_test.go": "package a\nfunc TestOther(t *T) { other() }"}, ""},
	} {
		tree := map[string]*folder{}
		c.files["a.go"] = code
		for path, text := range c.files {
			if err := addFile(tree, filepath.Join("internal/a", path), []byte(text)); err != nil {
				t.Fatal(err)
			}
		}
		list := sortCitations(cited("internal/a/a.go", tree["internal/a"].files["internal/a/a.go"]))
		if len(list) != 3 || list[0].clause != "v2.5.1 2.9.2" || list[0].symbol != "Do" || list[2].clause != "RFC 6962 2.1" || list[2].symbol != "inner" {
			t.Fatalf("%s: %+v", name, list)
		}
		if got := testOf(tree, list[0]); got != c.want {
			t.Errorf("%s: test %q, want %q", name, got, c.want)
		}
	}
}
