// Package spool keeps a file that arrives in pieces sealed on disk from its
// first byte: chunks of 64 KiB under a key of its own, readable at any place.
//
// A Writer takes pieces in any order, several at a time and the same place
// twice; it knows which bytes arrived and says Whole only when none is missing.
// Its key is drawn fresh for each file and handed to whoever keeps files only
// wrapped for that keeper's public key (Wrap, Keeper.Unwrap), so that the process
// that takes files in can open none of those it took before.
//
// # Format
//
// Slot i of the file stands at i x SlotSize: a nonce of 12 random bytes, the
// chunk under AES-256-GCM, its tag. Additional data is the file's id and i, so a
// chunk that is changed, moved within the file or taken from another one does
// not open. The last chunk is as long as what is left of the file. After the last
// slot stands a list with a link for each chunk: where the SHA-256 of the file stands
// behind it. The SHA-256 of the list is the Seal, kept elsewhere. A chunk put back to
// what it was earlier, a file cut short or grown do not agree with it, nor does a
// chunk that whoever has the file's key sealed anew, with the same nonce and tag.
//
// # Nonces
//
// A chunk written twice is sealed twice, so nonces are random, not counted. One
// key seals at most 2^28 chunks (a Writer stops before), where two of them meet
// with a chance below 2^-40 (NIST SP 800-38D 8.3 allows 2^32 at 2^-32).
//
// It does not choose where files lie, flush them, or keep keys.
package spool
