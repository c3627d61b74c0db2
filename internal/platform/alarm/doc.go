// Package alarm brings what is wrong to a person. Rooms that notice something
// raise an alarm about a partner, a source or a certificate; the desk keeps it,
// tells the on-call list one person after the other until someone accepts, and
// tells them when it is over.
//
// Guarantees: the same condition again is the same alarm, with a count, not a
// new one. What comes and goes is damped: an alarm is over only when it has been
// quiet for a while, and one that returns soon is the same again. Raise and Over
// never block and never fail: an alarm that the store does not take (that may be
// what it is about) is told all the same, and stored when the store takes writes
// again. Every change is a fact in the ledger. A notice is a row of its own
// until a way has taken it, so a crash loses none; it may then go out twice, with
// the same identifier. An acceptance ends by itself after Plan.AcceptedFor, so
// that nothing is accepted and forgotten.
//
// It does not decide what is wrong, and does not know how mail or a gateway
// work (see Sender). An alarm never names a patient: About is a name from the
// configuration, and the sentences are written by this program.
package alarm
