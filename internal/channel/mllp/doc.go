// Package mllp carries HL7 v2 messages over TCP in the Minimal Lower Layer
// Protocol, release 1: a Server that receives and a Sender that delivers, both
// over TLS 1.3 with certificates on both sides unless a channel.Exception says
// otherwise.
//
// Guarantees of the Server:
//   - the body handed to the Handler is what stood between start block and end
//     block, byte for byte; the reply goes out only after the Handler returned;
//   - replies come in the order of the messages, pipelined ones included;
//   - one peer cannot make another wait: each connection has its own goroutine
//     and its own 64 KiB, memory for larger messages is bounded in all and per
//     peer, and every wait has an end;
//   - a panic costs the connection it happened on and nothing else.
//
// Guarantees of the Sender:
//   - a Receipt is only given for a reply whose MSA-2 names the message sent;
//   - after anything unclear the connection is closed, so that a late reply is
//     never taken for the answer to another message;
//   - an error's class says whether the partner may have the message.
//
// Section numbers are those of "Transport Specification: MLLP, Release 1" (HL7,
// 2003). The bytes of its block format were checked against public descriptions,
// its section numbers could not be (unverified).
//
// It does not parse messages beyond what framing and replies need, and it
// remembers nothing across a restart: duplicates are the business of intake.
package mllp
