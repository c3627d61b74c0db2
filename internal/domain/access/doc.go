// Package access keeps the people of a laboratory, what they may do and the
// sessions in which they do it: people and their roles, the laboratory
// director's delegations, one-time links, sessions, shared benches, break-glass,
// service accounts and their tokens. Identify makes of a request the subject
// that everything else asks.
//
// Guarantees: nobody changes their own roles. The last administrator who can
// sign in keeps the role. There is no default password: the first administrator
// comes in by a link that the console prints, and only while there is none. A
// link, token or cookie is 256 random bits; what is stored is its SHA-256. A
// link works once, however often it is used at the same moment. Who leaves,
// whose role is taken or whose session is ended is out on every node within one
// second. A row that was changed behind the program's back gives nobody access.
// What the director
// delegated to somebody works through the role they had then, and is over for
// good when that role or the person ends.
// Each change is a fact in the ledger, written with it. Nobody alone makes a way
// into an account that holds a role of weight, nor gives such a role to whom they
// let in anew; and whoever brought somebody in is not the other of two people with
// them (OneHand) until somebody else has confirmed them. A program reads patient data,
// or brings people in, only by a token or key that an officer who made none of it said
// yes to.
//
// It does not prove who somebody is (passkeys, passwords and codes are in
// package signin) and sends no mail.
//
// When a session was last seen (access_seen) and the count of changes
// (access_epoch) are written too often to be bound by tags; the migration says
// why nothing hangs on them.
package access
