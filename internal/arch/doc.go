// Package arch keeps the layers apart: table.go says which part of the tree may
// import which, and which third-party modules enter where; the tests hold the
// whole tree to it with `go list` and by reading the sources.
//
// Judged are the imports of files that are not tests. A test may import what it
// needs to stand its package up.
//
// The package also lists the clauses that code cites, each with the code and a
// test of it: clauses.go finds them, reach.go the tests, clausepage.go writes
// docs/comply/index.md.
package arch

//go:generate go run ./gen
