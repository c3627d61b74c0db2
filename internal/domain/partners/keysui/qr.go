package keysui

import (
	"fmt"
	"image/color"
	"strings"

	"github.com/boombuler/barcode/qr"
)

// quiet is the empty border that readers need, in modules (ISO/IEC 18004 9.1).
const quiet = 4

// qrSVG draws a fingerprint as a QR code, black on white in both themes. It holds
// no text of its own, so nothing of what it says can break out of it.
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
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="168" height="168" role="img" aria-label="QR code of the fingerprint" shape-rendering="crispEdges"><rect width="%d" height="%d" fill="#fff"/><path fill="#000" d="%s"/></svg>`,
		side, side, side, side, path.String()), nil
}

// scanned is what a QR code says of a key: what OpenPGP programs know, else the
// fingerprint alone.
func scanned(kind, fingerprint string) string {
	if kind == "openpgp" {
		return "OPENPGP4FPR:" + strings.ToUpper(fingerprint)
	}
	return "SHA256:" + strings.ToUpper(fingerprint)
}
