// Package ledger is the append-only Merkle ledger of one Labwarden database:
// an RFC 6962 tree (golang.org/x/mod/sumdb/tlog) whose leaves are events, with
// checkpoints signed as C2SP signed notes.
//
// An event is a compact canonical JSON object of ids, codes and numbers. Its
// bytes are the leaf's data, so that whoever has the event can compute the
// leaf. An event never carries patient data: what it says about a body is a
// salted commitment, which says nothing any more once the salt is erased.
//
// The package is pure: it computes rows (Group) and reads them through the
// Groups interface. Who stores them, in which transaction and under which lock
// is the store's business. Time, keys and randomness are inputs.
//
// Guarantees: Append needs no read. A proof that InclusionProof or
// ConsistencyProof returns has been checked before it is returned. Audit
// recomputes every hash and names the first row and leaf that do not fit.
//
// Not guaranteed: a ledger alone cannot notice that the whole database was put
// back to an earlier day, because that is a valid ledger too. Only a witness
// (package witness) that remembers a later checkpoint can. Group.Node is an
// annotation that no hash covers (package bus binds it by a keyed tag).
package ledger
