package qr

import (
	"fmt"
	"html"
	"image"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quiet is the empty border that readers need, in modules (ISO/IEC 18004 9.1).
const quiet = 4

// Code is a text as modules, its quiet border included.
type Code struct {
	// Side is how many modules it is wide and high.
	Side int
	dark []bool
}

// Of makes the code of a text, with error correction M.
func Of(text string) (Code, error) {
	made, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return Code{}, fmt.Errorf("draw a QR code: %w", err)
	}
	n := made.Bounds().Dx()
	c := Code{Side: n + 2*quiet}
	c.dark = make([]bool, c.Side*c.Side)
	for y := range n {
		for x := range n {
			c.dark[(y+quiet)*c.Side+x+quiet] = made.At(x, y) == color.Black
		}
	}
	return c, nil
}

// Dark says whether a module is dark; outside of the code none is.
func (c Code) Dark(x, y int) bool {
	return x >= 0 && y >= 0 && x < c.Side && y < c.Side && c.dark[y*c.Side+x]
}

// Image is it with each module size pixels wide, for a file.
func (c Code) Image(size int) image.Image {
	out := image.NewPaletted(image.Rect(0, 0, c.Side*size, c.Side*size), color.Palette{color.White, color.Black})
	c.Runs(func(x, y, w int) {
		for i := range size * size * w {
			out.SetColorIndex(x*size+i%(size*w), y*size+i/(size*w), 1)
		}
	})
	return out
}

// Runs tells each row's dark stretches: where one begins, and how many modules it is
// wide.
func (c Code) Runs(dark func(x, y, w int)) {
	for y := range c.Side {
		for x := 0; x < c.Side; {
			w := 0
			for x+w < c.Side && c.dark[y*c.Side+x+w] {
				w++
			}
			if w > 0 {
				dark(x, y, w)
			}
			x += max(w, 1)
		}
	}
}

// SVG draws it size pixels wide; label is what those hear who do not see it.
func (c Code) SVG(label string, size int) string {
	var path strings.Builder
	c.Runs(func(x, y, w int) { fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x, y, w, w) })
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" role="img" aria-label="%s" shape-rendering="crispEdges"><rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="%s"/></svg>`,
		c.Side, c.Side, size, size, html.EscapeString(label), c.Side, c.Side, path.String())
}
