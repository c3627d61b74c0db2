// Package pki is a small certificate authority: for a laboratory's first day
// (`labwarden init`), for the demo, the bench and tests.
//
// Guarantees: ECDSA P-256, one level, one root per Authority whose key is never
// written anywhere; every certificate ends with the authority's life; private
// keys go into new files of mode 0600.
//
// It revokes nothing, renews nothing and keeps no list: a laboratory with an
// authority of its own uses that.
package pki
