package qr_test

import (
	"strings"
	"testing"

	"github.com/labwarden/labwarden/internal/platform/qr"
)

func TestACodeHasItsBorderAndNoTextOfItsOwn(t *testing.T) {
	c, err := qr.Of(`https://results.example/"><script>alert(1)</script>`)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	c.Runs(func(x, y, w int) {
		n++
		if x < 4 || y < 4 || x+w > c.Side-4 || y >= c.Side-4 {
			t.Fatalf("a dark module at %d,%d (%d wide) in the border of %d", x, y, w, c.Side)
		}
	})
	if n < 100 {
		t.Fatal(n)
	}
	svg := c.SVG(`QR "code"`, 100)
	if strings.Contains(svg, "script") || !strings.Contains(svg, `aria-label="QR &#34;code&#34;"`) || !strings.Contains(svg, `width="100"`) {
		t.Fatal(svg)
	}
	if _, err := qr.Of(strings.Repeat("x", 5000)); err == nil {
		t.Fatal("a text that no code holds was taken")
	}
}

// The picture of a file and the modules one asks for are the same code.
func TestTheImageIsTheCode(t *testing.T) {
	c, err := qr.Of("[Interface]\nPrivateKey = AAAA\n")
	if err != nil {
		t.Fatal(err)
	}
	runs, img := map[[2]int]bool{}, c.Image(3)
	c.Runs(func(x, y, w int) {
		for i := range w {
			runs[[2]int{x + i, y}] = true
		}
	})
	for y := range c.Side {
		for x := range c.Side {
			for _, at := range [][2]int{{0, 0}, {2, 2}, {1, 2}} {
				r, _, _, _ := img.At(3*x+at[0], 3*y+at[1]).RGBA()
				if d := c.Dark(x, y); d != runs[[2]int{x, y}] || d != (r == 0) {
					t.Fatalf("%d, %d", x, y)
				}
			}
		}
	}
	// The three finders (ISO/IEC 18004 5.3.2) are where readers look for them.
	for _, at := range [][2]int{{4, 4}, {c.Side - 11, 4}, {4, c.Side - 11}} {
		if !c.Dark(at[0], at[1]) || c.Dark(at[0]+1, at[1]+1) || !c.Dark(at[0]+3, at[1]+3) {
			t.Errorf("no finder at %v", at)
		}
	}
	if c.Dark(-1, 0) || c.Dark(0, c.Side) {
		t.Error("dark outside")
	}
}
