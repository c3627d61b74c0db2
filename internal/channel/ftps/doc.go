// Package ftps carries files over FTP inside TLS: a Server that partners'
// clients bring files to and fetch them from (files server*.go).
//
// Guarantees of the Server:
//   - nothing but AUTH, FEAT, NOOP and QUIT is answered before TLS; what a client
//     sent in the clear behind AUTH is never carried out (CVE-2011-0411);
//   - TLS 1.3, or 1.2 with forward secrecy and AEAD; passive data connections
//     only, each encrypted;
//   - a data connection is believed only when it resumes the TLS session of its
//     own control connection and comes from the same address: each control
//     connection has a ticket key of its own, which ends with it;
//   - files arrive and leave byte for byte, whatever TYPE says;
//   - an upload is committed only after TLS said that it is whole (close_notify):
//     a cut connection never makes a file;
//   - every wait has an end, every count a limit, by connection, address and
//     partner; a panic costs the connection it happened on and nothing else.
//
// It knows of the rest of Labwarden only channel.BoxDoor and what that opens: no
// database, no disk. It judges no content and knows no user; that is the door's
// and the box's business. It writes no file name to its log.
//
// Section numbers of RFC 959, 2228, 2389, 2428, 3659 and 4217 stand in the code
// as they are remembered and were compared with public descriptions; the texts
// themselves were not at hand (unverified).
package ftps
