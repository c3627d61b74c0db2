// Package shieldlink is what a shield and its hub say to each other, on a
// connection that both have proved themselves on (mutual TLS or a tunnel).
//
// Guarantees:
//   - the shield is told that a record arrived only after the hub's Take returned,
//     and forgets it only then; after a break it sends again from there, and the hub
//     knows what it has by the numbers;
//   - records arrive in the order of their numbers;
//   - orders and settings reach the shield in the order they were given, and what
//     became of an order is told back;
//   - packets are bounded, before the shield is known to 64 KiB; each side notices
//     within 35 seconds that the other is gone; nothing that comes in panics.
//
// It does not look into records, keep anything, or decide who may connect.
package shieldlink
