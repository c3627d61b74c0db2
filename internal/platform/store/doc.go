// Package store is the one door to the database: SQLite (one process, the
// embedded default) or PostgreSQL. SQL is written once, in the subset both
// accept, with $n placeholders.
//
// # Writing
//
// All writes of a node pass one writer goroutine. It takes what waits, runs it
// in one transaction and one flush (group commit), and only then lets the
// callers go on: when Do returns nil, the work is on disk. On PostgreSQL every
// node's writer takes one advisory lock as the first statement of its
// transaction, so transactions of all nodes happen one after another exactly
// as on SQLite. That gives up some parallelism and buys what stands in the
// path of results: sequence numbers in commit order, no deadlocks, no reader
// that sees 7 before 6. See docs/develop/decisions/one-writer.md.
//
// A work function may run twice (first in the group, then alone under a
// savepoint when some member of the group failed), must touch nothing but its
// Tx, and has one second.
//
// A connection to PostgreSQL that breaks during a commit leaves nothing open as
// a rule: the server is asked what came of the transaction before anything of it
// is done again. Where it cannot be asked, Do returns ErrUnknown and nothing is
// done again. See docs/develop/decisions/broken-commits.md.
//
// # Several nodes
//
// A context made with WithFence puts what is written under it behind a condition
// that is asked in the same transaction. Hint and Hints carry short words from
// node to node, beside the transactions; they may get lost.
//
// # Reading
//
// DB.Query and DB.QueryRow read the last committed state on connections of
// their own; they never wait for the writer.
package store
