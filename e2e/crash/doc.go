// Package crash holds the tests of what must be safe when things break: the hub
// as a real process, killed, starved of disk and database, surrounded by
// partners and senders that misbehave.
//
// What was lost, doubled or overtaken is judged by the lists that the simulated
// LIS and clinics keep themselves (processes of their own, demo.Count), and by
// an audit of the ledger when the hub is stopped. The hub's word counts for
// nothing here.
//
// Tests named TestBar… run with `make bars` (small: fixed seed, few kills) and
// `make soak` (whole: the figures go to docs/operate/soak/crash.md).
package crash
