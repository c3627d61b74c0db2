// Package sftp carries files over SSH, both ways round.
//
// Server is the SSH side of a partner's door: it runs in the hub, proves the
// hub, has a Door decide who comes in, and lets a session do one thing, the
// subsystem "sftp": no shell, no command, no forwarding, no environment. The
// stream of that subsystem is handed on; ServeFiles reads it, in the front, and
// knows only a channel.Box. See docs/develop/decisions/ssh-ends-in-the-hub.md.
// What a client reads the front does not see: it says which piece of which open
// file stands where in the stream, and Carrier, in the hub, puts it in. See
// docs/develop/decisions/pieces-by-the-hub.md.
//
// Algorithms are listed by hand in algorithms.go.
package sftp
