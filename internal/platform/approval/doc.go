// Package approval lets an act wait for a second person. Who wants it asks with
// the SHA-256 of exactly what shall be done; another person approves that hash;
// whoever then does it spends the approval in the transaction of the act.
//
// Guarantees
//
//   - Author and approver are two people: neither the same person under two
//     sign-in names, nor the same sign-in name. Whoever else had a hand in it
//     (Ask.Barred) cannot approve either.
//   - What is approved is what was seen: Approve names the hash, and Use is
//     refused for any other. An edit voids (Void); so does a newer request for
//     the same object.
//   - Of any number of people who decide at one moment exactly one does; the
//     others get ErrDecided. An approval is spent once.
//   - An approval ends: past its expiry it can neither be given nor used, also
//     before the job that writes this down has run.
//   - Each step is an event in the ledger, in the transaction that does it, and
//     every column is bound by a tag against whoever edits the database.
//
// It does not ask whether somebody may approve: the caller checks the permission
// first. Reasons are words of people for people; they must not name a patient.
// A row put back together with its older tag is not found by the audit, but the
// ledger says what happened to it.
package approval
