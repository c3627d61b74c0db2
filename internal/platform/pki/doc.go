// Package pki makes and checks certificates; it keeps nothing.
//
// Authority is a small authority of one level for a laboratory's first day
// (`labwarden init`), for the pages, the demo, the bench and tests: ECDSA P-256,
// its key is never written anywhere.
//
// Issuer is the laboratory's own authority, as domain/certificates keeps it: an
// offline root (P-384), a hub's intermediate below it, and short-lived leaves
// that speak for one Identity. What stands in a leaf is the issuer's word, never
// the request's; a request only proves its key. Serial numbers are 126 random
// bits, and certificates begin five minutes early, for clocks that differ.
//
// Guarantees: private keys go into new files of mode 0600; a root's file is
// encrypted, and openssl opens it as well. It revokes nothing, renews nothing and
// keeps no list.
package pki
