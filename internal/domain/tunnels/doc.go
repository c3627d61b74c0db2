// Package tunnels is the book of the laboratory's tunnels: which there are, what
// may pass in each, which keys are in force, and who was invited to join.
//
// Guarantees: a one-time token is stored as a hash, works once and until its end,
// and of two who use it at the same moment one gets in. Private and preshared
// keys are sealed. Every change is a fact in the ledger, in the transaction that
// makes it, and every row is bound against whoever edits the database.
//
// It carries nothing (package channel/tunnel does) and does not know whether a
// tunnel is up; bytes and handshakes are counted since the hub's start, there.
package tunnels
