// Package qr draws QR codes: for authenticator apps, fingerprints and addresses.
//
// Guarantees: the quiet border that readers need is part of a code; what is drawn is
// black on white in both themes, as cameras want it, and holds no text of its own but
// the label, escaped, so that nothing of what a code says can break out of it.
//
// It does not judge what a code says: a secret in one is a secret on the page.
package qr
