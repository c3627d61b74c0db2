package setup

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

func TestMerge(t *testing.T) {
	base := "a\nb\nc\nd\ne\n"
	for _, c := range []struct {
		mine, theirs, want string
		conflicts          int
	}{
		{"a\nB\nc\nd\ne\n", "a\nb\nc\nd\nE\n", "a\nB\nc\nd\nE\n", 0},
		{base, "x\n", "x\n", 0},
		{"x\n", base, "x\n", 0},
		{"a\nX\nc\nd\ne\n", "a\nX\nc\nd\ne\n", "a\nX\nc\nd\ne\n", 0},
		{"a\nX\nc\nd\ne\n", "a\nY\nc\nd\ne\n", "a\n<<<<<<< this draft\nX\n=======\nY\n>>>>>>> r2\nc\nd\ne\n", 1},
		{"b\nc\nd\ne\nf\n", "a\nb\nc\ne\n", "b\nc\ne\nf\n", 0},
		{"a\nb\nc\nd\ne\nmine\n", "a\nb\nc\nd\ne\ntheirs\n", "a\nb\nc\nd\ne\n<<<<<<< this draft\nmine\n=======\ntheirs\n>>>>>>> r2\n", 1},
		{"a\nX\nd\ne\n", "a\nb\nY\nZ\nd\nE\n", "a\n<<<<<<< this draft\nX\n=======\nb\nY\nZ\n>>>>>>> r2\nd\nE\n", 1},
	} {
		got, n := Merge(base, c.mine, c.theirs, "r2")
		if got != c.want || n != c.conflicts {
			t.Errorf("%q and %q: %q, %d", c.mine, c.theirs, got, n)
		}
	}
}

// TestComparedLinesMakeBothTexts: whatever the texts are, the lines of a
// comparison are the old one's and the new one's, each in its order.
func TestComparedLinesMakeBothTexts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	random := func() (out []string) {
		for range rnd.IntN(30) {
			out = append(out, fmt.Sprint(rnd.IntN(6)))
		}
		return out
	}
	for range 3000 {
		a, b := random(), random()
		var x, y []string
		for _, l := range compareLines(a, b) {
			if l.Kind != '+' {
				x = append(x, l.Text)
				if a[l.Old-1] != l.Text {
					t.Fatalf("%v %v: line %+v", a, b, l)
				}
			}
			if l.Kind != '-' {
				y = append(y, l.Text)
				if b[l.New-1] != l.Text {
					t.Fatalf("%v %v: line %+v", a, b, l)
				}
			}
		}
		if strings.Join(x, ",") != strings.Join(a, ",") || strings.Join(y, ",") != strings.Join(b, ",") {
			t.Fatalf("%v %v", a, b)
		}
		// One side unchanged: the merge is the other.
		if got, n := Merge(strings.Join(a, "\n")+"\n", strings.Join(a, "\n")+"\n", strings.Join(b, "\n")+"\n", ""); n != 0 || got != strings.Join(b, "\n")+"\n" {
			t.Fatalf("%v %v: %q %d", a, b, got, n)
		}
	}
}

func TestHunksShowWhatIsAround(t *testing.T) {
	var old []string
	for i := range 40 {
		old = append(old, fmt.Sprint("line ", i+1))
	}
	new := append([]string(nil), old...)
	new[9], new[12], new[30] = "ten", "thirteen", "thirty-one"
	h := TextDiff(strings.Join(old, "\n"), strings.Join(new, "\n"))
	if len(h) != 2 || h[0].Lines[0].Old != 7 || h[0].Lines[len(h[0].Lines)-1].New != 16 || h[1].Lines[0].Old != 28 {
		t.Fatalf("%+v", h)
	}
	if h := TextDiff("a\n", "a\n"); len(h) != 0 {
		t.Fatal(h)
	}
	long := strings.Repeat("x\n", 5000)
	if h := TextDiff(long, strings.ReplaceAll(long, "x", "y")); len(h) != 1 || len(h[0].Lines) != 10000 {
		t.Fatal(len(h))
	}
}
