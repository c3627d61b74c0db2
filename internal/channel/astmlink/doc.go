// Package astmlink speaks the link layer of ASTM E1381 (CLSI LIS01-A2) over a
// serial line or a TCP connection: it establishes the link, carries frames and
// ends it, in either direction, with the standard's timers, resends, contention
// and interrupts.
//
// Guarantees:
//   - a frame is acknowledged only after the Session returned from Frame: what
//     the other side was told to forget is durable here;
//   - a frame that comes again because our acknowledgement was lost is
//     acknowledged again and given to the Session once;
//   - Send returns nil only when the other side acknowledged every frame;
//   - nothing that comes in makes a Line hang, grow beyond one frame of
//     astm.MaxText bytes, or panic; it waits for no more than the timers say.
//
// A sender that gives up says EOT as one that is done does (6.5.2.2): whether a
// message is whole its terminator record says, not the end of its session.
//
// It does not look into records, and it remembers nothing across a restart: an
// unfinished session is told to its Session, which decides what is worth keeping.
//
// Clause numbers are those of E1381-02.
package astmlink
