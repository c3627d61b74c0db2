// Package boxes keeps the partners' drop boxes: files that a partner fetches
// (results), sends (inbox), and the receipts of both, whatever the protocol.
//
// Guarantees:
//
//   - A file is there only when it is whole: its content sealed on disk and
//     flushed, its row committed, its hash in the ledger. Put, Commit and Deliver
//     return nil only then. What was not whole at a crash is not there after it.
//   - Content and name are sealed at rest; the ledger has ids, sizes and hashes.
//   - Every question names the partner it is asked for. There is no way to a file
//     of another one.
//   - A name is taken once: nobody writes over a file.
//   - A file of results that was read from its first byte to its last counts as
//     picked up, once.
//
// It does not know protocols, passwords or who is signed in, and it decides on
// no content itself: that is the Gate's.
package boxes
