package keysui

import "strings"

const (
	codeLabel = "QR code of the fingerprint"
	codeWidth = 168 // pixels
)

// scanned is what a QR code says of a key: what OpenPGP programs know, else the
// fingerprint alone.
func scanned(kind, fingerprint string) string {
	if kind == "openpgp" {
		return "OPENPGP4FPR:" + strings.ToUpper(fingerprint)
	}
	return "SHA256:" + strings.ToUpper(fingerprint)
}
