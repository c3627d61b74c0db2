// Package bench is the record that a shield makes of what a device said, signed
// at the bench: who said it, when, over which protocol, and the bytes as they came.
//
// Guarantees:
//   - Verify says yes only to the very bytes and words that Sign was given, under
//     the shield's own key; a changed, shortened, moved or renamed record fails;
//   - the words are kept as they were signed: nothing is written anew on the way
//     to the proof.
//
// It does not keep keys (a crypto.Signer does: TPM, or sealed on disk), and says
// nothing of whether what the device measured is right.
//
// # Format
//
// A record is the length of its words (4 bytes, big endian), the words (JSON, one
// object), the length of the signature (2 bytes), the signature, and the body.
// What is signed is SHA-256 of "labwarden bench record v1", a zero byte, SHA-256 of
// the words and SHA-256 of the body, with ECDSA on P-256 (ASN.1) or Ed25519.
package bench
