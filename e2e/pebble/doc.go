// Package pebble starts Let's Encrypt's ACME test server on loopback, with a name
// server that says 127.0.0.1 for every name, for tests of certificates by ACME.
// Both are built from the versions pinned in tools/go.mod.
//
// It guarantees that what it started ends with the test. It is for tests only.
package pebble
