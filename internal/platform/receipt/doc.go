// Package receipt makes and checks signed receipts: one small JSON file beside
// each file or message that was handed over, on every protocol, that says what
// it was (SHA-256, size, name), from whom, to whom, when, how, and what the
// other side's system answered, signed by the laboratory.
//
// The format is documented in docs/comply/receipt-format.md: besides `labwarden
// verify FILE FILE.receipt.json --key lab.pub`, openssl and jq check it too
// (TestOpenSSLAgrees).
//
// Guarantees: Make signs nothing that Parse would refuse. Verify needs no
// network, no clock and no database, never panics, and reads at most Max bytes
// of receipt. A receipt that differs in one byte of its statement never
// verifies. There is one way to write a receipt.
//
// Not shown by a receipt: that the entry stands in the ledger (it may name the
// place; a proof file shows it), that a result reached the patient's chart, or
// that somebody read it. Where a file was encrypted to the partner's key, the
// receipt is about the encrypted bytes: a fingerprint of the text itself would
// let who guesses the text confirm the guess.
package receipt
