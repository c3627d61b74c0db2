// Package boxes tries the partners' boxes end to end: the hub and the partner
// front as they are built, in processes of their own, and the clients that
// partners have: OpenSSH's sftp and scp, curl, lftp, and a client of ours that
// does what those do not. It kills, floods and lies.
package boxes
