package signin

import (
	"encoding/base32"
	"strings"

	"github.com/labwarden/labwarden/internal/platform/qr"
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

// qrSVG draws what an authenticator app is to take.
func qrSVG(text string) (string, error) {
	code, err := qr.Of(text)
	if err != nil {
		return "", err
	}
	return code.SVG("QR code for the authenticator app", 232), nil
}
