// Package front is the partner front: the program that faces the internet for
// the hub. It takes connections and counts them, reads SFTP, FTP and HTTP, and
// asks the hub for everything else over a Unix socket (channel/frontlink).
//
// It holds no database, no host or TLS key, no key that opens a stored file, and
// no folder it could read or write (Landlock forbids it where the kernel can).
// Whoever runs code in it sees what passes while partners are connected (of SFTP
// only what they send: what they fetch the hub puts into their stream), and can
// ask the hub for the boxes of those partners alone, for as long as they stay.
//
// An SSH connection it hands to the hub as it comes; the hub proves itself,
// checks the partner's signature, and hands the session's SFTP stream back. A
// large file is sealed chunk by chunk for the hub as it arrives, into a file that
// the hub opened; the key goes to the hub wrapped for it, and is forgotten here.
package front
