// Package certificates is the laboratory's own small certificate authority: for
// devices, partners and services, for the hub's own side, and for SSH users. It
// also keeps partners' certificates that a person pinned.
//
// Guarantees
//
//   - The root's key is never here: the hub holds an intermediate that the
//     offline root has signed, its key sealed in the vault.
//   - A certificate is issued for a one-time token (256 bits, kept as a hash,
//     spent in the transaction that records the certificate), or in the place of
//     one that its holder proves to have. What stands in it comes from the token,
//     never from the request.
//   - Only what is on record is believed: Believe refuses a certificate of this
//     authority that was revoked, that is unknown, or whose row was changed by
//     somebody without the key. Revoke acts at once on this node; Follow brings it
//     to the others within half a second. Subscribers are told, so that live
//     connections are cut.
//   - Every change is an event in the ledger, in the transaction that makes it,
//     and every column is bound by a tag or a seal.
//
// It does not listen, does not know channels, and does not decide who may ask: the
// caller checks the permission first. It does not revoke an intermediate: that is
// the root's, and takes a new root. Reasons are words of people and must not
// name a patient. A row put back together with its older tag is not found by the
// tags, but the ledger says what happened to it.
package certificates
