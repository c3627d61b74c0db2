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
package folder
