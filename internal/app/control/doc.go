// Package control is how a person talks to a running hub from the same
// machine: HTTP with JSON over a Unix socket.
//
// Guarantees: only the hub's own user and root are answered, by what the kernel
// says of the caller, and that user's name goes into the ledger with every act.
// A body is only given out after the look at it was recorded. Everything waits
// for a bounded time and takes bounded memory. Errors say what kind they are;
// what is not known to be harmless is hidden behind a reference to the log.
//
// It does not listen on a network and knows no passwords or roles.
package control
