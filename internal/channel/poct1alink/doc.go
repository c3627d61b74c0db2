// Package poct1alink holds the conversation of POCT1-A (its Device Messaging
// Layer) with a point-of-care device that connected, in the part of the data
// manager: hello and status, results and events, the clock, the end; once through
// or for as long as the device stays.
//
// Guarantees:
//   - an observation or event is acknowledged only after the Receiver returned:
//     what the device was told to forget is durable here;
//   - one that was refused is answered AE with the reason, and what the device
//     sends that we do not know is taken as it is, never dropped;
//   - documents are bounded (poct1a.Limits), each wait has an end, and nothing that
//     comes in makes a conversation panic or answer for another message.
//
// It does not read results. Names and codes are those of public interface
// descriptions (Quidel Sofia, Nova StatStrip, Roche cobas Liat); the clauses of
// POCT01-A2 were not at hand.
package poct1alink
