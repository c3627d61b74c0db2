// Package vaulttest holds what every key seal (TestSeal) and every key book
// (TestBook) must do, a book in memory that counts and fails on demand, and a
// quick vault for the tests of others.
package vaulttest
