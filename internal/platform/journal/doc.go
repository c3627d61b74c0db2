// Package journal is an encrypted queue on disk for programs that have no
// database: what Append returned for is flushed, and is read back in order until
// it is acknowledged, whatever happened to power in between.
//
// Guarantees:
//   - Append returns nil only after the record is on disk (fdatasync). Callers
//     that wait at the same time share one flush.
//   - Numbers grow from 1, and a number never names two records. Some are left out
//     after a power cut or an error.
//   - Records are read back in the order of their numbers, each byte for byte as it
//     was appended. One that was changed, moved or taken from another journal is
//     never given; what cannot be read is named with its numbers (Report, ErrDamaged).
//   - After a full disk or a failed flush the records concerned are refused, those
//     before are there, and the next Append begins in a new file.
//   - Nothing of a record stands on disk in the clear, beside its length and time
//     of arrival (file times).
//
// # Format
//
// A segment is a file named by its first number, 16 hexadecimal digits. It begins
// with "LWJ1", 32 random bytes, from which and the journal's key its own key is
// derived (HKDF-SHA-256), its first number, the number that the segments before it
// end with, and a tag over these. Records follow: length of the content (4 bytes),
// content under AES-256-GCM, tag. The nonce is the record's number, the additional
// data its length. A segment is never written to again after it was closed, and a
// start or an error always begins a new one: so no nonce is used twice under one
// key, also after the end of a file was lost.
//
// It does not notice that a whole folder was put back to what it was earlier: the
// hub does, which has seen higher numbers. It does not keep the key.
package journal
