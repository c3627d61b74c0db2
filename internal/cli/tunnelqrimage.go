package cli

import (
	"image"
	"image/color"
)

// bordered is an image with an empty border.
type bordered struct {
	image.Image
	wide int
}

// Bounds implements image.Image.
func (b bordered) Bounds() image.Rectangle {
	r := b.Image.Bounds()
	return image.Rect(0, 0, r.Dx()+2*b.wide, r.Dy()+2*b.wide)
}

// At implements image.Image.
func (b bordered) At(x, y int) color.Color {
	p := image.Pt(x-b.wide, y-b.wide).Add(b.Image.Bounds().Min)
	if p.In(b.Image.Bounds()) {
		return b.Image.At(p.X, p.Y)
	}
	return b.ColorModel().Convert(color.White)
}
