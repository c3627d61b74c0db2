// Package mail hands short messages of this program to a mail server.
//
// Guarantees: nothing, the user's name and password included, leaves before the
// connection is encrypted and the server has shown a certificate for its name.
// A server that offers no STARTTLS is refused. A message that was given out
// again carries the same Message-ID, so that mail programs show it once. No
// message names a patient; there is no way to attach anything.
package mail
