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
