// Package lease lets one node of several do what must be done by one: deliver,
// run jobs, ask witnesses. The holder's name and epoch stand in one row of the
// database, with the time up to which it holds, in the database's own time.
//
// Guarantees
//
//   - The epoch grows by one with each taking, never otherwise.
//   - Whatever is written under the context that Run gives to its work is
//     written only while the epoch is still the one the work began with: the
//     question is asked in the same transaction (store.WithFence). A holder that
//     was stopped and wakes up later writes nothing more.
//   - The work's context ends before another node can take the lease, by the
//     node's own monotonic and wall clock, whichever went further: Live says so
//     without asking the database.
//   - When a holder dies, another takes the lease at most Options.TTL +
//     Options.Try later, given a database that answers. A graceful stop gives it
//     back at once.
//
// It does not stop bytes that are on their way already: what a holder was
// sending when it lost the lease may be sent by the next one again.
//
// SQLite serves one process, which holds the lease from its start to its end.
package lease
