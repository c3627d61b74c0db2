// Package channel holds the leaf types that every transport shares: what is
// carried (Message), what comes back (Receipt), who is at the other end (Peer),
// who takes what arrives (Handler) and how a failure is to be read (Error).
//
// It imports nothing of ours, so that a transport, a domain and a node can
// speak of the same things without knowing each other.
package channel
