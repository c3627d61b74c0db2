// Package remote delivers to, and takes from, a directory on somebody else's
// file server. What it knows of the server is a Dir: the packages sftp and ftps
// each make one.
//
// Going out (Sender): a reader of the directory sees a file under its final name
// only when it is whole: it is uploaded under a temporary name in the same
// directory (".labwarden-", ".part"), checked by size and, as configured, by its
// SHA-256 (asked of the server, or read back where it offers no such command),
// and renamed. A file that is there already is never overwritten: with the same
// bytes it is this message, placed by an earlier try; with others the new one
// gets another name ("result-1.hl7"). An upload that broke off is gone on with at
// the next try, after what is there has been read back and compared; or begun
// anew. What was not renamed was not handed over (Unreachable); a connection that
// ends while the rename is under way leaves that open (Unanswered), and the next
// try looks first.
//
// A receipt says Placed and no more: nobody answered. Whether the partner
// fetched the file is seen by its absence from List (see Sender.Names).
//
// Coming in (Watcher): files of HL7 messages are taken oldest first, each message
// presented in turn, and only when all are answered, on disk, is the file deleted,
// moved to done/ or remembered as taken. Killed at any moment the file is
// presented again from its beginning: nothing is lost, and what was stored is known
// again by its control id as long as the source's window has not passed. What is
// not whole or was refused is never deleted: it is moved to failed/, or stays.
//
// It does not guard against a server that lies about its own files, and cannot
// flush a remote directory: a server that loses a renamed file in a power cut loses
// it after the receipt.
package remote
