package config

import (
	"bytes"
	"testing"
)

func FuzzParse(f *testing.F) {
	f.Add([]byte(base(f)))
	f.Add(Sample())
	f.Add([]byte("lab: {name: x}\n- a\n? b\n: |\n c\n"))
	f.Add([]byte("a: &x [1, *x, !!str 2, ~]\n<<: {b: 0x1f}\n---\n"))
	f.Fuzz(func(t *testing.T, src []byte) {
		c, problems := Parse("f", src, testOptions())
		var b bytes.Buffer
		if err := problems.Render(&b, src); err != nil {
			t.Fatal(err)
		}
		for i, p := range problems {
			if p.Line < 1 || p.Column < 1 {
				t.Fatalf("position %d:%d", p.Line, p.Column)
			}
			if i > 0 && (problems[i-1].Line > p.Line || problems[i-1].Line == p.Line && problems[i-1].Column > p.Column) {
				t.Fatal("not sorted")
			}
		}
		if (c == nil) != (len(problems.Errors()) > 0) {
			t.Fatalf("configuration nil: %v, problems %v", c == nil, problems)
		}
		if c == nil {
			return
		}
		first := c.Canonical()
		again, problems := Parse("f", first, testOptions())
		if again == nil {
			t.Fatalf("canonical form is refused: %v\n%s", problems, first)
		}
		if !bytes.Equal(again.Canonical(), first) || again.Revision() != c.Revision() {
			t.Fatalf("canonical form changes\n%s%s", first, again.Canonical())
		}
		if d := Diff(c, again); len(d) > 0 {
			t.Fatalf("differences to itself: %v", d)
		}
	})
}

// An edit either fails or does exactly what was asked; SetPath compares that
// itself, so here the value is read back and the rest by its lines.
func FuzzSetPath(f *testing.F) {
	f.Add([]byte(base(f)), "partners.riverside.retry.first", "7s")
	f.Add(Sample(), "routes[0].when", "a: b # c")
	f.Add([]byte("a: {b: 'c', d: [1, 2]}\n"), "a.d[2]", "é\n\"")
	f.Add([]byte("a:\n- b: 1\n  c: |\n   x\n"), "a[0].c", "")
	f.Fuzz(func(t *testing.T, src []byte, path, value string) {
		out, err := SetPath(src, path, value)
		if err != nil {
			return
		}
		root, problems := readTree("f", out)
		if root == nil || len(problems) > 0 {
			t.Fatalf("the edited file is broken: %v", problems)
		}
		steps, err := splitPath(path)
		if err != nil {
			t.Fatal(err)
		}
		if got := (&editor{root: root}).at(steps); len(got.rest) > 0 || got.n.text != value && value != "" {
			t.Fatalf("%s is %q, want %q\n%s", path, got.n.text, value, out)
		}
		if again, err := SetPath(out, path, value); err != nil || !bytes.Equal(again, out) {
			t.Fatalf("the same edit again: %v\n%s\n%s", err, out, again)
		}
		if _, err := RemovePath(out, path); err != nil && err.Error() == "" {
			t.Fatal("an error without words")
		}
	})
}
