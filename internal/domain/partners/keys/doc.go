// Package keys holds the public keys that results are encrypted to end to end,
// partner by partner, from the day somebody sends one until it is retired or
// revoked.
//
// Guarantees
//
//   - No key is used before two things have happened: somebody compared its
//     fingerprint with the partner over another way than the one it came by (who,
//     with whom and how is written down, and the half that the partner read out
//     was typed in and fits), and another person than the one who added it took it
//     into use. Two accounts of one hand are one person.
//   - A date stops nothing: neither a key's own end nor the end of an overlap.
//     Where no other key is in force the last one goes on, and InForce says so.
//   - A key that was revoked is never used again, and cannot be added again. Where
//     no key is left InForce is an error: results wait, and are never sent in the
//     clear.
//   - Every column is bound by a tag, and InForce holds every row of the partner
//     against its tag before a key is used: one that somebody wrote into the
//     database stops that partner's encryption, not its secrecy. An older row put
//     back together with its older tag is not found; the ledger says what happened.
//   - Each step is a fact in the ledger.
//
// It does not read or judge key files (package envelope does; app hands the
// reader in), does not encrypt, and asks for no permission: the caller does.
// Reasons and names are words of people for people; they must not name a patient.
package keys
