package config

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "rewrite the expected problems in testdata/wrong.txt")

var today = time.Date(2026, 11, 22, 15, 0, 0, 0, time.UTC)

// testOptions judges as the real program does, in miniature.
func testOptions() Options {
	return Options{
		Now: today,
		Validators: Validators{
			When: func(s string) error {
				if strings.HasSuffix(s, "==") {
					return errors.New("unexpected end of the condition")
				}
				return nil
			},
			Path: func(s string) error {
				if len(s) < 5 && !strings.Contains(s, "-") {
					return errors.New(quote(s) + " is not a place in a message")
				}
				return nil
			},
			Starlark: func(name, src string) error {
				if strings.Contains(src, "(") && !strings.Contains(src, ")") {
					return errors.New("1:5: got '(', want name")
				}
				return nil
			},
		},
		CheckFile: func(path string, folder bool) error {
			if strings.Contains(path, "missing") {
				return errors.New(path + " is not there")
			}
			return nil
		},
		ReadFile: func(path string) ([]byte, error) {
			if strings.Contains(path, "missing") {
				return nil, errors.New(path + " is not there")
			}
			return []byte("def transform(m):\n    return m\n"), nil
		},
	}
}

type wrongCase struct {
	name     string
	edits    []string // the lines with - and + as they stand
	src      string
	problems []string
}

func readCases(t *testing.T) (head string, cases []wrongCase) {
	t.Helper()
	file, err := os.ReadFile("testdata/wrong.txt")
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok := strings.Cut(string(file), "== ")
	if !ok {
		t.Fatal("testdata/wrong.txt holds no case")
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(rest, "\n"), "\n== ") {
		lines := strings.Split(part, "\n")
		c := wrongCase{name: lines[0]}
		for _, l := range lines[1:] {
			if want, ok := strings.CutPrefix(l, "! "); ok {
				c.problems = append(c.problems, want)
			} else if l != "" {
				c.edits = append(c.edits, l)
			}
		}
		c.src = apply(t, c)
		cases = append(cases, c)
	}
	return head, cases
}

func base(t testing.TB) string {
	b, err := os.ReadFile("testdata/base.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// apply takes the - lines out of the base and puts each run of + lines where
// the - lines before it stood.
func apply(t *testing.T, c wrongCase) string {
	lines := strings.Split(base(t), "\n")
	at := -1
	for _, e := range c.edits {
		switch text := e[2:]; e[0] {
		case '-':
			i := slices.Index(lines, text)
			if i < 0 {
				t.Fatalf("%s: base.yaml has no line %q", c.name, text)
			}
			lines, at = slices.Delete(lines, i, i+1), i
		case '+':
			if at < 0 {
				lines, at = []string{""}, 0
			}
			lines = slices.Insert(lines, at, text)
			at++
		}
	}
	return strings.Join(lines, "\n")
}

func TestWrongFiles(t *testing.T) {
	head, cases := readCases(t)
	if len(cases) < 60 {
		t.Errorf("%d wrong files, want at least 60", len(cases))
	}
	var out strings.Builder
	out.WriteString(head)
	for _, c := range cases {
		cfg, problems := Parse("f", []byte(c.src), testOptions())
		var got []string
		for _, p := range problems {
			got = append(got, strings.TrimPrefix(strings.ReplaceAll(p.String(), "\n", "\\n"), "f:"))
		}
		out.WriteString("== " + c.name + "\n" + strings.Join(c.edits, "\n") + "\n")
		for _, g := range got {
			out.WriteString("! " + g + "\n")
		}
		if *update {
			continue
		}
		t.Run(c.name, func(t *testing.T) {
			if len(c.problems) == 0 {
				t.Fatal("the case expects no problem at all")
			}
			if !slices.Equal(got, c.problems) {
				t.Errorf("got\n%s\nwant\n%s\nfile\n%s", strings.Join(got, "\n"), strings.Join(c.problems, "\n"), c.src)
			}
			if (cfg == nil) != (len(problems.Errors()) > 0) {
				t.Errorf("configuration is nil: %v, with %d errors", cfg == nil, len(problems.Errors()))
			}
			var text bytes.Buffer
			if err := problems.Render(&text, []byte(c.src)); err != nil {
				t.Fatal(err)
			}
			for _, shown := range []string{text.String(), string(problems.JSON()), strings.Join(got, " ")} {
				if strings.Contains(strings.ToLower(shown), "hunter2") {
					t.Errorf("a secret is shown:\n%s", shown)
				}
			}
		})
	}
	if *update {
		if err := os.WriteFile("testdata/wrong.txt", []byte(out.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBaseIsRight(t *testing.T) {
	if c, problems := Parse("base.yaml", []byte(base(t)), testOptions()); c == nil || len(problems) > 0 {
		t.Fatalf("base.yaml has problems: %v", problems)
	}
}
