// Package heartbeat lets a second machine notice that a hub is dead.
//
// A beat is a signed note (C2SP signed-note) under the laboratory's key: that it
// is a beat, the hub's name, a sequence number and the time. It carries nothing
// else. The hub posts one every 30 s; the watcher takes those that are signed by
// the laboratory, newer than the last and at most five minutes from its own
// clock, so that a beat that was recorded cannot stand in for a dead hub.
//
// Guarantees: a watcher that has heard nothing for its patience (90 s unless
// told otherwise) says so, again at intervals until the beat is back, and then
// says that it is back. One that has never heard anything since its start does
// the same. It keeps nothing on disk.
package heartbeat
