package keysui

import (
	"strings"

	"github.com/labwarden/labwarden/internal/platform/qr"
)

// qrSVG draws a fingerprint as a QR code.
func qrSVG(text string) (string, error) {
	code, err := qr.Of(text)
	if err != nil {
		return "", err
	}
	return code.SVG("QR code of the fingerprint", 168), nil
}

// scanned is what a QR code says of a key: what OpenPGP programs know, else the
// fingerprint alone.
func scanned(kind, fingerprint string) string {
	if kind == "openpgp" {
		return "OPENPGP4FPR:" + strings.ToUpper(fingerprint)
	}
	return "SHA256:" + strings.ToUpper(fingerprint)
}
