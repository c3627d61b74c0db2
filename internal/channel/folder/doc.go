// Package folder delivers by placing files in a directory: a local one, or a
// share that the machine has mounted.
//
// A reader of the directory sees a file under its final name only when it is
// whole and on disk: it is written under a temporary name in the same directory
// (a dot, "labwarden-", ".part"), flushed, renamed, and the directory flushed.
// A file that is there already is never overwritten: with the same bytes it is
// this message, placed by an earlier try; with other bytes the new one gets
// another name ("result-1.hl7").
//
// Nothing leaves the directory: names with separators are refused, and symbolic
// links are neither followed out of it nor replaced. One process writes into a
// directory at a time; two that did could at worst replace each other's file of
// the same name.
//
// A receipt says Placed and no more: nobody answered.
//
// It also takes: a Watcher reads files of one or many HL7 messages (or of FHS
// and BHS batches) from a directory, oldest first, and presents each message
// in turn. Only when all of them are answered, on disk, is the file moved to
// done/, or to failed/ if one was refused, with the acknowledgements beside it
// as NAME.ack. Killed at any moment the file is presented again from its
// beginning: nothing is lost, and what was stored is known again by its control
// id as long as the source's window has not passed. A file that is written or
// replaced while it is taken stays and is taken anew, or is put back, beside its
// successor as NAME.again-1. A file that is not whole (a
// batch without its trailer, another count than it says) goes to failed/ and
// nothing of it is taken. While a message cannot be stored nothing overtakes it.
package folder
