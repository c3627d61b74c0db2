package signin

import (
	"encoding/base32"
	"fmt"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// b32 is how a seed is written (RFC 4648 section 6, without padding).
var b32 = base32.StdEncoding.WithPadding(base32.NoPadding)

// grouped parts a text into groups, to be read and typed.
func grouped(s string, n int, sep string) string {
	var out []string
	for rest := s; rest != ""; rest = rest[min(n, len(rest)):] {
		out = append(out, rest[:min(n, len(rest))])
	}
	return strings.Join(out, sep)
}

// quiet is the empty border that readers need, in modules (ISO/IEC 18004 9.1).
const quiet = 4

// qrSVG draws a QR code: black on white in both themes, as cameras want it. It
// holds no text of its own, so nothing of what it says can break out of it.
func qrSVG(text string) (string, error) {
	code, err := qr.Encode(text, qr.M, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("draw a QR code: %w", err)
	}
	n := code.Bounds().Dx()
	var path strings.Builder
	for y := range n {
		for x := 0; x < n; {
			w := 0
			for x+w < n && code.At(x+w, y) == color.Black {
				w++
			}
			if w > 0 {
				fmt.Fprintf(&path, "M%d %dh%dv1h-%dz", x+quiet, y+quiet, w, w)
			}
			x += max(w, 1)
		}
	}
	side := n + 2*quiet
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="232" height="232" role="img" aria-label="QR code for the authenticator app" shape-rendering="crispEdges"><rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="%s"/></svg>`,
		side, side, side, side, path.String()), nil
}
