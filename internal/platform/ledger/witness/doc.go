// Package witness gets a ledger's checkpoints remembered outside the database,
// so that a database put back to an earlier day, or rewritten, is noticed.
//
// HTTP speaks to any c2sp.org/tlog-witness; Server is such a witness, to run on
// a second host; Folder keeps checkpoints in a folder that the database's
// backup and restore do not touch (a removable or network folder). CheckStart
// compares the ledger with what witnesses remember before the hub opens.
//
// A witness never takes back what it has remembered: a smaller tree, another
// root for the same size, or growth without a valid proof are refused, and its
// record is on disk before it answers. It remembers sizes and hashes, never an
// event. A witness whose folder is lost has forgotten; it must get a new key,
// or it could be led to vouch for an older tree.
package witness
