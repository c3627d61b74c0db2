// Package envelope encrypts bodies end to end to a partner's key, on top of any
// transport that carries files: age (X25519 or the post-quantum hybrid),
// OpenPGP, or CMS. Only the holder of the partner's private key can read what
// the transport and every machine on the way saw.
//
// Passwords are not among the ways: a recipient is always a public key. What the
// partner's key says about its own end is reported by NotAfter and does not stop
// anything; a revoked key is refused.
//
// Encryption is randomised: the same body twice gives different bytes. A
// transport that recognises a repeat by its bytes must recognise it by name or
// identifier instead (folder.Config.SameName).
package envelope
