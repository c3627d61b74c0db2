// Package results takes laboratory results in and delivers each to whom it
// belongs, in order, and can prove it.
//
// Guarantees
//
//   - A positive acknowledgement is given only after the message, its
//     deliveries and its ledger event are on disk in one transaction.
//   - The same message presented again within the source's window is answered
//     the same and stored once. The same control id with another body is an
//     error, kept in quarantine.
//   - Per partner, messages that share a patient, an order, a specimen or an
//     accession leave in the order in which they were taken; one of them that
//     waits, is held or needs a person stops only these.
//   - A delivery is made at least once and marked once. Bytes go out as they
//     came in unless the route names a transformation.
//   - Bodies are compressed, then sealed; no patient data stands in a log line,
//     an error, an event or a column in the clear.
//
// It does not interpret results: critical is what the LIS flagged so.
package results
