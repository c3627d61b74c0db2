// Package fhirhttp sends a FHIR R4 transaction bundle over HTTPS.
//
// Guarantees:
//   - HTTPS only, TLS as channel.TLS has it (1.3 without an exception); no redirect is
//     followed, no cookie kept, no proxy taken from the environment.
//   - A Receipt (level Accepted) only when the server answered 2xx with a
//     transaction-response in which every entry's status is 2xx, one for each
//     entry that was sent.
//   - Each wait has an end (connect, headers, whole request), each answer a size.
//   - Errors hold HTTP and OperationOutcome codes, never text of the answer or of
//     the bundle; the answer itself is in channel.Error.Reply, to be kept sealed.
//
// The body is sent byte for byte; that a repeat is not a second result is the
// bundle's doing (conditional create and update, see internal/convert/hl7fhir).
//
// Authorization is mutual TLS, or OAuth 2 client credentials with a signed JWT
// (RFC 7523, "private_key_jwt" as SMART Backend Services 2.0 profiles it: RS384
// or ES384, token cached until shortly before it expires, fetched once anew when
// the server answers 401).
package fhirhttp
