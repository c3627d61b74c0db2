// Package frontlink is what the hub and the partner front say to each other: on
// one Unix socket of packets (SOCK_SEQPACKET), in both directions, with sockets
// and files handed over beside the words.
//
// The front faces the internet and is taken to be lost one day: whoever runs
// code in it speaks this language to the hub. So a packet is bounded
// (MaxPacket), what it says is decoded strictly, each call stands alone, at most
// MaxCalls are answered at a time, and what the hub does for a call it does for
// the ticket of one signed-in partner. What each call may do is the business of
// whoever handles it.
//
// It knows no files, keys or partners; it does not retry. When the socket
// breaks, all open calls fail with ErrGone and everything handed over through it
// is its owner's to close.
package frontlink
