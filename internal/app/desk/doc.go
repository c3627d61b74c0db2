// Package desk is what an operator can ask of a laboratory: configuration
// revisions, secrets, keys, a replay of a day, extensions of dates. There is one
// interface and two implementations: the hub itself (internal/app), used by a
// command when nothing runs, and the client of the control socket
// (internal/app/control), used when a hub runs. A command does not care which.
//
// Guarantees: both run the same methods with the same checks; who did it goes
// into the ledger, by what the operating system says of the caller and never by
// what the caller says. Nothing here holds patient data, but Replay's values
// when they are asked for, which is recorded before the first is given out.
package desk
