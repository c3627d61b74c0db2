// Package hl7 reads and writes HL7 v2 messages, versions 2.1 to 2.9, in the
// delimiter encoding (ER7).
//
// It offers three depths, each paying only for what it gives:
//
//   - ReadHeader, ReadKeys, ReadAck and AppendAck work in place on the bytes,
//     for intake and delivery;
//   - Parse indexes a whole message for path access and edits;
//   - Split cuts files into messages; Check, ReportWarnings and Signs read what
//     a message says about itself.
//
// Guarantees: an unedited Message gives back exactly the bytes it was made
// from, and an edit changes only the field it names. No input makes the package
// panic, take more than linear time (sorting out at most MaxKeys identifiers
// excepted) or, beyond the stated limits, more memory. Errors name segment,
// field, line and byte and never hold message content.
//
// The package has no clock, network, log or package state that changes. Its
// functions are safe for concurrent use on different values; a Message is safe
// for concurrent reading while nobody edits it.
package hl7
