// Package enrolment is the other side of the laboratory's own authority: a
// device, partner or service fetches its certificate with a one-time token and
// renews it by itself. It needs no hub on its machine.
//
// Guarantees: the private key is made here and never leaves; the hub is believed
// by the root that the token names, and only as the hub; key and certificates
// stand in one file of mode 0600, which is replaced whole, so that no crash
// leaves one without the other. A clock that is off is said to be.
//
// It does not tell other programs that the file is new: those that read it at
// each handshake need nothing, others have to be told by who runs them.
package enrolment
