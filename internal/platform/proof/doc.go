// Package proof makes and checks proof files: one text file that shows, with
// nothing but the laboratory's public key, that this message was received and
// sent, to whom, and what the partner's system answered.
//
// The format is documented in docs/comply/proof-format.md, and a second
// verifier in another language stands beside it; both must agree
// (TestNodeVerifierAgrees).
//
// Guarantees: Build signs nothing that does not hold. Verify needs no network,
// no clock and no database, never panics, reads at most MaxProof bytes of
// proof, and says of each statement whether it holds, fails or is not known. A
// file that differs in one byte from the one that was signed never verifies.
//
// Not shown by any proof: that a result reached the patient's chart, or that
// somebody read it. The sentences say no more than the evidence.
package proof
