// Package fronthub is the hub's side of the partner front: it answers what the
// front asks (channel/frontlink), for one signed-in partner at a time.
//
// The front is taken to be hostile. So: nobody is signed in because the front
// says so; a ticket is 128 random bits, stands for one partner, and ends with the
// connection it was given for; what a call may touch is found by the ticket's
// partner, never by a name in the call; open files belong to their ticket; the
// number of tickets, files and connections is bounded.
package fronthub
